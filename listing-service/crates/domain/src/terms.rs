//! On which terms a lot is sold, and what a seller may offer.
//!
//! Terms are plain data until [`Terms::check`] and [`Terms::check_schedule`] have passed them;
//! a listing keeps them and bidding applies them.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    fault::{Fault, Faults},
    money::{Amount, Currency, MAX_AMOUNT},
};

/// Most tiers that an own increment table may have.
pub const MAX_TIERS: usize = 50;
/// Longest soft-close window and hard stop: a day.
pub const MAX_SOFT_CLOSE_S: u32 = 86_400;

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
}

/// How a lot is sold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Format {
    /// Ascending, with proxy bidding.
    English(English),
}

/// Terms of an ascending auction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct English {
    /// The first bid must reach it.
    pub start_price: Amount,
    /// Hidden; below it the lot is not sold.
    pub reserve_price: Option<Amount>,
    /// Price at which a buyer may end the auction at once.
    pub buy_now_price: Option<Amount>,
    /// By how much a bid must exceed the price.
    pub increments: Increments,
    /// How late bids extend the auction.
    pub soft_close: SoftClose,
}

/// A preset by name, or an own table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Increments {
    /// A published table of a real marketplace.
    Preset(Preset),
    /// Ascending tiers, the first from 0.
    Table(Vec<Tier>),
}

/// Published increment tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// eBay, United States.
    EbayUs,
    /// eBay, United Kingdom.
    EbayUk,
    /// Trade Me, New Zealand.
    TradeMe,
}

/// From this price on, a bid must exceed the price by this much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tier {
    /// Inclusive lower bound of the price.
    pub from: Amount,
    /// Positive.
    pub increment: Amount,
}

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
}

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
        faults.require(!self.second_chance, "/second_chance", "second-chance offers are not available; send false");
        let Format::English(english) = &self.format;
        english.check(self.currency, &mut faults);
        faults.or(())
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

impl English {
    fn check(&self, currency: Currency, faults: &mut Faults) {
        let amount = 1..=MAX_AMOUNT;
        let range = format!("must lie between 1 and {MAX_AMOUNT} minor units");
        faults.require(amount.contains(&self.start_price), "/format/start_price", range.clone());
        if let Some(reserve) = self.reserve_price {
            faults.require(amount.contains(&reserve), "/format/reserve_price", range);
            faults.require(
                reserve >= self.start_price,
                "/format/reserve_price",
                "must not lie below the start price; send null for no reserve",
            );
        }
        faults.require(self.buy_now_price.is_none(), "/format/buy_now_price", "buy-now is not available; send null");
        self.increments.check(currency, faults);
        self.soft_close.check(faults);
    }
}

impl Increments {
    fn check(&self, currency: Currency, faults: &mut Faults) {
        let pointer = "/format/increments";
        match self {
            Self::Preset(_) => faults.require(
                currency.decimals() >= 2,
                pointer,
                format!("the presets have increments below 1, which {currency} cannot express; send an own table"),
            ),
            Self::Table(tiers) => {
                let count = (1..=MAX_TIERS).contains(&tiers.len());
                faults.require(count, pointer, format!("a table has 1 to {MAX_TIERS} tiers"));
                faults.require(tiers.first().is_none_or(|tier| tier.from == 0), pointer, "the first tier is from 0");
                let ascending = tiers.windows(2).all(|pair| pair[0].from < pair[1].from);
                faults.require(ascending, pointer, "tiers ascend by `from`, each higher than the one before");
                let sound =
                    tiers.iter().all(|tier| tier.from <= MAX_AMOUNT && (1..=MAX_AMOUNT).contains(&tier.increment));
                faults.require(sound, pointer, format!("increments lie between 1 and {MAX_AMOUNT} minor units"));
            }
        }
    }
}

impl SoftClose {
    fn check(self, faults: &mut Faults) {
        if let Self::Reset { window_s, hard_stop_s } = self {
            let range = format!("must lie between 1 and {MAX_SOFT_CLOSE_S} seconds");
            let bounds = 1..=MAX_SOFT_CLOSE_S;
            faults.require(bounds.contains(&window_s), "/format/soft_close/window_s", range.clone());
            faults.require(bounds.contains(&hard_stop_s), "/format/soft_close/hard_stop_s", range);
        }
    }
}
