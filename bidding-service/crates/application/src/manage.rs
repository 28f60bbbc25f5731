//! What happens to an auction besides bids: bids are taken back, partial lots declined, and the operator
//! pauses, resumes and cancels.

use std::time::Duration;

use bidding_domain::{
    auction::{Auction, Objection, Refused, Transition},
    bid::Bid,
    ids::{AuctionId, BidId, UserId},
    log::Entry,
    views::AuctionView,
};
use bidding_ports::{
    error::StoreError,
    store::{Changes, Found, Locked},
};
use chrono::{DateTime, Utc};

use crate::{
    Auctions,
    close::{DOWNTIME, SILENCE},
    error::{UseError, retrying},
};

/// Each reads the log of its auction under the lock: so many at once leave sessions for all else that is decided.
pub(crate) const RETRACTIONS_AT_ONCE: usize = 2;
/// How long a retraction waits for its turn.
const TURN_WITHIN: Duration = Duration::from_secs(2);

/// Bids that were taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retraction {
    /// Which.
    pub gone: Vec<BidId>,
    /// The auction after it, as the bidder sees it.
    pub auction: AuctionView,
}

/// What the operator does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// Bidding rests.
    Pause {
        /// Why.
        reason: String,
    },
    /// Bidding goes on.
    Resume,
    /// The lot is taken back, whoever bid.
    Cancel {
        /// Why.
        reason: String,
    },
}

impl Auctions {
    /// Takes a bid of `bidder` back, and with much time to go all of them.
    ///
    /// # Errors
    /// [`UseError::NotFound`] also when the bid is not the bidder's; [`UseError::Refused`], [`UseError::Busy`]; the
    /// store's.
    pub async fn retract(
        &self,
        bidder: &UserId,
        id: AuctionId,
        bid_id: BidId,
        reason: Option<&str>,
    ) -> Result<Retraction, UseError> {
        retrying(|| self.retract_once(bidder, id, bid_id, reason)).await
    }

    async fn retract_once(
        &self,
        bidder: &UserId,
        id: AuctionId,
        bid_id: BidId,
        reason: Option<&str>,
    ) -> Result<Retraction, UseError> {
        let named = self.store.bid(id, bid_id).await?.filter(|bid| bid.bidder == *bidder);
        let named = named.ok_or(UseError::NotFound)?;
        self.may_retract(&named).await?;
        let turn = tokio::time::timeout(TURN_WITHIN, self.retractions.acquire()).await;
        let _turn = turn.map_err(|_| UseError::Busy)?.map_err(|_| UseError::Busy)?;
        let mut tx = self.store.begin().await?;
        let Locked { auction, halts, now, silence } = tx.lock(id).await?.ok_or(UseError::NotFound)?;
        if silence > SILENCE {
            drop(tx);
            return Err(self.after_silence().await);
        }
        let Transition { auction, mut entries } = auction.catch_up(&halts, now);
        // Once more: time has passed. The other bids are read only if they are needed.
        auction.may_retract(&named, now)?;
        let bids = tx.standing_bids(id).await?;
        let transition = match auction.retract(bid_id, bidder, reason, &bids, now) {
            Err(Refused { objection: Objection::NoSuchBid, .. }) => return Err(UseError::NotFound),
            decided => decided?,
        };
        let gone = transition.entries.iter().flat_map(Entry::retracted).copied().collect();
        entries.extend(transition.entries);
        let view = AuctionView::of(&transition.auction, now, bidder, &self.aliases);
        tx.save(Changes::of(transition.auction, entries)).await?;
        tx.commit().await?;
        Ok(Retraction { gone, auction: view })
    }

    /// Refuses what can be refused without the auction's lock and its other bids. After an outage nothing is late
    /// before the time that was lost is known.
    async fn may_retract(&self, named: &Bid) -> Result<(), UseError> {
        let found = self.store.find(named.auction_id).await?.ok_or(UseError::NotFound)?;
        let Found { auction, halts, now, silence } = found;
        if silence <= SILENCE {
            auction.catch_up(&halts, now).auction.may_retract(named, now)?;
        }
        // What was taken back stays so.
        if self.store.retracted(&[named.id]).await?.is_empty() { Ok(()) } else { Err(UseError::NotFound) }
    }

    /// `bidder` takes nothing instead of less than was wanted.
    ///
    /// # Errors
    /// [`UseError::NotFound`], [`UseError::Refused`], the store's.
    pub async fn decline(&self, bidder: &UserId, id: AuctionId) -> Result<AuctionView, UseError> {
        retrying(|| self.change(bidder, id, |auction, now| auction.decline(bidder, now))).await
    }

    /// The operator acts on one auction.
    ///
    /// # Errors
    /// [`UseError::NotFound`], [`UseError::Refused`], the store's.
    pub async fn operate(
        &self,
        operator: &UserId,
        id: AuctionId,
        operation: &Operation,
    ) -> Result<AuctionView, UseError> {
        let apply = |auction: Auction, now| match operation {
            Operation::Pause { reason } => auction.pause(reason, now),
            Operation::Resume => auction.resume(now),
            Operation::Cancel { reason } => auction.cancel_by_operator(reason, now),
        };
        retrying(|| self.change(operator, id, apply)).await
    }

    /// The operator pauses all auctions, now and those that open meanwhile. `true` unless they were.
    ///
    /// # Errors
    /// The store's.
    pub async fn pause_all(&self, reason: &str) -> Result<bool, UseError> {
        // An outage before it is to be known first: each auction follows them in the order in which they are noted.
        self.store.beat(DOWNTIME).await?;
        Ok(self.store.pause_all(reason).await?)
    }

    /// The operator lets all auctions go on; each gets the time back. `true` unless none was paused.
    ///
    /// # Errors
    /// The store's.
    pub async fn resume_all(&self) -> Result<bool, UseError> {
        Ok(self.store.resume_all().await?)
    }

    /// Nothing was alive for a while: whether auctions get time back is to be known before one changes. To be tried again.
    async fn after_silence(&self) -> UseError {
        self.store.beat(DOWNTIME).await.map_or_else(UseError::from, |_| StoreError::Conflict.into())
    }

    async fn change(
        &self,
        viewer: &UserId,
        id: AuctionId,
        apply: impl FnOnce(Auction, DateTime<Utc>) -> Result<Transition, Refused>,
    ) -> Result<AuctionView, UseError> {
        let mut tx = self.store.begin().await?;
        let Locked { auction, halts, now, silence } = tx.lock(id).await?.ok_or(UseError::NotFound)?;
        if silence > SILENCE {
            drop(tx);
            return Err(self.after_silence().await);
        }
        let Transition { auction, mut entries } = auction.catch_up(&halts, now);
        let transition = apply(auction, now)?;
        entries.extend(transition.entries);
        let view = AuctionView::of(&transition.auction, now, viewer, &self.aliases);
        tx.save(Changes::of(transition.auction, entries)).await?;
        tx.commit().await?;
        Ok(view)
    }
}
