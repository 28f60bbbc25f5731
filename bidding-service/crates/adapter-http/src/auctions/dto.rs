//! What the API takes and gives. Amounts are minor units of the auction's currency, times RFC 3339.
//! Nobody's maximum is ever shown, not even to the one whose it is.

use bidding_domain::{
    auction::Status,
    bid::BidOutcome,
    format::ReserveStatus,
    money::Amount,
    views::{AuctionView, BidView, EventView, HappeningView, ResultOutcome, ResultView},
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// A bid to be placed.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewBid {
    /// The most that the bidder would pay; the price rises only as far as others make it.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 12050)]
    pub max_amount: i64,
}

/// An accepted bid.
#[derive(Debug, Serialize, ToSchema)]
pub struct PlacedBid {
    /// The bid.
    pub bid_id: Uuid,
    /// What it did.
    pub outcome: Outcome,
    /// The auction after it, as the bidder sees it.
    pub auction: Auction,
}

/// What an accepted bid did.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = BidOutcome)]
pub enum Outcome {
    /// The bidder leads now.
    Leading,
    /// Another bidder's maximum answered it.
    Outbid,
    /// The leader raised the own maximum.
    MaxRaised,
}

/// An auction as the caller sees it.
#[derive(Debug, Serialize, ToSchema)]
pub struct Auction {
    /// The listing's id.
    pub id: Uuid,
    /// Where it stands.
    pub status: AuctionStatus,
    /// ISO 4217.
    #[schema(example = "USD")]
    pub currency: &'static str,
    /// Null before the first bid.
    #[schema(example = 9950)]
    pub price: Option<i64>,
    /// Accepted bids.
    pub bid_count: u64,
    /// The lowest bid that is accepted from who does not lead.
    #[schema(example = 10050)]
    pub next_minimum: i64,
    /// How the price stands to the hidden reserve.
    pub reserve: Reserve,
    /// Who leads: a name that is the same throughout this auction and tells nothing elsewhere.
    #[schema(example = "bidder-k3v7q2xa")]
    pub leader: Option<String>,
    /// Whether the caller leads.
    pub you_lead: bool,
    /// When bidding opens.
    pub starts_at: DateTime<Utc>,
    /// When it ends, extensions included.
    pub ends_at: DateTime<Utc>,
    /// The clock that decides what is late.
    pub server_time: DateTime<Utc>,
    /// Number of the last event of the stream.
    pub sequence: u64,
    /// Null until it is over.
    pub result: Option<AuctionResult>,
}

/// Where an auction stands.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AuctionStatus {
    /// Bidding has not opened.
    Scheduled,
    /// Takes bids.
    Open,
    /// Over.
    Closed,
    /// Taken back.
    Cancelled,
}

/// How the price stands to the reserve.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ReserveStatus)]
pub enum Reserve {
    /// There is none.
    None,
    /// The price is below it: the lot would not be sold.
    NotMet,
    /// The price has reached it.
    Met,
}

/// How an auction ended.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub struct AuctionResult {
    /// How.
    outcome: AuctionOutcome,
    /// The hammer price when sold, else the last price; null without bids.
    price: Option<i64>,
}

/// The ways in which an auction ends.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AuctionOutcome {
    /// A bidder won.
    Sold,
    /// There were bids, none reached the reserve.
    ReserveNotMet,
    /// Nobody bid.
    NoBids,
    /// Taken back.
    Cancelled,
}

/// A bid of the history.
#[derive(Debug, Serialize, ToSchema)]
pub struct Bid {
    /// Which bid.
    bid_id: Uuid,
    /// Who bid, by the name in this auction.
    bidder: String,
    /// Whether the caller did.
    yours: bool,
    /// What it did.
    outcome: Outcome,
    /// The price after it.
    price: i64,
    /// Its number among the auction's events.
    sequence: u64,
    /// When it was decided.
    placed_at: DateTime<Utc>,
}

/// A page of the history, the latest bid first.
#[derive(Debug, Serialize, ToSchema)]
pub struct BidPage {
    /// The latest first.
    pub items: Vec<Bid>,
    /// Send it as `cursor` for earlier bids; null when there are none.
    pub next_cursor: Option<String>,
}

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
    /// The auction is over; nothing follows.
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
    Cancelled,
}

impl StreamEvent {
    /// The event's name in the stream.
    pub(crate) fn name(&self) -> &'static str {
        match self.what {
            StreamHappening::Opened { .. } => "auction.opened",
            StreamHappening::BidPlaced { .. } => "bid.placed",
            StreamHappening::Extended { .. } => "auction.extended",
            StreamHappening::Closed { .. } => "auction.closed",
            StreamHappening::Cancelled => "auction.cancelled",
        }
    }
}

impl From<BidOutcome> for Outcome {
    fn from(outcome: BidOutcome) -> Self {
        match outcome {
            BidOutcome::Leading => Self::Leading,
            BidOutcome::Outbid => Self::Outbid,
            BidOutcome::MaxRaised => Self::MaxRaised,
        }
    }
}

impl From<ReserveStatus> for Reserve {
    fn from(status: ReserveStatus) -> Self {
        match status {
            ReserveStatus::None => Self::None,
            ReserveStatus::NotMet => Self::NotMet,
            ReserveStatus::Met => Self::Met,
        }
    }
}

impl From<ResultView> for AuctionResult {
    fn from(view: ResultView) -> Self {
        let outcome = match view.outcome {
            ResultOutcome::Sold => AuctionOutcome::Sold,
            ResultOutcome::ReserveNotMet => AuctionOutcome::ReserveNotMet,
            ResultOutcome::NoBids => AuctionOutcome::NoBids,
            ResultOutcome::Cancelled => AuctionOutcome::Cancelled,
        };
        Self { outcome, price: view.price.map(Amount::minor) }
    }
}

impl From<AuctionView> for Auction {
    fn from(view: AuctionView) -> Self {
        Self {
            id: view.id.0,
            status: match view.status {
                Status::Scheduled => AuctionStatus::Scheduled,
                Status::Open => AuctionStatus::Open,
                Status::Closed => AuctionStatus::Closed,
                Status::Cancelled => AuctionStatus::Cancelled,
            },
            currency: view.currency.code(),
            price: view.price.map(Amount::minor),
            bid_count: view.bid_count,
            next_minimum: view.next_minimum.minor(),
            reserve: view.reserve.into(),
            leader: view.leader.map(|alias| alias.to_string()),
            you_lead: view.you_lead,
            starts_at: view.starts_at,
            ends_at: view.ends_at,
            server_time: view.server_time,
            sequence: view.sequence,
            result: view.result.map(AuctionResult::from),
        }
    }
}

impl From<BidView> for Bid {
    fn from(view: BidView) -> Self {
        Self {
            bid_id: view.bid_id.0,
            bidder: view.bidder.to_string(),
            yours: view.yours,
            outcome: view.outcome.into(),
            price: view.price.minor(),
            sequence: view.sequence,
            placed_at: view.placed_at,
        }
    }
}

impl From<EventView> for StreamEvent {
    fn from(view: EventView) -> Self {
        let what = match view.what {
            HappeningView::Opened { next_minimum, ends_at } => {
                StreamHappening::Opened { next_minimum: next_minimum.minor(), ends_at }
            }
            HappeningView::BidPlaced {
                bid_id,
                bidder,
                yours,
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
            HappeningView::Cancelled => StreamHappening::Cancelled,
        };
        Self { sequence: view.sequence, at: view.at, what }
    }
}
