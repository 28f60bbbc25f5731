//! A round: load, a fault in the midst of it, and afterwards the question whether everything is right.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result, anyhow, bail};
use testcontainers_suite::{history::Interval, proxy::Proxy, world::Service};
use tokio::time::Instant;

use crate::{
    aftermath::{self, Before},
    contract::{Contract, Mended, Proof},
    load::{
        crew::Crew,
        observer::Reads,
        record::{Record, Seen},
    },
    report::{self, Line},
    stage::{Stage, sessions::Count},
};

/// The load runs so long before anything goes wrong.
const WARM_UP: Duration = Duration::from_secs(2);
/// Hot lots last so much longer than the fault.
const AFTERWARDS: Duration = Duration::from_secs(4);
/// Of many findings the first ones tell enough.
const SHOWN: usize = 12;

/// A fault in the midst of a load.
pub struct Round<'a> {
    what: &'a str,
    lasts: Duration,
    contract: Contract,
}

impl<'a> Round<'a> {
    /// With a fault that lasts about so long, and has to keep to a contract.
    pub const fn of(what: &'a str, lasts: Duration, contract: Contract) -> Self {
        Self { what, lasts, contract }
    }

    /// Has `fault` do its worst to a marketplace under load; it tells when that was, and what shows it. Fails when anything
    /// is not as it has to be.
    pub async fn run(self, stage: &mut Stage, fault: impl AsyncFnOnce(&mut Stage) -> Result<Mended>) -> Result<()> {
        let before = Before::of(stage).await?;
        if self.contract.again {
            stage.forgets_events(Service::Settlement);
        }
        let lasts = WARM_UP + self.lasts + AFTERWARDS;
        let mut crew = Crew::begin(stage, lasts, self.contract.again).await.context("before the fault")?;
        let crowd = Arc::clone(&crew.crowd);
        let record = &crowd.record;
        let sessions = Count::begin(stage.witness());
        tokio::time::sleep(WARM_UP).await;
        let begun = Instant::now();
        let outcome = fault(&mut *stage).await;
        let over = Instant::now();
        if outcome.is_err() {
            // So that nobody waits for what is not going to be.
            stage.all_links().for_each(Proxy::heal);
        }
        let converged = match &outcome {
            Ok(mended) => crew.rests_until_all_agree(stage, mended.gone).await,
            Err(_) => Err(anyhow!("the fault itself failed")),
        };
        let ended = crew.ends(stage, self.contract.serves.contains(&Service::Bidding)).await;

        let since = outcome.as_ref().map_or(begun, |mended| mended.since);
        let (from, to) = (record.at(since), record.at(over));
        let seen = record.seen(from, to);
        let all_ended = ended.is_ok();
        let told = [outcome.as_ref().err(), converged.as_ref().err(), ended.as_ref().err()];
        for fault in told.into_iter().flatten() {
            record.finding(format!("{fault:#}"));
        }
        let ended = ended.unwrap_or_default();
        let reads = Reads::between(&ended.reads, from, to);
        let converged = converged.ok();
        self.judge(&seen, converged, record);
        self.judge_the_unhurt(Interval { began: from, ended: to }, lasts, record);
        if all_ended {
            self.judge_the_books(&Reads::all(&ended.reads), &reads, record);
        }
        if self.contract.sells && record.sales_within(from, to) == 0 {
            record.finding("no sale began and ended while it was wrong".to_owned());
        }
        aftermath::find(stage, &before, &self.contract, record, all_ended).await;
        let proof = match outcome.map(|mended| mended.proof) {
            Ok(Proof::Seen(seen)) => seen,
            Ok(Proof::Felt) if seen.busy + seen.lost > 0 => "users felt it".to_owned(),
            Ok(Proof::Felt) => {
                record.finding("nobody felt anything: nothing was wrong".to_owned());
                "nobody felt it".to_owned()
            }
            Err(_) => "it failed".to_owned(),
        };
        let sessions = sessions.most().unwrap_or_else(|fault| {
            record.finding(format!("{fault:#}"));
            0
        });
        let findings = record.findings();
        report::print(Line {
            what: self.what.to_owned(),
            lasted: over - since,
            proof,
            seen,
            reads,
            converged,
            agrees_within: self.contract.agrees_within,
            bids: ended.bids,
            sales: ended.sales,
            sessions,
            findings: findings.len(),
        });
        if !findings.is_empty() {
            let shown: Vec<_> = findings.iter().take(SHOWN).map(String::as_str).collect();
            bail!("{} findings:\n- {}", findings.len(), shown.join("\n- "));
        }
        Ok(())
    }

    /// Whether the contract was kept by what users saw, and by how soon all agreed.
    fn judge(&self, seen: &Seen, converged: Option<Duration>, record: &Record) {
        let Contract { serves, agrees_within, smooth, .. } = self.contract;
        if let Some(slow) = converged.filter(|time| *time > agrees_within) {
            record.finding(format!("the services agreed after {slow:?}, and have to within {agrees_within:?}"));
        }
        if seen.unanswered > 0 {
            record.finding(format!("{} requests were never answered", seen.unanswered));
        }
        if smooth && seen.lost > 0 {
            record.finding(format!("{} requests failed", seen.lost));
        }
        for service in serves.iter().filter(|service| !seen.served.contains_key(*service)) {
            record.finding(format!("{service} served nobody all the while, and had to"));
        }
    }

    /// Whether users of services that are not hurt felt anything. Nobody is given time to get used to the fault: what it does
    /// not touch has nothing to notice. Visitors ask listing and settlement to the end of it and longer; bidding is asked
    /// until the hot lots are over, which end so long after the record has begun, or a little later.
    fn judge_the_unhurt(&self, fault: Interval, lots_last: Duration, record: &Record) {
        for service in self.contract.unhurt {
            let asked_until = if *service == Service::Bidding { lots_last } else { fault.ended };
            for outage in record.outages(*service, fault, asked_until) {
                record.finding(format!("nothing was wrong with {service}: {outage}"));
            }
        }
    }

    /// The books can be read at some time at least, and all the while where settlement serves.
    fn judge_the_books(&self, all: &Reads, meanwhile: &Reads, record: &Record) {
        if all.shown == 0 {
            record.finding("the books were never read".to_owned());
        }
        if meanwhile.shown == 0 && self.contract.serves.contains(&Service::Settlement) {
            record.finding("the books were not read all the while, and settlement served".to_owned());
        }
    }
}
