//! Listings follow what bidding and settlement say of them.
//!
//! Events come in runs, and a run is one unit of work: the inbox tells which are new, each listing is read once,
//! the domain folds its facts, and only the last standing is written. A request to list a lot again is taken after that, in
//! the same unit of work.

use std::collections::BTreeMap;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use listing_domain::{
    ids::ListingId,
    standing::{Fact, Standing},
};
use listing_ports::{
    error::StoreError,
    fact::{FactHandler, HandleError, Handled, Incoming, News},
    inbox::{Receipt, Seen},
    store::LockedStanding,
};

use crate::{
    Listings,
    error::{UseError, retrying},
    relist,
};

#[async_trait]
impl FactHandler for Listings {
    async fn handle_all(&self, batch: &[Incoming]) -> Result<Vec<Handled>, HandleError> {
        retrying(|| self.follow_once(batch)).await.map_err(|error| match error {
            UseError::Store(StoreError::Unavailable(_) | StoreError::Conflict) => HandleError::Retry(error.to_string()),
            other => HandleError::Poison(other.to_string()),
        })
    }
}

impl Listings {
    async fn follow_once(&self, batch: &[Incoming]) -> Result<Vec<Handled>, UseError> {
        let receipts: Vec<Receipt> = batch.iter().map(|incoming| incoming.receipt.clone()).collect();
        let mut tx = self.store.begin().await?;
        let seen = tx.receive(&receipts).await?;
        let handled: Vec<Handled> = seen.iter().map(handled).collect();
        if seen.iter().all(|seen| *seen == Seen::Duplicate) {
            return Ok(handled);
        }
        let fresh = batch.iter().zip(&seen).filter(|(_, seen)| **seen != Seen::Duplicate);
        let news: Vec<&News> = fresh.filter_map(|(incoming, _)| incoming.news.as_ref()).collect();
        if !news.is_empty() {
            let mut ids: Vec<ListingId> = news.iter().map(|news| news.listing).collect();
            ids.sort_unstable();
            ids.dedup();
            let moved = fold(tx.lock_standings(&ids).await?, &news)?;
            tx.save_standings(&moved).await?;
        }
        for News { listing, .. } in news.iter().filter(|news| news.fact == Fact::RelistRequested) {
            relist::at_settlements_request(&mut *tx, *listing).await?;
        }
        tx.commit().await?;
        Ok(handled)
    }
}

/// Where the listings stand after all the news of them, each taken in order.
fn fold(locked: Vec<LockedStanding>, news: &[&News]) -> Result<Vec<Standing>, UseError> {
    let mut standings: BTreeMap<ListingId, (Standing, DateTime<Utc>)> =
        locked.into_iter().map(|locked| (locked.standing.id, (locked.standing, locked.now))).collect();
    for News { listing, fact } in news {
        let (standing, now) = standings.remove(listing).ok_or(UseError::NotFound)?;
        standings.insert(*listing, (standing.follow(fact.clone(), now)?, now));
    }
    Ok(standings.into_values().map(|(standing, _)| standing).collect())
}

fn handled(seen: &Seen) -> Handled {
    match *seen {
        Seen::Duplicate => Handled::Duplicate,
        Seen::New => Handled::Done,
        Seen::Gap { expected } => Handled::AfterGap { expected },
    }
}
