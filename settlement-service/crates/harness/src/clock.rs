//! A clock that stands still until it is moved.

use std::sync::{Arc, Mutex};

use chrono::{DateTime, TimeDelta, Utc};

/// The database's clock in a test; all clones show the same time. While it is moved settlement shows life, unless that is
/// said not to be so.
#[derive(Clone)]
pub struct HandClock(Arc<Mutex<Hands>>);

struct Hands {
    now: DateTime<Utc>,
    seen_at: DateTime<Utc>,
}

impl Default for HandClock {
    fn default() -> Self {
        let now = DateTime::from_timestamp(1_893_456_000, 0).unwrap();
        Self(Arc::new(Mutex::new(Hands { now, seen_at: now })))
    }
}

impl HandClock {
    /// What it shows.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.0.lock().unwrap().now
    }

    /// Moves it on.
    pub fn advance(&self, by: TimeDelta) {
        let mut hands = self.0.lock().unwrap();
        hands.now += by;
        hands.seen_at += by;
    }

    /// Moves it on to a moment, never back.
    pub fn advance_to(&self, moment: DateTime<Utc>) {
        self.advance((moment - self.now()).max(TimeDelta::zero()));
    }

    /// Moves it on while settlement is away; nobody has noted that until the next sign of life.
    pub fn advance_without_life(&self, by: TimeDelta) {
        self.0.lock().unwrap().now += by;
    }

    /// When the last sign of life was.
    pub(crate) fn seen_at(&self) -> DateTime<Utc> {
        self.0.lock().unwrap().seen_at
    }

    /// A sign of life.
    pub(crate) fn seen(&self) {
        let mut hands = self.0.lock().unwrap();
        hands.seen_at = hands.now;
    }
}
