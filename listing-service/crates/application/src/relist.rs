//! A lot is listed again: because settlement asks for it, or its seller does.

use listing_domain::{
    ids::ListingId,
    listing::{Listing, Refusal},
    relisting::Relisting,
};
use listing_ports::{
    idempotency::{Claim, RequestKey},
    store::{ListingTx, Locked},
};

use crate::{
    Answered, Caller, Listings,
    change::hidden_or_forbidden,
    draft::{corrupt, new_id},
    error::{UseError, retrying},
};

/// Whether a lot is listed again, and as what. Kept either way: asking again cannot turn a refusal into a listing.
pub type Relisted = Result<Listing, Refusal>;

/// Settlement asks: in the unit of work that has received it. What was relisted before is left as it is.
pub(crate) async fn at_settlements_request(tx: &mut dyn ListingTx, id: ListingId) -> Result<(), UseError> {
    let Locked { listing, now } = tx.lock(id).await?.ok_or(UseError::NotFound)?;
    match listing.relist(new_id(now), now) {
        Err(Refusal::Relisted { .. }) => Ok(()),
        decided => enter(tx, &decided?).await,
    }
}

impl Listings {
    /// Lists a lot again for its seller, once for each idempotency key.
    ///
    /// # Errors
    /// [`UseError::NotFound`], [`UseError::Forbidden`] when the lot is not the caller's, or the caller no seller.
    pub async fn relist(
        &self,
        caller: &Caller,
        key: &RequestKey,
        id: ListingId,
    ) -> Result<Answered<Relisted>, UseError> {
        if !caller.seller {
            return Err(UseError::Forbidden("only a seller may list"));
        }
        retrying(|| self.relist_once(caller, key, id)).await
    }

    async fn relist_once(
        &self,
        caller: &Caller,
        key: &RequestKey,
        id: ListingId,
    ) -> Result<Answered<Relisted>, UseError> {
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
        let Locked { listing, now } = tx.lock(id).await?.ok_or(UseError::NotFound)?;
        if listing.seller != caller.id {
            return Err(hidden_or_forbidden(&listing));
        }
        let outcome = match listing.relist_by_seller(new_id(now), now) {
            Ok(relisting) => {
                enter(&mut *tx, &relisting).await?;
                Ok(relisting.new)
            }
            Err(refusal) => Err(refusal),
        };
        tx.answer(key, &serde_json::to_value(&outcome).map_err(corrupt)?).await?;
        tx.commit().await?;
        Ok(Answered { outcome, replayed: false })
    }
}

async fn enter(tx: &mut dyn ListingTx, Relisting { old, new, events }: &Relisting) -> Result<(), UseError> {
    tx.insert(new).await?;
    tx.save(old).await?;
    tx.record(events).await?;
    Ok(())
}
