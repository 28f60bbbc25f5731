//! How late bids extend an auction, so that nobody wins by being last.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

/// How late bids extend an auction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "mode", rename_all = "snake_case")]
pub enum SoftClose {
    /// The end stands.
    Off,
    /// A bid in the last `window_s` sets the end to the bid's time plus `window_s`.
    Reset {
        /// Seconds.
        window_s: u32,
        /// The end is never later than the original end plus this many seconds.
        hard_stop_s: u32,
    },
}

impl SoftClose {
    /// The later end that a bid decided at `bid_at` brings, if it brings one.
    ///
    /// `original_end` is the end by the terms, `current_end` the end with all extensions so far.
    #[must_use]
    pub fn extended(
        self,
        original_end: DateTime<Utc>,
        current_end: DateTime<Utc>,
        bid_at: DateTime<Utc>,
    ) -> Option<DateTime<Utc>> {
        let Self::Reset { window_s, hard_stop_s } = self else { return None };
        let reset = bid_at.checked_add_signed(TimeDelta::seconds(window_s.into()))?;
        let hard_stop = original_end.checked_add_signed(TimeDelta::seconds(hard_stop_s.into()))?;
        Some(reset.min(hard_stop)).filter(|end| *end > current_end)
    }
}
