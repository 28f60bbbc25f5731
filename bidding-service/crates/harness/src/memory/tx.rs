//! A unit of work in memory.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bidding_domain::{
    auction::Auction,
    bid::Bid,
    halt::Halt,
    ids::{AuctionId, UserId},
    log::{Entry, StandingBids},
};
use bidding_ports::{
    error::StoreError,
    idempotency::{Claim, RequestKey},
    inbox::{Receipt, Seen},
    outbox::OutboxRecord,
    store::{AuctionTx, Changes, Floor, Known, Locked, Request, Wait},
};
use chrono::{DateTime, Utc};

use super::{
    MemoryStore,
    contents::{Contents, Place},
    locks::{Held, Row},
    outbox::records_of,
};

/// Numbers of outbox records are given when written, not when committed, as a database sequence does.
static NEXT_RECORD: AtomicI64 = AtomicI64::new(1);

/// How long a batch waits for a lock.
const LOCK_TIMEOUT: Duration = Duration::from_secs(2);

/// What a unit of work wrote so far.
#[derive(Default)]
struct Writes {
    auctions: BTreeMap<AuctionId, Auction>,
    entries: Vec<Entry>,
    outbox: Vec<OutboxRecord>,
    suspended: BTreeMap<UserId, bool>,
    answers: BTreeMap<Place, ([u8; 32], String)>,
    inbox: BTreeMap<(String, String), u64>,
}

pub(super) struct MemoryTx {
    store: MemoryStore,
    held: Held,
    writes: Writes,
    /// As they were when auctions were read.
    halts: Option<Arc<[Halt]>>,
}

impl MemoryTx {
    pub(super) fn new(store: MemoryStore) -> Self {
        Self { store, held: Held::default(), writes: Writes::default(), halts: None }
    }

    async fn take(&mut self, id: AuctionId) {
        self.held.take(&self.store.locks, Row::Auction(id)).await;
    }

    fn read(&self, id: AuctionId) -> Result<Option<Auction>, StoreError> {
        match self.writes.auctions.get(&id) {
            Some(written) => Ok(Some(written.clone())),
            None => self.store.committed().auction(id),
        }
    }

    fn locked(&mut self, id: AuctionId) -> Result<Option<Locked>, StoreError> {
        let auction = self.read(id)?;
        let halts = self.store.committed().halts();
        self.halts = Some(Arc::clone(&halts));
        let (now, silence) = (self.store.now(), self.store.silence());
        Ok(auction.map(|auction| Locked { auction, halts, now, silence }))
    }

    fn known(&self, key: &RequestKey) -> Known {
        let committed = self.store.committed();
        let claim = match committed.answers.get(&place(key)) {
            None => Claim::New,
            Some((fingerprint, _)) if *fingerprint != key.fingerprint => Claim::Mismatch,
            Some((_, answer)) => Claim::Replay(answer.clone()),
        };
        drop(committed);
        Known { claim, suspended: self.is_suspended(&key.principal) }
    }

    fn is_suspended(&self, bidder: &UserId) -> bool {
        let written = self.writes.suspended.get(bidder).copied();
        written.unwrap_or_else(|| self.store.committed().suspended.contains(bidder))
    }

    fn log_of(&self, id: AuctionId) -> Vec<Entry> {
        let mut log = self.store.committed().log(id);
        log.extend(self.writes.entries.iter().filter(|entry| entry.auction_id == id).cloned());
        log
    }
}

fn place(key: &RequestKey) -> Place {
    (key.principal.clone(), key.key.clone())
}

fn corrupt(what: String) -> StoreError {
    StoreError::Corrupt(what)
}

#[async_trait]
impl AuctionTx for MemoryTx {
    async fn now(&mut self) -> Result<DateTime<Utc>, StoreError> {
        self.store.enter("now").await?.done(self.store.now())
    }

    async fn enter(&mut self, requests: &[Request], wait: Wait) -> Result<Floor, StoreError> {
        let call = self.store.enter("enter").await?;
        let ids: BTreeSet<_> = requests.iter().map(|request| request.auction).collect();
        let mut auctions = BTreeMap::new();
        for id in ids {
            if wait == Wait::ForAll {
                let granted = tokio::time::timeout(LOCK_TIMEOUT, self.take(id)).await;
                granted.map_err(|_| StoreError::Locked)?;
            } else if !self.held.try_take(&self.store.locks, Row::Auction(id)) {
                auctions.insert(id, Err(StoreError::Locked));
                continue;
            }
            if let Some(auction) = self.read(id).transpose() {
                auctions.insert(id, auction);
            }
        }
        let known = requests.iter().map(|request| self.known(&request.key)).collect();
        let halts = self.store.committed().halts();
        self.halts = Some(Arc::clone(&halts));
        call.done(Floor { auctions, known, halts, now: self.store.now(), silence: self.store.silence() })
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
        self.take(id).await;
        call.done(self.locked(id)?)
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
                // What cannot be read is left out.
                let readable = self.locked(id).ok().flatten();
                locked.extend(readable.filter(|locked| is_due(&locked.auction).is_some()));
            }
        }
        call.done(locked)
    }

    async fn insert(&mut self, auction: &Auction) -> Result<(), StoreError> {
        let call = self.store.enter("insert").await?;
        self.take(auction.id()).await;
        if self.read(auction.id())?.is_some() {
            return Err(StoreError::Conflict);
        }
        self.writes.auctions.insert(auction.id(), auction.clone());
        call.done(())
    }

    async fn save(&mut self, changes: Changes) -> Result<(), StoreError> {
        let call = self.store.enter("save").await?;
        if self.halts.as_ref().is_some_and(|read| *read != self.store.committed().halts()) {
            return Err(StoreError::Conflict);
        }
        let Changes { auctions, entries, answers } = changes;
        for auction in auctions {
            let id = auction.id();
            if !self.held.has(&Row::Auction(id)) || self.read(id)?.is_none() {
                return Err(corrupt(format!("auction {id} was saved and not locked")));
            }
            self.writes.auctions.insert(id, auction);
        }
        for caused in entries {
            // An entry that tells nothing leaves nothing in the outbox.
            let id = NEXT_RECORD.fetch_add(1, Ordering::Relaxed);
            self.writes.outbox.extend(records_of(&caused.entry, id));
            self.writes.entries.push(caused.entry);
        }
        for (key, answer) in answers {
            if self.writes.answers.insert(place(&key), (key.fingerprint, answer)).is_some() {
                return Err(StoreError::Conflict);
            }
        }
        call.done(())
    }

    async fn standing_bids(&mut self, id: AuctionId) -> Result<Vec<Bid>, StoreError> {
        let call = self.store.enter("standing_bids").await?;
        call.done(self.log_of(id).iter().collect::<StandingBids>().into_vec())
    }

    async fn set_suspended(&mut self, bidder: &UserId, suspended: bool) -> Result<(), StoreError> {
        let call = self.store.enter("set_suspended").await?;
        self.writes.suspended.insert(bidder.clone(), suspended);
        call.done(())
    }

    async fn suspended(&mut self, bidders: &[UserId]) -> Result<Vec<UserId>, StoreError> {
        let call = self.store.enter("suspended").await?;
        call.done(bidders.iter().filter(|bidder| self.is_suspended(bidder)).cloned().collect())
    }

    async fn commit(self: Box<Self>) -> Result<(), StoreError> {
        let call = self.store.enter("commit").await?;
        for (id, auction) in &self.writes.auctions {
            let last = self.log_of(*id).last().map(|entry| (entry.number, entry.link));
            if auction.head() != last.unwrap_or((0, auction.head().1)) {
                return Err(corrupt(format!("the log of auction {id} does not lead to what is saved of it")));
            }
        }
        let Self { store, held, writes, .. } = *self;
        let told: BTreeMap<_, _> = writes.entries.iter().map(|entry| (entry.auction_id, entry.sequence)).collect();
        writes.commit(&mut store.committed())?;
        drop(held);
        if let Some(listener) = &store.listener {
            for (auction, sequence) in told {
                listener.advanced(auction, sequence);
            }
        }
        call.done(())
    }
}

impl Writes {
    fn commit(self, committed: &mut Contents) -> Result<(), StoreError> {
        if self.answers.keys().any(|place| committed.answers.contains_key(place)) {
            return Err(StoreError::Conflict);
        }
        committed.auctions.extend(self.auctions);
        committed.entries.extend(self.entries);
        committed.outbox.extend(self.outbox);
        committed.answers.extend(self.answers);
        committed.inbox.extend(self.inbox);
        for (bidder, suspended) in self.suspended {
            if suspended {
                committed.suspended.insert(bidder);
            } else {
                committed.suspended.remove(&bidder);
            }
        }
        Ok(())
    }
}
