//! A seller revises, publishes or takes back what is his.

use chrono::{DateTime, Utc};
use listing_domain::{
    ids::ListingId,
    listing::{Listing, Refusal, Revision, Step},
};

use crate::{
    Caller, Listings,
    error::{UseError, retrying},
};

impl Listings {
    /// Revises a listing that still has `version`.
    ///
    /// # Errors
    /// [`UseError::Stale`] when it has another by now, [`UseError::Refused`] with every fault.
    pub async fn revise(
        &self,
        caller: &Caller,
        id: ListingId,
        version: u64,
        revision: &Revision,
    ) -> Result<Listing, UseError> {
        let limits = self.limits;
        self.change(caller, id, Some(version), |listing, now| listing.revise(revision.clone(), now, limits)).await
    }

    /// Publishes a draft; its terms are final then.
    ///
    /// # Errors
    /// [`UseError::Refused`] when its times no longer fit, the rules of today refuse its terms, or it is over.
    pub async fn publish(&self, caller: &Caller, id: ListingId, version: Option<u64>) -> Result<Listing, UseError> {
        let limits = self.limits;
        self.change(caller, id, version, |listing, now| listing.publish(now, limits)).await
    }

    /// Takes a draft back, or asks bidding to take the auction back.
    ///
    /// # Errors
    /// [`UseError::Refused`] when it has bids or is over.
    pub async fn cancel(&self, caller: &Caller, id: ListingId, version: Option<u64>) -> Result<Listing, UseError> {
        self.change(caller, id, version, Listing::cancel).await
    }

    async fn change(
        &self,
        caller: &Caller,
        id: ListingId,
        version: Option<u64>,
        decide: impl Fn(Listing, DateTime<Utc>) -> Result<Step, Refusal>,
    ) -> Result<Listing, UseError> {
        if !caller.seller {
            return Err(UseError::Forbidden("only a seller may change a listing"));
        }
        retrying(|| async {
            let mut tx = self.store.begin().await?;
            let locked = tx.lock(id).await?.ok_or(UseError::NotFound)?;
            if locked.listing.seller != caller.id {
                return Err(hidden_or_forbidden(&locked.listing));
            }
            let current = locked.listing.version;
            if version.is_some_and(|version| version != current) {
                return Err(UseError::Stale { current });
            }
            let (next, events) = decide(locked.listing, locked.now)?;
            if next.version == current {
                return Ok(next);
            }
            tx.save(&next).await?;
            tx.record(&events).await?;
            tx.commit().await?;
            Ok(next)
        })
        .await
    }
}

/// A stranger's draft does not exist for the caller; what is published is seen and not touched.
pub(crate) fn hidden_or_forbidden(listing: &Listing) -> UseError {
    if listing.is_public() { UseError::Forbidden("only its seller may change a listing") } else { UseError::NotFound }
}
