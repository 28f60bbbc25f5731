//! What the live stream gives: one event after the other, told apart by `type`.

use bidding_domain::{
    money::Amount,
    views::{EventView, HappeningView},
};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::dto::{AuctionResult, Outcome, Reserve};

/// The data of one event of the stream; `id` of the event is `sequence`, its name is `type`.
#[derive(Debug, Serialize, ToSchema)]
pub struct StreamEvent {
    /// 1, 2, 3 … in the auction.
    pub sequence: u64,
    /// When it was decided.
    at: DateTime<Utc>,
    #[serde(flatten)]
    what: StreamHappening,
}

/// What happened, by `type`.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "type")]
pub enum StreamHappening {
    /// Bidding is open.
    #[serde(rename = "auction.opened")]
    Opened {
        /// The way of selling.
        format: String,
        /// The lowest first bid.
        next_minimum: i64,
        /// When it ends unless extended.
        ends_at: DateTime<Utc>,
    },
    /// A bid was accepted.
    #[serde(rename = "bid.placed")]
    BidPlaced {
        /// Which bid.
        bid_id: Uuid,
        /// Who bid.
        bidder: String,
        /// Whether the caller did.
        yours: bool,
        /// Units wanted.
        quantity: u32,
        /// What it did.
        outcome: Outcome,
        /// The price after it.
        price: i64,
        /// The lowest next bid.
        next_minimum: i64,
        /// Accepted bids so far.
        bid_count: u64,
        /// Who leads after it.
        leader: String,
        /// Whether the caller leads after it.
        you_lead: bool,
        /// How the price stands to the reserve.
        reserve: Reserve,
        /// When the auction ends now.
        ends_at: DateTime<Utc>,
    },
    /// A late bid moved the end.
    #[serde(rename = "auction.extended")]
    Extended {
        /// The bid that caused it.
        bid_id: Uuid,
        /// The end now.
        ends_at: DateTime<Utc>,
    },
    /// Bids were taken back; the price follows from those that remain.
    #[serde(rename = "bid.retracted")]
    Retracted {
        /// Which bids.
        bid_ids: Vec<Uuid>,
        /// Whose they were.
        bidder: String,
        /// Whether they were the caller's.
        yours: bool,
        /// The price now; null without bids.
        price: Option<i64>,
        /// The lowest next bid.
        next_minimum: i64,
        /// Accepted bids that remain.
        bid_count: u64,
        /// Who leads now; null without bids.
        leader: Option<String>,
        /// Whether the caller leads.
        you_lead: bool,
        /// How the price stands to the reserve.
        reserve: Reserve,
    },
    /// Bidding rests; the time is given back.
    #[serde(rename = "auction.paused")]
    Paused {
        /// Why.
        reason: String,
    },
    /// Bidding goes on, or time that was lost was given back.
    #[serde(rename = "auction.resumed")]
    Resumed {
        /// Milliseconds that were given back.
        paused_for_ms: u64,
        /// When the auction ends now.
        ends_at: DateTime<Utc>,
    },
    /// A winner of less than was wanted took nothing.
    #[serde(rename = "award.declined")]
    Declined {
        /// Who.
        bidder: String,
        /// Units that are not sold.
        quantity: u32,
    },
    /// The auction is over; only a declined award may follow.
    #[serde(rename = "auction.closed")]
    Closed {
        /// How it ended.
        result: AuctionResult,
        /// Who won, when sold.
        winner: Option<String>,
        /// Whether the caller won.
        you_won: bool,
        /// Accepted bids.
        bid_count: u64,
        /// When it ended.
        ended_at: DateTime<Utc>,
    },
    /// The auction was taken back; nothing follows.
    #[serde(rename = "auction.cancelled")]
    Cancelled {
        /// The operator's reason; null when the seller took it back.
        reason: Option<String>,
    },
}

impl StreamEvent {
    /// The event's name in the stream.
    pub(crate) fn name(&self) -> &'static str {
        match self.what {
            StreamHappening::Opened { .. } => "auction.opened",
            StreamHappening::BidPlaced { .. } => "bid.placed",
            StreamHappening::Extended { .. } => "auction.extended",
            StreamHappening::Closed { .. } => "auction.closed",
            StreamHappening::Retracted { .. } => "bid.retracted",
            StreamHappening::Paused { .. } => "auction.paused",
            StreamHappening::Resumed { .. } => "auction.resumed",
            StreamHappening::Declined { .. } => "award.declined",
            StreamHappening::Cancelled { .. } => "auction.cancelled",
        }
    }
}

impl From<EventView> for StreamEvent {
    fn from(view: EventView) -> Self {
        let what = match view.what {
            HappeningView::Opened { next_minimum, ends_at, format } => {
                StreamHappening::Opened { format, next_minimum: next_minimum.minor(), ends_at }
            }
            HappeningView::BidPlaced {
                bid_id,
                bidder,
                yours,
                quantity,
                outcome,
                price,
                next_minimum,
                bid_count,
                leader,
                you_lead,
                reserve,
                ends_at,
            } => StreamHappening::BidPlaced {
                bid_id: bid_id.0,
                bidder: bidder.to_string(),
                yours,
                quantity,
                outcome: outcome.into(),
                price: price.minor(),
                next_minimum: next_minimum.minor(),
                bid_count,
                leader: leader.to_string(),
                you_lead,
                reserve: reserve.into(),
                ends_at,
            },
            HappeningView::Extended { bid_id, ends_at } => StreamHappening::Extended { bid_id: bid_id.0, ends_at },
            HappeningView::Closed { result, winner, you_won, bid_count, ended_at } => StreamHappening::Closed {
                result: result.into(),
                winner: winner.map(|alias| alias.to_string()),
                you_won,
                bid_count,
                ended_at,
            },
            HappeningView::Retracted {
                bid_ids,
                bidder,
                yours,
                price,
                next_minimum,
                bid_count,
                leader,
                you_lead,
                reserve,
            } => StreamHappening::Retracted {
                bid_ids: bid_ids.into_iter().map(|bid| bid.0).collect(),
                bidder: bidder.to_string(),
                yours,
                price: price.map(Amount::minor),
                next_minimum: next_minimum.minor(),
                bid_count,
                leader: leader.map(|leader| leader.to_string()),
                you_lead,
                reserve: reserve.into(),
            },
            HappeningView::Paused { reason, .. } => StreamHappening::Paused { reason },
            HappeningView::Resumed { paused_for_ms, ends_at } => StreamHappening::Resumed { paused_for_ms, ends_at },
            HappeningView::Declined { bidder, quantity } => {
                StreamHappening::Declined { bidder: bidder.to_string(), quantity }
            }
            HappeningView::Cancelled { reason } => StreamHappening::Cancelled { reason },
        };
        Self { sequence: view.sequence, at: view.at, what }
    }
}
