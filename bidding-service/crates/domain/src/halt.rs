//! Halts: times in which no auction could be bid on, because the operator paused them all or because the
//! service was down. An outage must not decide a sale, so the time is given back.
//!
//! After a pause by the operator every auction that was open gets the whole pause back. After an outage
//! only those get it back that would have ended during it or within [`LAST_MINUTES`] after it, because the
//! others have time left in which to bid, and those whose price moves by time alone, because it would have
//! moved while nobody could take it.
//!
//! A lot that was heard of only after its start has lost the time until then alone: it is given back as after an
//! outage, by a halt of its own ([`Halt::unheard_of`]), of which the house knows nothing.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::auction::PausedBy;

/// An auction's last minutes: an outage that touches them extends it.
pub const LAST_MINUTES: TimeDelta = TimeDelta::minutes(5);

/// A time in which bidding rested everywhere, or of one lot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Halt {
    /// 1, 2, 3 … in the order in which they began; 0 of one that is a lot's own.
    pub number: u64,
    /// Its cause.
    pub by: PausedBy,
    /// Why.
    pub reason: String,
    /// When it began.
    pub since: DateTime<Utc>,
    /// When it was over; none while it lasts.
    pub until: Option<DateTime<Utc>>,
}

impl Halt {
    /// The time from its start until it was heard of, which one lot has lost alone.
    #[must_use]
    pub fn unheard_of(starts_at: DateTime<Utc>, heard_at: DateTime<Utc>) -> Self {
        let (reason, since, until) = ("the lot was heard of late".to_owned(), starts_at, Some(heard_at));
        Self { number: 0, by: PausedBy::Downtime, reason, since, until }
    }

    /// Whether it is a lot's own, and none of the house's.
    #[must_use]
    pub fn is_of_one_lot(&self) -> bool {
        self.number == 0
    }

    /// What an auction gets back that was open from `open_since` and would end at `ends_at`.
    #[must_use]
    pub fn gives_back(
        &self,
        open_since: DateTime<Utc>,
        ends_at: DateTime<Utc>,
        moves_by_time: bool,
    ) -> Option<TimeDelta> {
        let until = self.until?;
        let since = self.since.max(open_since);
        let touched = match self.by {
            PausedBy::Operator => since < ends_at,
            PausedBy::Downtime => since < ends_at && (moves_by_time || ends_at <= until + LAST_MINUTES),
        };
        Some(until - since).filter(|lost| touched && *lost > TimeDelta::zero())
    }
}
