//! A store in memory with the transactions of a real one: row locks, nothing visible before the commit, everything
//! gone without it. It is stricter than a database: misuse of a unit of work panics.

mod clearing;
mod outbox;
mod payouts;
mod reads;
mod requests;
mod standings;
mod tables;
mod tx;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use chrono::{DateTime, Utc};
use futures::lock::{Mutex as AsyncMutex, OwnedMutexGuard};
use settlement_domain::{AuctionId, Currency, PayoutId, Settlement, SettlementId, UserId, Watch};
use settlement_ports::Locked;

use crate::{Faults, HandClock};
use tables::Tables;

/// What one unit of work can keep another one from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum LockKey {
    Auction(AuctionId),
    Settlement(SettlementId),
    Payout(PayoutId),
    Owed(UserId, Currency),
    Standing(UserId),
    Winner(AuctionId, UserId),
    Request(UserId, String),
    Event(String, String),
}

/// The store; all clones share one content.
#[derive(Clone, Default)]
pub struct MemoryStore {
    clock: HandClock,
    faults: Faults,
    committed: Arc<Mutex<Tables>>,
    /// Whoever begins a unit of work passes here.
    gate: Arc<AsyncMutex<()>>,
    locks: Arc<Mutex<HashMap<LockKey, Arc<AsyncMutex<()>>>>>,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new(clock: HandClock, faults: Faults) -> Self {
        Self { clock, faults, ..Self::default() }
    }

    /// Until what it gives is dropped, nobody begins a unit of work: what comes meanwhile gathers.
    pub async fn closed(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.gate).lock_owned().await
    }

    async fn pass_the_gate(&self) {
        drop(self.gate.lock().await);
    }

    fn committed(&self) -> MutexGuard<'_, Tables> {
        self.committed.lock().unwrap()
    }

    fn watch(&self) -> Watch {
        Watch { seen_at: self.clock.seen_at(), grace: self.committed().grace }
    }

    /// A settlement that is locked at this moment.
    fn locked(&self, settlement: Settlement, now: DateTime<Utc>) -> Locked<Settlement> {
        Locked { aggregate: self.watch().gives_time(settlement, now), now }
    }

    fn lock_of(&self, key: &LockKey) -> Arc<AsyncMutex<()>> {
        self.locks.lock().unwrap().entry(key.clone()).or_default().clone()
    }

    async fn wait_for(&self, key: &LockKey) -> OwnedMutexGuard<()> {
        self.lock_of(key).lock_owned().await
    }

    fn try_lock(&self, key: &LockKey) -> Option<OwnedMutexGuard<()>> {
        self.lock_of(key).try_lock_owned()
    }
}
