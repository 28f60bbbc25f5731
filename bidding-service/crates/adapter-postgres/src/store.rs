//! The store: opens units of work, answers queries.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use bidding_domain::{
    bid::Bid,
    event::AuctionEvent,
    ids::{AuctionId, BidId},
    log::Entry,
};
use bidding_ports::{
    change::ChangeListener,
    error::StoreError,
    inbox::Receipt,
    store::{AuctionStore, AuctionTx, Found, LogPlace},
};
use chrono::{DateTime, Utc};
use tokio::sync::Notify;

use crate::{
    error::store_error,
    house::{self, Halts},
    inbox,
    row::{EntryRow, auction_of},
    session::Sessions,
    tx::PgTx,
};

/// Auctions in PostgreSQL.
#[derive(Clone)]
pub struct PgAuctions {
    pool: Sessions,
    /// For units of work, and for what they hang on.
    deciding: Sessions,
    recorded: Arc<Notify>,
    changes: Arc<dyn ChangeListener>,
    halts: Arc<Halts>,
}

impl PgAuctions {
    /// Over a pool. After a commit that left events in the outbox `recorded` is notified, and
    /// `changes` told which auctions moved.
    #[must_use]
    pub fn new(pool: Sessions, recorded: Arc<Notify>, changes: Arc<dyn ChangeListener>) -> Self {
        Self { deciding: pool.clone(), pool, recorded, changes, halts: Arc::default() }
    }

    /// The same with a pool of its own for units of work, for the closer and for events that failed, so that many
    /// readers never keep a decision waiting.
    #[must_use]
    pub fn deciding_over(self, deciding: Sessions) -> Self {
        Self { deciding, ..self }
    }

    pub(crate) fn deciding(&self) -> &Sessions {
        &self.deciding
    }
}

#[async_trait]
impl AuctionStore for PgAuctions {
    async fn begin(&self) -> Result<Box<dyn AuctionTx>, StoreError> {
        let transaction = self.deciding.begin().await.map_err(store_error)?;
        let (recorded, changes) = (Arc::clone(&self.recorded), Arc::clone(&self.changes));
        Ok(Box::new(PgTx::new(transaction, recorded, changes, Arc::clone(&self.halts))))
    }

    async fn known(&self, receipts: &[Receipt]) -> Result<Vec<bool>, StoreError> {
        inbox::known(&self.deciding, receipts).await
    }

    async fn find(&self, id: AuctionId) -> Result<Option<Found>, StoreError> {
        let row = sqlx::query!(
            r#"SELECT terms::text AS "terms!", snapshot::text AS "snapshot!", clock_timestamp() AS "now!",
                      halts, beat_at
               FROM auction, house WHERE id = $1"#,
            id.0
        )
        .fetch_optional(&self.pool)
        .await
        .map_err(store_error)?;
        let Some(row) = row else { return Ok(None) };
        let auction = auction_of(id.0, &row.terms, &row.snapshot)?;
        let halts = self.halts.as_of(row.halts, &self.pool).await?;
        Ok(Some(Found { auction, halts, now: row.now, silence: row.now - row.beat_at }))
    }

    async fn bids(&self, id: AuctionId, before: Option<LogPlace>, limit: u32) -> Result<Vec<Bid>, StoreError> {
        let before = before.unwrap_or(LogPlace { sequence: u64::MAX, number: u64::MAX });
        let rows = sqlx::query_as!(
            EntryRow,
            r#"SELECT auction_id, sequence, number, at, record::text AS "record!", link FROM decision
               WHERE auction_id = $1 AND (sequence, number) < ($2, $3) AND bid_id IS NOT NULL
               ORDER BY sequence DESC, number DESC LIMIT $4"#,
            id.0,
            place(before.sequence),
            place(before.number),
            i64::from(limit)
        )
        .fetch_all(&self.pool)
        .await
        .map_err(store_error)?;
        let entries = rows.into_iter().map(Entry::try_from).collect::<Result<Vec<_>, _>>()?;
        Ok(entries.iter().filter_map(Entry::bid).collect())
    }

    async fn bid(&self, id: AuctionId, bid: BidId) -> Result<Option<Bid>, StoreError> {
        // By its id alone: asked for the auction as well, the database would read that auction's whole log.
        let row = sqlx::query_as!(
            EntryRow,
            r#"SELECT auction_id, sequence, number, at, record::text AS "record!", link FROM decision
               WHERE bid_id = $1"#,
            bid.0
        );
        let row = row.fetch_optional(&self.pool).await.map_err(store_error)?;
        let found = row.map(Entry::try_from).transpose()?.and_then(|entry| entry.bid());
        Ok(found.filter(|found| found.auction_id == id))
    }

    async fn retracted(&self, bids: &[BidId]) -> Result<BTreeMap<BidId, DateTime<Utc>>, StoreError> {
        let names: Vec<_> = bids.iter().map(|bid| bid.0.to_string()).collect();
        // In the words of the index. Ids are unique: the auction need not be asked for.
        let rows = sqlx::query_as!(
            EntryRow,
            r#"SELECT auction_id, sequence, number, at, record::text AS "record!", link FROM decision
               WHERE num_nulls(bid_id) = 1 AND (record #> '{decided,gone}')::jsonb ?| $1"#,
            &names
        );
        let rows = rows.fetch_all(&self.pool).await.map_err(store_error)?;
        let mut retracted = BTreeMap::new();
        for row in rows {
            let entry = Entry::try_from(row)?;
            retracted.extend(entry.retracted().iter().filter(|bid| bids.contains(bid)).map(|bid| (*bid, entry.at)));
        }
        Ok(retracted)
    }

    async fn events(&self, id: AuctionId, after: u64, limit: u32) -> Result<Vec<AuctionEvent>, StoreError> {
        let rows = sqlx::query_as!(
            EntryRow,
            r#"SELECT auction_id, sequence, number, at, record::text AS "record!", link FROM decision
               WHERE auction_id = $1 AND sequence > $2 ORDER BY sequence, number LIMIT $3"#,
            id.0,
            place(after),
            i64::from(limit)
        )
        .fetch_all(&self.pool)
        .await
        .map_err(store_error)?;
        let entries = rows.into_iter().map(Entry::try_from).collect::<Result<Vec<_>, _>>()?;
        Ok(entries.iter().flat_map(Entry::events).filter(|event| event.sequence > after).collect())
    }

    async fn log(&self, id: AuctionId) -> Result<Vec<Entry>, StoreError> {
        let rows = sqlx::query_as!(
            EntryRow,
            r#"SELECT auction_id, sequence, number, at, record::text AS "record!", link FROM decision
               WHERE auction_id = $1 ORDER BY sequence, number"#,
            id.0
        );
        let rows = rows.fetch_all(&self.pool).await.map_err(store_error)?;
        rows.into_iter().map(Entry::try_from).collect()
    }

    async fn next_due(&self) -> Result<Option<Duration>, StoreError> {
        let wait_s = sqlx::query_scalar!(
            r#"SELECT extract(epoch FROM min(due_at) - clock_timestamp())::float8 AS "wait_s"
               FROM auction WHERE due_at IS NOT NULL"#
        )
        .fetch_one(&self.deciding)
        .await
        .map_err(store_error)?;
        Ok(wait_s.map(|wait_s| Duration::try_from_secs_f64(wait_s.max(0.0)).unwrap_or(Duration::MAX)))
    }

    async fn beat(&self, downtime: Duration) -> Result<bool, StoreError> {
        house::beat(&self.deciding, downtime).await
    }

    async fn pause_all(&self, reason: &str) -> Result<bool, StoreError> {
        house::pause_all(&self.pool, reason).await
    }

    async fn resume_all(&self) -> Result<bool, StoreError> {
        house::resume_all(&self.pool).await
    }
}

/// A place in a sequence that a reader names; beyond what is ever reached is just beyond.
fn place(sequence: u64) -> i64 {
    i64::try_from(sequence).unwrap_or(i64::MAX)
}
