//! When the next request is due: as soon as the last was answered (closed loop), or by a schedule that waits for nobody
//! (open loop; people's clicks). Latency counts from then, so that a service that stalls cannot hide the requests it kept
//! from being sent.

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

/// When somebody clicks. They think from one click to the next, whenever the answer comes: a click whose time came before
/// the answer to the last one is late by the fault of who is asked.
pub struct Clicks {
    thinking: Thinking,
    due: Instant,
    until: Instant,
}

impl Clicks {
    /// What was due before the end is still clicked so long after it.
    const PATIENCE: Duration = Duration::from_secs(10);

    /// Clicks of somebody who comes at `start` and stays until `until`.
    pub fn new(thinking: Thinking, start: Instant, until: Instant) -> Self {
        Self { thinking, due: start + thinking.first(), until }
    }

    /// When the next click is due: in the past, when the last was answered late. None when all are done, or the end is
    /// too long ago.
    pub fn next(&mut self, now: Instant) -> Option<Instant> {
        let due = self.due;
        if due >= self.until || now >= self.until + Self::PATIENCE {
            return None;
        }
        self.due += self.thinking.next();
        Some(due)
    }

    /// Clicks that were due before the end and have had no turn, about.
    pub fn unsent(&self) -> u64 {
        let left = self.until.saturating_duration_since(self.due);
        if left.is_zero() {
            return 0;
        }
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Far below 2^53.
        let more = (left.as_secs_f64() / self.thinking.mean.as_secs_f64().max(0.001)) as u64;
        1 + more
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
    fn a_click_is_due_when_it_would_have_come_however_late_the_last_answer_is() {
        let start = Instant::now();
        let mut clicks = Clicks::new(Thinking::new(SECOND), start, start + 400 * SECOND);
        let answered = start + 399 * SECOND;
        let due: Vec<Instant> = std::iter::from_fn(|| clicks.next(answered)).collect();
        // A standard deviation of 20 around 400.
        assert!((280..=520).contains(&due.len()), "{}", due.len());
        assert!(due[0] <= start + SECOND && due.is_sorted(), "from the first one on, in their order");
        assert_eq!(clicks.unsent(), 0);
    }

    #[test]
    fn clicks_that_have_had_no_turn_long_after_the_end_are_counted() {
        let start = Instant::now();
        let mut clicks = Clicks::new(Thinking::new(SECOND), start, start + 400 * SECOND);
        assert!(clicks.next(start).is_some());
        assert!(clicks.next(start + 405 * SECOND).is_some(), "what is due is still sent");
        assert_eq!(clicks.next(start + 410 * SECOND), None);
        assert!((360..=400).contains(&clicks.unsent()), "{}", clicks.unsent());
    }

    #[test]
    fn a_long_run_at_a_high_rate_does_not_drift() {
        assert_eq!(due_after(3_000_000, 3), 1_000_000 * SECOND);
    }
}
