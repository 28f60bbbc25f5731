//! A bid: as it is ordered, as it was accepted, or why it was refused.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    auction::Status,
    ids::{AuctionId, BidId, UserId},
    money::{Amount, Currency, Unit},
};

/// What a bidder asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// The id that the bid gets if it is accepted.
    pub bid_id: BidId,
    /// Who bids.
    pub bidder: UserId,
    /// How.
    pub ask: Ask,
    /// Whether the bidder may not bid for now.
    pub suspended: bool,
}

/// The ways to ask for a lot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum Ask {
    /// By the rules of the auction's format.
    Bid {
        /// The most that the bidder would pay for one unit.
        max: Amount,
        /// Units wanted.
        quantity: u32,
    },
    /// At once, at the seller's price for that.
    BuyNow,
}

/// An accepted bid. Private: `max` is known to nobody but the bidder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bid {
    /// Which bid.
    pub id: BidId,
    /// On which auction.
    pub auction_id: AuctionId,
    /// Who bid.
    pub bidder: UserId,
    /// The most that the bidder would pay for one unit.
    pub max: Amount,
    /// Units wanted.
    pub quantity: u32,
    /// What it did.
    pub outcome: BidOutcome,
    /// The price after it; none of a sealed bid.
    pub price: Option<Amount>,
    /// Its number among the auction's decisions: the order of bids.
    pub number: u64,
    /// The number of the last event after it.
    pub sequence: u64,
    /// When it was decided.
    pub placed_at: DateTime<Utc>,
}

/// What an accepted bid did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BidOutcome {
    /// The bidder leads now.
    Leading,
    /// Another bidder's maximum answered it.
    Outbid,
    /// The leader raised the own maximum.
    MaxRaised,
    /// It is secret until the close.
    Sealed,
    /// It ended the auction: the lot is the bidder's.
    Bought,
}

/// Why a bid was refused. A refusal changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum Refusal {
    /// Bidding has not begun, or is over.
    #[error("the auction does not take bids: it is {status}")]
    NotOpen {
        /// What it is; an auction past its end refuses as closed even before it was closed.
        status: Status,
    },
    /// The operator paused bidding; the time is given back.
    #[error("the auction is paused; the time is given back when it goes on")]
    Paused,
    /// Nobody bids on the own lot.
    #[error("the seller may not bid on the own lot")]
    SellerMayNotBid,
    /// The bidder left lots unpaid.
    #[error("the bidder is suspended")]
    BidderSuspended,
    /// Below what the price asks for.
    #[error("the bid is below the next minimum, {next_minimum}")]
    BidTooLow {
        /// The lowest bid that would be accepted.
        next_minimum: Amount,
    },
    /// The leader's maximum can only go up.
    #[error("the bid does not raise the bidder's own")]
    MaxNotRaised,
    /// No next bid could be expressed above it.
    #[error("the bid is above the largest that this auction takes, {largest}")]
    AmountTooLarge {
        /// The largest bid that would be accepted.
        largest: Amount,
    },
    /// Nobody could pay it.
    #[error("amounts in {currency} are multiples of {unit} minor units")]
    NotPayable {
        /// The auction's.
        currency: Currency,
        /// What bids are multiples of.
        unit: Unit,
    },
    /// The lot has not so many units.
    #[error("the quantity lies between 1 and {largest}")]
    QuantityNotOffered {
        /// Units for sale.
        largest: u32,
    },
    /// The seller never offered it, or bidding has ended the offer.
    #[error("the auction cannot be ended by buying now: that was not offered, or bidding has ended the offer")]
    BuyNowGone,
}
