//! Somebody who reads the books all the time: debits and credits are equal at every moment, and once a sale was paid
//! there is something in them.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use testcontainers_suite::world::Service;
use tokio::sync::watch;

use super::client::{Ask, Attempted, Client, Crowd};

const EVERY: Duration = Duration::from_millis(100);

/// When the books were asked for, and whether they were shown.
#[derive(Debug, Clone, Copy)]
pub struct Read {
    at: Duration,
    shown: bool,
}

/// How many reads of a time were answered, each with balanced books or there is a finding, and how many were not.
#[derive(Debug, Clone, Copy, Default)]
pub struct Reads {
    /// Answered.
    pub shown: usize,
    /// Not answered.
    pub missed: usize,
}

impl Reads {
    /// Those between two times.
    pub fn between(reads: &[Read], from: Duration, to: Duration) -> Self {
        let count = |shown| reads.iter().filter(|read| (from..=to).contains(&read.at) && read.shown == shown).count();
        Self { shown: count(true), missed: count(false) }
    }

    /// All of them.
    pub fn all(reads: &[Read]) -> Self {
        Self::between(reads, Duration::ZERO, Duration::MAX)
    }
}

/// Reads the trial balance until told to stop.
pub async fn observes(crowd: Arc<Crowd>, stop: watch::Receiver<bool>) -> Result<Vec<Read>> {
    let auditor = Client::uncounted(&crowd, "auditor", &["admin"])?;
    let ask = Ask::read(Service::Settlement, "/v1/ledger/trial-balance");
    let mut reads = Vec::new();
    while !*stop.borrow() {
        let (interval, attempted) = auditor.attempts(&ask).await;
        let answer = if let Attempted::Answered(answer) = attempted { Some(answer) } else { None };
        reads.push(Read { at: interval.ended, shown: answer.is_some() });
        let paid = crowd.record.was_paid(interval.began);
        if let Some(Err(fault)) = answer.map(|answer| answer.success().and_then(|ledger| balances(&ledger, paid))) {
            crowd.record.finding(format!("the ledger does not balance: {fault:#}"));
        }
        tokio::time::sleep(EVERY).await;
    }
    Ok(reads)
}

fn balances(ledger: &Value, paid: bool) -> Result<()> {
    ensure!(ledger["balanced"] == true, "{ledger}");
    let currencies = ledger["currencies"].as_array().context("currencies")?;
    ensure!(!paid || !currencies.is_empty(), "a sale was paid, and there is nothing in it");
    for line in currencies {
        ensure!(line["balance"] == 0 && line["debits"] == line["credits"], "{line}");
    }
    Ok(())
}
