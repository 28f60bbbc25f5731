//! The store: opens units of work, answers queries.

use std::sync::Arc;

use async_trait::async_trait;
use listing_domain::{ids::ListingId, listing::Listing};
use listing_ports::{
    error::StoreError,
    store::{Browse, ListingStore, ListingTx, Page},
};
use tokio::sync::Notify;

use crate::{browse, error::store_error, row::Row, session::Sessions, tx::PgTx};

/// Listings in PostgreSQL.
#[derive(Clone)]
pub struct PgListings {
    pool: Sessions,
    recorded: Arc<Notify>,
}

impl PgListings {
    /// Over a pool; `recorded` is notified after a commit that left events in the outbox.
    #[must_use]
    pub fn new(pool: Sessions, recorded: Arc<Notify>) -> Self {
        Self { pool, recorded }
    }

    pub(crate) fn pool(&self) -> &Sessions {
        &self.pool
    }
}

#[async_trait]
impl ListingStore for PgListings {
    async fn begin(&self) -> Result<Box<dyn ListingTx>, StoreError> {
        let transaction = self.pool.begin().await.map_err(store_error)?;
        Ok(Box::new(PgTx::new(transaction, Arc::clone(&self.recorded))))
    }

    async fn find(&self, id: ListingId) -> Result<Option<Listing>, StoreError> {
        sqlx::query_as!(
            Row,
            "SELECT id, seller, version, sequence, status, title, description, category, currency, format, starts_at,
                    ends_at, second_chance, second_chance_days, relisted_from, relisted_as, published_at, opens_at, closes_at,
                    price, bid_count, cancellation_requested_at, paused_at, cancelled_by, cancellation_reason, sale_status,
                    sale_status_at, second_chance_until, created_at, updated_at
             FROM listing WHERE id = $1",
            id.0
        )
        .fetch_optional(&self.pool)
        .await
        .map_err(store_error)?
        .map(Listing::try_from)
        .transpose()
    }

    async fn browse(&self, query: &Browse) -> Result<Page, StoreError> {
        browse::page(&self.pool, query).await
    }
}
