//! The ports in memory. A unit of work keeps its writes to itself until it commits and holds a lock
//! on every row it touched until it ends, as a database does.

mod locks;
mod outbox;
mod tx;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use bidding_domain::{
    auction::Auction,
    bid::Bid,
    event::AuctionEvent,
    ids::{AuctionId, UserId},
};
use bidding_ports::{
    change::ChangeListener,
    error::StoreError,
    outbox::OutboxRecord,
    store::{AuctionStore, AuctionTx, Found},
};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use self::{locks::Locks, outbox::Lease, tx::MemoryTx};
use crate::faults::{Faults, Pending};

/// What the store holds.
#[derive(Debug, Clone, Default)]
pub struct Contents {
    /// Auctions by id.
    pub auctions: BTreeMap<AuctionId, Auction>,
    /// Accepted bids, in order of their commits.
    pub bids: Vec<Bid>,
    /// All events, in order of their commits.
    pub events: Vec<AuctionEvent>,
    /// Events that wait to be published.
    pub outbox: Vec<OutboxRecord>,
    /// Bidders who may not bid.
    pub suspended: BTreeSet<UserId>,
    answers: BTreeMap<(UserId, String), ([u8; 32], Value)>,
    inbox: BTreeMap<(String, String), u64>,
    lease: Lease,
}

/// The store in memory.
#[derive(Clone)]
pub struct MemoryStore {
    committed: Arc<Mutex<Contents>>,
    locks: Locks,
    clock: Arc<Mutex<DateTime<Utc>>>,
    listener: Option<Arc<dyn ChangeListener>>,
    /// Faults of its calls.
    pub faults: Faults,
}

impl MemoryStore {
    /// An empty store whose clock stands at `now`.
    #[must_use]
    pub fn new(now: DateTime<Utc>) -> Self {
        Self {
            committed: Arc::default(),
            locks: Locks::default(),
            clock: Arc::new(Mutex::new(now)),
            listener: None,
            faults: Faults::default(),
        }
    }

    /// The same store, which tells `listener` after each commit.
    #[must_use]
    pub fn telling(self, listener: Arc<dyn ChangeListener>) -> Self {
        Self { listener: Some(listener), ..self }
    }

    /// What is committed.
    #[must_use]
    pub fn contents(&self) -> Contents {
        self.committed().clone()
    }

    /// The clock.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        *self.clock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves the clock.
    pub fn set_clock(&self, now: DateTime<Utc>) {
        *self.clock.lock().unwrap_or_else(PoisonError::into_inner) = now;
    }

    /// Moves the clock on.
    pub fn advance(&self, by: TimeDelta) {
        self.set_clock(self.now() + by);
    }

    /// Every call gives way to the others, so that tests of races have races.
    async fn enter(&self, call: &'static str) -> Result<Pending, StoreError> {
        tokio::task::yield_now().await;
        self.faults.enter(call)
    }

    fn committed(&self) -> MutexGuard<'_, Contents> {
        self.committed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl AuctionStore for MemoryStore {
    async fn begin(&self) -> Result<Box<dyn AuctionTx>, StoreError> {
        self.enter("begin").await?.done(Box::new(MemoryTx::new(self.clone())))
    }

    async fn find(&self, id: AuctionId) -> Result<Option<Found>, StoreError> {
        let call = self.enter("find").await?;
        let now = self.now();
        call.done(self.committed().auctions.get(&id).cloned().map(|auction| Found { auction, now }))
    }

    async fn bids(&self, id: AuctionId, before: Option<u64>, limit: u32) -> Result<Vec<Bid>, StoreError> {
        let call = self.enter("bids").await?;
        let wanted = |bid: &&Bid| bid.auction_id == id && before.is_none_or(|before| bid.sequence < before);
        let mut bids: Vec<_> = self.committed().bids.iter().filter(wanted).cloned().collect();
        bids.sort_by_key(|bid| std::cmp::Reverse(bid.sequence));
        bids.truncate(limit as usize);
        call.done(bids)
    }

    async fn events(&self, id: AuctionId, after: u64, limit: u32) -> Result<Vec<AuctionEvent>, StoreError> {
        let call = self.enter("events").await?;
        let wanted = |event: &&AuctionEvent| event.auction_id == id && event.sequence > after;
        let mut events: Vec<_> = self.committed().events.iter().filter(wanted).cloned().collect();
        events.sort_by_key(|event| event.sequence);
        events.truncate(limit as usize);
        call.done(events)
    }

    async fn next_due(&self) -> Result<Option<Duration>, StoreError> {
        let call = self.enter("next_due").await?;
        let next = self.committed().auctions.values().filter_map(Auction::due_at).min();
        call.done(next.map(|due_at| (due_at - self.now()).to_std().unwrap_or_default()))
    }
}
