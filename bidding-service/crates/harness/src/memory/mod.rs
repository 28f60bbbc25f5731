//! The ports in memory. A unit of work keeps its writes to itself until it commits and holds a lock
//! on every row it touched until it ends, as a database does.

mod contents;
mod locks;
mod outbox;
mod tx;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use bidding_domain::{
    auction::{Auction, PausedBy},
    bid::Bid,
    event::AuctionEvent,
    ids::{AuctionId, BidId},
    log::Entry,
};
use bidding_ports::{
    change::ChangeListener,
    error::StoreError,
    inbox::Receipt,
    store::{AuctionStore, AuctionTx, Found, LogPlace},
};
use chrono::{DateTime, DurationRound, TimeDelta, Utc};

pub use self::contents::Contents;
use self::{locks::Locks, tx::MemoryTx};
use crate::faults::{Faults, Pending};

/// The store in memory.
#[derive(Clone)]
pub struct MemoryStore {
    committed: Arc<Mutex<Contents>>,
    locks: Locks,
    clock: Arc<Mutex<DateTime<Utc>>>,
    /// Since when the clock runs, if it does.
    running: Option<Instant>,
    listener: Option<Arc<dyn ChangeListener>>,
    /// Faults of its calls.
    pub faults: Faults,
}

impl MemoryStore {
    /// An empty store whose clock stands at `now`, which is also its first sign of life.
    #[must_use]
    pub fn new(now: DateTime<Utc>) -> Self {
        Self {
            committed: Arc::new(Mutex::new(Contents { beat_at: now, ..Contents::default() })),
            locks: Locks::default(),
            clock: Arc::new(Mutex::new(now)),
            running: None,
            listener: None,
            faults: Faults::default(),
        }
    }

    /// The same store, which tells `listener` after each commit.
    #[must_use]
    pub fn telling(self, listener: Arc<dyn ChangeListener>) -> Self {
        Self { listener: Some(listener), ..self }
    }

    /// The same store, whose clock runs by itself as a database's does.
    #[must_use]
    pub fn running(self) -> Self {
        Self { running: Some(Instant::now()), ..self }
    }

    /// What is committed.
    #[must_use]
    pub fn contents(&self) -> Contents {
        self.committed().clone()
    }

    /// Changes what is committed behind everybody's back.
    pub fn tamper(&self, change: impl FnOnce(&mut Contents)) {
        change(&mut self.committed());
    }

    /// The clock.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        let stands = *self.clock.lock().unwrap_or_else(PoisonError::into_inner);
        let ran = self.running.map_or(Duration::ZERO, |since| since.elapsed());
        let now = stands + TimeDelta::from_std(ran).unwrap_or_default();
        // As precise as PostgreSQL.
        now.duration_trunc(TimeDelta::microseconds(1)).unwrap_or(now)
    }

    /// How long ago the last sign of life was.
    fn silence(&self) -> TimeDelta {
        let now = self.now();
        now - self.committed().beat_at
    }

    /// Moves the clock on while the service is alive.
    pub fn advance(&self, by: TimeDelta) {
        self.advance_without_life(by);
        self.committed().beat_at = self.now();
    }

    /// Moves the clock on while the service is down.
    pub fn advance_without_life(&self, by: TimeDelta) {
        *self.clock.lock().unwrap_or_else(PoisonError::into_inner) += by;
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
        let (now, silence) = (self.now(), self.silence());
        let committed = self.committed();
        let halts = committed.halts();
        call.done(committed.auction(id)?.map(|auction| Found { auction, halts, now, silence }))
    }

    async fn bids(&self, id: AuctionId, before: Option<LogPlace>, limit: u32) -> Result<Vec<Bid>, StoreError> {
        let call = self.enter("bids").await?;
        let place = |bid: &Bid| LogPlace { sequence: bid.sequence, number: bid.number };
        let mut bids = self.committed().bids();
        bids.retain(|bid| bid.auction_id == id && before.is_none_or(|before| place(bid) < before));
        bids.sort_by_key(|bid| std::cmp::Reverse(place(bid)));
        bids.truncate(limit as usize);
        call.done(bids)
    }

    async fn known(&self, receipts: &[Receipt]) -> Result<Vec<bool>, StoreError> {
        let call = self.enter("known").await?;
        let committed = self.committed();
        let last = |receipt: &Receipt| committed.inbox.get(&(receipt.source.clone(), receipt.key.clone())).copied();
        call.done(receipts.iter().map(|receipt| last(receipt) >= Some(receipt.sequence)).collect())
    }

    async fn bid(&self, id: AuctionId, bid: BidId) -> Result<Option<Bid>, StoreError> {
        let call = self.enter("bid").await?;
        let bids = self.committed().bids();
        call.done(bids.into_iter().find(|accepted| accepted.auction_id == id && accepted.id == bid))
    }

    async fn retracted(&self, bids: &[BidId]) -> Result<BTreeMap<BidId, DateTime<Utc>>, StoreError> {
        let call = self.enter("retracted").await?;
        let committed = self.committed();
        let gone = committed.entries.iter().flat_map(|entry| entry.retracted().iter().map(|bid| (*bid, entry.at)));
        call.done(gone.filter(|(bid, _)| bids.contains(bid)).collect())
    }

    async fn events(&self, id: AuctionId, after: u64, limit: u32) -> Result<Vec<AuctionEvent>, StoreError> {
        let call = self.enter("events").await?;
        let mut entries = self.committed().log(id);
        entries.retain(|entry| entry.sequence > after);
        entries.truncate(limit as usize);
        let events = entries.iter().flat_map(Entry::events);
        call.done(events.filter(|event| event.sequence > after).collect())
    }

    async fn log(&self, id: AuctionId) -> Result<Vec<Entry>, StoreError> {
        self.enter("log").await?.done(self.committed().log(id))
    }

    async fn next_due(&self) -> Result<Option<Duration>, StoreError> {
        let call = self.enter("next_due").await?;
        let next = self.committed().auctions.values().filter_map(Auction::due_at).min();
        call.done(next.map(|due_at| (due_at - self.now()).to_std().unwrap_or_default()))
    }

    async fn beat(&self, downtime: Duration) -> Result<bool, StoreError> {
        let call = self.enter("beat").await?;
        let mut committed = self.committed();
        committed.beat(self.now(), TimeDelta::from_std(downtime).unwrap_or(TimeDelta::MAX));
        call.done(committed.are_paused())
    }

    async fn pause_all(&self, reason: &str) -> Result<bool, StoreError> {
        let call = self.enter("pause_all").await?;
        let mut committed = self.committed();
        if committed.are_paused() {
            return call.done(false);
        }
        committed.halt(PausedBy::Operator, reason, self.now(), None);
        call.done(true)
    }

    async fn resume_all(&self) -> Result<bool, StoreError> {
        let call = self.enter("resume_all").await?;
        let now = self.now();
        let mut committed = self.committed();
        let lasting = committed.halts.iter_mut().find(|halt| halt.until.is_none());
        call.done(lasting.map(|halt| halt.until = Some(now)).is_some())
    }
}
