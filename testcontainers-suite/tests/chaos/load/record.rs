//! What was answered to whom, and when.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::Result;
use chrono::{DateTime, Utc};
use testcontainers_suite::{
    history::{Call, Interval, Look},
    served::{self, Attempt, End, Outage},
    world::Service,
};
use tokio::time::Instant;

/// A lot whose end somebody waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lot {
    /// Its id.
    pub id: String,
    /// Whether the seller was paid for it.
    pub paid_out: bool,
}

/// What users saw in a time.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// Answers by kind.
    pub ok: usize,
    /// Refused by the rules of the trade.
    pub refused: usize,
    /// Told to come again.
    pub busy: usize,
    /// Broken connections.
    pub lost: usize,
    /// No answer at all.
    pub unanswered: usize,
    /// 95 of a hundred answers came within this time.
    pub p95: Duration,
    /// The slowest answer.
    pub slowest: Duration,
    /// Of what was done, what shows that a service does its work, see [`Attempt::shows_service`].
    pub served: BTreeMap<Service, usize>,
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { ok, refused, busy, lost, unanswered, p95, slowest, .. } = self;
        let (p95, slowest) = (p95.as_millis(), slowest.as_millis());
        write!(f, "{ok} ok, {refused} refused, {busy} told to come again, {lost} connections lost")?;
        if *unanswered > 0 {
            write!(f, ", {unanswered} never answered")?;
        }
        write!(f, ", p95 {p95} ms, slowest {slowest} ms")
    }
}

/// Everything that a run has seen.
pub struct Record {
    begun: Instant,
    /// The same moment by the clock, which is the databases' clock, too.
    begun_at: DateTime<Utc>,
    attempts: Mutex<Vec<Attempt>>,
    /// Bids, each with its auction.
    bids: Mutex<Vec<(String, Call)>>,
    looks: Mutex<Vec<(String, Look)>>,
    lots: Mutex<Vec<Lot>>,
    /// Sales that were paid out, from the draft to the money.
    sales: Mutex<Vec<Interval>>,
    /// Since when somebody knows of money in the books that stays there.
    paid: Mutex<Option<Duration>>,
    findings: Mutex<Vec<String>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Record {
    /// An empty one; its time begins now.
    pub fn new() -> Self {
        Self {
            begun: Instant::now(),
            begun_at: Utc::now(),
            attempts: Mutex::default(),
            bids: Mutex::default(),
            looks: Mutex::default(),
            lots: Mutex::default(),
            sales: Mutex::default(),
            paid: Mutex::default(),
            findings: Mutex::default(),
        }
    }

    /// Time since the run began.
    pub fn now(&self) -> Duration {
        self.begun.elapsed()
    }

    /// A moment as time since the run began.
    pub fn at(&self, moment: Instant) -> Duration {
        moment.saturating_duration_since(self.begun)
    }

    /// A moment of the clock as time since the run began.
    pub fn at_clock(&self, moment: DateTime<Utc>) -> Duration {
        (moment - self.begun_at).to_std().unwrap_or_default()
    }

    /// An attempt has ended.
    pub fn attempt(&self, attempt: Attempt) {
        locked(&self.attempts).push(attempt);
    }

    /// A lot is over.
    pub fn lot(&self, lot: Lot) {
        locked(&self.lots).push(lot);
    }

    /// The lots that are over.
    pub fn lots(&self) -> Vec<Lot> {
        locked(&self.lots).clone()
    }

    /// A sale was paid out.
    pub fn sale(&self, interval: Interval) {
        locked(&self.sales).push(interval);
    }

    /// How many sales began and ended between two times.
    pub fn sales_within(&self, from: Duration, to: Duration) -> usize {
        locked(&self.sales).iter().filter(|sale| sale.began >= from && sale.ended <= to).count()
    }

    /// There is money in the books, and it stays there.
    pub fn paid(&self) {
        let now = self.now();
        locked(&self.paid).get_or_insert(now);
    }

    /// Whether there was money in the books at a time.
    pub fn was_paid(&self, at: Duration) -> bool {
        locked(&self.paid).is_some_and(|paid| paid < at)
    }

    /// Somebody bid.
    pub fn bid(&self, auction: &str, call: Call) {
        locked(&self.bids).push((auction.to_owned(), call));
    }

    /// Somebody looked.
    pub fn look(&self, auction: &str, look: Look) {
        locked(&self.looks).push((auction.to_owned(), look));
    }

    /// Something is wrong.
    pub fn finding(&self, said: String) {
        locked(&self.findings).push(said);
    }

    /// What does not hold is a finding.
    pub fn holds(&self, what: &str, outcome: Result<()>) {
        if let Err(fault) = outcome {
            self.finding(format!("{what}: {fault:#}"));
        }
    }

    /// Everything that is wrong so far.
    pub fn findings(&self) -> Vec<String> {
        locked(&self.findings).clone()
    }

    /// The bids and reads of an auction.
    pub fn of_auction(&self, auction: &str) -> (Vec<Call>, Vec<Look>) {
        let calls = locked(&self.bids).iter().filter(|(of, _)| of == auction).map(|(_, call)| call.clone()).collect();
        let looks = locked(&self.looks).iter().filter(|(of, _)| of == auction).map(|(_, look)| look.clone()).collect();
        (calls, looks)
    }

    /// What users saw whose requests were under way between two times.
    pub fn seen(&self, from: Duration, to: Duration) -> Seen {
        let attempts = locked(&self.attempts);
        let mut seen = Seen::default();
        let mut times = Vec::new();
        let under_way = |attempt: &&Attempt| attempt.interval.ended >= from && attempt.interval.began <= to;
        for attempt in attempts.iter().filter(under_way) {
            match attempt.end {
                End::Ok => {
                    seen.ok += 1;
                    if attempt.shows_service() {
                        *seen.served.entry(attempt.service).or_default() += 1;
                    }
                }
                End::Refused => seen.refused += 1,
                End::Busy => seen.busy += 1,
                End::Lost => seen.lost += 1,
                End::Unanswered => seen.unanswered += 1,
            }
            if matches!(attempt.end, End::Ok | End::Refused | End::Busy) {
                times.push(attempt.interval.ended.saturating_sub(attempt.interval.began));
            }
        }
        times.sort_unstable();
        seen.p95 = times.get(times.len() * 95 / 100).copied().unwrap_or_default();
        seen.slowest = times.last().copied().unwrap_or_default();
        seen
    }

    /// How a service failed its users while a fault lasted that does not touch it; somebody asked until then at least.
    pub fn outages(&self, service: Service, fault: Interval, asked_until: Duration) -> Vec<Outage> {
        served::outages(service, &locked(&self.attempts), fault, asked_until)
    }
}
