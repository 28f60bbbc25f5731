//! A seller drafts a listing.

use chrono::{DateTime, Utc};
use listing_domain::{
    ids::ListingId,
    listing::{Description, Listing},
    terms::Terms,
};
use listing_ports::{
    error::StoreError,
    idempotency::{Claim, RequestKey},
};
use uuid::{NoContext, Timestamp, Uuid};

use crate::{
    Answered, Caller, Listings,
    error::{UseError, retrying},
};

impl Listings {
    /// Drafts a listing, once for each idempotency key.
    ///
    /// # Errors
    /// [`UseError::Forbidden`] without the role `seller`, [`UseError::Refused`] with every fault.
    pub async fn draft(
        &self,
        caller: &Caller,
        key: &RequestKey,
        description: &Description,
        terms: &Terms,
    ) -> Result<Answered<Listing>, UseError> {
        if !caller.seller {
            return Err(UseError::Forbidden("only a seller may list"));
        }
        retrying(|| self.draft_once(caller, key, description, terms)).await
    }

    async fn draft_once(
        &self,
        caller: &Caller,
        key: &RequestKey,
        description: &Description,
        terms: &Terms,
    ) -> Result<Answered<Listing>, UseError> {
        let mut tx = self.store.begin().await?;
        match tx.claim(key).await? {
            Claim::New => {}
            Claim::Replay(answer) => {
                let outcome = serde_json::from_value(answer).map_err(corrupt)?;
                return Ok(Answered { outcome, replayed: true });
            }
            Claim::Mismatch => return Err(UseError::KeyReused),
            Claim::Running => return Err(UseError::KeyRunning),
        }
        let now = tx.now().await?;
        let listing =
            Listing::draft(new_id(now), caller.id.clone(), description.clone(), terms.clone(), now, self.limits)?;
        tx.insert(&listing).await?;
        tx.answer(key, &serde_json::to_value(&listing).map_err(corrupt)?).await?;
        tx.commit().await?;
        Ok(Answered { outcome: listing, replayed: false })
    }
}

/// A `UUIDv7` of the database's time.
pub(crate) fn new_id(now: DateTime<Utc>) -> ListingId {
    let millis = u64::try_from(now.timestamp_millis()).unwrap_or_default();
    ListingId(Uuid::new_v7(Timestamp::from_unix(NoContext, millis / 1000, nanos(millis))))
}

fn nanos(millis: u64) -> u32 {
    u32::try_from(millis % 1000).unwrap_or_default() * 1_000_000
}

pub(crate) fn corrupt(error: serde_json::Error) -> StoreError {
    StoreError::Corrupt(error.to_string())
}
