//! A unit of work in memory.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicI64, Ordering},
};

use async_trait::async_trait;
use bidding_domain::{
    auction::Auction,
    bid::Bid,
    event::AuctionEvent,
    ids::{AuctionId, UserId},
};
use bidding_ports::{
    error::StoreError,
    idempotency::{Claim, RequestKey},
    inbox::{Receipt, Seen},
    outbox::OutboxRecord,
    store::{AuctionTx, Locked},
};
use chrono::{DateTime, Utc};
use serde_json::Value;

use super::{
    MemoryStore,
    locks::{Held, Row},
    outbox::record_of,
};

/// Numbers of outbox records are given when written, not when committed, as a database sequence does.
static NEXT_RECORD: AtomicI64 = AtomicI64::new(1);

/// What a unit of work wrote so far.
#[derive(Default)]
struct Writes {
    auctions: BTreeMap<AuctionId, Auction>,
    bids: Vec<Bid>,
    events: Vec<AuctionEvent>,
    outbox: Vec<OutboxRecord>,
    suspended: BTreeMap<UserId, bool>,
    answers: BTreeMap<(UserId, String), ([u8; 32], Value)>,
    inbox: BTreeMap<(String, String), u64>,
}

pub(super) struct MemoryTx {
    store: MemoryStore,
    held: Held,
    writes: Writes,
}

impl MemoryTx {
    pub(super) fn new(store: MemoryStore) -> Self {
        Self { store, held: Held::default(), writes: Writes::default() }
    }

    fn read(&self, id: AuctionId) -> Option<Locked> {
        let written = self.writes.auctions.get(&id).cloned();
        let auction = written.or_else(|| self.store.committed().auctions.get(&id).cloned())?;
        Some(Locked { auction, now: self.store.now() })
    }
}

#[async_trait]
impl AuctionTx for MemoryTx {
    async fn now(&mut self) -> Result<DateTime<Utc>, StoreError> {
        self.store.enter("now").await?.done(self.store.now())
    }

    async fn claim(&mut self, key: &RequestKey) -> Result<Claim, StoreError> {
        let call = self.store.enter("claim").await?;
        let place = (key.principal.clone(), key.key.clone());
        let row = Row::Key(place.0.clone(), place.1.clone());
        if self.held.has(&row) || !self.held.try_take(&self.store.locks, row) {
            return call.done(Claim::Running);
        }
        call.done(match self.store.committed().answers.get(&place) {
            None => Claim::New,
            Some((fingerprint, _)) if *fingerprint != key.fingerprint => Claim::Mismatch,
            Some((_, answer)) => Claim::Replay(answer.clone()),
        })
    }

    async fn answer(&mut self, key: &RequestKey, answer: &Value) -> Result<(), StoreError> {
        let call = self.store.enter("answer").await?;
        let place = (key.principal.clone(), key.key.clone());
        self.writes.answers.insert(place, (key.fingerprint, answer.clone()));
        call.done(())
    }

    async fn receive(&mut self, receipt: &Receipt) -> Result<Seen, StoreError> {
        let call = self.store.enter("receive").await?;
        let place = (receipt.source.clone(), receipt.key.clone());
        self.held.take(&self.store.locks, Row::Inbox(place.0.clone(), place.1.clone())).await;
        let written = self.writes.inbox.get(&place).copied();
        let last = written.or_else(|| self.store.committed().inbox.get(&place).copied()).unwrap_or_default();
        let expected = last + 1;
        let seen = match receipt.sequence {
            sequence if sequence < expected => Seen::Duplicate,
            sequence if sequence == expected => Seen::New,
            _ => Seen::Gap { expected },
        };
        self.writes.inbox.insert(place, last.max(receipt.sequence));
        call.done(seen)
    }

    async fn lock(&mut self, id: AuctionId) -> Result<Option<Locked>, StoreError> {
        let call = self.store.enter("lock").await?;
        self.held.take(&self.store.locks, Row::Auction(id)).await;
        call.done(self.read(id))
    }

    async fn lock_due(&mut self, limit: u32) -> Result<Vec<Locked>, StoreError> {
        let call = self.store.enter("lock_due").await?;
        let now = self.store.now();
        let is_due =
            |auction: &Auction| auction.due_at().filter(|due_at| *due_at <= now).map(|due| (due, auction.id()));
        let mut due: Vec<_> = self.store.committed().auctions.values().filter_map(is_due).collect();
        due.sort_unstable();
        let mut locked = Vec::new();
        for (_, id) in due {
            if locked.len() < limit as usize && self.held.try_take(&self.store.locks, Row::Auction(id)) {
                locked.extend(self.read(id).filter(|locked| is_due(&locked.auction).is_some()));
            }
        }
        call.done(locked)
    }

    async fn insert(&mut self, auction: &Auction) -> Result<(), StoreError> {
        let call = self.store.enter("insert").await?;
        self.held.take(&self.store.locks, Row::Auction(auction.id())).await;
        if self.read(auction.id()).is_some() {
            return Err(StoreError::Conflict);
        }
        self.writes.auctions.insert(auction.id(), auction.clone());
        call.done(())
    }

    async fn save(&mut self, auction: &Auction, bids: &[Bid]) -> Result<(), StoreError> {
        let call = self.store.enter("save").await?;
        if !self.held.has(&Row::Auction(auction.id())) || self.read(auction.id()).is_none() {
            return Err(StoreError::Corrupt("saved what was not locked".to_owned()));
        }
        self.writes.auctions.insert(auction.id(), auction.clone());
        self.writes.bids.extend_from_slice(bids);
        call.done(())
    }

    async fn record(&mut self, events: &[AuctionEvent]) -> Result<(), StoreError> {
        let call = self.store.enter("record").await?;
        let waiting = |event| record_of(event, NEXT_RECORD.fetch_add(1, Ordering::Relaxed));
        self.writes.outbox.extend(events.iter().map(waiting));
        self.writes.events.extend_from_slice(events);
        call.done(())
    }

    async fn is_suspended(&mut self, bidder: &UserId) -> Result<bool, StoreError> {
        let call = self.store.enter("is_suspended").await?;
        let written = self.writes.suspended.get(bidder).copied();
        call.done(written.unwrap_or_else(|| self.store.committed().suspended.contains(bidder)))
    }

    async fn set_suspended(&mut self, bidder: &UserId, suspended: bool) -> Result<(), StoreError> {
        let call = self.store.enter("set_suspended").await?;
        self.writes.suspended.insert(bidder.clone(), suspended);
        call.done(())
    }

    async fn commit(self: Box<Self>) -> Result<(), StoreError> {
        let call = self.store.enter("commit").await?;
        let Self { store, held, writes } = *self;
        let told: Vec<_> = writes.events.iter().map(|event| (event.auction_id, event.sequence)).collect();
        {
            let mut committed = store.committed();
            committed.auctions.extend(writes.auctions);
            committed.bids.extend(writes.bids);
            committed.events.extend(writes.events);
            committed.outbox.extend(writes.outbox);
            committed.answers.extend(writes.answers);
            committed.inbox.extend(writes.inbox);
            for (bidder, suspended) in writes.suspended {
                if suspended {
                    committed.suspended.insert(bidder);
                } else {
                    committed.suspended.remove(&bidder);
                }
            }
        }
        drop(held);
        if let Some(listener) = &store.listener {
            for (auction, sequence) in told {
                listener.advanced(auction, sequence);
            }
        }
        call.done(())
    }
}
