//! Where settlements, their calls, the ledger and the outbox are kept: units of work and reads.

use std::collections::BTreeSet;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use settlement_domain::ledger::Transaction;
use settlement_domain::settlement::Resolution;
use settlement_domain::standing::Reinstatement;
use settlement_domain::{
    AuctionId, CallKey, Currency, GatewayCall, Grace, Payout, PayoutId, Settlement, SettlementEvent, SettlementId,
    Standing, StandingEvent, Status, UserId,
};

use crate::{Claim, Receipt, RequestKey, Seen, StoreError};

/// Something read under its row lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Locked<T> {
    /// What.
    pub aggregate: T,
    /// The database's time, read after the lock was got.
    pub now: DateTime<Utc>,
}

/// Which of some settlements nobody has locked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Free {
    /// Those, in id order. By now they are locked.
    pub locked: Vec<Locked<Settlement>>,
    /// The others.
    pub held: Vec<SettlementId>,
}

/// What was found of some people's standings; another unit of work has the others.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FreeStandings {
    /// Whose standings are locked by now.
    pub locked: BTreeSet<UserId>,
    /// Whose cannot be read.
    pub unreadable: BTreeSet<UserId>,
}

/// A call that is due, with its settlement; both are locked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingCall {
    /// Whose call.
    pub settlement: Settlement,
    /// The call.
    pub call: GatewayCall,
}

/// A payout's call that is due, with the payout; both are locked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingPayout {
    /// Whose call.
    pub payout: Payout,
    /// The call.
    pub call: GatewayCall,
}

/// A payout with all of its settlements, in id order; all are locked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WholePayout {
    /// The payout.
    pub payout: Payout,
    /// What it pays for.
    pub settlements: Vec<Settlement>,
}

/// What an insertion found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inserted {
    /// It is new.
    New,
    /// The auction has a settlement with this buyer already; nothing was written.
    Exists,
}

/// What other services told of an auction before its settlements were there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Early {
    /// A buyer gave the award up.
    AwardDeclined(UserId),
    /// The seller listed the lot again.
    Relisted,
}

/// Who looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Viewer {
    /// Whose token.
    pub user: UserId,
    /// Whether the token has the role `admin`.
    pub admin: bool,
}

impl Viewer {
    /// Buyer, seller and admin may see a settlement; for all others it does not exist.
    #[must_use]
    pub fn may_see(&self, settlement: &Settlement) -> bool {
        self.admin || settlement.concerns(&self.user)
    }
}

/// Which settlements.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListFilter {
    /// Only of this auction.
    pub auction_id: Option<AuctionId>,
    /// Only in this state.
    pub status: Option<Status>,
    /// Only those after this one in the list's order (ids descending): the keyset cursor.
    pub after: Option<SettlementId>,
}

/// One unit of work. Dropping it rolls everything back; after an error it MUST only be dropped.
///
/// All changes to a settlement and to its calls are made under the settlement's row lock. A settlement that is locked by
/// its id, its auction or its timer MUST come with the time that people have after an outage
/// ([`settlement_domain::Watch::gives_time`]); so it is stored if it is saved.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait SettlementTx: Send {
    /// The database's time.
    async fn now(&mut self) -> Result<DateTime<Utc>, StoreError>;

    /// What is written about a settlement from now on belongs to the trace of that span. Where nothing is said it belongs
    /// to that of the current span; where there is no span, to the trace that last moved the settlement.
    fn trace(&mut self, id: SettlementId, span: &tracing::Span);

    /// Claims idempotency keys; answers for each, in order. MUST NOT wait for another unit of work that holds one but
    /// answer [`Claim::Running`]; a claim that is rolled back was never made. What this unit of work holds already is
    /// [`Claim::New`] to it again.
    async fn claim_all(&mut self, keys: &[RequestKey]) -> Result<Vec<Claim>, StoreError>;

    /// Claims an idempotency key.
    async fn claim(&mut self, key: &RequestKey) -> Result<Claim, StoreError> {
        Ok(self.claim_all(std::slice::from_ref(key)).await?.pop().unwrap_or(Claim::Running))
    }

    /// Stores the answers to keys that this unit of work claimed, each once.
    async fn answer_all(&mut self, answers: &[(RequestKey, serde_json::Value)]) -> Result<(), StoreError>;

    /// Stores the answer to a key that this unit of work claimed.
    async fn answer(&mut self, key: &RequestKey, answer: &serde_json::Value) -> Result<(), StoreError> {
        self.answer_all(&[(key.clone(), answer.clone())]).await
    }

    /// Records incoming events, in this order; answers for each. MUST answer [`Seen::Duplicate`], recording nothing, for
    /// a known event id and for a sequence that is not above the last one of its source and key; MUST wait for a unit of
    /// work that is recording one of the same key, or fail with [`StoreError::Conflict`].
    async fn receive_all(&mut self, receipts: &[Receipt]) -> Result<Vec<Seen>, StoreError>;

    /// Records an incoming event.
    async fn receive(&mut self, receipt: &Receipt) -> Result<Seen, StoreError> {
        Ok(self.receive_all(std::slice::from_ref(receipt)).await?.pop().unwrap_or(Seen::Duplicate))
    }

    /// Adds settlements; answers for each, in order. MUST be unique by auction and buyer: of two the first one is added.
    async fn insert_all(&mut self, settlements: &[Settlement]) -> Result<Vec<Inserted>, StoreError>;

    /// Adds a settlement.
    async fn insert(&mut self, settlement: &Settlement) -> Result<Inserted, StoreError> {
        Ok(self.insert_all(std::slice::from_ref(settlement)).await?.pop().unwrap_or(Inserted::Exists))
    }

    /// Locks settlements, waiting for whoever has them, in id order; those that are not there are left out.
    /// [`StoreError::Locked`] when one of them is not granted for too long.
    async fn lock_all(&mut self, ids: &[SettlementId]) -> Result<Vec<Locked<Settlement>>, StoreError>;

    /// Locks those of the settlements that no other unit of work has. MUST NOT wait; those that are not there are neither
    /// locked nor held.
    async fn lock_free(&mut self, ids: &[SettlementId]) -> Result<Free, StoreError>;

    /// Locks a settlement, waiting for whoever has it.
    async fn lock(&mut self, id: SettlementId) -> Result<Option<Locked<Settlement>>, StoreError> {
        Ok(self.lock_all(&[id]).await?.pop())
    }

    /// Locks up to `limit` settlements whose [`settlement_domain::saga::due_at`] is not after the database's time, the
    /// most overdue first. MUST skip those that another unit of work has locked, and those that cannot be read: after
    /// telling of them, and for some minutes if this unit of work is committed.
    async fn lock_due_timers(&mut self, limit: u32) -> Result<Vec<Locked<Settlement>>, StoreError>;

    /// Locks up to `limit` calls whose [`GatewayCall::due_at`] is not after the database's time, with their
    /// settlements, the most overdue first. MUST skip those whose settlement another unit of work has locked, and those
    /// that cannot be read, as [`SettlementTx::lock_due_timers`] does. A call's lease is nothing but a later due time, so
    /// a crashed worker's call comes back by itself.
    async fn lock_pending_calls(&mut self, limit: u32) -> Result<Vec<Locked<PendingCall>>, StoreError>;

    /// Locks for each seller up to `limit` settlements that wait for the next payout in a currency
    /// ([`settlement_domain::saga::waiting`]), in id order. MUST keep other units of work from the same seller and currency;
    /// leaves out sellers that another one is at, and those that nothing waits for. MUST skip settlements that another
    /// unit of work has locked, and those that cannot be read.
    async fn lock_owed(
        &mut self,
        sellers: &[(UserId, Currency)],
        limit: u32,
    ) -> Result<Vec<Locked<Vec<Settlement>>>, StoreError>;

    /// As [`SettlementTx::lock_pending_calls`], for the calls of payouts, with their payouts.
    async fn lock_pending_payouts(&mut self, limit: u32) -> Result<Vec<Locked<PendingPayout>>, StoreError>;

    /// Locks payouts, waiting for whoever has them, in id order, and then the settlements of all of them, in id order;
    /// payouts that are not there are left out.
    async fn lock_payouts(&mut self, ids: &[PayoutId]) -> Result<Vec<Locked<WholePayout>>, StoreError>;

    /// Locks a payout, waiting for whoever has it, and then its settlements, in id order.
    async fn lock_payout(&mut self, id: PayoutId) -> Result<Option<Locked<WholePayout>>, StoreError> {
        Ok(self.lock_payouts(&[id]).await?.pop())
    }

    /// Adds payouts, or stores those that this unit of work has locked, each once.
    async fn save_payouts(&mut self, payouts: &[Payout]) -> Result<(), StoreError>;

    /// Locks auctions, waiting for whoever has them, in id order, and then all their settlements, in id order. MUST keep
    /// other units of work from an auction even where it has no settlements yet, and MUST see all that they committed
    /// before.
    async fn lock_auctions(&mut self, ids: &[AuctionId]) -> Result<Vec<Locked<Settlement>>, StoreError>;

    /// Locks an auction and then all its settlements.
    async fn lock_auction(&mut self, id: AuctionId) -> Result<Vec<Locked<Settlement>>, StoreError> {
        self.lock_auctions(&[id]).await
    }

    /// Keeps what was told of an auction that this unit of work has locked; again it MUST change nothing.
    async fn keep_early(&mut self, id: AuctionId, early: &Early) -> Result<(), StoreError>;

    /// What was kept of auctions that this unit of work has locked.
    async fn early_of_all(&mut self, ids: &[AuctionId]) -> Result<Vec<(AuctionId, Early)>, StoreError>;

    /// What was kept of an auction that this unit of work has locked.
    async fn early(&mut self, id: AuctionId) -> Result<Vec<Early>, StoreError> {
        Ok(self.early_of_all(&[id]).await?.into_iter().map(|(_, early)| early).collect())
    }

    /// Locks a person's standing, waiting for whoever has it; [`Standing::new`] for who has none yet, which MUST keep
    /// others from it as well.
    async fn lock_standing(&mut self, user: &UserId) -> Result<Locked<Standing>, StoreError>;

    /// Locks those standings that no other unit of work has, also of who has none yet. MUST NOT wait. MUST leave out those
    /// that cannot be read, after telling of them.
    async fn lock_free_standings(&mut self, users: &[UserId]) -> Result<FreeStandings, StoreError>;

    /// Locks up to `limit` standings whose [`Standing::due_at`] is not after the database's time, the most overdue
    /// first. MUST skip those that another unit of work has locked, and those that cannot be read, as
    /// [`SettlementTx::lock_due_timers`] does.
    async fn lock_due_standings(&mut self, limit: u32) -> Result<Vec<Locked<Standing>>, StoreError>;

    /// Stores standings that this unit of work has locked, and with each its [`Standing::due_at`].
    async fn save_standings(&mut self, standings: &[Standing]) -> Result<(), StoreError>;

    /// Writes events of standings to the outbox, in this order.
    async fn record_standings(&mut self, events: &[StandingEvent]) -> Result<(), StoreError>;

    /// Adds to the audit trail, which is append-only.
    async fn note_resolutions(&mut self, resolutions: &[Resolution]) -> Result<(), StoreError>;

    /// Adds to the audit trail, which is append-only.
    async fn note_reinstatement(&mut self, reinstatement: &Reinstatement) -> Result<(), StoreError>;

    /// Calls of settlements and payouts that this unit of work has locked, in no order; those that are not there are
    /// left out.
    async fn calls(&mut self, keys: &[CallKey]) -> Result<Vec<GatewayCall>, StoreError>;

    /// A call of a settlement or payout that this unit of work has locked.
    async fn call(&mut self, key: &CallKey) -> Result<Option<GatewayCall>, StoreError> {
        Ok(self.calls(std::slice::from_ref(key)).await?.pop())
    }

    /// Stores settlements that this unit of work has locked, each once, and with each its timer: the settlement's
    /// [`settlement_domain::saga::due_at`], or none.
    async fn save(&mut self, settlements: &[Settlement]) -> Result<(), StoreError>;

    /// Adds calls or overwrites them, by key, each once.
    async fn save_calls(&mut self, calls: &[GatewayCall]) -> Result<(), StoreError>;

    /// Writes events to the outbox, in this order.
    async fn record(&mut self, events: &[SettlementEvent]) -> Result<(), StoreError>;

    /// Posts to the ledger, which is append-only. MUST ignore a transaction whose
    /// [`Transaction::reference`] was posted before.
    async fn post(&mut self, transactions: &[Transaction]) -> Result<(), StoreError>;

    /// Makes all of it durable and visible at once.
    async fn commit(self: Box<Self>) -> Result<(), StoreError>;
}

/// The store.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait SettlementStore: Send + Sync {
    /// Begins a unit of work.
    async fn begin(&self) -> Result<Box<dyn SettlementTx>, StoreError>;

    /// An instance shows life ([`settlement_domain::Watch::seen`]). MUST note an outage once, however many show life at
    /// once. What people get for it, if this noted one.
    async fn beat(&self) -> Result<Option<Grace>, StoreError>;

    /// A settlement as committed, whoever asks: see [`Viewer::may_see`].
    async fn settlement(&self, id: SettlementId) -> Result<Option<Settlement>, StoreError>;

    /// Settlements that the viewer may see, by id descending (newest first), at most `limit`.
    async fn list(&self, viewer: &Viewer, filter: &ListFilter, limit: u32) -> Result<Vec<Settlement>, StoreError>;

    /// A payout as committed, whoever asks.
    async fn payout(&self, id: PayoutId) -> Result<Option<Payout>, StoreError>;

    /// What the operator decided about a settlement, in order.
    async fn resolutions(&self, id: SettlementId) -> Result<Vec<Resolution>, StoreError>;

    /// A person's standing as committed; none for who never got a strike.
    async fn standing(&self, user: &UserId) -> Result<Option<Standing>, StoreError>;
}
