//! The auction: one lot, one format, one life.
//!
//! | state | open | bid | close | cancel |
//! |---|---|---|---|---|
//! | scheduled | open, from `starts_at` on | refused | – | cancelled |
//! | open | – | open, before `ends_at` | closed, from `ends_at` on | cancelled, before the first bid and `ends_at` |
//! | closed, cancelled | – | refused | – | – |
//!
//! A transition consumes the auction and returns the next one with its events, or an error that names
//! state and attempt. `now` is always the time read under the auction's lock.

mod state;

use chrono::{DateTime, Utc};

pub use self::state::{Attempt, CancelledBy, Objection, Refused, Snapshot, State, Status};
use crate::{
    bid::{Bid, Order, Refusal},
    event::{AuctionEvent, Happening},
    format::{Format, Rules},
    ids::{AuctionId, UserId},
    terms::{Sale, Terms},
};

/// An auction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Auction {
    id: AuctionId,
    sale: Sale,
    format: Format,
    /// Number of the last event.
    sequence: u64,
    state: State,
}

/// A transition that happened: what to save and what to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    /// The auction after it.
    pub auction: Auction,
    /// Numbered on from the auction's sequence before.
    pub events: Vec<AuctionEvent>,
}

/// A bid that was decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The auction after it; as it was when the bid is refused.
    pub auction: Auction,
    /// None when the bid is refused.
    pub events: Vec<AuctionEvent>,
    /// The bid as accepted, or why not.
    pub answer: Result<Bid, Refusal>,
}

impl Auction {
    /// A published lot that waits for its start. Tells nobody yet.
    #[must_use]
    pub fn schedule(id: AuctionId, terms: Terms) -> Self {
        let (sale, format) = terms.into_parts();
        Self { id, sale, format: Format::new(format), sequence: 0, state: State::Scheduled }
    }

    /// Opens bidding, from `starts_at` on.
    pub fn open(mut self, now: DateTime<Utc>) -> Result<Transition, Refused> {
        if self.state != State::Scheduled {
            return Err(self.refused(Attempt::Open, Objection::WrongState));
        }
        if now < self.sale.starts_at {
            return Err(self.refused(Attempt::Open, Objection::NotDue { due_at: self.sale.starts_at }));
        }
        self.state = State::Open { ends_at: self.sale.ends_at };
        let opened = Happening::Opened {
            seller: self.sale.seller.clone(),
            currency: self.sale.currency,
            next_minimum: self.rules().next_minimum(),
            starts_at: self.sale.starts_at,
            ends_at: self.sale.ends_at,
        };
        let event = self.numbered(now, opened);
        Ok(Transition { auction: self, events: vec![event] })
    }

    /// Decides a bid.
    #[must_use]
    pub fn place_bid(mut self, order: Order, now: DateTime<Utc>) -> Decision {
        match self.accept(order, now) {
            Ok((bid, events)) => Decision { auction: self, events, answer: Ok(bid) },
            Err(refusal) => Decision { auction: self, events: Vec::new(), answer: Err(refusal) },
        }
    }

    fn accept(&mut self, order: Order, now: DateTime<Utc>) -> Result<(Bid, Vec<AuctionEvent>), Refusal> {
        let previous_ends_at = match self.state {
            State::Open { ends_at } if now < ends_at => ends_at,
            State::Open { .. } => return Err(Refusal::NotOpen { status: Status::Closed }),
            _ => return Err(Refusal::NotOpen { status: self.status() }),
        };
        if order.bidder == self.sale.seller {
            return Err(Refusal::SellerMayNotBid);
        }
        if order.suspended {
            return Err(Refusal::BidderSuspended);
        }
        let ruling = self.format.rules_mut().place(&order)?;

        let extended = if ruling.moved {
            self.rules().soft_close().extended(self.sale.ends_at, previous_ends_at, now)
        } else {
            None
        };
        let ends_at = extended.unwrap_or(previous_ends_at);
        self.state = State::Open { ends_at };

        let placed = Happening::BidPlaced {
            bid_id: order.bid_id,
            bidder: order.bidder.clone(),
            outcome: ruling.outcome,
            price: ruling.price,
            currency: self.sale.currency,
            next_minimum: self.rules().next_minimum(),
            bid_count: self.rules().bid_count(),
            leader: ruling.leader,
            displaced: ruling.displaced,
            reserve: self.rules().reserve(),
            ends_at,
        };
        let mut events = vec![self.numbered(now, placed)];
        let bid = Bid {
            id: order.bid_id,
            auction_id: self.id,
            bidder: order.bidder,
            max: order.max,
            outcome: ruling.outcome,
            price: ruling.price,
            sequence: self.sequence,
            placed_at: now,
        };
        if extended.is_some() {
            events.push(self.numbered(now, Happening::Extended { bid_id: bid.id, previous_ends_at, ends_at }));
        }
        Ok((bid, events))
    }

    /// Ends bidding, from the end on, all extensions included.
    pub fn close(mut self, now: DateTime<Utc>) -> Result<Transition, Refused> {
        let State::Open { ends_at } = self.state else {
            return Err(self.refused(Attempt::Close, Objection::WrongState));
        };
        if now < ends_at {
            return Err(self.refused(Attempt::Close, Objection::NotDue { due_at: ends_at }));
        }
        let outcome = self.rules().outcome();
        self.state = State::Closed { ends_at, closed_at: now, outcome: outcome.clone() };
        let closed = Happening::Closed {
            seller: self.sale.seller.clone(),
            currency: self.sale.currency,
            outcome,
            bid_count: self.rules().bid_count(),
            second_chance: self.sale.second_chance,
            ended_at: ends_at,
        };
        let event = self.numbered(now, closed);
        Ok(Transition { auction: self, events: vec![event] })
    }

    /// The seller takes the lot back, before the first bid.
    pub fn cancel(mut self, seller: &UserId, now: DateTime<Utc>) -> Result<Transition, Refused> {
        let objection = match self.state {
            _ if *seller != self.sale.seller => Some(Objection::NotTheSeller),
            State::Open { .. } if self.rules().bid_count() > 0 => Some(Objection::HasBids),
            State::Open { ends_at } if now >= ends_at => Some(Objection::Over),
            State::Scheduled | State::Open { .. } => None,
            State::Closed { .. } | State::Cancelled { .. } => Some(Objection::WrongState),
        };
        if let Some(objection) = objection {
            return Err(self.refused(Attempt::Cancel, objection));
        }
        self.state = State::Cancelled { by: CancelledBy::Seller, at: now };
        let cancelled = Happening::Cancelled { seller: self.sale.seller.clone(), by: CancelledBy::Seller };
        let event = self.numbered(now, cancelled);
        Ok(Transition { auction: self, events: vec![event] })
    }

    fn numbered(&mut self, at: DateTime<Utc>, what: Happening) -> AuctionEvent {
        self.sequence += 1;
        AuctionEvent { auction_id: self.id, sequence: self.sequence, at, what }
    }

    fn refused(&self, attempt: Attempt, objection: Objection) -> Refused {
        Refused { status: self.status(), attempt, objection }
    }
}

/// What an auction tells of itself.
impl Auction {
    /// The listing's id.
    #[must_use]
    pub fn id(&self) -> AuctionId {
        self.id
    }

    /// The terms that every format has.
    #[must_use]
    pub fn sale(&self) -> &Sale {
        &self.sale
    }

    /// Price, leader and the like.
    #[must_use]
    pub fn rules(&self) -> &dyn Rules {
        self.format.rules()
    }

    /// Number of the last event; 0 before the first.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Where it stands, with what belongs to it.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Where it stands.
    #[must_use]
    pub fn status(&self) -> Status {
        self.state.status()
    }

    /// When bidding ends or ended, extensions included.
    #[must_use]
    pub fn ends_at(&self) -> DateTime<Utc> {
        match self.state {
            State::Open { ends_at } | State::Closed { ends_at, .. } => ends_at,
            State::Scheduled | State::Cancelled { .. } => self.sale.ends_at,
        }
    }

    /// When it is next to be opened or closed; never again when it is over.
    #[must_use]
    pub fn due_at(&self) -> Option<DateTime<Utc>> {
        match self.state {
            State::Scheduled => Some(self.sale.starts_at),
            State::Open { ends_at } => Some(ends_at),
            State::Closed { .. } | State::Cancelled { .. } => None,
        }
    }
}

/// How an auction is kept: terms once, a snapshot after each transition.
impl Auction {
    /// The terms, which never change.
    #[must_use]
    pub fn terms(&self) -> Terms {
        Terms::from_parts(self.sale.clone(), self.format.terms())
    }

    /// What changes.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot { sequence: self.sequence, state: self.state.clone(), book: self.format.book() }
    }

    /// The auction that was saved.
    #[must_use]
    pub fn restore(id: AuctionId, terms: Terms, snapshot: Snapshot) -> Self {
        let (sale, format) = terms.into_parts();
        let Snapshot { sequence, state, book } = snapshot;
        Self { id, sale, format: Format::restore(format, book), sequence, state }
    }
}
