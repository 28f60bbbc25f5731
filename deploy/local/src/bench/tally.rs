//! What is counted during a run. Rates count what was answered within the measured time, latencies what was due in it.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use hdrhistogram::Histogram;
use serde::Serialize;
use tokio::time::Instant;

use super::answer::Answer;

/// Beyond this a latency counts as this, in microseconds.
const LATENCY_MAX_US: u64 = 600_000_000;

/// Latencies in microseconds, to three digits.
pub struct Latency(Histogram<u64>);

/// What a person asks of latencies; milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Percentiles {
    /// How many there are.
    pub count: u64,
    /// Half are not above.
    pub p50_ms: f64,
    /// 95 % are not above.
    pub p95_ms: f64,
    /// 99 % are not above.
    pub p99_ms: f64,
    /// None is above.
    pub max_ms: f64,
}

impl Latency {
    /// None yet.
    pub fn new() -> Result<Self> {
        Ok(Self(Histogram::new_with_bounds(1, LATENCY_MAX_US, 3)?))
    }

    /// One more.
    pub fn record(&mut self, latency: Duration) {
        self.0.saturating_record(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX));
    }

    /// Its figures.
    pub fn percentiles(&self) -> Percentiles {
        let at = |quantile| millis(self.0.value_at_quantile(quantile));
        let max_ms = if self.0.is_empty() { 0.0 } else { millis(self.0.max()) };
        Percentiles { count: self.0.len(), p50_ms: at(0.5), p95_ms: at(0.95), p99_ms: at(0.99), max_ms }
    }

    fn clear(&mut self) {
        self.0.reset();
    }
}

#[allow(clippy::cast_precision_loss)] // Microseconds up to LATENCY_MAX_US.
fn millis(micros: u64) -> f64 {
    micros as f64 / 1000.0
}

/// When a bid was due, sent and answered.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// By the schedule.
    pub due: Instant,
    /// In fact.
    pub sent: Instant,
    /// The whole answer was there.
    pub answered: Instant,
}

/// Everything that is counted.
pub struct Tally {
    from: Instant,
    until: Instant,
    /// Accepted bids.
    pub accepted: u64,
    /// Decided refusals by slug.
    pub refused: BTreeMap<String, u64>,
    /// Refusals for load by status.
    pub overloaded: BTreeMap<u16, u64>,
    /// Faults of the whole run by kind, the time before it is measured included.
    pub errors: BTreeMap<String, u64>,
    /// Answers that were an earlier request's, after a lost connection.
    pub replayed: u64,
    /// Bids that were due and had no turn.
    pub unsent: u64,
    /// Of accepted bids, from when they were due.
    pub accepted_latency: Latency,
    /// Of accepted bids, from when they were sent.
    pub accepted_service: Latency,
    /// Of all decided bids, from when they were due.
    pub decided_latency: Latency,
    /// Of refusals for load, from when they were sent.
    pub overloaded_latency: Latency,
    interval: Interval,
}

struct Interval {
    accepted: u64,
    refused: u64,
    overloaded: u64,
    latency: Latency,
}

impl Tally {
    /// Measures from `from` until `until`.
    pub fn new(from: Instant, until: Instant) -> Result<Self> {
        let interval = Interval { accepted: 0, refused: 0, overloaded: 0, latency: Latency::new()? };
        Ok(Self {
            from,
            until,
            accepted: 0,
            refused: BTreeMap::new(),
            overloaded: BTreeMap::new(),
            errors: BTreeMap::new(),
            replayed: 0,
            unsent: 0,
            accepted_latency: Latency::new()?,
            accepted_service: Latency::new()?,
            decided_latency: Latency::new()?,
            overloaded_latency: Latency::new()?,
            interval,
        })
    }

    /// A bid was answered.
    pub fn count(&mut self, times: Times, answer: &Answer) {
        let measured = self.from..self.until;
        let (within, due_within) = (measured.contains(&times.answered), measured.contains(&times.due));
        let (latency, service) = (times.answered - times.due, times.answered - times.sent);
        let answers = u64::from(within);
        match answer {
            Answer::Accepted(accepted) => {
                self.accepted += answers;
                self.replayed += u64::from(accepted.replayed);
                self.interval.accepted += 1;
                self.interval.latency.record(latency);
                if due_within {
                    self.accepted_latency.record(latency);
                    self.accepted_service.record(service);
                    self.decided_latency.record(latency);
                }
            }
            Answer::Refused { slug, .. } => {
                add(&mut self.refused, slug.as_str(), answers);
                self.interval.refused += 1;
                if due_within {
                    self.decided_latency.record(latency);
                }
            }
            Answer::Overloaded(status) => {
                *self.overloaded.entry(*status).or_default() += answers;
                self.interval.overloaded += 1;
                if due_within {
                    self.overloaded_latency.record(service);
                }
            }
            Answer::Running => self.fault("an idempotency key that stays busy"),
            Answer::Fault(kind) => self.fault(kind),
        }
    }

    /// Something went wrong.
    pub fn fault(&mut self, kind: &str) {
        add(&mut self.errors, kind, 1);
    }

    /// The last second in one line; begins the next.
    pub fn line(&mut self) -> String {
        let Interval { accepted, refused, overloaded, latency } = &mut self.interval;
        let p95_ms = latency.percentiles().p95_ms;
        let line = format!(
            "{accepted:>8} accepted/s {refused:>8} refused/s {overloaded:>8} for load/s   p95 {p95_ms:>8.1} ms"
        );
        (*accepted, *refused, *overloaded) = (0, 0, 0);
        latency.clear();
        line
    }

    /// How much a second `count` is.
    #[allow(clippy::cast_precision_loss)] // Counts of one run are far below 2^53.
    pub fn per_second(&self, count: u64) -> f64 {
        count as f64 / (self.until - self.from).as_secs_f64()
    }

    /// All decided refusals.
    pub fn refusals(&self) -> u64 {
        self.refused.values().sum()
    }

    /// All refusals for load.
    pub fn refusals_for_load(&self) -> u64 {
        self.overloaded.values().sum()
    }
}

fn add(counts: &mut BTreeMap<String, u64>, kind: &str, by: u64) {
    match counts.get_mut(kind) {
        Some(count) => *count += by,
        None => {
            counts.insert(kind.to_owned(), by);
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::super::answer::Accepted;
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn accepted() -> Answer {
        let bid_id = Uuid::nil();
        Answer::Accepted(Accepted { bid_id, sequence: 1, price: 1, next_minimum: 2, replayed: false })
    }

    #[test]
    fn latency_counts_from_when_a_bid_was_due_not_from_when_it_could_be_sent() {
        let start = Instant::now();
        let mut tally = Tally::new(start, start + 10 * SECOND).unwrap();
        tally.count(Times { due: start, sent: start + 2 * SECOND, answered: start + 3 * SECOND }, &accepted());
        let (from_due, from_sent) = (tally.accepted_latency.percentiles(), tally.accepted_service.percentiles());
        assert!((from_due.p50_ms - 3_000.0).abs() < 5.0 && (from_due.max_ms - 3_000.0).abs() < 5.0, "{from_due:?}");
        assert!((from_sent.p50_ms - 1_000.0).abs() < 2.0, "{from_sent:?}");
    }

    #[test]
    fn percentiles_are_of_the_ranks_they_name() {
        let mut latency = Latency::new().unwrap();
        assert_eq!(latency.percentiles(), Percentiles::default());
        (1..=100).for_each(|ms| latency.record(Duration::from_millis(ms)));
        let Percentiles { count, p50_ms, p95_ms, p99_ms, max_ms } = latency.percentiles();
        assert_eq!(count, 100);
        for (is, expected) in [(p50_ms, 50.0), (p95_ms, 95.0), (p99_ms, 99.0), (max_ms, 100.0)] {
            assert!((is - expected).abs() <= expected / 1000.0, "{is} is not {expected}");
        }
    }

    #[test]
    fn the_warm_up_and_late_answers_do_not_count_in_the_rate() {
        let start = Instant::now();
        let mut tally = Tally::new(start + SECOND, start + 3 * SECOND).unwrap();
        for answered in [start, start + 2 * SECOND, start + 3 * SECOND] {
            tally.count(Times { due: answered, sent: answered, answered }, &accepted());
        }
        assert!((tally.per_second(tally.accepted) - 0.5).abs() < 1e-9);
        assert_eq!(tally.accepted_latency.percentiles().count, 1);
    }

    #[test]
    fn refusals_for_load_are_told_apart_by_status_and_are_no_errors() {
        let start = Instant::now();
        let mut tally = Tally::new(start, start + SECOND).unwrap();
        let times = Times { due: start, sent: start, answered: start };
        for answer in [Answer::Overloaded(503), Answer::Overloaded(429), Answer::Overloaded(503)] {
            tally.count(times, &answer);
        }
        tally.count(times, &Answer::Fault("status 500".to_owned()));
        assert_eq!(tally.overloaded, [(429, 1), (503, 2)].into());
        assert_eq!(tally.errors, [("status 500".to_owned(), 1)].into());
        assert_eq!(tally.decided_latency.percentiles().count, 0);
    }
}
