//! Reading auctions and their bids.

use bidding_domain::{
    bid::Bid,
    ids::{AuctionId, UserId},
    views::{AuctionView, BidView},
};
use bidding_ports::store::{Found, LogPlace};

use crate::{Auctions, error::UseError};

/// A page of the bid history, the latest bid first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BidPage {
    /// In order.
    pub bids: Vec<BidView>,
    /// Where the next page begins: before this place. `None` on the last page.
    pub next: Option<LogPlace>,
}

impl Auctions {
    /// One auction as `viewer` sees it.
    ///
    /// # Errors
    /// [`UseError::NotFound`].
    pub async fn find(&self, viewer: &UserId, id: AuctionId) -> Result<AuctionView, UseError> {
        let Found { auction, halts, now, .. } = self.store.find(id).await?.ok_or(UseError::NotFound)?;
        // A halt shows before the auction's log has followed it.
        let sequence = auction.public().sequence;
        let auction = auction.follow(&halts, now).auction;
        Ok(AuctionView { sequence, ..AuctionView::of(&auction, now, viewer, &self.aliases) })
    }

    /// A page of at most `limit` accepted bids, those before `before` if it is given. Of a sealed auction none
    /// before it is closed, and none ever if it is cancelled.
    ///
    /// # Errors
    /// [`UseError::NotFound`].
    pub async fn bids(
        &self,
        viewer: &UserId,
        id: AuctionId,
        before: Option<LogPlace>,
        limit: u32,
    ) -> Result<BidPage, UseError> {
        let auction = self.store.find(id).await?.ok_or(UseError::NotFound)?.auction;
        if auction.keeps_bids_secret() {
            return Ok(BidPage { bids: Vec::new(), next: None });
        }
        let mut bids = self.store.bids(id, before, limit.saturating_add(1)).await?;
        let more = bids.len() > limit as usize;
        bids.truncate(limit as usize);
        let of_the_page: Vec<_> = bids.iter().map(|bid| bid.id).collect();
        let retracted = self.store.retracted(&of_the_page).await?;
        let place = |bid: &Bid| LogPlace { sequence: bid.sequence, number: bid.number };
        let next = bids.last().filter(|_| more).map(place);
        let rules = auction.rules();
        let view = |bid: &Bid| BidView::of(bid, retracted.get(&bid.id).copied(), rules, viewer, &self.aliases);
        Ok(BidPage { bids: bids.iter().map(view).collect(), next })
    }
}
