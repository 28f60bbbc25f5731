//! Auctions follow what listing and settlement say.

use async_trait::async_trait;
use bidding_domain::{
    auction::{Auction, Transition},
    ids::{AuctionId, UserId},
    terms::Terms,
};
use bidding_ports::{
    error::StoreError,
    fact::{Fact, FactHandler, HandleError, Handled},
    inbox::{Receipt, Seen},
    store::{AuctionTx, Changes},
};

use crate::{
    Auctions,
    close::SILENCE,
    error::{UseError, retrying},
    second_chance,
};

#[async_trait]
impl FactHandler for Auctions {
    async fn handle(&self, receipt: Receipt, fact: Option<Fact>) -> Result<Handled, HandleError> {
        retrying(|| self.follow_once(&receipt, fact.as_ref())).await.map_err(|error| match error {
            UseError::Store(StoreError::Unavailable(_) | StoreError::Conflict | StoreError::Locked) => {
                HandleError::Retry(error.to_string())
            }
            other => HandleError::Poison(other.to_string()),
        })
    }

    async fn known(&self, receipts: &[Receipt]) -> Result<Vec<bool>, HandleError> {
        self.store.known(receipts).await.map_err(|error| HandleError::Retry(error.to_string()))
    }
}

impl Auctions {
    async fn follow_once(&self, receipt: &Receipt, fact: Option<&Fact>) -> Result<Handled, UseError> {
        let mut tx = self.store.begin().await?;
        let handled = match tx.receive(receipt).await? {
            Seen::Duplicate => return Ok(Handled::Duplicate),
            Seen::New => Handled::Done,
            Seen::Gap { expected } => Handled::AfterGap { expected },
        };
        match fact {
            Some(Fact::ListingPublished { auction, terms }) => schedule(&mut *tx, *auction, terms).await?,
            Some(Fact::ListingCancelled { auction, seller }) => cancel(&mut *tx, *auction, seller).await?,
            Some(Fact::BidderSuspended(bidder)) => tx.set_suspended(bidder, true).await?,
            Some(Fact::BidderReinstated(bidder)) => tx.set_suspended(bidder, false).await?,
            Some(Fact::SecondChanceRequested { auction, asked }) => {
                second_chance::answer(&mut *tx, *auction, asked).await?;
            }
            None => {}
        }
        tx.commit().await?;
        Ok(handled)
    }
}

/// Schedules the auction of a published listing; one whose start has come opens at once. If it came long ago, this
/// service or the broker was away: what that took is given back.
async fn schedule(tx: &mut dyn AuctionTx, id: AuctionId, terms: &Terms) -> Result<(), UseError> {
    if tx.lock(id).await?.is_some() {
        return Ok(());
    }
    let now = tx.now().await?;
    let scheduled = Auction::schedule(id, terms.clone());
    if scheduled.sale().starts_at > now {
        return Ok(tx.insert(&scheduled).await?);
    }
    let late = now - scheduled.sale().starts_at > SILENCE;
    let Transition { auction, entries } = if late { scheduled.open_late(now)? } else { scheduled.open(now)? };
    tx.insert(&auction).await?;
    Ok(tx.save(Changes { auctions: Vec::new(), ..Changes::of(auction, entries) }).await?)
}

/// Cancels an auction that has no bids; one that has them goes on, and so does one that is over. One that nobody heard of is a
/// dead letter behind its publication: had it no effect, the auction would open when that is replayed.
async fn cancel(tx: &mut dyn AuctionTx, id: AuctionId, seller: &UserId) -> Result<(), UseError> {
    let Some(locked) = tx.lock(id).await? else { return Err(UseError::NotFound) };
    let Transition { auction, mut entries } = locked.auction.catch_up(&locked.halts, locked.now);
    let Ok(cancelled) = auction.cancel(seller, locked.now) else { return Ok(()) };
    entries.extend(cancelled.entries);
    Ok(tx.save(Changes::of(cancelled.auction, entries)).await?)
}
