//! What a bidder may see: aliases instead of names, the price and never a maximum.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    alias::{Alias, Aliases},
    auction::{Auction, State, Status},
    bid::{Bid, BidOutcome},
    event::{AuctionEvent, Happening},
    format::{Outcome, ReserveStatus},
    ids::{AuctionId, BidId, UserId},
    money::{Amount, Currency},
};

/// An auction as `viewer` sees it at `server_time`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuctionView {
    /// The listing's id.
    pub id: AuctionId,
    /// Where it stands.
    pub status: Status,
    /// The currency of all amounts.
    pub currency: Currency,
    /// None without bids.
    pub price: Option<Amount>,
    /// Accepted bids.
    pub bid_count: u64,
    /// The lowest bid that would be accepted from someone who does not lead.
    pub next_minimum: Amount,
    /// How the price stands to the reserve.
    pub reserve: ReserveStatus,
    /// Who leads.
    pub leader: Option<Alias>,
    /// Whether the viewer leads.
    pub you_lead: bool,
    /// When bidding opens or opened.
    pub starts_at: DateTime<Utc>,
    /// When bidding ends or ended, extensions included.
    pub ends_at: DateTime<Utc>,
    /// The time that decides what is late.
    pub server_time: DateTime<Utc>,
    /// Number of the last event.
    pub sequence: u64,
    /// How it ended.
    pub result: Option<ResultView>,
}

/// How an auction ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResultView {
    /// How.
    pub outcome: ResultOutcome,
    /// The hammer price when sold, the last price when the reserve was not met.
    pub price: Option<Amount>,
}

/// The ways in which an auction ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResultOutcome {
    /// A bidder won.
    Sold,
    /// There were bids, none reached the reserve.
    ReserveNotMet,
    /// Nobody bid.
    NoBids,
    /// Taken back.
    Cancelled,
}

impl From<&Outcome> for ResultView {
    fn from(outcome: &Outcome) -> Self {
        let (outcome, price) = match outcome {
            Outcome::Sold { price, .. } => (ResultOutcome::Sold, Some(*price)),
            Outcome::ReserveNotMet { price } => (ResultOutcome::ReserveNotMet, Some(*price)),
            Outcome::NoBids => (ResultOutcome::NoBids, None),
        };
        Self { outcome, price }
    }
}

impl AuctionView {
    /// What `viewer` sees of `auction` at `now`.
    #[must_use]
    pub fn of(auction: &Auction, now: DateTime<Utc>, viewer: &UserId, aliases: &Aliases) -> Self {
        let rules = auction.rules();
        let result = match auction.state() {
            State::Scheduled | State::Open { .. } => None,
            State::Closed { outcome, .. } => Some(outcome.into()),
            State::Cancelled { .. } => Some(ResultView { outcome: ResultOutcome::Cancelled, price: None }),
        };
        Self {
            id: auction.id(),
            status: auction.status(),
            currency: auction.sale().currency,
            price: rules.price(),
            bid_count: rules.bid_count(),
            next_minimum: rules.next_minimum(),
            reserve: rules.reserve(),
            leader: rules.leader().map(|leader| aliases.of(auction.id(), leader)),
            you_lead: rules.leader() == Some(viewer),
            starts_at: auction.sale().starts_at,
            ends_at: auction.ends_at(),
            server_time: now,
            sequence: auction.sequence(),
            result,
        }
    }
}

/// A bid as `viewer` sees it in the history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BidView {
    /// Which bid.
    pub bid_id: BidId,
    /// Who bid.
    pub bidder: Alias,
    /// Whether the viewer did.
    pub yours: bool,
    /// What it did.
    pub outcome: BidOutcome,
    /// The price after it.
    pub price: Amount,
    /// Its place among the auction's events.
    pub sequence: u64,
    /// When it was decided.
    pub placed_at: DateTime<Utc>,
}

impl BidView {
    /// What `viewer` sees of `bid`.
    #[must_use]
    pub fn of(bid: &Bid, viewer: &UserId, aliases: &Aliases) -> Self {
        Self {
            bid_id: bid.id,
            bidder: aliases.of(bid.auction_id, &bid.bidder),
            yours: bid.bidder == *viewer,
            outcome: bid.outcome,
            price: bid.price,
            sequence: bid.sequence,
            placed_at: bid.placed_at,
        }
    }
}

/// An event as `viewer` sees it in the live stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventView {
    /// Its number in the auction.
    pub sequence: u64,
    /// When it was decided.
    pub at: DateTime<Utc>,
    /// What happened.
    pub what: HappeningView,
}

/// What happened, without anything private.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum HappeningView {
    /// Bidding is open.
    Opened {
        /// The lowest first bid.
        next_minimum: Amount,
        /// When it ends unless extended.
        ends_at: DateTime<Utc>,
    },
    /// A bid was accepted.
    BidPlaced {
        /// Which bid.
        bid_id: BidId,
        /// Who bid.
        bidder: Alias,
        /// Whether the viewer did.
        yours: bool,
        /// What it did.
        outcome: BidOutcome,
        /// The price after it.
        price: Amount,
        /// The lowest next bid.
        next_minimum: Amount,
        /// Accepted bids so far.
        bid_count: u64,
        /// Who leads after it.
        leader: Alias,
        /// Whether the viewer leads after it.
        you_lead: bool,
        /// How the price stands to the reserve.
        reserve: ReserveStatus,
        /// When the auction ends, after any extension by this bid.
        ends_at: DateTime<Utc>,
    },
    /// A late bid moved the end.
    Extended {
        /// The bid that caused it.
        bid_id: BidId,
        /// The end now.
        ends_at: DateTime<Utc>,
    },
    /// The auction is over.
    Closed {
        /// How it ended.
        result: ResultView,
        /// Who won, when sold.
        winner: Option<Alias>,
        /// Whether the viewer won.
        you_won: bool,
        /// Accepted bids.
        bid_count: u64,
        /// When it ended by its terms, extensions included.
        ended_at: DateTime<Utc>,
    },
    /// The auction was taken back.
    Cancelled,
}

impl EventView {
    /// What `viewer` sees of `event`.
    #[must_use]
    pub fn of(event: &AuctionEvent, viewer: &UserId, aliases: &Aliases) -> Self {
        let alias = |bidder: &UserId| aliases.of(event.auction_id, bidder);
        let what = match &event.what {
            Happening::Opened { next_minimum, ends_at, .. } => {
                HappeningView::Opened { next_minimum: *next_minimum, ends_at: *ends_at }
            }
            Happening::BidPlaced {
                bid_id,
                bidder,
                outcome,
                price,
                next_minimum,
                bid_count,
                leader,
                reserve,
                ends_at,
                currency: _,
                displaced: _,
            } => HappeningView::BidPlaced {
                bid_id: *bid_id,
                bidder: alias(bidder),
                yours: bidder == viewer,
                outcome: *outcome,
                price: *price,
                next_minimum: *next_minimum,
                bid_count: *bid_count,
                leader: alias(leader),
                you_lead: leader == viewer,
                reserve: *reserve,
                ends_at: *ends_at,
            },
            Happening::Extended { bid_id, ends_at, .. } => {
                HappeningView::Extended { bid_id: *bid_id, ends_at: *ends_at }
            }
            Happening::Closed { outcome, bid_count, ended_at, .. } => {
                let winner = if let Outcome::Sold { winner, .. } = outcome { Some(winner) } else { None };
                HappeningView::Closed {
                    result: outcome.into(),
                    winner: winner.map(alias),
                    you_won: winner == Some(viewer),
                    bid_count: *bid_count,
                    ended_at: *ended_at,
                }
            }
            Happening::Cancelled { .. } => HappeningView::Cancelled,
        };
        Self { sequence: event.sequence, at: event.at, what }
    }

    /// Whether nothing follows it.
    #[must_use]
    pub fn is_last(&self) -> bool {
        matches!(self.what, HappeningView::Closed { .. } | HappeningView::Cancelled)
    }
}
