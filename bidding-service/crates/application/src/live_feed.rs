//! Wakes the streams of an auction when it has new events.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bidding_domain::ids::AuctionId;
use bidding_ports::change::ChangeListener;
use tokio::sync::watch;

/// Who watches which auction. Holds nothing of an auction that nobody watches.
#[derive(Debug, Default)]
pub struct LiveFeed {
    watched: Mutex<HashMap<AuctionId, watch::Sender<u64>>>,
}

impl LiveFeed {
    /// Begins to watch an auction; dropping the watch ends it.
    #[must_use]
    pub fn watch(self: &Arc<Self>, auction: AuctionId) -> Watch {
        let news = self.watched().entry(auction).or_insert_with(|| watch::channel(0).0).subscribe();
        Watch { feed: Arc::clone(self), auction, news: Some(news) }
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

    fn watched(&self) -> MutexGuard<'_, HashMap<AuctionId, watch::Sender<u64>>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ChangeListener for LiveFeed {
    fn advanced(&self, auction: AuctionId, sequence: u64) {
        if let Some(news) = self.watched().get(&auction) {
            news.send_if_modified(|known| {
                let newer = sequence > *known;
                *known = sequence.max(*known);
                newer
            });
        }
    }
}

/// One reader's watch on an auction.
#[derive(Debug)]
pub struct Watch {
    feed: Arc<LiveFeed>,
    auction: AuctionId,
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
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut watched = self.feed.watched();
        self.news = None;
        if watched.get(&self.auction).is_some_and(|news| news.receiver_count() == 0) {
            watched.remove(&self.auction);
        }
    }
}
