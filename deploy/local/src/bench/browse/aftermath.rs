//! After the load: events that are on their way must arrive at once, and the money must add up.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::sample::{Looker, in_time};
use crate::api::Principal;
use crate::bench::Bench;
use crate::layout::Service;

/// The marketplace agrees with itself so soon after the load.
pub const CONVERGES_WITHIN: Duration = Duration::from_secs(5);
/// It is looked at for longer, to tell how late it is.
const LOOKS_FOR: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(100);
const OPERATOR: Principal<'static> = Principal { sub: "bench-operator", role: "admin" };

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Aftermath {
    /// Events that waited for the broker at the end.
    pub outbox_at_end: i64,
    /// Events at the broker that were not taken in at the end.
    pub lag_at_end: u64,
    /// When none of these was on its way any more, in seconds after the end; none if that did not come.
    pub converged_after_s: Option<f64>,
    /// Where events still were when the time for that was over: outbox and lag by context.
    pub still_there: BTreeMap<&'static str, (i64, u64)>,
    /// Whether there is money in the ledger, and debits and credits are equal in each currency.
    pub balanced: bool,
    /// Currencies of the ledger.
    pub currencies: usize,
    /// What was debited since the run began, all currencies, minor units.
    pub debits: i64,
    /// Sales of the run that came to their good end.
    pub completed: i64,
    /// Why it could not be looked at to the end; what was not seen counts as not kept.
    pub fault: Option<String>,
}

impl Aftermath {
    /// Whether the events arrived in time.
    pub fn converged(&self) -> bool {
        self.converged_after_s.is_some_and(|after| after <= CONVERGES_WITHIN.as_secs_f64())
    }
}

/// What the ledger says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Books {
    balanced: bool,
    currencies: usize,
    debits: i64,
}

impl Books {
    /// Reads the trial balance.
    pub async fn read(bench: &Bench<'_>) -> Result<Self> {
        Self::of(&bench.api.get(Service::Settlement, "/v1/ledger/trial-balance", OPERATOR).await?.success()?)
    }

    fn of(balance: &Value) -> Result<Self> {
        let currencies = balance["currencies"].as_array().context("the trial balance has no currencies")?;
        // Nothing at all is always in balance.
        let balanced = !currencies.is_empty() && currencies.iter().all(|sum| sum["balance"] == 0);
        Ok(Self {
            balanced: balanced && balance["balanced"] == true,
            currencies: currencies.len(),
            debits: currencies.iter().filter_map(|sum| sum["debits"].as_i64()).sum(),
        })
    }
}

/// Waits until no event is on its way that there is now: true, or false after `within`. Tells each look to `each`.
pub async fn settles(
    looker: &mut Looker,
    within: Duration,
    mut each: impl FnMut(&BTreeMap<&'static str, (i64, u64)>),
) -> Result<bool> {
    let deadline = Instant::now() + within;
    let mut mark = in_time(looker.mark()).await?;
    loop {
        let waiting = in_time(looker.on_their_way(&mut mark)).await?;
        each(&waiting);
        if waiting.values().all(|waits| *waits == (0, 0)) {
            return Ok(true);
        }
        if Instant::now() > deadline {
            return Ok(false);
        }
        sleep(POLL).await;
    }
}

/// Looks after a load that ended at `ended`, and before which the ledger was as `before` says.
pub async fn look(bench: &Bench<'_>, before: Books, ended: Instant) -> Aftermath {
    let mut aftermath = Aftermath::default();
    if let Err(fault) = look_into(&mut aftermath, bench, before, ended).await {
        aftermath.fault = Some(format!("{fault:#}"));
    }
    aftermath
}

async fn look_into(aftermath: &mut Aftermath, bench: &Bench<'_>, before: Books, ended: Instant) -> Result<()> {
    // A broker has long closed a connection that rested as long as the load ran.
    let mut looker = in_time(Looker::open(bench.data_dir, &bench.endpoints)).await?;
    let mut first = true;
    let settled = settles(&mut looker, LOOKS_FOR, |waiting| {
        if std::mem::take(&mut first) {
            aftermath.outbox_at_end = waiting.values().map(|(outbox, _)| outbox).sum();
            aftermath.lag_at_end = waiting.values().map(|(_, lag)| lag).sum();
        }
        if ended.elapsed() <= CONVERGES_WITHIN {
            aftermath.still_there =
                waiting.iter().filter(|(_, on)| **on != (0, 0)).map(|(&at, &on)| (at, on)).collect();
        }
    });
    if settled.await? {
        aftermath.converged_after_s = Some(ended.elapsed().as_secs_f64());
    }
    let Books { balanced, currencies, debits } = Books::read(bench).await?;
    (aftermath.balanced, aftermath.currencies) = (balanced, currencies);
    aftermath.debits = debits - before.debits;
    aftermath.completed = in_time(looker.completed(&format!("bench-{}-", bench.run))).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_ledger_balances_when_each_currency_does_and_not_when_there_is_none() {
        let usd =
            |balance: i64| json!({"currency": "USD", "debits": 500, "credits": 500 - balance, "balance": balance});
        let books = |balanced: bool, currencies: Value| {
            Books::of(&json!({"balanced": balanced, "currencies": currencies, "accounts": []})).unwrap()
        };
        assert_eq!(books(true, json!([usd(0), usd(0)])), Books { balanced: true, currencies: 2, debits: 1_000 });
        assert!(!books(true, json!([])).balanced);
        assert!(!books(true, json!([usd(0), usd(1)])).balanced && !books(false, json!([usd(0)])).balanced);
        assert!(Books::of(&json!({})).is_err());
    }
}
