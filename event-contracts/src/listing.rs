//! Events of the listing context: what is for sale, and on which terms.
//! Topic `outcry.listing.v1`, key = listing id.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::event::context_events;
use crate::money::{CURRENCY_PATTERN, MAX_AMOUNT};

/// A listing was published: its terms are final. Bidding opens the auction at `starts_at`.
///
/// Confidential: carries the hidden reserve. Only services may read the topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ListingPublished {
    /// UUIDv7; the auction has the same id.
    pub listing_id: Uuid,
    /// The seller's `sub`.
    #[schemars(length(min = 1, max = 128))]
    pub seller_id: String,
    /// 1–200 characters.
    #[schemars(length(min = 1, max = 200))]
    pub title: String,
    /// Lower-case slug, e.g. `watches`.
    pub category: String,
    /// ISO 4217; all amounts of the terms are in its minor units.
    #[schemars(regex(pattern = CURRENCY_PATTERN))]
    pub currency: String,
    /// How it is sold.
    pub format: AuctionFormat,
    /// When bidding opens.
    pub starts_at: DateTime<Utc>,
    /// When bidding ends, before any extension.
    pub ends_at: DateTime<Utc>,
    /// Whether the next bidder may be offered the lot if the winner does not pay.
    pub second_chance: bool,
    /// The listing that this one repeats. Open offers of that lot's second chance are withdrawn.
    pub relisted_from: Option<Uuid>,
    /// When it was published.
    pub published_at: DateTime<Utc>,
    /// For how many days a second chance is offered: 1, 3, 5 or 7; absent: 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 7))]
    pub second_chance_days: Option<u32>,
}

/// The description of a published listing changed; its terms cannot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ListingRevised {
    /// Which listing.
    pub listing_id: Uuid,
    /// The listing's version after the revision.
    pub version: u64,
    /// 1–200 characters.
    #[schemars(length(min = 1, max = 200))]
    pub title: String,
    /// Lower-case slug, e.g. `watches`.
    pub category: String,
    /// When it was revised, by the database's clock.
    pub revised_at: DateTime<Utc>,
}

/// The seller asks to take a published listing back. Bidding decides: `auction.cancelled` if it
/// has no bids, and goes on otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ListingCancelled {
    /// Which listing.
    pub listing_id: Uuid,
    /// The seller's `sub`.
    #[schemars(length(min = 1, max = 128))]
    pub seller_id: String,
    /// When the seller asked.
    pub cancelled_at: DateTime<Utc>,
}

/// How a lot is sold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum AuctionFormat {
    /// Ascending, with proxy bidding.
    English(EnglishFormat),
    /// Sealed: the highest bid wins and is paid.
    SealedFirstPrice(SealedFormat),
    /// Sealed: the highest bid wins, the second highest is paid.
    Vickrey(SealedFormat),
    /// Descending: the first to accept the price wins.
    Dutch(DutchFormat),
    /// Ascending, for several equal units; all winners pay the same price for a unit.
    UniformMultiUnit(UniformMultiUnitFormat),
}

/// Terms of an ascending auction. Amounts are minor units of the listing's currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EnglishFormat {
    /// The first bid must reach it.
    #[schemars(range(min = 0, max = MAX_AMOUNT))]
    pub start_price: i64,
    /// Hidden: below it the lot is not sold.
    #[schemars(range(min = 0, max = MAX_AMOUNT))]
    pub reserve_price: Option<i64>,
    /// Price at which a buyer may end the auction at once.
    #[schemars(range(min = 0, max = MAX_AMOUNT))]
    pub buy_now_price: Option<i64>,
    /// By how much a bid must exceed the price.
    pub increments: Increments,
    /// How late bids extend the auction.
    pub soft_close: SoftClose,
}

/// Terms of a sealed auction: nothing of its bids is told before the close. Amounts are minor units of the
/// listing's currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SealedFormat {
    /// The lowest bid that counts.
    #[schemars(range(min = 0, max = MAX_AMOUNT))]
    pub start_price: i64,
    /// Hidden: below it the lot is not sold.
    #[schemars(range(min = 0, max = MAX_AMOUNT))]
    pub reserve_price: Option<i64>,
}

/// Terms of a descending auction: the price is `max(floor_price, start_price − step × ⌊t / step_every_s⌋)`, `t` seconds
/// after the opening. Amounts are minor units of the listing's currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DutchFormat {
    /// The price at the opening.
    #[schemars(range(min = 0, max = MAX_AMOUNT))]
    pub start_price: i64,
    /// The price falls no further; positive, below the start price.
    #[schemars(range(min = 1, max = MAX_AMOUNT))]
    pub floor_price: i64,
    /// By how much the price falls at a time.
    #[schemars(range(min = 1, max = MAX_AMOUNT))]
    pub step: i64,
    /// Seconds from one fall to the next.
    #[schemars(range(min = 1))]
    pub step_every_s: u32,
}

/// Terms of an ascending auction of several equal units. Amounts are minor units of the listing's currency and
/// mean one unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UniformMultiUnitFormat {
    /// A bid must reach it.
    #[schemars(range(min = 0, max = MAX_AMOUNT))]
    pub start_price: i64,
    /// How many units there are.
    #[schemars(range(min = 2, max = 100))]
    pub quantity: u32,
    /// By how much a bid must exceed the price.
    pub increments: Increments,
    /// How late bids extend the auction.
    pub soft_close: SoftClose,
    /// Seconds after the close in which a bidder who is awarded fewer units than wanted may decline them; 0: nothing
    /// can be declined.
    #[schemars(range(min = 0, max = 604_800))]
    pub decline_within_s: u32,
}

/// A preset by name, or the listing's own table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Increments {
    /// A published table.
    Preset(IncrementPreset),
    /// Ascending tiers, the first from 0, at most 50.
    Table(#[schemars(length(min = 1, max = 50))] Vec<IncrementTier>),
}

/// Increment tables of real marketplaces; they need a currency with two or more decimals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum IncrementPreset {
    /// eBay, United States.
    EbayUs,
    /// eBay, United Kingdom.
    EbayUk,
    /// Trade Me, New Zealand.
    TradeMe,
}

/// From this price on, a bid must exceed the price by this much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct IncrementTier {
    /// Inclusive lower bound of the price, minor units.
    #[schemars(range(min = 0, max = MAX_AMOUNT))]
    pub from: i64,
    /// Positive, minor units.
    #[schemars(range(min = 1, max = MAX_AMOUNT))]
    pub increment: i64,
}

/// How late bids extend the auction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "mode", rename_all = "snake_case")]
pub enum SoftClose {
    /// The end stands.
    Off,
    /// A bid in the last `window_s` sets the end to the bid's time plus `window_s`.
    Reset {
        /// Seconds before the end in which a bid extends.
        window_s: u32,
        /// The end is never later than the original end plus this many seconds.
        hard_stop_s: u32,
    },
    /// Each bid in the last `window_s` adds `extension_s` to the end as it stands.
    Add {
        /// Seconds before the end in which a bid extends.
        window_s: u32,
        /// Seconds that such a bid adds.
        extension_s: u32,
        /// The end is never later than the original end plus this many seconds.
        hard_stop_s: u32,
    },
}

context_events! {
    /// Any event of the listing context.
    ListingEvent on "outcry.listing.v1" {
        /// Terms are final.
        Published(ListingPublished) = "outcry.listing.published.v1" by listing_id,
        /// The description changed.
        Revised(ListingRevised) = "outcry.listing.revised.v1" by listing_id,
        /// The seller asks to take it back.
        Cancelled(ListingCancelled) = "outcry.listing.cancelled.v1" by listing_id,
    }
}
