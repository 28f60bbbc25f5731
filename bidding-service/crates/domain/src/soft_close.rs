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
    /// A bid in the last `window_s` adds `extension_s` to the end.
    Add {
        /// Seconds before the end in which a bid extends.
        window_s: u32,
        /// Seconds.
        extension_s: u32,
        /// The end is never later than the original end plus this many seconds.
        hard_stop_s: u32,
    },
}

impl SoftClose {
    /// The later end that a bid decided at `bid_at` brings, if it brings one.
    ///
    /// `original_end` is the end by the terms (time given back included), `current_end` the end with all
    /// extensions so far.
    #[must_use]
    pub fn extended(
        self,
        original_end: DateTime<Utc>,
        current_end: DateTime<Utc>,
        bid_at: DateTime<Utc>,
    ) -> Option<DateTime<Utc>> {
        let later = |from: DateTime<Utc>, seconds: u32| from.checked_add_signed(TimeDelta::seconds(seconds.into()));
        let (end, hard_stop_s) = match self {
            Self::Off => return None,
            Self::Reset { window_s, hard_stop_s } => (later(bid_at, window_s)?, hard_stop_s),
            Self::Add { window_s, extension_s, hard_stop_s } => {
                if later(bid_at, window_s)? < current_end {
                    return None;
                }
                (later(current_end, extension_s)?, hard_stop_s)
            }
        };
        Some(end.min(later(original_end, hard_stop_s)?)).filter(|end| *end > current_end)
    }
}
