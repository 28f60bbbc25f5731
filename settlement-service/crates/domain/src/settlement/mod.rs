//! One sale being settled: a lot, its seller, one buyer, and where their money and goods are.
//! Its state moves only through [`crate::saga`], which decides by its table.

mod chargeback;
mod dispute;
mod event;
mod operator;
mod parcel;
mod reason;
mod state;
mod status;
mod succession;
mod transition;

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

pub use chargeback::{Chargeback, Claim, MAX_CHARGEBACKS};
pub use dispute::{Dispute, Evidence, InvalidStatement, MAX_EVIDENCE, MAX_STATEMENT, Role, Statement};
pub use event::{SettlementEvent, What};
pub use operator::{Decision, Resolution, Verdict};
pub use parcel::{InvalidParcel, Parcel};
pub use reason::FailureReason;
pub use state::{Delivery, Owed, Split, State, Undo};
pub use status::{Status, UnknownStatus};
pub use succession::{CHANCE_DAYS, Chance, InvalidOfferDays, Kind, Lot, OfferDays, Succession};
pub use transition::{HOLD_DAYS, Refused};

use crate::fees::{FeeError, Quote, Schedules};
use crate::gateway::Operation;
use crate::ids::{AuctionId, PayoutId, SettlementId, UserId};
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
    /// A day of a second chance, seconds; shorter than a day only where it is tried out.
    #[serde(default = "Terms::day_s")]
    pub offer_day_s: u32,
}

impl Terms {
    /// An ordinary day, seconds.
    #[must_use]
    pub const fn day_s() -> u32 {
        86_400
    }

    /// How long a second chance of so many days is open.
    fn open_for(self, days: OfferDays) -> TimeDelta {
        TimeDelta::seconds(i64::from(u8::from(days)) * i64::from(self.offer_day_s))
    }
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
    /// What was sold.
    pub lot: Lot,
    /// When the auction closed.
    pub closed_at: DateTime<Utc>,
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
    #[serde(default)]
    kind: Kind,
    #[serde(default)]
    succession: Succession,
    #[serde(default)]
    called_off: Option<FailureReason>,
    #[serde(default)]
    dispute: Option<Dispute>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    chargebacks: Vec<Chargeback>,
    #[serde(default, rename = "to_be_held", skip_serializing_if = "std::ops::Not::not")]
    to_be_stopped: bool,
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
        let payment_due_at = now + TimeDelta::seconds(terms.payment_due_s.into());
        let mut settlement = Self {
            id,
            auction_id: sale.auction_id,
            succession: Succession::of(sale.lot, &sale.buyer_id, sale.closed_at),
            seller_id: sale.seller_id,
            buyer_id: sale.buyer_id,
            quote: fees.quote(sale.price, now)?,
            terms,
            started_at: now,
            payment_due_at,
            sequence: 0,
            attempts: BTreeMap::new(),
            kind: Kind::Sale,
            called_off: None,
            dispute: None,
            chargebacks: Vec::new(),
            to_be_stopped: false,
            state: State::AwaitingPayment { declined: None, cancel: None },
        }
        .checked()?;
        let event = settlement.started(now);
        Ok((settlement, event))
    }

    /// A contender is offered the lot of a settlement that came to nothing, at this price and the fees of this moment.
    pub(crate) fn offer(
        id: SettlementId,
        before: &Self,
        mut chance: Chance,
        (contender, price): (UserId, Money),
        fees: &Schedules,
        now: DateTime<Utc>,
    ) -> Result<(Self, Vec<SettlementEvent>), InvalidSale> {
        chance.excluded.push(contender.clone());
        let mut offer = Self {
            id,
            auction_id: before.auction_id,
            seller_id: before.seller_id.clone(),
            buyer_id: contender.clone(),
            quote: fees.quote(price, now)?,
            terms: before.terms,
            started_at: now,
            payment_due_at: now + before.terms.open_for(chance.offer_days),
            sequence: 0,
            attempts: BTreeMap::new(),
            kind: Kind::SecondChance,
            succession: Succession::NextContender(chance),
            called_off: None,
            dispute: None,
            chargebacks: Vec::new(),
            to_be_stopped: false,
            state: State::AwaitingPayment { declined: None, cancel: None },
        }
        .checked()?;
        let started = offer.started(now);
        let (amount, expires_at) = (offer.quote.hammer(), offer.payment_due_at);
        let offered = What::SecondChanceOffered { bidder_id: contender, amount, expires_at };
        let offered = offer.happened(offered, now);
        Ok((offer, vec![started, offered]))
    }

    fn checked(self) -> Result<Self, InvalidSale> {
        if self.quote.hammer().is_zero() {
            return Err(InvalidSale::NoPrice);
        }
        if self.seller_id == self.buyer_id {
            return Err(InvalidSale::SellerIsBuyer);
        }
        Ok(self)
    }

    fn started(&mut self, now: DateTime<Utc>) -> SettlementEvent {
        let started = What::Started {
            seller_id: self.seller_id.clone(),
            buyer_id: self.buyer_id.clone(),
            amount: self.price(),
            payment_due_at: self.payment_due_at,
            kind: self.kind(),
        };
        self.happened(started, now)
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

    /// How long the buyer has to pay at all; a contender as long as the offer is open.
    pub(crate) fn time_to_pay(&self) -> TimeDelta {
        match (self.kind, &self.succession) {
            (Kind::SecondChance, Succession::NextContender(chance)) => self.terms.open_for(chance.offer_days),
            _ => TimeDelta::seconds(self.terms.payment_due_s.into()),
        }
    }

    /// The number of its last event.
    #[must_use]
    pub const fn sequence(&self) -> u64 {
        self.sequence
    }

    /// The hammer's sale, or a second chance after it.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// What becomes of the lot if this comes to nothing.
    #[must_use]
    pub const fn succession(&self) -> &Succession {
        &self.succession
    }

    pub(crate) fn followed_by(&mut self, succession: Succession) {
        self.succession = succession;
    }

    /// Why the sale is off as soon as it is known what became of the call under way.
    #[must_use]
    pub const fn called_off(&self) -> Option<FailureReason> {
        self.called_off
    }

    pub(crate) fn call_off_later(&mut self, reason: FailureReason) {
        self.called_off.get_or_insert(reason);
    }

    /// What was said about the lot, if somebody complained.
    #[must_use]
    pub const fn dispute(&self) -> Option<&Dispute> {
        self.dispute.as_ref()
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

    /// Which party wishes to call the sale off, waiting for the other to agree.
    #[must_use]
    pub const fn cancel_wish(&self) -> Option<Role> {
        match &self.state {
            State::AwaitingPayment { cancel, .. } | State::Escrowed { cancel, .. } => *cancel,
            _ => None,
        }
    }

    /// How the hammer price is divided, once the buyer has the lot.
    #[must_use]
    pub const fn split(&self) -> Option<Split> {
        match &self.state {
            State::Received { split, .. } | State::Completed { split, .. } => Some(*split),
            _ => None,
        }
    }

    /// When it is looked whether it is time for the seller's next payout; none for what does not wait for one.
    #[must_use]
    pub const fn payout_due_at(&self) -> Option<DateTime<Utc>> {
        match &self.state {
            State::Received { owed: Owed::Waiting { due_at }, .. } => Some(*due_at),
            _ => None,
        }
    }

    /// The payout that pays or paid the seller.
    #[must_use]
    pub const fn payout_id(&self) -> Option<PayoutId> {
        match &self.state {
            State::Received { owed: Owed::Within { payout_id }, .. } => Some(*payout_id),
            State::Completed { payout_id, .. } => *payout_id,
            _ => None,
        }
    }

    /// Whether the whole hammer price became commission, so that there is no payout to make.
    pub(crate) fn owes_nothing(&self) -> bool {
        self.split().is_some_and(|split| split.payout.is_zero())
    }

    /// Which party to the sale this person is.
    #[must_use]
    pub fn role_of(&self, user: &UserId) -> Option<Role> {
        match user {
            user if *user == self.buyer_id => Some(Role::Buyer),
            user if *user == self.seller_id => Some(Role::Seller),
            _ => None,
        }
    }

    /// The person in this role.
    #[must_use]
    pub const fn party(&self, role: Role) -> &UserId {
        match role {
            Role::Buyer => &self.buyer_id,
            Role::Seller => &self.seller_id,
        }
    }

    /// Whether it is the business of this person.
    #[must_use]
    pub fn concerns(&self, user: &UserId) -> bool {
        self.role_of(user).is_some()
    }
}
