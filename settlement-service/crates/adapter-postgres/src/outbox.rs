//! The relay's side of the outbox.

use std::time::Duration;

use async_trait::async_trait;
use settlement_ports::{Epoch, Outbox, OutboxRecord, StoreError};

use crate::{error::store_error, row::count, session::Sessions};

/// The one lease: all events of the service go through one relay at a time.
const LEASE: &str = "outbox";

/// The outbox table.
#[derive(Clone)]
pub struct PgOutbox {
    pool: Sessions,
}

impl PgOutbox {
    /// Over a pool.
    #[must_use]
    pub fn new(pool: Sessions) -> Self {
        Self { pool }
    }
}

#[async_trait]
impl Outbox for PgOutbox {
    async fn acquire_lease(&self, holder: &str, ttl: Duration) -> Result<Option<Epoch>, StoreError> {
        let epoch = sqlx::query_scalar!(
            "INSERT INTO relay_lease AS lease (name, holder, epoch, expires_at)
             VALUES ($1, $2, 1, clock_timestamp() + make_interval(secs => $3))
             ON CONFLICT (name) DO UPDATE
             SET holder = excluded.holder, expires_at = excluded.expires_at,
                 epoch = CASE WHEN lease.holder = excluded.holder THEN lease.epoch ELSE lease.epoch + 1 END
             WHERE lease.holder = excluded.holder OR lease.expires_at < clock_timestamp()
             RETURNING epoch",
            LEASE,
            holder,
            ttl.as_secs_f64()
        )
        .fetch_optional(&self.pool)
        .await
        .map_err(store_error)?;
        Ok(epoch.map(Epoch))
    }

    async fn release_lease(&self, holder: &str) -> Result<(), StoreError> {
        let back = sqlx::query!(
            "UPDATE relay_lease SET expires_at = '-infinity' WHERE name = $1 AND holder = $2",
            LEASE,
            holder
        );
        back.execute(&self.pool).await.map_err(store_error)?;
        Ok(())
    }

    async fn batch(&self, limit: u32) -> Result<Vec<OutboxRecord>, StoreError> {
        let rows = sqlx::query!(
            "SELECT id, event_id, event_type, topic, key, sequence, time, traceparent, data
             FROM outbox ORDER BY id LIMIT $1",
            i64::from(limit)
        )
        .fetch_all(&self.pool)
        .await
        .map_err(store_error)?;
        rows.into_iter()
            .map(|row| {
                Ok(OutboxRecord {
                    id: row.id,
                    event_id: row.event_id,
                    event_type: row.event_type,
                    topic: row.topic,
                    key: row.key,
                    sequence: count(row.sequence)?,
                    time: row.time,
                    traceparent: row.traceparent,
                    data: row.data,
                })
            })
            .collect()
    }

    async fn delete(&self, epoch: Epoch, ids: &[i64]) -> Result<bool, StoreError> {
        // The lease row is locked, so that no other relay can take it over in the middle.
        sqlx::query_scalar!(
            r#"WITH held AS MATERIALIZED (SELECT 1 FROM relay_lease WHERE name = $1 AND epoch = $2 FOR SHARE),
                    gone AS (DELETE FROM outbox WHERE id = ANY($3) AND EXISTS (SELECT FROM held))
               SELECT EXISTS (SELECT FROM held) AS "held!""#,
            LEASE,
            epoch.0,
            ids
        )
        .fetch_one(&self.pool)
        .await
        .map_err(store_error)
    }

    async fn age_s(&self) -> Result<f64, StoreError> {
        sqlx::query_scalar!(
            r#"SELECT coalesce(extract(epoch FROM clock_timestamp() - (SELECT time FROM outbox ORDER BY id LIMIT 1)),
                               0)::float8 AS "age!""#
        )
        .fetch_one(&self.pool)
        .await
        .map_err(store_error)
    }
}
