//! When the next bid is due: as soon as the last was answered (closed loop), or by a schedule that waits for nobody
//! (open loop). Latency counts from then, so that a service that stalls cannot hide the requests it kept from being sent.

use std::cell::Cell;
use std::time::Duration;

use tokio::time::Instant;

/// How bids follow each other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    /// Each connection sends the next bid when the last was answered.
    Closed,
    /// The same, after thinking for so long on average, evenly between a half and one and a half of it.
    Thinking(Duration),
    /// So many bids are due each second, over all connections.
    Open(u32),
}

/// How people think: for exponentially distributed times, as TPC-W and `RUBiS` have it, and none for longer than ten times
/// the mean.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Thinking {
    mean: Duration,
}

impl Thinking {
    const LONGEST: f64 = 10.0;

    /// So long on average.
    pub fn new(mean: Duration) -> Self {
        Self { mean }
    }

    /// Before the first step: people come evenly within the mean.
    pub fn first(self) -> Duration {
        self.mean.mul_f64(fastrand::f64())
    }

    /// Before any other step.
    pub fn next(self) -> Duration {
        let times = -(1.0 - fastrand::f64()).ln();
        self.mean.mul_f64(times.min(Self::LONGEST))
    }
}

/// Deals out the turns of a run.
pub struct Schedule {
    pace: Pace,
    start: Instant,
    end: Instant,
    dealt: Cell<u64>,
}

impl Schedule {
    /// Turns from `start` until `end`.
    pub fn new(pace: Pace, start: Instant, end: Instant) -> Self {
        Self { pace, start, end, dealt: Cell::new(0) }
    }

    /// When the caller's next bid is due; none when the run is over. In an open loop that may be in the past.
    pub fn next(&self, now: Instant, first: bool) -> Option<Instant> {
        let due = match self.pace {
            Pace::Closed => now,
            // Whoever is there at the start is in the middle of a thought.
            Pace::Thinking(mean) => now + mean.mul_f64(fastrand::f64() + if first { 0.0 } else { 0.5 }),
            Pace::Open(per_second) => {
                // Time is up for what is due as well: it counts as unsent.
                if now >= self.end {
                    return None;
                }
                let number = self.dealt.replace(self.dealt.get() + 1);
                self.start + due_after(number, per_second)
            }
        };
        (due < self.end).then_some(due)
    }

    /// Bids that were due and never had a turn, because every connection was busy until the end.
    pub fn unsent(&self) -> u64 {
        let Pace::Open(per_second) = self.pace else { return 0 };
        let all = (self.end - self.start).as_secs_f64() * f64::from(per_second);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // A count of bids is far below 2^53.
        let all = all.ceil() as u64;
        all.saturating_sub(self.dealt.get())
    }
}

/// How long after the start bid `number`, from 0, is due.
fn due_after(number: u64, per_second: u32) -> Duration {
    let nanos = u128::from(number) * 1_000_000_000 / u128::from(per_second.max(1));
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn an_open_loop_is_due_by_the_schedule_whatever_the_time_is() {
        let start = Instant::now();
        let schedule = Schedule::new(Pace::Open(4), start, start + SECOND);
        let late = start + Duration::from_millis(900);
        let due: Vec<Duration> = std::iter::from_fn(|| schedule.next(late, false)).map(|due| due - start).collect();
        assert_eq!(due, [0, 250, 500, 750].map(Duration::from_millis), "nothing is left out, nothing is moved");
        assert_eq!(schedule.unsent(), 0);
    }

    #[test]
    fn what_was_due_and_had_no_turn_is_counted() {
        let start = Instant::now();
        let schedule = Schedule::new(Pace::Open(100), start, start + SECOND);
        for _ in 0..30 {
            assert!(schedule.next(start, false).is_some());
        }
        assert_eq!(schedule.next(start + SECOND, false), None);
        assert_eq!(schedule.unsent(), 70);
    }

    #[test]
    fn a_closed_loop_is_due_at_once_and_ends_in_time() {
        let start = Instant::now();
        let schedule = Schedule::new(Pace::Closed, start, start + SECOND);
        assert_eq!(schedule.next(start + SECOND / 2, false), Some(start + SECOND / 2));
        assert_eq!(schedule.next(start + SECOND, false), None);
    }

    #[test]
    fn nobody_thinks_shorter_than_half_or_longer_than_one_and_a_half_of_the_mean() {
        let start = Instant::now();
        let schedule = Schedule::new(Pace::Thinking(SECOND), start, start + 10 * SECOND);
        for _ in 0..100 {
            let thought = schedule.next(start, false).unwrap() - start;
            assert!((SECOND / 2..=SECOND * 3 / 2).contains(&thought), "{thought:?}");
        }
    }

    #[test]
    fn thinking_is_exponential_about_its_mean_and_ends_after_ten_times_that() {
        let thinking = Thinking::new(SECOND);
        let mut thoughts: Vec<f64> = (0..20_000).map(|_| thinking.next().as_secs_f64()).collect();
        thoughts.sort_by(f64::total_cmp);
        let mean = thoughts.iter().sum::<f64>() / 20_000.0;
        // Standard deviations of 0.007 and 0.0076 around 1 and ln 2.
        assert!((mean - 1.0).abs() < 0.05 && (thoughts[10_000] - 0.693).abs() < 0.05, "{mean}, {}", thoughts[10_000]);
        assert!(thoughts[19_999] <= 10.0 && thinking.first() <= SECOND);
    }

    #[test]
    fn a_long_run_at_a_high_rate_does_not_drift() {
        assert_eq!(due_after(3_000_000, 3), 1_000_000 * SECOND);
    }
}
