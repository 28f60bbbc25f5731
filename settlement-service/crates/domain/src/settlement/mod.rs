//! One sale being settled: a lot, its seller, one buyer, and where their money and goods are.
//! Its state moves only through [`crate::saga`], which decides by its table.

mod event;
mod parcel;
mod state;
mod transition;

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

pub use event::{SettlementEvent, What};
pub use parcel::{InvalidParcel, Parcel};
pub use state::{Delivery, FailureReason, Split, State, Status, Undo, UnknownStatus};
pub use transition::Refused;

use crate::fees::{FeeError, Quote, Schedules};
use crate::gateway::Operation;
use crate::ids::{AuctionId, SettlementId, UserId};
use crate::money::Money;

/// The rules a settlement began with; a later change of the configuration does not touch it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// The buyer has to pay within this, seconds.
    pub payment_due_s: u32,
    /// The seller has to ship within this after the money is in escrow, seconds.
    pub ship_due_s: u32,
    /// The buyer has this long after shipping to look at the lot, seconds.
    pub inspection_s: u32,
}

/// A sale that has to be settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sale {
    /// Where it was sold.
    pub auction_id: AuctionId,
    /// Who sold it.
    pub seller_id: UserId,
    /// Who bought it.
    pub buyer_id: UserId,
    /// The hammer price.
    pub price: Money,
}

/// A sale that cannot be settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSale {
    /// Nothing to pay.
    #[error("a sale has a price above zero")]
    NoPrice,
    /// Nobody buys from oneself.
    #[error("seller and buyer are the same")]
    SellerIsBuyer,
    /// The price and the fees on it are beyond what money can be.
    #[error(transparent)]
    Fees(#[from] FeeError),
}

/// The aggregate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settlement {
    id: SettlementId,
    auction_id: AuctionId,
    seller_id: UserId,
    buyer_id: UserId,
    quote: Quote,
    terms: Terms,
    started_at: DateTime<Utc>,
    payment_due_at: DateTime<Utc>,
    sequence: u64,
    attempts: BTreeMap<Operation, u32>,
    state: State,
}

impl Settlement {
    /// A settlement begins: the buyer has to pay. It keeps the terms and the fees of this moment.
    pub fn start(
        id: SettlementId,
        sale: Sale,
        terms: Terms,
        fees: &Schedules,
        now: DateTime<Utc>,
    ) -> Result<(Self, SettlementEvent), InvalidSale> {
        if sale.price.is_zero() {
            return Err(InvalidSale::NoPrice);
        }
        if sale.seller_id == sale.buyer_id {
            return Err(InvalidSale::SellerIsBuyer);
        }
        let Sale { auction_id, seller_id, buyer_id, price } = sale;
        let quote = fees.quote(price, now)?;
        let mut settlement = Self {
            id,
            auction_id,
            seller_id,
            buyer_id,
            quote,
            terms,
            started_at: now,
            payment_due_at: now + TimeDelta::seconds(terms.payment_due_s.into()),
            sequence: 0,
            attempts: BTreeMap::new(),
            state: State::AwaitingPayment { declined: None },
        };
        let started = What::Started {
            seller_id: settlement.seller_id.clone(),
            buyer_id: settlement.buyer_id.clone(),
            amount: settlement.price(),
            payment_due_at: settlement.payment_due_at,
        };
        let event = settlement.happened(started, now);
        Ok((settlement, event))
    }

    /// Numbers an event with the next number of this settlement's key.
    pub(crate) fn happened(&mut self, what: What, at: DateTime<Utc>) -> SettlementEvent {
        self.sequence += 1;
        SettlementEvent {
            settlement_id: self.id,
            auction_id: self.auction_id,
            sequence: self.sequence,
            status: self.status(),
            at,
            what,
        }
    }

    /// Counts one more attempt at an operation, from 1; stored with the call it is for.
    pub(crate) fn count_attempt(&mut self, operation: Operation) -> u32 {
        let count = self.attempts.entry(operation).or_default();
        *count += 1;
        *count
    }

    /// Attempts at an operation so far.
    #[must_use]
    pub fn attempts(&self, operation: Operation) -> u32 {
        self.attempts.get(&operation).copied().unwrap_or_default()
    }

    /// Its id.
    #[must_use]
    pub const fn id(&self) -> SettlementId {
        self.id
    }

    /// Where the lot was sold.
    #[must_use]
    pub const fn auction_id(&self) -> AuctionId {
        self.auction_id
    }

    /// Who sold.
    #[must_use]
    pub const fn seller_id(&self) -> &UserId {
        &self.seller_id
    }

    /// Who bought.
    #[must_use]
    pub const fn buyer_id(&self) -> &UserId {
        &self.buyer_id
    }

    /// What the buyer pays: the quote's total.
    #[must_use]
    pub const fn price(&self) -> Money {
        self.quote.total()
    }

    /// What the sale costs whom, by the fees it began with.
    #[must_use]
    pub const fn quote(&self) -> &Quote {
        &self.quote
    }

    /// The rules it began with.
    #[must_use]
    pub const fn terms(&self) -> Terms {
        self.terms
    }

    /// When it began.
    #[must_use]
    pub const fn started_at(&self) -> DateTime<Utc> {
        self.started_at
    }

    /// Until when the buyer has to pay.
    #[must_use]
    pub const fn payment_due_at(&self) -> DateTime<Utc> {
        self.payment_due_at
    }

    /// The number of its last event.
    #[must_use]
    pub const fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Where it stands, with the data of that state.
    #[must_use]
    pub const fn state(&self) -> &State {
        &self.state
    }

    /// Where it stands, by name.
    #[must_use]
    pub const fn status(&self) -> Status {
        self.state.status()
    }

    /// How the hammer price is divided, once the buyer has the lot.
    #[must_use]
    pub const fn split(&self) -> Option<Split> {
        match &self.state {
            State::Received { split, .. } | State::Completed { split, .. } => Some(*split),
            _ => None,
        }
    }

    /// Whether the whole hammer price became commission, so that there is no payout to make.
    pub(crate) fn owes_nothing(&self) -> bool {
        self.split().is_some_and(|split| split.payout.is_zero())
    }

    /// Whether it is the business of this person.
    #[must_use]
    pub fn concerns(&self, user: &UserId) -> bool {
        self.buyer_id == *user || self.seller_id == *user
    }
}
