//! Listings follow what bidding and settlement say of them.

use async_trait::async_trait;
use listing_ports::{
    error::StoreError,
    fact::{FactHandler, HandleError, Handled, News},
    inbox::{Receipt, Seen},
};

use crate::{
    Listings,
    error::{UseError, retrying},
};

#[async_trait]
impl FactHandler for Listings {
    async fn handle(&self, receipt: Receipt, news: Option<News>) -> Result<Handled, HandleError> {
        retrying(|| self.follow_once(&receipt, news.as_ref())).await.map_err(|error| match error {
            UseError::Store(StoreError::Unavailable(_) | StoreError::Conflict) => HandleError::Retry(error.to_string()),
            other => HandleError::Poison(other.to_string()),
        })
    }
}

impl Listings {
    async fn follow_once(&self, receipt: &Receipt, news: Option<&News>) -> Result<Handled, UseError> {
        let mut tx = self.store.begin().await?;
        let handled = match tx.receive(receipt).await? {
            Seen::Duplicate => return Ok(Handled::Duplicate),
            Seen::New => Handled::Done,
            Seen::Gap { expected } => Handled::AfterGap { expected },
        };
        if let Some(News { listing, fact }) = news {
            let locked = tx.lock(*listing).await?.ok_or(UseError::NotFound)?;
            let next = locked.listing.follow(fact.clone(), locked.now)?;
            tx.save(&next).await?;
        }
        tx.commit().await?;
        Ok(handled)
    }
}
