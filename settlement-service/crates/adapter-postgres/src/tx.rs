//! The unit of work: one database transaction.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use settlement_domain::{
    AuctionId, CallKey, Currency, GatewayCall, Payout, PayoutId, Settlement, SettlementEvent, SettlementId, Standing,
    StandingEvent, UserId, call::CallStatus, ledger::Transaction as Entry, settlement::Resolution,
    standing::Reinstatement,
};
use settlement_ports::{
    Claim, Early, Inserted, Locked, PendingCall, PendingPayout, Receipt, RequestKey, Seen, SettlementTx, StoreError,
    WholePayout,
};
use sqlx::{Postgres, Transaction};

use crate::{
    auctions, audit, calls, error::store_error, events, idempotency, inbox, ledger, metrics::Tally, payouts, row::Row,
    standings, store::Wakers,
};

pub(crate) struct PgTx {
    transaction: Transaction<'static, Postgres>,
    wakers: Wakers,
    has_events: bool,
    has_calls: bool,
    tally: Tally,
}

impl PgTx {
    pub(crate) fn new(transaction: Transaction<'static, Postgres>, wakers: Wakers) -> Self {
        Self { transaction, wakers, has_events: false, has_calls: false, tally: Tally::default() }
    }
}

#[async_trait]
impl SettlementTx for PgTx {
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

    async fn insert(&mut self, settlement: &Settlement) -> Result<Inserted, StoreError> {
        let row = Row::try_from(settlement)?;
        let inserted = sqlx::query!(
            "INSERT INTO settlement (id, auction_id, seller_id, buyer_id, amount, currency, quote, terms, started_at,
                 payment_due_at, sequence, attempts, state, rest, due_at, traceparent)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
             ON CONFLICT (auction_id, buyer_id) DO NOTHING",
            row.id,
            row.auction_id,
            row.seller_id,
            row.buyer_id,
            row.amount,
            row.currency,
            row.quote,
            row.terms,
            row.started_at,
            row.payment_due_at,
            row.sequence,
            row.attempts,
            row.state,
            row.rest,
            row.due_at,
            events::traceparent()
        )
        .execute(&mut *self.transaction)
        .await
        .map_err(store_error)?;
        Ok(if inserted.rows_affected() == 1 { Inserted::New } else { Inserted::Exists })
    }

    async fn lock(&mut self, id: SettlementId) -> Result<Option<Locked<Settlement>>, StoreError> {
        let row = sqlx::query_as!(
            Row,
            "SELECT id, auction_id, seller_id, buyer_id, amount, currency, quote, terms, started_at, payment_due_at,
                    sequence, attempts, state, rest, due_at
             FROM settlement WHERE id = $1 FOR UPDATE",
            id.as_uuid()
        )
        .fetch_optional(&mut *self.transaction)
        .await
        .map_err(store_error)?;
        let Some(row) = row else { return Ok(None) };
        // A second statement: within the first the clock would be read before the wait for the lock.
        let now = self.now().await?;
        Ok(Some(Locked { aggregate: row.try_into()?, now }))
    }

    async fn lock_due_timers(&mut self, limit: u32) -> Result<Vec<Locked<Settlement>>, StoreError> {
        let rows = sqlx::query_as!(
            Row,
            "SELECT id, auction_id, seller_id, buyer_id, amount, currency, quote, terms, started_at, payment_due_at,
                    sequence, attempts, state, rest, due_at
             FROM settlement WHERE due_at <= statement_timestamp()
             ORDER BY due_at, id LIMIT $1
             FOR UPDATE SKIP LOCKED",
            i64::from(limit)
        )
        .fetch_all(&mut *self.transaction)
        .await
        .map_err(store_error)?;
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let now = self.now().await?;
        rows.into_iter().map(|row| Ok(Locked { aggregate: row.try_into()?, now })).collect()
    }

    async fn lock_pending_calls(&mut self, limit: u32) -> Result<Vec<Locked<PendingCall>>, StoreError> {
        let pending = calls::lock_due(&mut self.transaction, limit).await?;
        if pending.is_empty() {
            return Ok(Vec::new());
        }
        let now = self.now().await?;
        Ok(pending.into_iter().map(|aggregate| Locked { aggregate, now }).collect())
    }

    async fn lock_owed(
        &mut self,
        seller: &UserId,
        currency: Currency,
        limit: u32,
    ) -> Result<Option<Vec<Locked<Settlement>>>, StoreError> {
        let Some(owed) = payouts::lock_owed(&mut self.transaction, seller, currency, limit).await? else {
            return Ok(None);
        };
        let now = self.now().await?;
        Ok(Some(owed.into_iter().map(|aggregate| Locked { aggregate, now }).collect()))
    }

    async fn lock_pending_payouts(&mut self, limit: u32) -> Result<Vec<Locked<PendingPayout>>, StoreError> {
        let pending = payouts::lock_due(&mut self.transaction, limit).await?;
        if pending.is_empty() {
            return Ok(Vec::new());
        }
        let now = self.now().await?;
        Ok(pending.into_iter().map(|aggregate| Locked { aggregate, now }).collect())
    }

    async fn lock_payout(&mut self, id: PayoutId) -> Result<Option<Locked<WholePayout>>, StoreError> {
        let Some(aggregate) = payouts::lock(&mut self.transaction, id).await? else { return Ok(None) };
        Ok(Some(Locked { aggregate, now: self.now().await? }))
    }

    async fn save_payouts(&mut self, saved: &[Payout]) -> Result<(), StoreError> {
        for payout in saved {
            payouts::save(&mut self.transaction, payout).await?;
        }
        Ok(())
    }

    async fn lock_auction(&mut self, id: AuctionId) -> Result<Vec<Locked<Settlement>>, StoreError> {
        let settlements = auctions::lock(&mut self.transaction, id).await?;
        let now = self.now().await?;
        Ok(settlements.into_iter().map(|aggregate| Locked { aggregate, now }).collect())
    }

    async fn keep_early(&mut self, id: AuctionId, early: &Early) -> Result<(), StoreError> {
        auctions::keep_early(&mut self.transaction, id, early).await
    }

    async fn early(&mut self, id: AuctionId) -> Result<Vec<Early>, StoreError> {
        auctions::early(&mut self.transaction, id).await
    }

    async fn lock_standing(&mut self, user: &UserId) -> Result<Locked<Standing>, StoreError> {
        let aggregate = standings::lock(&mut self.transaction, user).await?;
        Ok(Locked { aggregate, now: self.now().await? })
    }

    async fn lock_due_standings(&mut self, limit: u32) -> Result<Vec<Locked<Standing>>, StoreError> {
        let due = standings::lock_due(&mut self.transaction, limit).await?;
        if due.is_empty() {
            return Ok(Vec::new());
        }
        let now = self.now().await?;
        Ok(due.into_iter().map(|aggregate| Locked { aggregate, now }).collect())
    }

    async fn save_standings(&mut self, saved: &[Standing]) -> Result<(), StoreError> {
        for standing in saved {
            standings::save(&mut self.transaction, standing).await?;
        }
        Ok(())
    }

    async fn record_standings(&mut self, events: &[StandingEvent]) -> Result<(), StoreError> {
        for event in events {
            events::record_standing(&mut self.transaction, event).await?;
        }
        self.has_events |= !events.is_empty();
        Ok(())
    }

    async fn note_resolutions(&mut self, resolutions: &[Resolution]) -> Result<(), StoreError> {
        for resolution in resolutions {
            audit::note_resolution(&mut self.transaction, resolution).await?;
        }
        Ok(())
    }

    async fn note_reinstatement(&mut self, reinstatement: &Reinstatement) -> Result<(), StoreError> {
        audit::note_reinstatement(&mut self.transaction, reinstatement).await
    }

    async fn call(&mut self, key: &CallKey) -> Result<Option<GatewayCall>, StoreError> {
        calls::find(&mut self.transaction, key).await
    }

    async fn save(&mut self, settlements: &[Settlement]) -> Result<(), StoreError> {
        for settlement in settlements {
            let row = Row::try_from(settlement)?;
            let saved = sqlx::query!(
                "UPDATE settlement SET sequence = $2, attempts = $3, state = $4, due_at = $5, rest = $7,
                     payment_due_at = $8, traceparent = coalesce($6, traceparent)
                 WHERE id = $1",
                row.id,
                row.sequence,
                row.attempts,
                row.state,
                row.due_at,
                events::traceparent(),
                row.rest,
                row.payment_due_at
            )
            .execute(&mut *self.transaction)
            .await
            .map_err(store_error)?;
            if saved.rows_affected() != 1 {
                return Err(StoreError::Corrupt(format!("settlement {} was saved and is not there", settlement.id())));
            }
            self.tally.saved(settlement);
        }
        Ok(())
    }

    async fn save_calls(&mut self, calls: &[GatewayCall]) -> Result<(), StoreError> {
        for call in calls {
            calls::save(&mut self.transaction, call).await?;
            self.has_calls |= *call.status() == CallStatus::Ready;
            self.tally.call(call);
        }
        Ok(())
    }

    async fn record(&mut self, events: &[SettlementEvent]) -> Result<(), StoreError> {
        for event in events {
            events::record(&mut self.transaction, event).await?;
            self.tally.event(event);
        }
        self.has_events |= !events.is_empty();
        Ok(())
    }

    async fn post(&mut self, transactions: &[Entry]) -> Result<(), StoreError> {
        let posted = ledger::post(&mut self.transaction, transactions).await?;
        for entry in transactions.iter().filter(|entry| posted.contains(&entry.reference())) {
            self.tally.posted(entry);
        }
        Ok(())
    }

    async fn commit(self: Box<Self>) -> Result<(), StoreError> {
        self.transaction.commit().await.map_err(store_error)?;
        self.tally.count();
        if self.has_events {
            self.wakers.recorded.notify_one();
        }
        if self.has_calls {
            self.wakers.planned.notify_one();
        }
        Ok(())
    }
}
