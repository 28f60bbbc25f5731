//! What a bidder may see: aliases instead of names, the price and never a maximum.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    alias::{Alias, Aliases},
    auction::{Auction, PausedBy, State, Status},
    bid::{Bid, BidOutcome},
    event::{AuctionEvent, Happening},
    format::{Award, Outcome, ReserveStatus, Rules},
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
    /// The format's name.
    pub format: String,
    /// Units for sale.
    pub quantity: u32,
    /// None without bids, and of what is sealed.
    pub price: Option<Amount>,
    /// Accepted bids; none of what is sealed.
    pub bid_count: Option<u64>,
    /// The lowest bid that would be accepted from someone who does not lead.
    pub next_minimum: Amount,
    /// At this price a buyer may end the auction at once; none when that is not, or no longer, offered.
    pub buy_now_price: Option<Amount>,
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
    /// Since when bidding rests.
    pub paused_at: Option<DateTime<Utc>>,
    /// Number of the last event that everybody may see.
    pub sequence: u64,
    /// How it ended.
    pub result: Option<ResultView>,
}

/// How an auction ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResultView {
    /// How.
    pub outcome: ResultOutcome,
    /// The hammer price when sold (of one unit), the last price when the reserve was not met.
    pub price: Option<Amount>,
    /// Who won how many units of a lot of many.
    pub awards: Vec<AwardView>,
}

/// What a bidder won of a lot of many units.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AwardView {
    /// Who won.
    pub bidder: Alias,
    /// Whether the viewer did.
    pub yours: bool,
    /// Units won.
    pub quantity: u32,
    /// Units bid for.
    pub wanted: u32,
    /// Whether the winner took nothing instead.
    pub declined: bool,
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

impl ResultView {
    fn of(outcome: &Outcome, auction: AuctionId, viewer: &UserId, aliases: &Aliases) -> Self {
        let award = |award: &Award| AwardView {
            bidder: aliases.of(auction, &award.bidder),
            yours: award.bidder == *viewer,
            quantity: award.quantity,
            wanted: award.wanted,
            declined: award.declined,
        };
        let (outcome, price, awards) = match outcome {
            Outcome::Sold { price, .. } => (ResultOutcome::Sold, Some(*price), Vec::new()),
            Outcome::SoldUnits { price, awards } => {
                (ResultOutcome::Sold, Some(*price), awards.iter().map(award).collect())
            }
            Outcome::ReserveNotMet { price } => (ResultOutcome::ReserveNotMet, *price, Vec::new()),
            Outcome::NoBids => (ResultOutcome::NoBids, None, Vec::new()),
        };
        Self { outcome, price, awards }
    }
}

impl AuctionView {
    /// What `viewer` sees of `auction` at `now`.
    #[must_use]
    pub fn of(auction: &Auction, now: DateTime<Utc>, viewer: &UserId, aliases: &Aliases) -> Self {
        let rules = auction.rules();
        let standing = auction.standing(now);
        let result = match auction.state() {
            State::Scheduled | State::Open(_) | State::Paused { .. } => None,
            State::Closed { outcome, .. } => Some(ResultView::of(outcome, auction.id(), viewer, aliases)),
            State::Cancelled { .. } => {
                Some(ResultView { outcome: ResultOutcome::Cancelled, price: None, awards: Vec::new() })
            }
        };
        let paused_at = if let State::Paused { since, .. } = auction.state() { Some(*since) } else { None };
        Self {
            id: auction.id(),
            status: auction.status(),
            currency: auction.sale().currency,
            format: auction.kind().to_owned(),
            quantity: rules.quantity(),
            price: standing.price,
            bid_count: standing.bid_count,
            next_minimum: standing.next_minimum,
            buy_now_price: rules.buy_now_price().filter(|_| !auction.is_over()),
            reserve: standing.reserve,
            leader: standing.leader.map(|leader| aliases.of(auction.id(), leader)),
            you_lead: rules.wins(viewer, auction.phase(now)),
            starts_at: auction.sale().starts_at,
            ends_at: auction.ends_at(),
            server_time: now,
            paused_at,
            sequence: auction.public().sequence,
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
    /// Units wanted.
    pub quantity: u32,
    /// The price after it; of a sealed bid at first price the bid itself, of one at second price, or of a sealed
    /// one that was taken back, nothing.
    pub price: Option<Amount>,
    /// When it was taken back.
    pub retracted_at: Option<DateTime<Utc>>,
    /// Its place among the auction's decisions.
    pub number: u64,
    /// The number of the last event after it.
    pub sequence: u64,
    /// When it was decided.
    pub placed_at: DateTime<Utc>,
}

impl BidView {
    /// What `viewer` sees of `bid`, once bids may be seen; `rules` are those of its auction.
    #[must_use]
    pub fn of(
        bid: &Bid,
        retracted_at: Option<DateTime<Utc>>,
        rules: &dyn Rules,
        viewer: &UserId,
        aliases: &Aliases,
    ) -> Self {
        Self {
            bid_id: bid.id,
            bidder: aliases.of(bid.auction_id, &bid.bidder),
            yours: bid.bidder == *viewer,
            outcome: bid.outcome,
            quantity: bid.quantity,
            price: rules.shown_price(bid).filter(|_| retracted_at.is_none() || !rules.is_sealed()),
            retracted_at,
            number: bid.number,
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
        /// The format's name.
        format: String,
    },
    /// A bid was accepted.
    BidPlaced {
        /// Which bid.
        bid_id: BidId,
        /// Who bid.
        bidder: Alias,
        /// Whether the viewer did.
        yours: bool,
        /// Units wanted.
        quantity: u32,
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
    /// Bids were taken back.
    Retracted {
        /// Which.
        bid_ids: Vec<BidId>,
        /// Whose they were.
        bidder: Alias,
        /// Whether they were the viewer's.
        yours: bool,
        /// The price now; none without bids.
        price: Option<Amount>,
        /// The lowest next bid.
        next_minimum: Amount,
        /// Accepted bids that remain.
        bid_count: u64,
        /// Who leads now.
        leader: Option<Alias>,
        /// Whether the viewer leads.
        you_lead: bool,
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
    /// Bidding goes on, or lost time was given back.
    Resumed {
        /// Milliseconds that were given back.
        paused_for_ms: u64,
        /// The end now.
        ends_at: DateTime<Utc>,
    },
    /// A winner of less than was wanted took nothing.
    Declined {
        /// Who.
        bidder: Alias,
        /// Units that are not sold.
        quantity: u32,
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
    Cancelled {
        /// The operator's reason.
        reason: Option<String>,
    },
}

impl EventView {
    /// What `viewer` sees of `event`; nothing of one that is between the services alone.
    #[must_use]
    pub fn of(event: &AuctionEvent, viewer: &UserId, aliases: &Aliases) -> Option<Self> {
        let alias = |bidder: &UserId| aliases.of(event.auction_id, bidder);
        let what = match &event.what {
            Happening::Opened { next_minimum, ends_at, format, .. } => {
                HappeningView::Opened { next_minimum: *next_minimum, ends_at: *ends_at, format: format.clone() }
            }
            Happening::BidPlaced {
                bid_id,
                bidder,
                quantity,
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
                quantity: *quantity,
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
                let result = ResultView::of(outcome, event.auction_id, viewer, aliases);
                HappeningView::Closed {
                    you_won: winner == Some(viewer) || result.awards.iter().any(|award| award.yours),
                    result,
                    winner: winner.map(alias),
                    bid_count: *bid_count,
                    ended_at: *ended_at,
                }
            }
            Happening::Retracted { bid_ids, bidder, price, next_minimum, bid_count, leader, reserve, currency: _ } => {
                HappeningView::Retracted {
                    bid_ids: bid_ids.clone(),
                    bidder: alias(bidder),
                    yours: bidder == viewer,
                    price: *price,
                    next_minimum: *next_minimum,
                    bid_count: *bid_count,
                    leader: leader.as_ref().map(alias),
                    you_lead: leader.as_ref() == Some(viewer),
                    reserve: *reserve,
                }
            }
            Happening::Paused { by, reason } => HappeningView::Paused { by: *by, reason: reason.clone() },
            Happening::Resumed { paused_for_ms, ends_at, .. } => {
                HappeningView::Resumed { paused_for_ms: *paused_for_ms, ends_at: *ends_at }
            }
            Happening::Declined { bidder, quantity } => {
                HappeningView::Declined { bidder: alias(bidder), quantity: *quantity }
            }
            Happening::Cancelled { reason, .. } => HappeningView::Cancelled { reason: reason.clone() },
            Happening::Nominated { .. } | Happening::Exhausted { .. } => return None,
        };
        Some(Self { sequence: event.sequence, at: event.at, what })
    }

    /// Whether a live stream ends with it: only a declined lot may follow.
    #[must_use]
    pub fn is_last(&self) -> bool {
        use HappeningView::{Cancelled, Closed, Declined};
        matches!(self.what, Closed { .. } | Cancelled { .. } | Declined { .. })
    }
}
