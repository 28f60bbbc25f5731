//! How late bids extend an auction.

use serde::{Deserialize, Serialize};

use crate::fault::Faults;

/// Longest soft-close window, extension and hard stop: a day.
pub const MAX_SOFT_CLOSE_S: u32 = 86_400;

/// How late bids extend the auction.
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
    /// Each bid in the last `window_s` adds `extension_s` to the end as it stands.
    Add {
        /// Seconds.
        window_s: u32,
        /// Seconds.
        extension_s: u32,
        /// The end is never later than the original end plus this many seconds.
        hard_stop_s: u32,
    },
}

impl SoftClose {
    pub(super) fn check(self, faults: &mut Faults) {
        let mut require = |member: &str, seconds: u32| {
            faults.require(
                (1..=MAX_SOFT_CLOSE_S).contains(&seconds),
                &format!("/format/soft_close/{member}"),
                format!("must lie between 1 and {MAX_SOFT_CLOSE_S} seconds"),
            );
        };
        match self {
            Self::Off => {}
            Self::Reset { window_s, hard_stop_s } => {
                require("window_s", window_s);
                require("hard_stop_s", hard_stop_s);
            }
            Self::Add { window_s, extension_s, hard_stop_s } => {
                require("window_s", window_s);
                require("extension_s", extension_s);
                require("hard_stop_s", hard_stop_s);
            }
        }
    }
}
