//! What the other contexts are told about an auction. No event carries a bidder's maximum, save the amount at which a
//! second chance is offered to that same bidder.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    auction::{CancelledBy, PausedBy},
    bid::BidOutcome,
    format::{Outcome, ReserveStatus},
    ids::{AuctionId, BidId, SettlementId, UserId},
    money::{Amount, Currency},
};

/// A domain event with its place in the auction's sequence: 1, 2, 3 … without a gap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuctionEvent {
    /// Whose.
    pub auction_id: AuctionId,
    /// Its number.
    pub sequence: u64,
    /// When it was decided.
    pub at: DateTime<Utc>,
    /// What happened.
    pub what: Happening,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Happening {
    /// Bidding is open.
    Opened {
        /// Who sells.
        seller: UserId,
        /// The currency of all amounts.
        currency: Currency,
        /// The lowest first bid.
        next_minimum: Amount,
        /// When bidding opened, by the terms.
        starts_at: DateTime<Utc>,
        /// When it ends unless extended.
        ends_at: DateTime<Utc>,
        /// The format's name.
        format: String,
    },
    /// A bid was accepted.
    BidPlaced {
        /// Which bid.
        bid_id: BidId,
        /// Who bid.
        bidder: UserId,
        /// Units wanted.
        quantity: u32,
        /// What it did.
        outcome: BidOutcome,
        /// The price after it.
        price: Amount,
        /// The currency of all amounts.
        currency: Currency,
        /// The lowest next bid.
        next_minimum: Amount,
        /// Accepted bids so far, this one included.
        bid_count: u64,
        /// Who leads after it.
        leader: UserId,
        /// Who led before and leads no more.
        displaced: Option<UserId>,
        /// How the price stands to the reserve.
        reserve: ReserveStatus,
        /// When the auction ends, after any extension by this bid.
        ends_at: DateTime<Utc>,
    },
    /// A late bid moved the end. Follows the `BidPlaced` that caused it.
    Extended {
        /// The bid that caused it.
        bid_id: BidId,
        /// The end before.
        previous_ends_at: DateTime<Utc>,
        /// The end now.
        ends_at: DateTime<Utc>,
    },
    /// Bids were taken back; the price follows from the remaining ones.
    Retracted {
        /// The bids taken back.
        bid_ids: Vec<BidId>,
        /// Whose they were.
        bidder: UserId,
        /// The price now; none without bids.
        price: Option<Amount>,
        /// The currency of all amounts.
        currency: Currency,
        /// The lowest next bid.
        next_minimum: Amount,
        /// Accepted bids that remain.
        bid_count: u64,
        /// Who leads now.
        leader: Option<UserId>,
        /// How the price stands to the reserve.
        reserve: ReserveStatus,
    },
    /// Bidding rests; the time is given back.
    Paused {
        /// Who paused it.
        by: PausedBy,
        /// Why.
        reason: String,
    },
    /// Bidding goes on, or time that was lost was given back.
    Resumed {
        /// Who paused it.
        by: PausedBy,
        /// Milliseconds that were given back.
        paused_for_ms: u64,
        /// The end now.
        ends_at: DateTime<Utc>,
    },
    /// The auction is over.
    Closed {
        /// Who sold.
        seller: UserId,
        /// The currency of all amounts.
        currency: Currency,
        /// How it ended, with price and winner.
        outcome: Outcome,
        /// Accepted bids.
        bid_count: u64,
        /// Whether the seller opted in to a second chance.
        second_chance: bool,
        /// For how many days it is offered, as the seller said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        second_chance_days: Option<u32>,
        /// When it ended by its terms, extensions included.
        ended_at: DateTime<Utc>,
        /// Until when a partial lot may be declined; none when there is none.
        decline_until: Option<DateTime<Utc>>,
    },
    /// A winner of less than was wanted declined it.
    Declined {
        /// Who.
        bidder: UserId,
        /// Units that are not sold.
        quantity: u32,
    },
    /// The auction was taken back before its end.
    Cancelled {
        /// Who sold.
        seller: UserId,
        /// Who took it back.
        by: CancelledBy,
        /// The operator's reason.
        reason: Option<String>,
    },
    /// The next contender for a lot whose buyer did not pay. Between the services: nobody else is told.
    Nominated {
        /// The settlement that asked.
        settlement: SettlementId,
        /// Who is next.
        bidder: UserId,
        /// That bidder's own highest bid.
        amount: Amount,
        /// Its currency.
        currency: Currency,
    },
    /// Nobody is next. Between the services: nobody else is told.
    Exhausted {
        /// The settlement that asked.
        settlement: SettlementId,
    },
}

impl Happening {
    /// Whether it is between the services alone: no stream, view or receipt tells of it.
    #[must_use]
    pub fn is_internal(&self) -> bool {
        matches!(self, Self::Nominated { .. } | Self::Exhausted { .. })
    }
}
