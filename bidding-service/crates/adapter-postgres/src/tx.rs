//! The unit of work: one database transaction.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use bidding_domain::{
    auction::Auction,
    bid::Bid,
    event::AuctionEvent,
    ids::{AuctionId, UserId},
};
use bidding_ports::{
    change::ChangeListener,
    error::StoreError,
    idempotency::{Claim, RequestKey},
    inbox::{Receipt, Seen},
    store::{AuctionTx, Locked},
};
use chrono::{DateTime, Utc};
use sqlx::{Postgres, Transaction};
use tokio::sync::Notify;

use crate::{
    error::{corrupt, store_error},
    events, idempotency, inbox,
    row::{AuctionRow, number},
    store::changing,
};

pub(crate) struct PgTx {
    transaction: Transaction<'static, Postgres>,
    recorded: Arc<Notify>,
    changes: Arc<dyn ChangeListener>,
    /// The last event of each auction that this unit of work moves.
    moved: BTreeMap<AuctionId, u64>,
}

impl PgTx {
    pub(crate) fn new(
        transaction: Transaction<'static, Postgres>,
        recorded: Arc<Notify>,
        changes: Arc<dyn ChangeListener>,
    ) -> Self {
        Self { transaction, recorded, changes, moved: BTreeMap::new() }
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

    async fn claim(&mut self, key: &RequestKey) -> Result<Claim, StoreError> {
        idempotency::claim(&mut self.transaction, key).await
    }

    async fn answer(&mut self, key: &RequestKey, answer: &serde_json::Value) -> Result<(), StoreError> {
        idempotency::answer(&mut self.transaction, key, answer).await
    }

    async fn receive(&mut self, receipt: &Receipt) -> Result<Seen, StoreError> {
        inbox::receive(&mut self.transaction, receipt).await
    }

    async fn lock(&mut self, id: AuctionId) -> Result<Option<Locked>, StoreError> {
        // The clock stands outside: within the locking part it would be read before the wait.
        let row = sqlx::query!(
            r#"WITH locked AS MATERIALIZED (SELECT id, terms, snapshot FROM auction WHERE id = $1 FOR UPDATE)
               SELECT id, terms, snapshot, clock_timestamp() AS "now!" FROM locked"#,
            id.0
        )
        .fetch_optional(&mut *self.transaction)
        .await
        .map_err(store_error)?;
        let Some(row) = row else { return Ok(None) };
        let auction = AuctionRow { id: row.id, terms: row.terms, snapshot: row.snapshot }.try_into()?;
        Ok(Some(Locked { auction, now: row.now }))
    }

    async fn lock_due(&mut self, limit: u32) -> Result<Vec<Locked>, StoreError> {
        // `statement_timestamp()` and not the clock: an index can be searched for what is fixed.
        let rows = sqlx::query!(
            r#"WITH locked AS MATERIALIZED (
                   SELECT id, terms, snapshot, due_at FROM auction WHERE due_at <= statement_timestamp()
                   ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED)
               SELECT id, terms, snapshot, clock_timestamp() AS "now!" FROM locked ORDER BY due_at"#,
            i64::from(limit)
        )
        .fetch_all(&mut *self.transaction)
        .await
        .map_err(store_error)?;
        let mut due = Vec::with_capacity(rows.len());
        for row in rows {
            match Auction::try_from(AuctionRow { id: row.id, terms: row.terms, snapshot: row.snapshot }) {
                Ok(auction) => due.push(Locked { auction, now: row.now }),
                Err(error) => tracing::error!(%error, auction = %row.id, "a due auction cannot be read"),
            }
        }
        Ok(due)
    }

    async fn insert(&mut self, auction: &Auction) -> Result<(), StoreError> {
        let (sequence, snapshot) = changing(auction)?;
        sqlx::query!(
            "INSERT INTO auction (id, terms, sequence, snapshot, due_at) VALUES ($1, $2, $3, $4, $5)",
            auction.id().0,
            serde_json::to_value(auction.terms()).map_err(corrupt)?,
            sequence,
            snapshot,
            auction.due_at()
        )
        .execute(&mut *self.transaction)
        .await
        .map_err(store_error)?;
        Ok(())
    }

    async fn save(&mut self, auction: &Auction, bids: &[Bid]) -> Result<(), StoreError> {
        let (sequence, snapshot) = changing(auction)?;
        let saved = sqlx::query!(
            "UPDATE auction SET sequence = $2, snapshot = $3, due_at = $4 WHERE id = $1",
            auction.id().0,
            sequence,
            snapshot,
            auction.due_at()
        )
        .execute(&mut *self.transaction)
        .await
        .map_err(store_error)?;
        if saved.rows_affected() != 1 {
            return Err(corrupt(format!("auction {} was saved and is not there", auction.id())));
        }
        for bid in bids {
            let outcome = serde_json::to_value(bid.outcome).map_err(corrupt)?;
            sqlx::query!(
                "INSERT INTO bid (auction_id, sequence, id, bidder, max, outcome, price, placed_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
                bid.auction_id.0,
                number(bid.sequence)?,
                bid.id.0,
                bid.bidder.0,
                bid.max.minor(),
                outcome.as_str(),
                bid.price.minor(),
                bid.placed_at
            )
            .execute(&mut *self.transaction)
            .await
            .map_err(store_error)?;
        }
        Ok(())
    }

    async fn record(&mut self, events: &[AuctionEvent]) -> Result<(), StoreError> {
        for event in events {
            events::record(&mut self.transaction, event).await?;
            self.moved.insert(event.auction_id, event.sequence);
        }
        Ok(())
    }

    async fn is_suspended(&mut self, bidder: &UserId) -> Result<bool, StoreError> {
        sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT FROM suspended_bidder WHERE bidder = $1) AS "suspended!""#,
            bidder.0
        )
        .fetch_one(&mut *self.transaction)
        .await
        .map_err(store_error)
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
