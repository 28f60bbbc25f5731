//! The unit of work: one database transaction.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use listing_domain::{event::ListingEvent, ids::ListingId, listing::Listing, standing::Standing};
use listing_ports::{
    error::StoreError,
    idempotency::{Claim, RequestKey},
    inbox::{Receipt, Seen},
    store::{ListingTx, Locked, LockedStanding, Sort},
};
use tokio::sync::Notify;

use crate::{error::store_error, events, idempotency, inbox, row::Row, session::Work, standing};

pub(crate) struct PgTx {
    transaction: Work,
    recorded: Arc<Notify>,
    has_events: bool,
}

impl PgTx {
    pub(crate) fn new(transaction: Work, recorded: Arc<Notify>) -> Self {
        Self { transaction, recorded, has_events: false }
    }
}

#[async_trait]
impl ListingTx for PgTx {
    async fn now(&mut self) -> Result<DateTime<Utc>, StoreError> {
        sqlx::query_scalar!(r#"SELECT clock_timestamp() AS "now!""#)
            .fetch_one(&mut self.transaction)
            .await
            .map_err(store_error)
    }

    async fn claim(&mut self, key: &RequestKey) -> Result<Claim, StoreError> {
        idempotency::claim(&mut self.transaction, key).await
    }

    async fn answer(&mut self, key: &RequestKey, answer: &serde_json::Value) -> Result<(), StoreError> {
        idempotency::answer(&mut self.transaction, key, answer).await
    }

    async fn receive(&mut self, receipts: &[Receipt]) -> Result<Vec<Seen>, StoreError> {
        inbox::receive(&mut self.transaction, receipts).await
    }

    async fn lock(&mut self, id: ListingId) -> Result<Option<Locked>, StoreError> {
        let row = sqlx::query_as!(
            Row,
            "SELECT id, seller, version, sequence, status, title, description, category, currency, format, starts_at,
                    ends_at, second_chance, second_chance_days, relisted_from, relisted_as, published_at, opens_at, closes_at,
                    price, bid_count, cancellation_requested_at, paused_at, cancelled_by, cancellation_reason, sale_status,
                    sale_status_at, second_chance_until, created_at, updated_at
             FROM listing WHERE id = $1 FOR UPDATE",
            id.0
        )
        .fetch_optional(&mut self.transaction)
        .await
        .map_err(store_error)?;
        let Some(row) = row else { return Ok(None) };
        // A second statement: within the first the clock would be read before the wait for the lock.
        let now = self.now().await?;
        Ok(Some(Locked { listing: row.try_into()?, now }))
    }

    async fn lock_standings(&mut self, ids: &[ListingId]) -> Result<Vec<LockedStanding>, StoreError> {
        standing::lock(&mut self.transaction, ids).await
    }

    async fn save_standings(&mut self, standings: &[Standing]) -> Result<(), StoreError> {
        standing::save(&mut self.transaction, standings).await
    }

    async fn insert(&mut self, listing: &Listing) -> Result<(), StoreError> {
        let row = Row::try_from(listing)?;
        // Once it is published the order of prices takes it in by itself (migration 12).
        sqlx::query!(
            "INSERT INTO listing (id, seller, version, sequence, status, title, description, category, currency, format,
                 starts_at, ends_at, second_chance, relisted_from, created_at, updated_at, second_chance_days, published_at,
                 opens_at, closes_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)",
            row.id,
            row.seller,
            row.version,
            row.sequence,
            row.status,
            row.title,
            row.description,
            row.category,
            row.currency,
            row.format,
            row.starts_at,
            row.ends_at,
            row.second_chance,
            row.relisted_from,
            row.created_at,
            row.updated_at,
            row.second_chance_days,
            row.published_at,
            row.opens_at,
            row.closes_at
        )
        .execute(&mut self.transaction)
        .await
        .map_err(store_error)?;
        Ok(())
    }

    async fn save(&mut self, listing: &Listing) -> Result<(), StoreError> {
        let row = Row::try_from(listing)?;
        let saved = sqlx::query!(
            "WITH priced AS (UPDATE listing_by_price SET sort_price = $24 WHERE listing_id = $1 AND sort_price <> $24)
             UPDATE listing SET version = $2, sequence = $3, status = $4, title = $5, description = $6, category = $7,
                 currency = $8, format = $9, starts_at = $10, ends_at = $11, second_chance = $12, published_at = $13,
                 opens_at = $14, closes_at = $15, price = $16, bid_count = $17, cancellation_requested_at = $18,
                 sale_status = $19, updated_at = $20, paused_at = $21, cancelled_by = $22, cancellation_reason = $23,
                 second_chance_days = $25, relisted_as = $26, sale_status_at = $27, second_chance_until = $28
             WHERE id = $1",
            row.id,
            row.version,
            row.sequence,
            row.status,
            row.title,
            row.description,
            row.category,
            row.currency,
            row.format,
            row.starts_at,
            row.ends_at,
            row.second_chance,
            row.published_at,
            row.opens_at,
            row.closes_at,
            row.price,
            row.bid_count,
            row.cancellation_requested_at,
            row.sale_status,
            row.updated_at,
            row.paused_at,
            row.cancelled_by,
            row.cancellation_reason,
            Sort::PriceAscending.position(listing).key,
            row.second_chance_days,
            row.relisted_as,
            row.sale_status_at,
            row.second_chance_until
        )
        .execute(&mut self.transaction)
        .await
        .map_err(store_error)?;
        match saved.rows_affected() {
            1 => Ok(()),
            _ => Err(StoreError::Corrupt(format!("listing {} was saved and is not there", listing.id))),
        }
    }

    async fn record(&mut self, events: &[ListingEvent]) -> Result<(), StoreError> {
        for event in events {
            events::record(&mut self.transaction, event).await?;
        }
        self.has_events |= !events.is_empty();
        Ok(())
    }

    async fn commit(self: Box<Self>) -> Result<(), StoreError> {
        self.transaction.commit().await.map_err(store_error)?;
        if self.has_events {
            self.recorded.notify_one();
        }
        Ok(())
    }
}
