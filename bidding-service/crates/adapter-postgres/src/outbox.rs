//! The relay's side of the outbox.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use bidding_domain::log::Entry;
use bidding_ports::{
    error::StoreError,
    outbox::{Epoch, Outbox, OutboxRecord},
};
use uuid::Uuid;

use crate::{
    error::{corrupt, store_error},
    events,
    row::EntryRow,
    session::Sessions,
};

/// The one lease: all events of the service go through one relay at a time.
const LEASE: &str = "outbox";

/// An auction whose log cannot be read is tried again after this long.
const TRY_AGAIN: Duration = Duration::from_secs(60);

/// The outbox table.
#[derive(Clone)]
pub struct PgOutbox {
    pool: Sessions,
    /// Auctions whose logs cannot be read, and since when: the events of the others do not wait for theirs.
    left_out: Arc<Mutex<BTreeMap<Uuid, Instant>>>,
}

impl PgOutbox {
    /// Over a pool.
    #[must_use]
    pub fn new(pool: Sessions) -> Self {
        Self { pool, left_out: Arc::default() }
    }

    fn left_out(&self) -> MutexGuard<'_, BTreeMap<Uuid, Instant>> {
        self.left_out.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unreadable(&self) -> Vec<Uuid> {
        let mut left_out = self.left_out();
        left_out.retain(|_, since| since.elapsed() < TRY_AGAIN);
        left_out.keys().copied().collect()
    }
}

#[async_trait]
impl Outbox for PgOutbox {
    async fn lease(&self, holder: Uuid, ttl: Duration) -> Result<Option<Epoch>, StoreError> {
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

    async fn release(&self, holder: Uuid) -> Result<(), StoreError> {
        let back = sqlx::query!(
            "UPDATE relay_lease SET expires_at = '-infinity' WHERE name = $1 AND holder = $2",
            LEASE,
            holder
        );
        back.execute(&self.pool).await.map_err(store_error)?;
        Ok(())
    }

    async fn batch(&self, limit: u32) -> Result<Vec<OutboxRecord>, StoreError> {
        let mut unreadable = self.unreadable();
        let rows = sqlx::query!(
            r#"SELECT waiting.id, waiting.traceparent, auction_id, sequence, number, at AS "at?",
                      record::text AS record, link AS "link?"
               FROM (SELECT * FROM outbox WHERE auction_id <> ALL($2) ORDER BY id LIMIT $1) AS waiting
               LEFT JOIN decision USING (auction_id, sequence, number) ORDER BY waiting.id"#,
            i64::from(limit),
            &unreadable
        )
        .fetch_all(&self.pool)
        .await
        .map_err(store_error)?;
        let mut records = Vec::with_capacity(rows.len());
        for row in rows {
            if unreadable.contains(&row.auction_id) {
                continue;
            }
            let entry = match (row.at, row.record, row.link) {
                (Some(at), Some(record), Some(link)) => {
                    let (auction_id, sequence, number) = (row.auction_id, row.sequence, row.number);
                    Entry::try_from(EntryRow { auction_id, sequence, number, at, record, link })
                }
                _ => Err(corrupt(format!("entry {} of auction {} is not there", row.number, row.auction_id))),
            };
            let readable = records.len();
            let traceparent = row.traceparent.as_deref();
            let told = entry.and_then(|entry| events::waiting(row.id, traceparent, &entry, &mut records));
            if let Err(error) = told {
                tracing::error!(%error, auction = %row.auction_id, "events of this auction wait until its log can be read");
                records.truncate(readable);
                unreadable.push(row.auction_id);
                self.left_out().insert(row.auction_id, Instant::now());
            }
        }
        Ok(records)
    }

    async fn delete(&self, epoch: Epoch, ids: &[i64]) -> Result<(), StoreError> {
        // The lease row is locked, so that no other relay can take it over in the middle.
        let deleted = sqlx::query_scalar!(
            r#"WITH held AS MATERIALIZED (SELECT 1 FROM relay_lease WHERE name = $1 AND epoch = $2 FOR SHARE),
                    gone AS (DELETE FROM outbox WHERE id = ANY($3) AND EXISTS (SELECT FROM held))
               SELECT EXISTS (SELECT FROM held) AS "held!""#,
            LEASE,
            epoch.0,
            ids
        )
        .fetch_one(&self.pool)
        .await
        .map_err(store_error)?;
        if deleted { Ok(()) } else { Err(StoreError::Conflict) }
    }

    async fn age_s(&self) -> Result<f64, StoreError> {
        sqlx::query_scalar!(
            r#"SELECT coalesce(extract(epoch FROM clock_timestamp() - (SELECT at FROM outbox JOIN decision USING (auction_id, sequence, number)
                                                                    ORDER BY outbox.id LIMIT 1)),
                               0)::float8 AS "age!""#
        )
        .fetch_one(&self.pool)
        .await
        .map_err(store_error)
    }
}
