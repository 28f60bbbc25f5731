//! What is counted of the people's requests: by operation, by quarter of the measured time, and since the last sample.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use serde::Serialize;
use tokio::time::Instant;

use super::mix::Operation;
use crate::bench::answer::Answer;
use crate::bench::tally::{Latency, Percentiles};

/// Parts of the measured time whose latencies are compared.
pub const QUARTERS: usize = 4;
/// Kinds of errors, and of refusals, that are told apart; answers could have any text in them.
const KINDS_MAX: usize = 50;

/// How a request ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// As hoped.
    Done,
    /// Refused by decision, as documented; the problem's slug.
    Refused(String),
    /// Not decided: the service has no room for it, by status.
    Overloaded(u16),
    /// What a sound request should never get.
    Fault(String),
}

impl From<Answer> for Outcome {
    fn from(answer: Answer) -> Self {
        match answer {
            Answer::Accepted(_) => Self::Done,
            Answer::Refused { slug, .. } => Self::Refused(slug),
            Answer::Overloaded(status) => Self::Overloaded(status),
            Answer::Running => Self::Fault("an idempotency key that is busy".to_owned()),
            Answer::Fault(kind) => Self::Fault(kind),
        }
    }
}

/// What is counted of one operation, or of all.
pub struct Count {
    /// Requests that were answered, however.
    pub requests: u64,
    /// Refused by decision.
    pub refused: u64,
    /// Refused for load.
    pub overloaded: u64,
    /// Gone wrong.
    pub errors: u64,
    latency: Latency,
}

impl Count {
    fn new() -> Result<Self> {
        Ok(Self { requests: 0, refused: 0, overloaded: 0, errors: 0, latency: Latency::new()? })
    }

    fn add(&mut self, took: Duration, outcome: &Outcome) {
        self.requests += 1;
        match outcome {
            Outcome::Done => {}
            Outcome::Refused(_) => self.refused += 1,
            Outcome::Overloaded(_) => self.overloaded += 1,
            Outcome::Fault(_) => self.errors += 1,
        }
        self.latency.record(took);
    }

    /// Requests that had their way.
    pub fn done(&self) -> u64 {
        self.requests - self.refused - self.overloaded - self.errors
    }

    /// How long the answers took, from when the requests were due.
    pub fn percentiles(&self) -> Percentiles {
        self.latency.percentiles()
    }
}

/// The requests since the last sample.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Interval {
    /// Requests a second.
    pub requests_per_s: f64,
    /// 95 % of them took no longer, in milliseconds.
    pub p95_ms: f64,
    /// 99 % of them took no longer, in milliseconds.
    pub p99_ms: f64,
    /// Errors and refusals for load.
    pub failed: u64,
    /// People who have an open connection at its end.
    pub connected: u64,
}

/// Everything that is counted.
pub struct Counts {
    from: Instant,
    until: Instant,
    /// Of each operation, within the measured time.
    pub operations: BTreeMap<Operation, Count>,
    /// Of all operations, within the measured time.
    pub all: Count,
    quarters: Vec<Latency>,
    /// Refusals by operation and slug, within the measured time.
    pub refusals: BTreeMap<(Operation, String), u64>,
    /// Errors and refusals for load by kind, of the whole run.
    pub errors: BTreeMap<String, u64>,
    /// Requests that were sent again because their connection broke.
    pub repeated: u64,
    /// Requests that were due and never sent, because what was asked before was not answered.
    pub unsent: u64,
    connected: u64,
    interval: Count,
    interval_began: Instant,
}

impl Counts {
    /// Measures what is due from `from` until `until`.
    pub fn new(from: Instant, until: Instant) -> Result<Self> {
        let each = Operation::ALL.into_iter().map(|operation| Ok((operation, Count::new()?)));
        Ok(Self {
            from,
            until,
            operations: each.collect::<Result<_>>()?,
            all: Count::new()?,
            quarters: (0..QUARTERS).map(|_| Latency::new()).collect::<Result<_>>()?,
            refusals: BTreeMap::new(),
            errors: BTreeMap::new(),
            repeated: 0,
            unsent: 0,
            connected: 0,
            interval: Count::new()?,
            interval_began: Instant::now(),
        })
    }

    /// A request that was due at `due` was answered.
    pub fn add(&mut self, operation: Operation, due: Instant, answered: Instant, outcome: &Outcome) {
        let took = answered - due;
        self.interval.add(took, outcome);
        match outcome {
            Outcome::Done | Outcome::Refused(_) => {}
            Outcome::Overloaded(status) => self.fault(format!("{}: refused for load, {status}", operation.name())),
            Outcome::Fault(kind) => self.fault(format!("{}: {kind}", operation.name())),
        }
        let Some(quarter) = self.quarter(due) else { return };
        self.quarters[quarter].record(took);
        self.all.add(took, outcome);
        if let Some(count) = self.operations.get_mut(&operation) {
            count.add(took, outcome);
        }
        if let Outcome::Refused(slug) = outcome {
            let kind = (operation, slug.clone());
            let full = self.refusals.len() >= KINDS_MAX && !self.refusals.contains_key(&kind);
            let kind = if full { (operation, "other problems".to_owned()) } else { kind };
            *self.refusals.entry(kind).or_default() += 1;
        }
    }

    /// Whether a person was connected before a step, and is after it.
    pub fn connects(&mut self, before: bool, after: bool) {
        self.connected = self.connected + u64::from(after) - u64::from(before);
    }

    fn fault(&mut self, kind: String) {
        let full = self.errors.len() >= KINDS_MAX && !self.errors.contains_key(&kind);
        let kind = if full { "other kinds".to_owned() } else { kind };
        *self.errors.entry(kind).or_default() += 1;
    }

    /// Which quarter of the measured time `at` is in, if in any.
    fn quarter(&self, at: Instant) -> Option<usize> {
        let measured = (self.from..self.until).contains(&at);
        let share = (at - self.from).as_secs_f64() / (self.until - self.from).as_secs_f64();
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)] // 0 to 4.
        let quarter = (share * QUARTERS as f64) as usize;
        measured.then_some(quarter.min(QUARTERS - 1))
    }

    /// Of each quarter, how long its answers took.
    pub fn quarters(&self) -> Vec<Percentiles> {
        self.quarters.iter().map(Latency::percentiles).collect()
    }

    /// The measured time ends now, if it would end later.
    pub fn end(&mut self, now: Instant) {
        self.until = self.until.min(now).max(self.from);
    }

    /// How long was measured, in seconds.
    pub fn measured_s(&self) -> f64 {
        (self.until - self.from).as_secs_f64()
    }

    /// Requests a second within the measured time.
    pub fn per_second(&self, requests: u64) -> f64 {
        rate(requests, self.until - self.from)
    }

    /// What came since the last call.
    pub fn interval(&mut self, now: Instant) -> Result<Interval> {
        let past = std::mem::replace(&mut self.interval, Count::new()?);
        let requests_per_s = rate(past.requests, now - self.interval_began);
        self.interval_began = now;
        let (Percentiles { p95_ms, p99_ms, .. }, failed) = (past.percentiles(), past.errors + past.overloaded);
        Ok(Interval { requests_per_s, p95_ms, p99_ms, failed, connected: self.connected })
    }
}

#[allow(clippy::cast_precision_loss)] // Counts of one run are far below 2^53.
fn rate(count: u64, within: Duration) -> f64 {
    if within.is_zero() { 0.0 } else { count as f64 / within.as_secs_f64() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn counts(start: Instant) -> Counts {
        Counts::new(start + 10 * SECOND, start + 50 * SECOND).unwrap()
    }

    #[test]
    fn the_warm_up_and_what_comes_late_count_in_the_errors_only() {
        let start = Instant::now();
        let mut counts = counts(start);
        for sent in [9, 10, 49, 50] {
            let sent = start + sent * SECOND;
            counts.add(Operation::Bid, sent, sent + SECOND, &Outcome::Fault("status 500".to_owned()));
        }
        assert_eq!((counts.all.requests, counts.operations[&Operation::Bid].errors), (2, 2));
        assert_eq!(counts.errors, [("bid: status 500".to_owned(), 4)].into());
    }

    #[test]
    fn each_quarter_has_its_own_latencies() {
        let start = Instant::now();
        let mut counts = counts(start);
        for second in 10..50 {
            let sent = start + second * SECOND;
            counts.add(Operation::Auction, sent, sent + SECOND * ((second - 10) / 10 + 1), &Outcome::Done);
        }
        let p95: Vec<f64> = counts.quarters().into_iter().map(|quarter| quarter.p95_ms.round()).collect();
        let near = |is: &f64, expected: f64| (is - expected).abs() < expected / 500.0;
        assert!(p95.iter().zip([1e3, 2e3, 3e3, 4e3]).all(|(is, expected)| near(is, expected)), "{p95:?}");
    }

    #[test]
    fn a_documented_refusal_is_no_error_and_one_for_load_is() {
        let start = Instant::now();
        let mut counts = counts(start);
        let sent = start + 20 * SECOND;
        for outcome in [Outcome::Refused("bid-too-low".to_owned()), Outcome::Overloaded(503), Outcome::Done] {
            counts.add(Operation::Bid, sent, sent, &outcome);
        }
        assert_eq!((counts.all.refused, counts.all.overloaded, counts.all.errors), (1, 1, 0));
        assert_eq!((counts.all.requests, counts.all.done()), (3, 1));
        assert_eq!(counts.errors, [("bid: refused for load, 503".to_owned(), 1)].into());
        assert_eq!(counts.refusals, [((Operation::Bid, "bid-too-low".to_owned()), 1)].into());
    }

    #[test]
    fn an_interval_has_what_came_since_the_last_one_and_who_is_connected() {
        let start = Instant::now();
        let mut counts = counts(start);
        for (before, after) in [(false, true), (false, true), (true, true), (true, false)] {
            counts.connects(before, after);
        }
        for outcome in [Outcome::Done, Outcome::Fault("status 500".to_owned())] {
            counts.add(Operation::Bid, start, start + SECOND, &outcome);
        }
        counts.interval_began = start;
        let first = counts.interval(start + 2 * SECOND).unwrap();
        assert_eq!((first.failed, first.connected), (1, 1));
        assert!((first.requests_per_s - 1.0).abs() < 1e-9 && (first.p99_ms - 1e3).abs() < 2.0, "{first:?}");
        let second = counts.interval(start + 4 * SECOND).unwrap();
        assert_eq!(second, Interval { connected: 1, ..Interval::default() });
    }

    #[test]
    fn an_interrupted_run_is_as_long_as_it_was() {
        let start = Instant::now();
        let mut counts = counts(start);
        counts.add(Operation::Bid, start + 11 * SECOND, start + 11 * SECOND, &Outcome::Done);
        counts.end(start + 12 * SECOND);
        assert!((counts.per_second(counts.all.requests) - 0.5).abs() < 1e-9);
        counts.end(start);
        assert!(counts.per_second(1).abs() < 1e-9, "nothing was measured");
    }

    #[test]
    fn kinds_of_errors_and_refusals_are_bounded() {
        let start = Instant::now();
        let mut counts = counts(start);
        for number in 0..1_000 {
            counts.add(Operation::Bid, start, start, &Outcome::Fault(format!("kind {number}")));
        }
        assert_eq!((counts.errors.len(), counts.errors["other kinds"]), (KINDS_MAX + 1, 1_000 - KINDS_MAX as u64));
        for number in 0..1_000 {
            let sent = start + 20 * SECOND;
            counts.add(Operation::Bid, sent, sent, &Outcome::Refused(format!("problem-{number}")));
        }
        assert_eq!((counts.refusals.len(), counts.all.refused), (KINDS_MAX + 1, 1_000));
    }
}
