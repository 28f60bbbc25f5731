//! A clock that stands still until it is moved.

use std::sync::{Arc, Mutex};

use chrono::{DateTime, TimeDelta, Utc};

/// The database's clock in a test; all clones show the same time.
#[derive(Clone)]
pub struct HandClock(Arc<Mutex<DateTime<Utc>>>);

impl Default for HandClock {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(DateTime::from_timestamp(1_893_456_000, 0).unwrap())))
    }
}

impl HandClock {
    /// What it shows.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap()
    }

    /// Moves it on.
    pub fn advance(&self, by: TimeDelta) {
        *self.0.lock().unwrap() += by;
    }

    /// Moves it on to a moment, never back.
    pub fn advance_to(&self, moment: DateTime<Utc>) {
        let mut now = self.0.lock().unwrap();
        *now = moment.max(*now);
    }
}
