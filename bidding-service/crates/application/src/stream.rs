//! The live stream of an auction: every event once and in order, from wherever the reader left off.

use std::sync::Arc;

use bidding_domain::{
    alias::Aliases,
    event::AuctionEvent,
    ids::{AuctionId, UserId},
    views::EventView,
};
use bidding_ports::{change::ChangeListener, store::AuctionStore};

use crate::{
    Auctions,
    error::UseError,
    live_feed::{AtHand, LOOK_AGAIN, PAGE, Watch},
};

/// A reader's place in an auction's events.
pub struct EventStream {
    store: Arc<dyn AuctionStore>,
    aliases: Aliases,
    viewer: UserId,
    auction: AuctionId,
    watch: Watch,
    /// Number of the last event given.
    after: u64,
    ended: bool,
}

impl Auctions {
    /// The events of an auction after number `after`, as `viewer` sees them: 0 for all of them, or
    /// what the reader saw last.
    ///
    /// # Errors
    /// [`UseError::NotFound`].
    pub async fn stream(&self, viewer: &UserId, id: AuctionId, after: u64) -> Result<EventStream, UseError> {
        // Watched before anything is read, so that nothing falls between.
        let watch = self.feed.watch(id);
        let found = self.store.find(id).await?.ok_or(UseError::NotFound)?;
        let last = found.auction.public().sequence;
        watch.starts_at(last);
        // Readers who came before may not have heard of it.
        self.feed.advanced(id, last);
        Ok(EventStream {
            store: Arc::clone(&self.store),
            aliases: self.aliases.clone(),
            viewer: viewer.clone(),
            auction: id,
            watch,
            after: after.min(last),
            ended: found.auction.is_over() && after >= last,
        })
    }
}

impl EventStream {
    /// The next events, at least one; `None` when the auction is over. Waits for word from the
    /// [`LiveFeed`](crate::live_feed::LiveFeed). Safe to cancel: no event is lost or given twice.
    ///
    /// # Errors
    /// The store's; calling again goes on where it failed.
    pub async fn next(&mut self) -> Result<Option<Vec<EventView>>, UseError> {
        while !self.ended {
            let views = match self.watch.at_hand(self.after) {
                AtHand::Events(events) => events.iter().filter_map(|event| self.view(event)).collect(),
                AtHand::Behind => self.read().await?,
            };
            if !views.is_empty() {
                self.give(&views);
                return Ok(Some(views));
            }
            if self.watch.lags() || tokio::time::timeout(LOOK_AGAIN, self.watch.changed()).await.is_ok() {
                self.watch.catch_up(self.store.as_ref()).await?;
            } else {
                self.watch.look(self.store.as_ref()).await?;
            }
        }
        Ok(None)
    }

    /// The events that are there already, perhaps none. For readers who do not rely on word alone.
    ///
    /// # Errors
    /// The store's.
    pub async fn catch_up(&mut self) -> Result<Vec<EventView>, UseError> {
        let views = self.read().await?;
        self.give(&views);
        Ok(views)
    }

    async fn read(&self) -> Result<Vec<EventView>, UseError> {
        let events = self.store.events(self.auction, self.after, PAGE).await?;
        Ok(events.iter().filter_map(|event| self.view(event)).collect())
    }

    fn view(&self, event: &AuctionEvent) -> Option<EventView> {
        EventView::of(event, &self.viewer, &self.aliases)
    }

    fn give(&mut self, views: &[EventView]) {
        if let Some(last) = views.last() {
            self.after = last.sequence;
            self.ended = last.is_last();
        }
    }

    /// Whether the auction is over and every event was given.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.ended
    }
}
