//! Reading auctions and their bids.

use bidding_domain::{
    ids::{AuctionId, UserId},
    views::{AuctionView, BidView},
};

use crate::{Auctions, error::UseError};

/// A page of the bid history, the latest bid first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BidPage {
    /// In order.
    pub bids: Vec<BidView>,
    /// Where the next page begins: below this sequence. `None` on the last page.
    pub next: Option<u64>,
}

impl Auctions {
    /// One auction as `viewer` sees it.
    ///
    /// # Errors
    /// [`UseError::NotFound`].
    pub async fn find(&self, viewer: &UserId, id: AuctionId) -> Result<AuctionView, UseError> {
        let found = self.store.find(id).await?.ok_or(UseError::NotFound)?;
        Ok(AuctionView::of(&found.auction, found.now, viewer, &self.aliases))
    }

    /// A page of at most `limit` accepted bids, those below sequence `before` if it is given.
    ///
    /// # Errors
    /// [`UseError::NotFound`].
    pub async fn bids(
        &self,
        viewer: &UserId,
        id: AuctionId,
        before: Option<u64>,
        limit: u32,
    ) -> Result<BidPage, UseError> {
        let mut bids = self.store.bids(id, before, limit.saturating_add(1)).await?;
        if bids.is_empty() && self.store.find(id).await?.is_none() {
            return Err(UseError::NotFound);
        }
        let more = bids.len() > limit as usize;
        bids.truncate(limit as usize);
        let next = bids.last().filter(|_| more).map(|bid| bid.sequence);
        Ok(BidPage { bids: bids.iter().map(|bid| BidView::of(bid, viewer, &self.aliases)).collect(), next })
    }
}
