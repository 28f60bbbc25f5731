//! A round: load, a fault in the midst of it, and afterwards the question whether everything is right.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anyhow::{Context, Result, anyhow, bail, ensure};
use testcontainers_suite::history::{Entry, Event, History};
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Instant, timeout},
};

use crate::{
    load::{
        Gate, bidders,
        client::Crowd,
        observer::{self, Read, Reads},
        record::{Record, Seen},
        sales, watcher,
    },
    report::{self, Line},
    stage::Stage,
};

/// Requirement P3: what one service does, the others know within this time.
const CONVERGES_WITHIN: Duration = Duration::from_secs(5);
/// The load runs so long before anything goes wrong.
const WARM_UP: Duration = Duration::from_secs(2);
/// Hot lots last so much longer than the fault.
const AFTERWARDS: Duration = Duration::from_secs(4);
const HOT_LOTS: usize = 2;
const BIDDERS_OF_EACH: usize = 6;
const SELLERS: usize = 4;
/// Calls under way when the fault ended are answered within this time: a service answers everything in ten seconds.
const ANSWERED_WITHIN: Duration = Duration::from_secs(30);
/// Everything has ended within this time after the last fault.
const ENDS_WITHIN: Duration = Duration::from_secs(150);
/// Of many findings the first ones tell enough.
const SHOWN: usize = 12;

/// Everybody who does something.
struct Load {
    crowd: Arc<Crowd>,
    stop_sales: watch::Sender<bool>,
    stop_observer: watch::Sender<bool>,
    lots: Vec<String>,
    bidders: Vec<JoinHandle<Result<()>>>,
    watchers: BTreeMap<String, JoinHandle<Result<Vec<Entry>>>>,
    sellers: Vec<JoinHandle<Result<usize>>>,
    observer: JoinHandle<Result<Vec<Read>>>,
}

/// What there was when all had ended.
#[derive(Debug, Default)]
struct Ended {
    /// Bids on hot lots.
    bids: usize,
    /// Sales that were paid out.
    sales: usize,
    /// Reads of the books.
    reads: Vec<Read>,
}

/// A fault in the midst of a load.
pub struct Round<'a> {
    what: &'a str,
    lasts: Duration,
    letters: i64,
    smooth: bool,
    again: bool,
}

impl<'a> Round<'a> {
    /// With a fault that lasts about so long.
    pub const fn of(what: &'a str, lasts: Duration) -> Self {
        Self { what, lasts, letters: 0, smooth: false, again: false }
    }

    /// So many messages become dead letters; none otherwise.
    pub const fn burying(self, letters: i64) -> Self {
        Self { letters, ..self }
    }

    /// No request fails, but for an answer to come again.
    pub const fn smoothly(self) -> Self {
        Self { smooth: true, ..self }
    }

    /// Settlement forgets what it has done since some moment. People do again what it asks of them, and it counts its
    /// events on from a higher number, so that the others hear of them: what they miss then was never told.
    pub const fn doing_again(self) -> Self {
        Self { again: true, ..self }
    }

    /// Has `fault` do its worst to a marketplace under load; it tells when all was mended. Fails when anything is not as
    /// it has to be.
    pub async fn run(self, stage: &mut Stage, fault: impl AsyncFnOnce(&mut Stage) -> Result<Instant>) -> Result<()> {
        let letters = stage.witness().dead_letters().await?;
        let missed = stage.missed().await?;
        let mut load = Load::begin(stage, self.lasts, self.again).await.context("before the fault")?;
        tokio::time::sleep(WARM_UP).await;
        let (from, begun) = (load.crowd.record.now(), Instant::now());
        let outcome = fault(&mut *stage).await;
        let lasted = begun.elapsed();
        let to = load.crowd.record.now();
        let converged = match &outcome {
            Ok(healed) => load.rests_until_all_agree(stage, *healed).await,
            Err(_) => Err(anyhow!("the fault itself failed")),
        };
        let ended = load.ends(stage).await;

        let record = &load.crowd.record;
        let told = [outcome.as_ref().err(), converged.as_ref().err(), ended.as_ref().err()];
        for fault in told.into_iter().flatten() {
            record.finding(format!("{fault:#}"));
        }
        // Streams, too; whoever reads one comes again without a word.
        if let Err(fault) = stage.world.answers.all_fit() {
            record.finding(format!("{fault:#}"));
        }
        let seen = record.seen(from, to);
        self.judge(&seen, converged.as_ref().ok().copied(), record);
        match stage.missed().await {
            Ok(now) if now > missed && !self.again => {
                record.finding(format!("consumers missed events {} times", now - missed));
            }
            Ok(_) => {}
            Err(fault) => record.finding(format!("{fault:#}")),
        }
        match stage.witness().dead_letters().await.map(|now| now - letters) {
            Ok(letters) if letters == self.letters => {}
            Ok(letters) => record.finding(format!("{letters} dead letters, and {} were expected", self.letters)),
            Err(fault) => record.finding(format!("{fault:#}")),
        }
        let Ended { bids, sales, reads } = ended.unwrap_or_default();
        let findings = record.findings();
        report::print(Line {
            what: self.what.to_owned(),
            lasted,
            seen,
            reads: Reads::between(&reads, from, to),
            converged: converged.ok(),
            bids,
            sales,
            findings: findings.len(),
        });
        if !findings.is_empty() {
            let shown: Vec<_> = findings.iter().take(SHOWN).map(String::as_str).collect();
            bail!("{} findings:\n- {}", findings.len(), shown.join("\n- "));
        }
        Ok(())
    }

    fn judge(&self, seen: &Seen, converged: Option<Duration>, record: &Record) {
        if let Some(slow) = converged.filter(|time| *time > CONVERGES_WITHIN) {
            record.finding(format!("the services agreed after {slow:?}, and have to within {CONVERGES_WITHIN:?}"));
        }
        if seen.unanswered > 0 {
            record.finding(format!("{} requests were never answered", seen.unanswered));
        }
        if self.smooth && seen.lost > 0 {
            record.finding(format!("{} requests failed", seen.lost));
        }
    }
}

impl Load {
    async fn begin(stage: &Stage, lasts: Duration, again: bool) -> Result<Self> {
        let crowd = Arc::new(Crowd { world: Arc::clone(&stage.world), gate: Gate::new(), record: Record::new() });
        let mut lots = Vec::new();
        for _ in 0..HOT_LOTS {
            lots.push(bidders::opens_lot(&crowd, WARM_UP + lasts + AFTERWARDS).await?);
        }
        let stop_sales = watch::Sender::new(false);
        let stop_observer = watch::Sender::new(false);
        let bidders = lots.iter().flat_map(|lot| std::iter::repeat_n(lot, BIDDERS_OF_EACH));
        let bidders = bidders.map(|lot| tokio::spawn(bidders::bids(Arc::clone(&crowd), lot.clone()))).collect();
        let watchers =
            lots.iter().map(|lot| (lot.clone(), tokio::spawn(watcher::watches(Arc::clone(&crowd), lot.clone()))));
        let watchers = watchers.collect();
        let seller = |_| {
            let (crowd, stop) = (Arc::clone(&crowd), stop_sales.subscribe());
            if again { tokio::spawn(sales::sells_again(crowd, stop)) } else { tokio::spawn(sales::sells(crowd, stop)) }
        };
        let sellers = (0..SELLERS).map(seller).collect();
        let observer = tokio::spawn(observer::observes(Arc::clone(&crowd), stop_observer.subscribe()));
        Ok(Self { crowd, stop_sales, stop_observer, lots, bidders, watchers, sellers, observer })
    }

    /// Lets what is under way be answered, and waits until the services agree.
    async fn rests_until_all_agree(&self, stage: &Stage, healed: Instant) -> Result<Duration> {
        let gate = &self.crowd.gate;
        gate.close();
        let answered = timeout(ANSWERED_WITHIN, async {
            while gate.inside() > 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
        let agreed = match answered.await {
            Ok(()) => stage.witness().agreement(&stage.world, &self.lots, healed).await,
            Err(_) => Err(anyhow!("{} calls are not answered {ANSWERED_WITHIN:?} later", gate.inside())),
        };
        gate.open();
        agreed
    }

    /// Waits for the ends of all lots and sales, and checks everything.
    async fn ends(&mut self, stage: &Stage) -> Result<Ended> {
        self.stop_sales.send_replace(true);
        let Self { crowd, bidders, watchers, sellers, .. } = self;
        let all = async {
            let (mut bids, mut sales) = (0, 0);
            for seller in sellers {
                sales += seller.await??;
            }
            for bidder in bidders {
                bidder.await??;
            }
            for (lot, watcher) in watchers {
                let log = watcher.await??;
                bids += log.iter().filter(|entry| matches!(entry.event, Event::Bid(_))).count();
                check(crowd, lot, log).await?;
            }
            anyhow::Ok((bids, sales))
        };
        let (bids, sales) = timeout(ENDS_WITHIN, all).await.context("lots or sales are stuck")??;
        ensure!(bids > 0 && sales > 0, "{bids} bids and {sales} sales prove nothing");
        // What the last sales did has to get everywhere, too.
        stage.witness().agreement(&stage.world, &self.lots, Instant::now()).await?;
        self.stop_observer.send_replace(true);
        let reads = (&mut self.observer).await??;
        Ok(Ended { bids, sales, reads })
    }
}

/// Whether what everybody was told of a lot can have happened, and whoever comes later sees the same.
async fn check(crowd: &Arc<Crowd>, lot: &str, log: Vec<Entry>) -> Result<()> {
    let again = watcher::watches(Arc::clone(crowd), lot.to_owned()).await?;
    if again != log {
        crowd.record.finding(format!("who watched {lot} saw {log:?}, and whoever comes later {again:?}"));
    }
    let (calls, looks) = crowd.record.of_auction(lot);
    let history = History { terms: bidders::TERMS, calls, looks, log };
    for finding in history.check() {
        crowd.record.finding(format!("lot {lot}: {finding}"));
    }
    Ok(())
}

impl Drop for Load {
    fn drop(&mut self) {
        self.bidders.iter().for_each(JoinHandle::abort);
        self.sellers.iter().for_each(JoinHandle::abort);
        self.watchers.values().for_each(JoinHandle::abort);
        self.observer.abort();
    }
}
