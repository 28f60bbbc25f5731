//! The store: opens units of work, answers queries.

use std::sync::Arc;

use async_trait::async_trait;
use settlement_domain::{Grace, Payout, PayoutId, Settlement, SettlementId, Standing, UserId, settlement::Resolution};
use settlement_ports::{ListFilter, SettlementStore, SettlementTx, StoreError, Viewer};
use tokio::sync::Notify;

use crate::{
    audit, browse, error::store_error, metrics, payouts, row::Row, session::Sessions, standings, tx::PgTx, watch,
};

/// Who is woken by a commit of this process.
#[derive(Debug, Clone, Default)]
pub struct Wakers {
    /// Notified after a commit that left events in the outbox.
    pub recorded: Arc<Notify>,
    /// Notified after a commit that left calls to be made at once.
    pub planned: Arc<Notify>,
}

/// Settlements in PostgreSQL.
#[derive(Clone)]
pub struct PgSettlements {
    pool: Sessions,
    wakers: Wakers,
}

impl PgSettlements {
    /// Over a pool.
    #[must_use]
    pub fn new(pool: Sessions, wakers: Wakers) -> Self {
        metrics::show();
        Self { pool, wakers }
    }

    pub(crate) fn pool(&self) -> &Sessions {
        &self.pool
    }
}

#[async_trait]
impl SettlementStore for PgSettlements {
    async fn begin(&self) -> Result<Box<dyn SettlementTx>, StoreError> {
        let transaction = self.pool.begin().await.map_err(store_error)?;
        Ok(Box::new(PgTx::new(transaction, self.wakers.clone())))
    }

    async fn beat(&self) -> Result<Option<Grace>, StoreError> {
        watch::beat(&self.pool).await
    }

    async fn settlement(&self, id: SettlementId) -> Result<Option<Settlement>, StoreError> {
        sqlx::query_as!(
            Row,
            "SELECT id, auction_id, seller_id, buyer_id, amount, currency, quote, terms, started_at, payment_due_at,
                    sequence, attempts, state, rest, due_at
             FROM settlement WHERE id = $1",
            id.as_uuid()
        )
        .fetch_optional(&self.pool)
        .await
        .map_err(store_error)?
        .map(Settlement::try_from)
        .transpose()
    }

    async fn list(&self, viewer: &Viewer, filter: &ListFilter, limit: u32) -> Result<Vec<Settlement>, StoreError> {
        browse::page(&self.pool, viewer, filter, limit).await
    }

    async fn payout(&self, id: PayoutId) -> Result<Option<Payout>, StoreError> {
        payouts::find(&self.pool, id).await
    }

    async fn resolutions(&self, id: SettlementId) -> Result<Vec<Resolution>, StoreError> {
        audit::resolutions(&self.pool, id).await
    }

    async fn standing(&self, user: &UserId) -> Result<Option<Standing>, StoreError> {
        standings::find(&self.pool, user).await
    }
}
