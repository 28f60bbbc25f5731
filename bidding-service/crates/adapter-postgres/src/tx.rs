//! The unit of work: one database transaction.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use bidding_domain::{
    auction::Auction,
    bid::Bid,
    ids::{AuctionId, UserId},
    log::StandingBids,
};
use bidding_ports::{
    change::ChangeListener,
    error::StoreError,
    inbox::{Receipt, Seen},
    store::{AuctionTx, Caused, Changes, Floor, Locked, Request, Wait},
};
use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use tokio::sync::Notify;

use crate::{
    batch,
    error::{corrupt, store_error},
    house::Halts,
    inbox,
    row::{EntryRow, auction_of},
    session::Work,
};

pub(crate) struct PgTx {
    transaction: Work,
    recorded: Arc<Notify>,
    changes: Arc<dyn ChangeListener>,
    halts: Arc<Halts>,
    /// Of the halts, when auctions were read.
    revision: Option<i64>,
    /// The last event of each auction that this unit of work moves.
    moved: BTreeMap<AuctionId, u64>,
}

impl PgTx {
    pub(crate) fn new(
        transaction: Work,
        recorded: Arc<Notify>,
        changes: Arc<dyn ChangeListener>,
        halts: Arc<Halts>,
    ) -> Self {
        Self { transaction, recorded, changes, halts, revision: None, moved: BTreeMap::new() }
    }
}

#[async_trait]
impl AuctionTx for PgTx {
    async fn now(&mut self) -> Result<DateTime<Utc>, StoreError> {
        sqlx::query_scalar!(r#"SELECT clock_timestamp() AS "now!""#)
            .fetch_one(&mut self.transaction)
            .await
            .map_err(store_error)
    }

    async fn enter(&mut self, requests: &[Request], wait: Wait) -> Result<Floor, StoreError> {
        let (floor, revision) = batch::enter(&mut self.transaction, &self.halts, requests, wait).await?;
        self.revision = Some(revision);
        Ok(floor)
    }

    async fn receive(&mut self, receipt: &Receipt) -> Result<Seen, StoreError> {
        inbox::receive(&mut self.transaction, receipt).await
    }

    async fn lock(&mut self, id: AuctionId) -> Result<Option<Locked>, StoreError> {
        // The clock stands outside: within the locking part it would be read before the wait.
        let row = sqlx::query!(
            r#"WITH locked AS MATERIALIZED (SELECT terms, snapshot FROM auction WHERE id = $1 FOR UPDATE)
               SELECT terms::text AS "terms!", snapshot::text AS "snapshot!", clock_timestamp() AS "now!", halts, beat_at
               FROM locked, house"#,
            id.0
        )
        .fetch_optional(&mut self.transaction)
        .await
        .map_err(store_error)?;
        let Some(row) = row else { return Ok(None) };
        let auction = auction_of(id.0, &row.terms, &row.snapshot)?;
        let halts = self.halts.as_of(row.halts, &mut self.transaction).await?;
        self.revision = Some(row.halts);
        Ok(Some(Locked { auction, halts, now: row.now, silence: row.now - row.beat_at }))
    }

    async fn lock_due(&mut self, limit: u32) -> Result<Vec<Locked>, StoreError> {
        // `statement_timestamp()` and not the clock: an index can be searched for what is fixed.
        let rows = sqlx::query!(
            r#"WITH locked AS MATERIALIZED (
                   SELECT id, terms, snapshot, due_at FROM auction WHERE due_at <= statement_timestamp()
                   ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED)
               SELECT id, terms::text AS "terms!", snapshot::text AS "snapshot!", clock_timestamp() AS "now!", halts, beat_at
               FROM locked, house ORDER BY due_at"#,
            i64::from(limit)
        )
        .fetch_all(&mut self.transaction)
        .await
        .map_err(store_error)?;
        let Some(revision) = rows.first().map(|row| row.halts) else { return Ok(Vec::new()) };
        let halts = self.halts.as_of(revision, &mut self.transaction).await?;
        self.revision = Some(revision);
        let (mut due, mut unreadable) = (Vec::with_capacity(rows.len()), Vec::new());
        for row in rows {
            let (now, silence) = (row.now, row.now - row.beat_at);
            match auction_of(row.id, &row.terms, &row.snapshot) {
                Ok(auction) => due.push(Locked { auction, halts: Arc::clone(&halts), now, silence }),
                Err(error) => {
                    tracing::error!(%error, auction = %row.id, "a due auction cannot be read; it is looked at again in a minute");
                    unreadable.push(row.id);
                }
            }
        }
        if !unreadable.is_empty() {
            let later = sqlx::query!(
                "UPDATE auction SET due_at = clock_timestamp() + interval '1 minute' WHERE id = ANY($1)",
                &unreadable
            );
            later.execute(&mut self.transaction).await.map_err(store_error)?;
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
        .execute(&mut self.transaction)
        .await
        .map_err(store_error)?;
        Ok(())
    }

    async fn save(&mut self, changes: Changes) -> Result<(), StoreError> {
        batch::save(&mut self.transaction, &changes, self.revision).await?;
        for Caused { entry, .. } in &changes.entries {
            if !entry.record.told.is_empty() {
                self.moved.insert(entry.auction_id, entry.sequence);
            }
        }
        Ok(())
    }

    async fn standing_bids(&mut self, id: AuctionId) -> Result<Vec<Bid>, StoreError> {
        // Row by row: a long log is never in memory as a whole.
        let mut rows = sqlx::query_as!(
            EntryRow,
            r#"SELECT auction_id, sequence, number, at, record::text AS "record!", link FROM decision
               WHERE auction_id = $1 ORDER BY sequence, number"#,
            id.0
        )
        .fetch(&mut self.transaction);
        let mut bids = StandingBids::default();
        while let Some(row) = rows.try_next().await.map_err(store_error)? {
            bids.take(&row.try_into()?);
        }
        Ok(bids.into_vec())
    }

    async fn set_suspended(&mut self, bidder: &UserId, suspended: bool) -> Result<(), StoreError> {
        let set = if suspended {
            sqlx::query!("INSERT INTO suspended_bidder (bidder) VALUES ($1) ON CONFLICT DO NOTHING", bidder.0)
        } else {
            sqlx::query!("DELETE FROM suspended_bidder WHERE bidder = $1", bidder.0)
        };
        set.execute(&mut self.transaction).await.map_err(store_error)?;
        Ok(())
    }

    async fn suspended(&mut self, bidders: &[UserId]) -> Result<Vec<UserId>, StoreError> {
        let names: Vec<_> = bidders.iter().map(|bidder| bidder.0.clone()).collect();
        let suspended = sqlx::query_scalar!(
            r#"SELECT bidder AS "bidder!" FROM unnest($1::text[]) WITH ORDINALITY AS asked (bidder, place)
               JOIN suspended_bidder USING (bidder) ORDER BY place"#,
            &names
        )
        .fetch_all(&mut self.transaction)
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
