//! The unit of work: one database transaction.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use bidding_domain::{
    auction::Auction,
    ids::{AuctionId, UserId},
    log::Entry,
};
use bidding_ports::{
    change::ChangeListener,
    error::StoreError,
    inbox::{Receipt, Seen},
    store::{AuctionTx, Caused, Changes, Floor, Locked, Request},
};
use chrono::{DateTime, Utc};
use sqlx::{Postgres, Transaction};
use tokio::sync::Notify;

use crate::{
    batch,
    error::{corrupt, store_error},
    house::Halts,
    inbox,
    row::auction_of,
    store,
};

pub(crate) struct PgTx {
    transaction: Transaction<'static, Postgres>,
    recorded: Arc<Notify>,
    changes: Arc<dyn ChangeListener>,
    halts: Arc<Halts>,
    /// The last event of each auction that this unit of work moves.
    moved: BTreeMap<AuctionId, u64>,
}

impl PgTx {
    pub(crate) fn new(
        transaction: Transaction<'static, Postgres>,
        recorded: Arc<Notify>,
        changes: Arc<dyn ChangeListener>,
        halts: Arc<Halts>,
    ) -> Self {
        Self { transaction, recorded, changes, halts, moved: BTreeMap::new() }
    }
}

#[async_trait]
impl AuctionTx for PgTx {
    async fn now(&mut self) -> Result<DateTime<Utc>, StoreError> {
        sqlx::query_scalar!(r#"SELECT clock_timestamp() AS "now!""#)
            .fetch_one(&mut *self.transaction)
            .await
            .map_err(store_error)
    }

    async fn enter(&mut self, requests: &[Request]) -> Result<Floor, StoreError> {
        batch::enter(&mut self.transaction, &self.halts, requests).await
    }

    async fn receive(&mut self, receipt: &Receipt) -> Result<Seen, StoreError> {
        inbox::receive(&mut self.transaction, receipt).await
    }

    async fn lock(&mut self, id: AuctionId) -> Result<Option<Locked>, StoreError> {
        // The clock stands outside: within the locking part it would be read before the wait.
        let row = sqlx::query!(
            r#"WITH locked AS MATERIALIZED (SELECT terms, snapshot FROM auction WHERE id = $1 FOR UPDATE)
               SELECT terms::text AS "terms!", snapshot::text AS "snapshot!", clock_timestamp() AS "now!",
                      (SELECT halts FROM house) AS "halts!" FROM locked"#,
            id.0
        )
        .fetch_optional(&mut *self.transaction)
        .await
        .map_err(store_error)?;
        let Some(row) = row else { return Ok(None) };
        let auction = auction_of(id.0, &row.terms, &row.snapshot)?;
        let halts = self.halts.as_of(row.halts, &mut *self.transaction).await?;
        Ok(Some(Locked { auction, halts, now: row.now }))
    }

    async fn lock_due(&mut self, limit: u32) -> Result<Vec<Locked>, StoreError> {
        // `statement_timestamp()` and not the clock: an index can be searched for what is fixed.
        let rows = sqlx::query!(
            r#"WITH locked AS MATERIALIZED (
                   SELECT id, terms, snapshot, due_at FROM auction WHERE due_at <= statement_timestamp()
                   ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED)
               SELECT id, terms::text AS "terms!", snapshot::text AS "snapshot!", clock_timestamp() AS "now!",
                      (SELECT halts FROM house) AS "halts!" FROM locked ORDER BY due_at"#,
            i64::from(limit)
        )
        .fetch_all(&mut *self.transaction)
        .await
        .map_err(store_error)?;
        let Some(revision) = rows.first().map(|row| row.halts) else { return Ok(Vec::new()) };
        let halts = self.halts.as_of(revision, &mut *self.transaction).await?;
        let mut due = Vec::with_capacity(rows.len());
        for row in rows {
            match auction_of(row.id, &row.terms, &row.snapshot) {
                Ok(auction) => due.push(Locked { auction, halts: Arc::clone(&halts), now: row.now }),
                Err(error) => tracing::error!(%error, auction = %row.id, "a due auction cannot be read"),
            }
        }
        Ok(due)
    }

    async fn insert(&mut self, auction: &Auction) -> Result<(), StoreError> {
        sqlx::query!(
            "INSERT INTO auction (id, terms, snapshot, due_at) VALUES ($1, $2::text::json, $3::text::json, $4)",
            auction.id().0,
            serde_json::to_string(&auction.terms()).map_err(corrupt)?,
            serde_json::to_string(&auction.snapshot()).map_err(corrupt)?,
            auction.due_at()
        )
        .execute(&mut *self.transaction)
        .await
        .map_err(store_error)?;
        Ok(())
    }

    async fn save(&mut self, changes: Changes) -> Result<(), StoreError> {
        batch::save(&mut self.transaction, &changes).await?;
        for Caused { entry, .. } in &changes.entries {
            if !entry.record.told.is_empty() {
                self.moved.insert(entry.auction_id, entry.sequence);
            }
        }
        Ok(())
    }

    async fn log(&mut self, id: AuctionId) -> Result<Vec<Entry>, StoreError> {
        store::log(id, &mut *self.transaction).await
    }

    async fn set_suspended(&mut self, bidder: &UserId, suspended: bool) -> Result<(), StoreError> {
        let set = if suspended {
            sqlx::query!("INSERT INTO suspended_bidder (bidder) VALUES ($1) ON CONFLICT DO NOTHING", bidder.0)
        } else {
            sqlx::query!("DELETE FROM suspended_bidder WHERE bidder = $1", bidder.0)
        };
        set.execute(&mut *self.transaction).await.map_err(store_error)?;
        Ok(())
    }

    async fn suspended(&mut self, bidders: &[UserId]) -> Result<Vec<UserId>, StoreError> {
        let names: Vec<_> = bidders.iter().map(|bidder| bidder.0.clone()).collect();
        let suspended = sqlx::query_scalar!(
            r#"SELECT bidder AS "bidder!" FROM unnest($1::text[]) WITH ORDINALITY AS asked (bidder, place)
               JOIN suspended_bidder USING (bidder) ORDER BY place"#,
            &names
        )
        .fetch_all(&mut *self.transaction)
        .await
        .map_err(store_error)?;
        Ok(suspended.into_iter().map(UserId).collect())
    }

    async fn commit(self: Box<Self>) -> Result<(), StoreError> {
        self.transaction.commit().await.map_err(store_error)?;
        if !self.moved.is_empty() {
            self.recorded.notify_one();
        }
        for (auction, sequence) in self.moved {
            self.changes.advanced(auction, sequence);
        }
        Ok(())
    }
}
