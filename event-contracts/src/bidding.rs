//! Events of the bidding context: who pays how much.
//! Topic `outcry.bidding.v1`, key = auction id. No event carries a bidder's maximum, save the amount at which a second
//! chance is offered to that same bidder.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::event::context_events;
use crate::money::{CURRENCY_PATTERN, MAX_AMOUNT};

/// Bidding is open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuctionOpened {
    /// The listing's id.
    pub auction_id: Uuid,
    /// The seller's `sub`.
    #[schemars(length(min = 1, max = 128))]
    pub seller_id: String,
    /// ISO 4217.
    #[schemars(regex(pattern = CURRENCY_PATTERN))]
    pub currency: String,
    /// The lowest first bid, minor units.
    #[schemars(range(min = 0, max = MAX_AMOUNT))]
    pub next_minimum: i64,
    /// When bidding opened, by the terms.
    pub starts_at: DateTime<Utc>,
    /// When it ends unless extended.
    pub ends_at: DateTime<Utc>,
    /// How it is sold: `kind` of the listing's format, e.g. `english`. Readers expect kinds of later versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub format: Option<String>,
}

/// A bid was accepted. Bids of a sealed auction are not told: they have no event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BidPlaced {
    /// Which auction.
    pub auction_id: Uuid,
    /// UUIDv7 of the bid.
    pub bid_id: Uuid,
    /// Who bid: the bidder's `sub`.
    #[schemars(length(min = 1, max = 128))]
    pub bidder_id: String,
    /// What the bid did.
    pub outcome: BidOutcome,
    /// The price after it, minor units.
    #[schemars(range(min = 0, max = MAX_AMOUNT))]
    pub price: i64,
    /// ISO 4217.
    #[schemars(regex(pattern = CURRENCY_PATTERN))]
    pub currency: String,
    /// The lowest next bid, minor units.
    #[schemars(range(min = 0, max = MAX_AMOUNT))]
    pub next_minimum: i64,
    /// Accepted bids so far, this one included.
    pub bid_count: u64,
    /// Who leads after it: the bidder's `sub`.
    #[schemars(length(min = 1, max = 128))]
    pub leader_id: String,
    /// Who led before and leads no more: the `sub` of the one to be told "you were outbid".
    #[schemars(length(min = 1, max = 128))]
    pub displaced_bidder_id: Option<String>,
    /// How the price stands to the reserve.
    pub reserve: ReserveStatus,
    /// When the auction ends, after any extension by this bid.
    pub ends_at: DateTime<Utc>,
    /// When it was decided, by the database's clock.
    pub placed_at: DateTime<Utc>,
    /// How many units are bid for; absent: one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub quantity: Option<u32>,
}

/// What an accepted bid did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(transform = crate::open::values)]
pub enum BidOutcome {
    /// The bidder leads now.
    Leading,
    /// Another bidder's maximum answered it.
    Outbid,
    /// The leader raised the own maximum.
    MaxRaised,
    /// The lot was bought at once: by buy-now, or by accepting a Dutch price. The auction closes with it.
    Bought,
    /// A value of a later version.
    #[serde(other)]
    Unknown,
}

/// How the price stands to the hidden reserve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReserveStatus {
    /// The lot has no reserve.
    None,
    /// The price is below it.
    NotMet,
    /// The price has reached it.
    Met,
}

/// A late bid moved the end. Follows the `bid.placed` that caused it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuctionExtended {
    /// Which auction.
    pub auction_id: Uuid,
    /// The bid that caused it.
    pub bid_id: Uuid,
    /// The end before.
    pub previous_ends_at: DateTime<Utc>,
    /// The end now.
    pub ends_at: DateTime<Utc>,
}

/// Bids were taken back; price and leader follow from the remaining ones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BidRetracted {
    /// Which auction.
    pub auction_id: Uuid,
    /// The bids taken back.
    pub bid_ids: Vec<Uuid>,
    /// Whose they were: the bidder's `sub`.
    #[schemars(length(min = 1, max = 128))]
    pub bidder_id: String,
    /// The price now, minor units; none without bids.
    #[schemars(range(min = 0, max = MAX_AMOUNT))]
    pub price: Option<i64>,
    /// ISO 4217.
    #[schemars(regex(pattern = CURRENCY_PATTERN))]
    pub currency: String,
    /// The lowest next bid, minor units.
    #[schemars(range(min = 0, max = MAX_AMOUNT))]
    pub next_minimum: i64,
    /// Accepted bids that remain.
    pub bid_count: u64,
    /// Who leads now: the bidder's `sub`; none without bids.
    #[schemars(length(min = 1, max = 128))]
    pub leader_id: Option<String>,
    /// When they were taken back, by the database's clock.
    pub retracted_at: DateTime<Utc>,
    /// How the price stands to the reserve now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reserve: Option<ReserveStatus>,
}

/// The auction is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuctionClosed {
    /// Which auction.
    pub auction_id: Uuid,
    /// The seller's `sub`.
    #[schemars(length(min = 1, max = 128))]
    pub seller_id: String,
    /// ISO 4217.
    #[schemars(regex(pattern = CURRENCY_PATTERN))]
    pub currency: String,
    /// How it ended.
    pub outcome: CloseOutcome,
    /// The hammer price when sold, else the last price; none without bids. Minor units; of one unit where several are
    /// sold.
    #[schemars(range(min = 0, max = MAX_AMOUNT))]
    pub price: Option<i64>,
    /// The buyer's `sub`, when sold; none where several units are sold: see `awards`.
    #[schemars(length(min = 1, max = 128))]
    pub winner_id: Option<String>,
    /// Accepted bids.
    pub bid_count: u64,
    /// Whether the seller opted in to a second chance.
    pub second_chance: bool,
    /// When it ended by its terms, extensions included.
    pub ended_at: DateTime<Utc>,
    /// When that was decided, by the database's clock.
    pub closed_at: DateTime<Utc>,
    /// Who gets how many units; empty or absent where one lot is sold as a whole.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub awards: Vec<Award>,
    /// Until when an award smaller than wanted may be declined; absent: nothing can be declined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decline_until: Option<DateTime<Utc>>,
    /// For how many days a second chance is offered, as the listing says: 1, 3, 5 or 7; absent: 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 7))]
    pub second_chance_days: Option<u32>,
}

/// Units that one bidder gets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Award {
    /// The buyer's `sub`.
    #[schemars(length(min = 1, max = 128))]
    pub bidder_id: String,
    /// Units awarded.
    #[schemars(range(min = 1, max = 100))]
    pub quantity: u32,
    /// Units bid for; more than awarded: a partial lot.
    #[schemars(range(min = 1, max = 100))]
    pub wanted: u32,
    /// Price of one unit, minor units.
    #[schemars(range(min = 0, max = MAX_AMOUNT))]
    pub price: i64,
}

/// How an auction ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CloseOutcome {
    /// A bidder won.
    Sold,
    /// There were bids, none reached the reserve.
    ReserveNotMet,
    /// Nobody bid.
    NoBids,
}

/// The auction was taken back before its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuctionCancelled {
    /// Which auction.
    pub auction_id: Uuid,
    /// The seller's `sub`.
    #[schemars(length(min = 1, max = 128))]
    pub seller_id: String,
    /// Who took it back.
    pub cancelled_by: CancelledBy,
    /// When that was decided, by the database's clock.
    pub cancelled_at: DateTime<Utc>,
    /// Why, in the operator's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1000))]
    pub reason: Option<String>,
}

/// Who took an auction back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(transform = crate::open::values)]
pub enum CancelledBy {
    /// The seller, before the first bid.
    Seller,
    /// The operator.
    Operator,
    /// A value of a later version.
    #[serde(other)]
    Unknown,
}

/// The auction stands still: bids are refused and its time does not run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuctionPaused {
    /// Which auction.
    pub auction_id: Uuid,
    /// Who or what stopped it.
    pub by: PausedBy,
    /// Why, in the operator's words or the platform's.
    #[schemars(length(max = 1000))]
    pub reason: String,
    /// Since when, by the database's clock.
    pub paused_at: DateTime<Utc>,
}

/// Who or what stopped an auction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(transform = crate::open::values)]
pub enum PausedBy {
    /// The operator.
    Operator,
    /// Nobody could bid for a time: an outage must not decide a sale.
    Downtime,
    /// A value of a later version.
    #[serde(other)]
    Unknown,
}

/// The auction goes on; the paused time is given back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuctionResumed {
    /// Which auction.
    pub auction_id: Uuid,
    /// How long it stood still, milliseconds.
    pub paused_for_ms: u64,
    /// When it ends now.
    pub ends_at: DateTime<Utc>,
    /// Since when it goes on, by the database's clock.
    pub resumed_at: DateTime<Utc>,
}

/// A bidder who was awarded fewer units than wanted gave them up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AwardDeclined {
    /// Which auction.
    pub auction_id: Uuid,
    /// Whose award it was: the bidder's `sub`.
    #[schemars(length(min = 1, max = 128))]
    pub bidder_id: String,
    /// Units given up.
    #[schemars(range(min = 1, max = 100))]
    pub quantity: u32,
    /// When, by the database's clock.
    pub declined_at: DateTime<Utc>,
}

/// The next contender for a lot whose winner did not pay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SecondChanceNominated {
    /// Which auction.
    pub auction_id: Uuid,
    /// The settlement that asked.
    pub settlement_id: Uuid,
    /// The contender's `sub`.
    #[schemars(length(min = 1, max = 128))]
    pub bidder_id: String,
    /// What to offer: the contender's own highest bid, minor units.
    #[schemars(range(min = 0, max = MAX_AMOUNT))]
    pub amount: i64,
    /// ISO 4217.
    #[schemars(regex(pattern = CURRENCY_PATTERN))]
    pub currency: String,
}

/// There is no further contender.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SecondChanceExhausted {
    /// Which auction.
    pub auction_id: Uuid,
    /// The settlement that asked.
    pub settlement_id: Uuid,
}

context_events! {
    /// Any event of the bidding context.
    BiddingEvent on "outcry.bidding.v1" {
        /// Bidding is open.
        AuctionOpened(AuctionOpened) = "outcry.bidding.auction.opened.v1" by auction_id,
        /// A bid was accepted.
        BidPlaced(BidPlaced) = "outcry.bidding.bid.placed.v1" by auction_id,
        /// A late bid moved the end.
        AuctionExtended(AuctionExtended) = "outcry.bidding.auction.extended.v1" by auction_id,
        /// Bids were taken back.
        BidRetracted(BidRetracted) = "outcry.bidding.bid.retracted.v1" by auction_id,
        /// The auction is over.
        AuctionClosed(AuctionClosed) = "outcry.bidding.auction.closed.v1" by auction_id,
        /// The auction was taken back.
        AuctionCancelled(AuctionCancelled) = "outcry.bidding.auction.cancelled.v1" by auction_id,
        /// The next contender.
        SecondChanceNominated(SecondChanceNominated) = "outcry.bidding.second_chance.nominated.v1" by auction_id,
        /// No further contender.
        SecondChanceExhausted(SecondChanceExhausted) = "outcry.bidding.second_chance.exhausted.v1" by auction_id,
        /// The auction stands still.
        AuctionPaused(AuctionPaused) = "outcry.bidding.auction.paused.v1" by auction_id,
        /// The auction goes on.
        AuctionResumed(AuctionResumed) = "outcry.bidding.auction.resumed.v1" by auction_id,
        /// A partial award was given up.
        AwardDeclined(AwardDeclined) = "outcry.bidding.award.declined.v1" by auction_id,
    }
}
