//! Wakes the streams of an auction when it has new events, and reads those once for all of them.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bidding_domain::{event::AuctionEvent, ids::AuctionId};
use bidding_ports::{change::ChangeListener, error::StoreError, store::AuctionStore};
use tokio::{
    sync::{Mutex as AsyncMutex, watch},
    time::Instant,
};

/// Most events of an auction that are kept at hand; a reader further behind reads the store itself.
const AT_HAND: usize = 256;
/// Most entries that one read brings.
pub const PAGE: u32 = 256;
/// Word from other instances may get lost: a reader who has heard nothing for so long asks the store, unless another did
/// within that time.
pub(crate) const LOOK_AGAIN: Duration = Duration::from_secs(15);

/// Who watches which auction. Holds nothing of an auction that nobody watches.
#[derive(Debug, Default)]
pub struct LiveFeed {
    watched: Mutex<HashMap<AuctionId, Arc<Watched>>>,
}

/// An auction that is watched.
#[derive(Debug)]
struct Watched {
    /// The last event that there was word of.
    word: watch::Sender<u64>,
    tail: Mutex<Tail>,
    /// Held while the store is read, so that of a thousand readers who wake one reads.
    reading: AsyncMutex<()>,
}

/// The last events, without a gap.
#[derive(Debug, Default)]
struct Tail {
    /// Number of the last event; none before the first reader has come.
    last: Option<u64>,
    events: VecDeque<Arc<AuctionEvent>>,
    /// Word up to this number has led to nothing.
    in_vain: u64,
    /// When a reader last looked without word.
    looked_at: Option<Instant>,
}

/// What is at hand for a reader.
#[derive(Debug)]
pub(crate) enum AtHand {
    /// The next events, perhaps none.
    Events(Vec<Arc<AuctionEvent>>),
    /// The reader is too far behind.
    Behind,
}

impl LiveFeed {
    /// Begins to watch an auction; dropping the watch ends it.
    #[must_use]
    pub fn watch(self: &Arc<Self>, auction: AuctionId) -> Watch {
        let new =
            || Arc::new(Watched { word: watch::channel(0).0, tail: Mutex::default(), reading: AsyncMutex::default() });
        let mut all = self.watched();
        let watched = Arc::clone(all.entry(auction).or_insert_with(new));
        // Subscribed before the map is let go, so that the last one to leave does not take the entry away.
        let news = watched.word.subscribe();
        drop(all);
        Watch { feed: Arc::clone(self), auction, watched, news: Some(news) }
    }

    /// How many auctions are watched.
    #[must_use]
    pub fn len(&self) -> usize {
        self.watched().len()
    }

    /// Whether nobody watches anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.watched().is_empty()
    }

    fn watched(&self) -> MutexGuard<'_, HashMap<AuctionId, Arc<Watched>>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ChangeListener for LiveFeed {
    fn advanced(&self, auction: AuctionId, sequence: u64) {
        if let Some(watched) = self.watched().get(&auction) {
            watched.advanced(sequence);
        }
    }
}

impl Watched {
    fn tail(&self) -> MutexGuard<'_, Tail> {
        self.tail.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes the readers, unless there was word of as much before.
    fn advanced(&self, sequence: u64) {
        self.word.send_if_modified(|known| {
            let newer = sequence > *known;
            *known = sequence.max(*known);
            newer
        });
    }

    /// Whether nobody has looked for long. Whoever is told so looks: should that fail, not every reader has to find
    /// that out.
    fn is_to_be_looked_after(&self) -> bool {
        let mut tail = self.tail();
        let long_ago = tail.looked_at.is_none_or(|at| at.elapsed() >= LOOK_AGAIN);
        if long_ago {
            tail.looked_at = Some(Instant::now());
        }
        long_ago
    }
}

/// One reader's watch on an auction.
#[derive(Debug)]
pub struct Watch {
    feed: Arc<LiveFeed>,
    auction: AuctionId,
    watched: Arc<Watched>,
    /// Taken when the watch ends.
    news: Option<watch::Receiver<u64>>,
}

impl Watch {
    /// Returns when there is word that has not been waited for yet. Safe to cancel.
    pub async fn changed(&mut self) {
        if let Some(news) = &mut self.news {
            // The sender lives as long as this watch, so there is always more to wait for.
            let _ = news.changed().await;
        }
    }

    /// A reader has found the auction at event number `last`: from there on events are kept at hand.
    pub(crate) fn starts_at(&self, last: u64) {
        self.watched.tail().last.get_or_insert(last);
    }

    /// The events after number `after` that are at hand.
    pub(crate) fn at_hand(&self, after: u64) -> AtHand {
        let tail = self.watched.tail();
        let last = tail.last.unwrap_or_default();
        let wanted = usize::try_from(last.saturating_sub(after)).unwrap_or(usize::MAX);
        match tail.events.len().checked_sub(wanted) {
            Some(skip) => AtHand::Events(tail.events.iter().skip(skip).take(PAGE as usize).cloned().collect()),
            None => AtHand::Behind,
        }
    }

    /// Reads from `store` what there is word of and is not at hand: one reader does for all. Safe to cancel.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn catch_up(&self, store: &dyn AuctionStore) -> Result<(), StoreError> {
        let word = *self.watched.word.borrow();
        let _reading = self.watched.reading.lock().await;
        let (last, in_vain) = {
            let tail = self.watched.tail();
            (tail.last.unwrap_or_default(), tail.in_vain)
        };
        if last.max(in_vain) >= word {
            return Ok(());
        }
        self.read(store, last, word).await
    }

    /// Reads from `store` what is not at hand, whether there is word of it or not: of all readers one looks in
    /// [`LOOK_AGAIN`], and wakes the others if there was something. Safe to cancel.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn look(&self, store: &dyn AuctionStore) -> Result<(), StoreError> {
        if !self.watched.is_to_be_looked_after() {
            return Ok(());
        }
        let _reading = self.watched.reading.lock().await;
        let (word, last) = (*self.watched.word.borrow(), self.watched.tail().last.unwrap_or_default());
        self.read(store, last, word).await
    }

    async fn read(&self, store: &dyn AuctionStore, last: u64, word: u64) -> Result<(), StoreError> {
        let events = store.events(self.auction, last, PAGE).await?;
        let mut tail = self.watched.tail();
        if events.is_empty() {
            // Word of what the store has not: only newer word counts.
            tail.in_vain = word;
        }
        for event in events {
            tail.last = Some(event.sequence);
            tail.events.push_back(Arc::new(event));
        }
        let too_many = tail.events.len().saturating_sub(AT_HAND);
        tail.events.drain(..too_many);
        let last = tail.last.unwrap_or_default();
        drop(tail);
        self.watched.advanced(last);
        Ok(())
    }

    /// Whether there is word of events that are not at hand.
    pub(crate) fn lags(&self) -> bool {
        let word = *self.watched.word.borrow();
        let tail = self.watched.tail();
        tail.last.unwrap_or_default().max(tail.in_vain) < word
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut watched = self.feed.watched();
        self.news = None;
        if watched.get(&self.auction).is_some_and(|watched| watched.word.receiver_count() == 0) {
            watched.remove(&self.auction);
        }
    }
}

#[cfg(test)]
mod tests {
    use bidding_domain::{auction::CancelledBy, event::Happening, ids::UserId};
    use bidding_ports::store::MockAuctionStore;
    use chrono::DateTime;
    use uuid::Uuid;

    use super::*;

    fn readers(count: usize) -> Vec<Watch> {
        let (feed, auction) = (Arc::new(LiveFeed::default()), AuctionId(Uuid::now_v7()));
        (0..count).map(|_| feed.watch(auction)).collect()
    }

    #[tokio::test]
    async fn of_many_readers_without_word_one_asks_the_store() {
        let mut store = MockAuctionStore::new();
        store.expect_events().times(1).returning(|_, _, _| Ok(Vec::new()));
        for reader in readers(100) {
            reader.look(&store).await.unwrap();
        }
    }

    #[tokio::test]
    async fn of_many_readers_one_finds_that_the_store_is_away() {
        let mut store = MockAuctionStore::new();
        store.expect_events().times(1).returning(|_, _, _| Err(StoreError::Unavailable("gone".to_owned())));
        let mut found = 0;
        for reader in &readers(100) {
            found += usize::from(reader.look(&store).await.is_err());
        }
        assert_eq!(found, 1);
    }

    #[tokio::test]
    async fn what_one_reader_finds_without_word_wakes_the_others() {
        let mut store = MockAuctionStore::new();
        store.expect_events().times(1).returning(|auction_id, _, _| {
            let what = Happening::Cancelled { seller: UserId("sam".to_owned()), by: CancelledBy::Seller, reason: None };
            Ok(vec![AuctionEvent { auction_id, sequence: 1, at: DateTime::UNIX_EPOCH, what }])
        });
        let mut readers = readers(2);
        readers[0].look(&store).await.unwrap();
        readers[1].changed().await;
        readers[1].catch_up(&store).await.unwrap();
        assert!(matches!(readers[1].at_hand(0), AtHand::Events(events) if events.len() == 1));
    }
}
