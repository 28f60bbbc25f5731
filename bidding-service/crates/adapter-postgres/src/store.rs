//! The store: opens units of work, answers queries.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bidding_domain::{auction::Auction, bid::Bid, event::AuctionEvent, ids::AuctionId};
use bidding_ports::{
    change::ChangeListener,
    error::StoreError,
    store::{AuctionStore, AuctionTx, Found},
};
use sqlx::PgPool;
use tokio::sync::Notify;

use crate::{
    error::store_error,
    row::{AuctionRow, BidRow, EventRow, number},
    tx::PgTx,
};

/// Auctions in PostgreSQL.
#[derive(Clone)]
pub struct PgAuctions {
    pool: PgPool,
    recorded: Arc<Notify>,
    changes: Arc<dyn ChangeListener>,
}

impl PgAuctions {
    /// Over a pool. After a commit that left events in the outbox `recorded` is notified, and
    /// `changes` told which auctions moved.
    #[must_use]
    pub fn new(pool: PgPool, recorded: Arc<Notify>, changes: Arc<dyn ChangeListener>) -> Self {
        Self { pool, recorded, changes }
    }

    pub(crate) fn pool(&self) -> &PgPool {
        &self.pool
    }
}

#[async_trait]
impl AuctionStore for PgAuctions {
    async fn begin(&self) -> Result<Box<dyn AuctionTx>, StoreError> {
        let transaction = self.pool.begin().await.map_err(store_error)?;
        Ok(Box::new(PgTx::new(transaction, Arc::clone(&self.recorded), Arc::clone(&self.changes))))
    }

    async fn find(&self, id: AuctionId) -> Result<Option<Found>, StoreError> {
        let row =
            sqlx::query!(r#"SELECT id, terms, snapshot, clock_timestamp() AS "now!" FROM auction WHERE id = $1"#, id.0)
                .fetch_optional(&self.pool)
                .await
                .map_err(store_error)?;
        let Some(row) = row else { return Ok(None) };
        let auction = AuctionRow { id: row.id, terms: row.terms, snapshot: row.snapshot }.try_into()?;
        Ok(Some(Found { auction, now: row.now }))
    }

    async fn bids(&self, id: AuctionId, before: Option<u64>, limit: u32) -> Result<Vec<Bid>, StoreError> {
        let rows = sqlx::query_as!(
            BidRow,
            "SELECT auction_id, sequence, id, bidder, max, outcome, price, placed_at FROM bid
             WHERE auction_id = $1 AND sequence < $2 ORDER BY sequence DESC LIMIT $3",
            id.0,
            before.map_or(i64::MAX, place),
            i64::from(limit)
        )
        .fetch_all(&self.pool)
        .await
        .map_err(store_error)?;
        rows.into_iter().map(Bid::try_from).collect()
    }

    async fn events(&self, id: AuctionId, after: u64, limit: u32) -> Result<Vec<AuctionEvent>, StoreError> {
        let rows = sqlx::query_as!(
            EventRow,
            "SELECT auction_id, sequence, at, what FROM event
             WHERE auction_id = $1 AND sequence > $2 ORDER BY sequence LIMIT $3",
            id.0,
            place(after),
            i64::from(limit)
        )
        .fetch_all(&self.pool)
        .await
        .map_err(store_error)?;
        rows.into_iter().map(AuctionEvent::try_from).collect()
    }

    async fn next_due(&self) -> Result<Option<Duration>, StoreError> {
        let wait_s = sqlx::query_scalar!(
            r#"SELECT extract(epoch FROM min(due_at) - clock_timestamp())::float8 AS "wait_s"
               FROM auction WHERE due_at IS NOT NULL"#
        )
        .fetch_one(&self.pool)
        .await
        .map_err(store_error)?;
        Ok(wait_s.map(|wait_s| Duration::try_from_secs_f64(wait_s.max(0.0)).unwrap_or(Duration::MAX)))
    }
}

/// A place in a sequence that a reader names; beyond what is ever reached is just beyond.
fn place(sequence: u64) -> i64 {
    i64::try_from(sequence).unwrap_or(i64::MAX)
}

/// The columns of an auction that change.
pub(crate) fn changing(auction: &Auction) -> Result<(i64, serde_json::Value), StoreError> {
    let snapshot = serde_json::to_value(auction.snapshot()).map_err(crate::error::corrupt)?;
    Ok((number(auction.sequence())?, snapshot))
}
