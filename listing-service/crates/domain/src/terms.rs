//! On which terms a lot is sold, and what a seller may offer.
//!
//! Terms are plain data until [`Terms::check`] and [`Terms::check_schedule`] have passed them;
//! a listing keeps them and bidding applies them. [`Format`] has one variant a way of selling.

use chrono::{DateTime, Datelike, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    fault::{Fault, Faults},
    money::{Amount, Currency},
};

mod format;
mod increments;
mod soft_close;

pub use format::{Dutch, English, Format, MAX_DECLINE_WITHIN_S, MAX_QUANTITY, Sealed, UniformMultiUnit};
pub use increments::{Increments, MAX_TIERS, Preset, Tier};
pub use soft_close::{MAX_SOFT_CLOSE_S, SoftClose};

/// How and when a lot is sold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// All amounts are in its minor units.
    pub currency: Currency,
    /// How it is sold.
    pub format: Format,
    /// When bidding opens; `None`: at publication.
    pub starts_at: Option<DateTime<Utc>>,
    /// When bidding ends, before any extension.
    pub ends_at: DateTime<Utc>,
    /// Whether the next bidder may be offered the lot if the winner does not pay.
    pub second_chance: bool,
    /// For how many days; `None`: for as many as is usual.
    #[serde(default)]
    pub second_chance_days: Option<u32>,
}

/// For how many days a second chance may be offered: eBay's choices.
pub const SECOND_CHANCE_DAYS: [u32; 4] = [1, 3, 5, 7];
/// For how many days it is offered when the seller does not say.
pub const USUAL_SECOND_CHANCE_DAYS: u32 = 3;

/// How long an auction may last; configured by the operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DurationLimits {
    /// Shortest.
    pub min: TimeDelta,
    /// Longest; also how far ahead an auction may be scheduled.
    pub max: TimeDelta,
}

impl Terms {
    /// The rules that hold whatever the time is.
    ///
    /// # Errors
    /// Every fault, with its pointer.
    pub fn check(&self) -> Result<(), Vec<Fault>> {
        let mut faults = Faults::default();
        faults.require(
            self.currency.is_means_of_payment(),
            "/currency",
            "is the code of a fund, a unit of account or a withdrawn currency, in which nobody can pay",
        );
        faults.require(
            self.second_chance_days.is_none_or(|days| SECOND_CHANCE_DAYS.contains(&days)),
            "/second_chance_days",
            "is 1, 3, 5 or 7",
        );
        faults.require(
            self.second_chance || self.second_chance_days.is_none(),
            "/second_chance_days",
            "is for lots with second_chance true; leave it out, or send null",
        );
        for (pointer, time) in [("/starts_at", self.starts_at), ("/ends_at", Some(self.ends_at))] {
            // RFC 3339 §1: others could not be shown.
            let shown = time.is_none_or(|time| (0..=9999).contains(&time.year()));
            faults.require(shown, pointer, "is in a year of four digits");
        }
        self.format.check(self.currency, &mut faults);
        faults.or(())
    }

    /// For how many days a second chance is offered; `None` when it never is.
    #[must_use]
    pub fn offered_for_days(&self) -> Option<u32> {
        self.second_chance.then(|| self.second_chance_days.unwrap_or(USUAL_SECOND_CHANCE_DAYS))
    }

    /// The rules of time, for an auction that opens at `starts_at`, or at `now` when that is unset.
    ///
    /// # Errors
    /// Every fault, with its pointer.
    pub fn check_schedule(&self, now: DateTime<Utc>, limits: DurationLimits) -> Result<(), Vec<Fault>> {
        let mut faults = Faults::default();
        let start = self.starts_at.unwrap_or(now).max(now);
        if let Some(starts_at) = self.starts_at {
            faults.require(starts_at >= now, "/starts_at", "lies in the past; send null to start at publication");
            faults.require(
                starts_at - now <= limits.max,
                "/starts_at",
                format!("lies more than {} days ahead", limits.max.num_days()),
            );
        }
        let lasts = self.ends_at - start;
        faults.require(self.ends_at > now, "/ends_at", "lies in the past");
        faults.require(
            lasts >= limits.min,
            "/ends_at",
            format!("an auction lasts at least {} s from its start", limits.min.num_seconds()),
        );
        faults.require(
            lasts <= limits.max,
            "/ends_at",
            format!("an auction lasts at most {} days from its start", limits.max.num_days()),
        );
        faults.or(())
    }
}

/// Notes an amount that nobody could pay, nor a price that is reckoned with it.
fn require_payable(amount: Amount, currency: Currency, pointer: &str, faults: &mut Faults) {
    if let Some(unit) = currency.payable_unit() {
        let detail = format!("amounts in {currency} are multiples of {unit} minor units");
        faults.require(amount % Amount::from(unit.get()) == 0, pointer, detail);
    }
}
