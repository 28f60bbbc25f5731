//! After an overload: one bid each 100 ms, until they are as fast as they were before.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use serde::Serialize;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::answer::Answer;
use super::client::Connection;
use super::driver::Load;

const EVERY: Duration = Duration::from_millis(100);
/// So many normal bids in a row are no coincidence.
const IN_A_ROW: u32 = 5;
const LIMIT: Duration = Duration::from_secs(60);

/// How the service came back.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Recovery {
    /// From the end of the load to the first of the normal bids; none if they did not come.
    pub recovered_after_s: Option<f64>,
    /// The slowest bid on the way.
    pub worst_ms: f64,
    /// What counts as normal.
    pub normal_ms: f64,
}

/// Waits for the end of the load, then bids until it is normal.
pub async fn watch(load: Arc<Load>, mut connection: Connection, normal: Duration) -> Result<Recovery> {
    let end = load.until();
    let mut ticks = interval_at(end, EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut row = Row::new(normal);
    loop {
        ticks.tick().await;
        let draw = load.state().field.draw(None)?;
        let sent = Instant::now();
        let answer = load.ask(&mut connection, 0, &draw.post).await;
        let answered = Instant::now();
        load.state().field.settle(draw.lot, sent, answered, &answer);
        let decided = matches!(answer, Answer::Accepted(_) | Answer::Refused { .. });
        if row.is_complete(sent - end, answered - sent, decided) || answered - end > LIMIT {
            return Ok(row.recovery());
        }
    }
}

/// Normal bids in a row.
struct Row {
    normal: Duration,
    began: Option<Duration>,
    length: u32,
    worst: Duration,
}

impl Row {
    fn new(normal: Duration) -> Self {
        Self { normal, began: None, length: 0, worst: Duration::ZERO }
    }

    /// A bid sent at `at`; whether that makes the row long enough.
    fn is_complete(&mut self, at: Duration, latency: Duration, decided: bool) -> bool {
        self.worst = self.worst.max(latency);
        if decided && latency <= self.normal {
            self.began.get_or_insert(at);
            self.length += 1;
        } else {
            (self.began, self.length) = (None, 0);
        }
        self.length == IN_A_ROW
    }

    fn recovery(&self) -> Recovery {
        let began = self.began.filter(|_| self.length >= IN_A_ROW);
        let ms = |duration: Duration| duration.as_secs_f64() * 1000.0;
        Recovery {
            recovered_after_s: began.map(|at| at.as_secs_f64()),
            worst_ms: ms(self.worst),
            normal_ms: ms(self.normal),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn recovery_begins_with_the_first_of_five_normal_bids_in_a_row() {
        let mut row = Row::new(50 * MS);
        // One slow bid and one refusal for load interrupt what looked normal.
        let bids = [(0, 700, true), (100, 9, true), (200, 90, true), (300, 9, true), (400, 2, false)];
        for (at, latency, decided) in bids {
            assert!(!row.is_complete(at * MS, latency * MS, decided));
        }
        for at in [500, 600, 700, 800] {
            assert!(!row.is_complete(at * MS, 50 * MS, true));
            assert_eq!(row.recovery().recovered_after_s, None);
        }
        assert!(row.is_complete(900 * MS, 9 * MS, true));
        let Recovery { recovered_after_s, worst_ms, .. } = row.recovery();
        assert_eq!(recovered_after_s, Some(0.5));
        assert!((worst_ms - 700.0).abs() < 1e-9);
    }
}
