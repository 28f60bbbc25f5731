//! Reading listings.

use listing_domain::{ids::ListingId, listing::Listing};
use listing_ports::store::{Browse, Page};

use crate::{Caller, Listings, error::UseError};

impl Listings {
    /// One listing. What was never published exists for its seller and the operator only.
    ///
    /// # Errors
    /// [`UseError::NotFound`].
    pub async fn find(&self, caller: &Caller, id: ListingId) -> Result<Listing, UseError> {
        let listing = self.store.find(id).await?.ok_or(UseError::NotFound)?;
        if listing.is_public() || listing.seller == caller.id || caller.admin {
            Ok(listing)
        } else {
            Err(UseError::NotFound)
        }
    }

    /// A page of listings.
    ///
    /// # Errors
    /// Only the store's.
    pub async fn browse(&self, query: &Browse) -> Result<Page, UseError> {
        Ok(self.store.browse(query).await?)
    }
}
