//! How much is tried: a few faults for seconds in every test run, or all of them for as long as they last in life.

use std::time::Duration;

/// How much is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// A few, briefly.
    Some,
    /// All.
    All,
}

impl Extent {
    /// What `OUTCRY_CHAOS` says: `all`, or nothing.
    pub fn of_environment() -> Self {
        if std::env::var("OUTCRY_CHAOS").is_ok_and(|extent| extent == "all") { Self::All } else { Self::Some }
    }

    /// Seconds in a test run, or when all is tried.
    pub const fn lasts(self, some: u64, all: u64) -> Duration {
        Duration::from_secs(match self {
            Self::Some => some,
            Self::All => all,
        })
    }
}
