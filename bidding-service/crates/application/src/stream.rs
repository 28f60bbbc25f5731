//! The live stream of an auction: every event once and in order, from wherever the reader left off.

use std::sync::Arc;

use bidding_domain::{
    alias::Aliases,
    ids::{AuctionId, UserId},
    views::EventView,
};
use bidding_ports::store::AuctionStore;

use crate::{Auctions, error::UseError, live_feed::Watch};

/// Most events that one read brings.
pub const PAGE: u32 = 256;

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
        let last = found.auction.sequence();
        Ok(EventStream {
            store: Arc::clone(&self.store),
            aliases: self.aliases.clone(),
            viewer: viewer.clone(),
            auction: id,
            watch,
            after: after.min(last),
            ended: found.auction.due_at().is_none() && after >= last,
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
            let events = self.catch_up().await?;
            if !events.is_empty() {
                return Ok(Some(events));
            }
            self.watch.changed().await;
        }
        Ok(None)
    }

    /// The events that are there already, perhaps none. For readers who do not rely on word alone.
    ///
    /// # Errors
    /// The store's.
    pub async fn catch_up(&mut self) -> Result<Vec<EventView>, UseError> {
        let events = self.store.events(self.auction, self.after, PAGE).await?;
        let views: Vec<_> = events.iter().map(|event| EventView::of(event, &self.viewer, &self.aliases)).collect();
        if let Some(last) = views.last() {
            self.after = last.sequence;
            self.ended = last.is_last();
        }
        Ok(views)
    }

    /// Whether the auction is over and every event was given.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.ended
    }
}
