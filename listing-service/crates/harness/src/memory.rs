//! The ports in memory. Units of work run one after the other, each on a copy that replaces the
//! original at commit: dropping one undoes it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use listing_domain::{
    event::ListingEvent,
    ids::{ListingId, UserId},
    listing::Listing,
    standing::Standing,
};
use listing_ports::{
    error::StoreError,
    idempotency::{Claim, RequestKey},
    inbox::{Receipt, Seen},
    store::{Browse, ListingStore, ListingTx, Locked, LockedStanding, Page, Sort},
};
use serde_json::Value;
use tokio::sync::{Mutex as Turn, OwnedMutexGuard};

use crate::faults::Faults;

/// What the store holds.
#[derive(Debug, Clone, Default)]
pub struct Contents {
    /// Listings by id.
    pub listings: BTreeMap<ListingId, Listing>,
    /// Events handed to the outbox, in order.
    pub outbox: Vec<ListingEvent>,
    answers: BTreeMap<(UserId, String), ([u8; 32], Option<Value>)>,
    inbox: BTreeMap<(String, String), u64>,
}

/// The store in memory.
#[derive(Clone)]
pub struct MemoryStore {
    committed: Arc<Mutex<Contents>>,
    turn: Arc<Turn<()>>,
    clock: Arc<Mutex<DateTime<Utc>>>,
    /// Faults of its calls.
    pub faults: Faults,
}

impl MemoryStore {
    /// An empty store whose clock stands at `now`.
    #[must_use]
    pub fn new(now: DateTime<Utc>) -> Self {
        Self {
            committed: Arc::default(),
            turn: Arc::default(),
            clock: Arc::new(Mutex::new(now)),
            faults: Faults::default(),
        }
    }

    /// What is committed.
    #[must_use]
    pub fn contents(&self) -> Contents {
        self.committed.lock().unwrap_or_else(PoisonError::into_inner).clone()
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
}

#[async_trait]
impl ListingStore for MemoryStore {
    async fn begin(&self) -> Result<Box<dyn ListingTx>, StoreError> {
        let call = self.faults.enter("begin")?;
        let turn = Arc::clone(&self.turn).lock_owned().await;
        call.done(Box::new(MemoryTx { contents: self.contents(), store: self.clone(), _turn: turn }))
    }

    async fn find(&self, id: ListingId) -> Result<Option<Listing>, StoreError> {
        self.faults.enter("find")?.done(self.contents().listings.get(&id).cloned())
    }

    async fn browse(&self, query: &Browse) -> Result<Page, StoreError> {
        let call = self.faults.enter("browse")?;
        let mut found: Vec<_> =
            self.contents().listings.into_values().filter(|listing| matches(query, listing)).collect();
        let order = |listing: &Listing| {
            let position = query.sort.position(listing);
            match query.sort {
                Sort::Newest | Sort::PriceDescending => (-position.key, !position.id.0.as_u128()),
                Sort::EndsSoonest | Sort::PriceAscending => (position.key, position.id.0.as_u128()),
            }
        };
        found.sort_by_key(order);
        if let Some(after) = query.after {
            let last_page_ended = found.iter().position(|listing| query.sort.position(listing) == after);
            found.drain(..last_page_ended.map_or(0, |index| index + 1));
        }
        let more = found.len() > query.limit as usize;
        found.truncate(query.limit as usize);
        let next = found.last().filter(|_| more).map(|listing| query.sort.position(listing));
        call.done(Page { listings: found, next })
    }
}

fn matches(query: &Browse, listing: &Listing) -> bool {
    let words = |text: &str| {
        let text = text.to_lowercase();
        let haystack = format!("{} {}", listing.description.title, listing.description.text).to_lowercase();
        text.split_whitespace().all(|word| haystack.split_whitespace().any(|have| have == word))
    };
    (listing.is_public() || listing.seller == query.viewer)
        && query.text.as_deref().is_none_or(words)
        && query.category.as_ref().is_none_or(|category| *category == listing.description.category)
        && query.status.as_deref().is_none_or(|status| status == listing.status())
        && query.seller.as_ref().is_none_or(|seller| *seller == listing.seller)
}

struct MemoryTx {
    contents: Contents,
    store: MemoryStore,
    _turn: OwnedMutexGuard<()>,
}

#[async_trait]
impl ListingTx for MemoryTx {
    async fn now(&mut self) -> Result<DateTime<Utc>, StoreError> {
        self.store.faults.enter("now")?.done(self.store.now())
    }

    async fn claim(&mut self, key: &RequestKey) -> Result<Claim, StoreError> {
        let call = self.store.faults.enter("claim")?;
        let place = (key.principal.clone(), key.key.clone());
        let claim = match self.contents.answers.get(&place) {
            None => {
                self.contents.answers.insert(place, (key.fingerprint, None));
                Claim::New
            }
            Some((fingerprint, _)) if *fingerprint != key.fingerprint => Claim::Mismatch,
            Some((_, None)) => Claim::Running,
            Some((_, Some(answer))) => Claim::Replay(answer.clone()),
        };
        call.done(claim)
    }

    async fn answer(&mut self, key: &RequestKey, answer: &Value) -> Result<(), StoreError> {
        let call = self.store.faults.enter("answer")?;
        let place = (key.principal.clone(), key.key.clone());
        self.contents.answers.insert(place, (key.fingerprint, Some(answer.clone())));
        call.done(())
    }

    async fn receive(&mut self, receipts: &[Receipt]) -> Result<Vec<Seen>, StoreError> {
        let call = self.store.faults.enter("receive")?;
        let mut seen = Vec::new();
        for receipt in receipts {
            let last = self.contents.inbox.entry((receipt.source.clone(), receipt.key.clone())).or_default();
            let expected = *last + 1;
            seen.push(match receipt.sequence {
                sequence if sequence < expected => Seen::Duplicate,
                sequence if sequence == expected => Seen::New,
                _ => Seen::Gap { expected },
            });
            *last = (*last).max(receipt.sequence);
        }
        call.done(seen)
    }

    async fn lock(&mut self, id: ListingId) -> Result<Option<Locked>, StoreError> {
        let call = self.store.faults.enter("lock")?;
        let now = self.store.now();
        call.done(self.contents.listings.get(&id).cloned().map(|listing| Locked { listing, now }))
    }

    async fn lock_standings(&mut self, ids: &[ListingId]) -> Result<Vec<LockedStanding>, StoreError> {
        let call = self.store.faults.enter("lock_standings")?;
        let now = self.store.now();
        let found = ids.iter().filter_map(|id| self.contents.listings.get(id));
        call.done(found.map(|listing| LockedStanding { standing: listing.standing(), now }).collect())
    }

    async fn save_standings(&mut self, standings: &[Standing]) -> Result<(), StoreError> {
        let call = self.store.faults.enter("save_standings")?;
        for standing in standings {
            let stored = self.contents.listings.get_mut(&standing.id);
            let stored = stored.ok_or_else(|| StoreError::Corrupt("saved what was never inserted".into()))?;
            *stored = stored.clone().standing_as(standing.clone());
        }
        call.done(())
    }

    async fn insert(&mut self, listing: &Listing) -> Result<(), StoreError> {
        let call = self.store.faults.enter("insert")?;
        let repeats = |known: &Listing| listing.relisted_from.is_some() && known.relisted_from == listing.relisted_from;
        if self.contents.listings.contains_key(&listing.id) || self.contents.listings.values().any(repeats) {
            return Err(StoreError::Conflict);
        }
        self.contents.listings.insert(listing.id, listing.clone());
        call.done(())
    }

    async fn save(&mut self, listing: &Listing) -> Result<(), StoreError> {
        let call = self.store.faults.enter("save")?;
        let stored = self.contents.listings.get_mut(&listing.id);
        *stored.ok_or_else(|| StoreError::Corrupt("saved what was never inserted".into()))? = listing.clone();
        call.done(())
    }

    async fn record(&mut self, events: &[ListingEvent]) -> Result<(), StoreError> {
        let call = self.store.faults.enter("record")?;
        self.contents.outbox.extend_from_slice(events);
        call.done(())
    }

    async fn commit(self: Box<Self>) -> Result<(), StoreError> {
        let call = self.store.faults.enter("commit")?;
        *self.store.committed.lock().unwrap_or_else(PoisonError::into_inner) = self.contents;
        call.done(())
    }
}
