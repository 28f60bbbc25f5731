//! The unit of work: one database transaction.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use settlement_domain::{
    AuctionId, CallKey, Currency, GatewayCall, Payout, PayoutId, Settlement, SettlementEvent, SettlementId, Standing,
    StandingEvent, UserId, call::CallStatus, ledger::Transaction as Entry, settlement::Resolution,
    standing::Reinstatement,
};
use settlement_ports::{
    Claim, Early, Free, FreeStandings, Inserted, Locked, PendingCall, PendingPayout, Receipt, RequestKey, Seen,
    SettlementTx, StoreError, WholePayout,
};

use crate::{
    auctions, audit, calls, error::store_error, events, idempotency, inbox, ledger, metrics::Tally, payouts,
    session::Work, settlements, standings, store::Wakers, traces::Traces, watch,
};

pub(crate) struct PgTx {
    transaction: Work,
    wakers: Wakers,
    has_events: bool,
    has_calls: bool,
    tally: Tally,
    traces: Traces,
}

impl PgTx {
    pub(crate) fn new(transaction: Work, wakers: Wakers) -> Self {
        Self {
            transaction,
            wakers,
            has_events: false,
            has_calls: false,
            tally: Tally::default(),
            traces: Traces::default(),
        }
    }

    /// What is locked now, with the time. That is a statement of its own: within the one that locks, the clock would be
    /// read before the wait for the lock.
    async fn at_this_time<T>(&mut self, locked: Vec<T>) -> Result<Vec<Locked<T>>, StoreError> {
        if locked.is_empty() {
            return Ok(Vec::new());
        }
        let now = self.now().await?;
        Ok(locked.into_iter().map(|aggregate| Locked { aggregate, now }).collect())
    }

    /// The same of settlements, with the time that their people have.
    async fn in_time(&mut self, locked: Vec<Settlement>) -> Result<Vec<Locked<Settlement>>, StoreError> {
        if locked.is_empty() {
            return Ok(Vec::new());
        }
        let (now, watch) = watch::read(&mut self.transaction).await?;
        let given = |settlement| Locked { aggregate: watch.gives_time(settlement, now), now };
        Ok(locked.into_iter().map(given).collect())
    }
}

#[async_trait]
impl SettlementTx for PgTx {
    async fn now(&mut self) -> Result<DateTime<Utc>, StoreError> {
        sqlx::query_scalar!(r#"SELECT clock_timestamp() AS "now!""#)
            .fetch_one(&mut self.transaction)
            .await
            .map_err(store_error)
    }

    fn trace(&mut self, id: SettlementId, span: &tracing::Span) {
        self.traces.put(id, span);
    }

    async fn claim_all(&mut self, keys: &[RequestKey]) -> Result<Vec<Claim>, StoreError> {
        idempotency::claim(&mut self.transaction, keys).await
    }

    async fn answer_all(&mut self, answers: &[(RequestKey, serde_json::Value)]) -> Result<(), StoreError> {
        idempotency::answer(&mut self.transaction, answers).await
    }

    async fn receive_all(&mut self, receipts: &[Receipt]) -> Result<Vec<Seen>, StoreError> {
        inbox::receive(&mut self.transaction, receipts).await
    }

    async fn insert_all(&mut self, settlements: &[Settlement]) -> Result<Vec<Inserted>, StoreError> {
        settlements::insert(&mut self.transaction, settlements, &self.traces).await
    }

    async fn lock_all(&mut self, ids: &[SettlementId]) -> Result<Vec<Locked<Settlement>>, StoreError> {
        let settlements = settlements::lock(&mut self.transaction, ids).await?;
        self.in_time(settlements).await
    }

    async fn lock_free(&mut self, ids: &[SettlementId]) -> Result<Free, StoreError> {
        let (free, held) = settlements::lock_free(&mut self.transaction, ids).await?;
        Ok(Free { locked: self.in_time(free).await?, held })
    }

    async fn lock_due_timers(&mut self, limit: u32) -> Result<Vec<Locked<Settlement>>, StoreError> {
        let due = settlements::lock_due(&mut self.transaction, limit).await?;
        self.in_time(due).await
    }

    async fn lock_pending_calls(&mut self, limit: u32) -> Result<Vec<Locked<PendingCall>>, StoreError> {
        let pending = calls::lock_due(&mut self.transaction, limit).await?;
        self.at_this_time(pending).await
    }

    async fn lock_owed(
        &mut self,
        sellers: &[(UserId, Currency)],
        limit: u32,
    ) -> Result<Vec<Locked<Vec<Settlement>>>, StoreError> {
        let owed = payouts::lock_owed(&mut self.transaction, sellers, limit).await?;
        self.at_this_time(owed).await
    }

    async fn lock_pending_payouts(&mut self, limit: u32) -> Result<Vec<Locked<PendingPayout>>, StoreError> {
        let pending = payouts::lock_due(&mut self.transaction, limit).await?;
        self.at_this_time(pending).await
    }

    async fn lock_payouts(&mut self, ids: &[PayoutId]) -> Result<Vec<Locked<WholePayout>>, StoreError> {
        let payouts = payouts::lock(&mut self.transaction, ids).await?;
        self.at_this_time(payouts).await
    }

    async fn save_payouts(&mut self, saved: &[Payout]) -> Result<(), StoreError> {
        payouts::save(&mut self.transaction, saved).await
    }

    async fn lock_auctions(&mut self, ids: &[AuctionId]) -> Result<Vec<Locked<Settlement>>, StoreError> {
        let settlements = auctions::lock(&mut self.transaction, ids).await?;
        self.in_time(settlements).await
    }

    async fn keep_early(&mut self, id: AuctionId, early: &Early) -> Result<(), StoreError> {
        auctions::keep_early(&mut self.transaction, id, early).await
    }

    async fn early_of_all(&mut self, ids: &[AuctionId]) -> Result<Vec<(AuctionId, Early)>, StoreError> {
        auctions::early(&mut self.transaction, ids).await
    }

    async fn lock_standing(&mut self, user: &UserId) -> Result<Locked<Standing>, StoreError> {
        let aggregate = standings::lock(&mut self.transaction, user).await?;
        Ok(Locked { aggregate, now: self.now().await? })
    }

    async fn lock_free_standings(&mut self, users: &[UserId]) -> Result<FreeStandings, StoreError> {
        standings::lock_free(&mut self.transaction, users).await
    }

    async fn lock_due_standings(&mut self, limit: u32) -> Result<Vec<Locked<Standing>>, StoreError> {
        let due = standings::lock_due(&mut self.transaction, limit).await?;
        self.at_this_time(due).await
    }

    async fn save_standings(&mut self, saved: &[Standing]) -> Result<(), StoreError> {
        for standing in saved {
            standings::save(&mut self.transaction, standing).await?;
        }
        Ok(())
    }

    async fn record_standings(&mut self, events: &[StandingEvent]) -> Result<(), StoreError> {
        events::record_standings(&mut self.transaction, events).await?;
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

    async fn calls(&mut self, keys: &[CallKey]) -> Result<Vec<GatewayCall>, StoreError> {
        calls::find(&mut self.transaction, keys).await
    }

    async fn save(&mut self, saved: &[Settlement]) -> Result<(), StoreError> {
        settlements::save(&mut self.transaction, saved, &self.traces).await?;
        for settlement in saved {
            self.tally.saved(settlement);
        }
        Ok(())
    }

    async fn save_calls(&mut self, saved: &[GatewayCall]) -> Result<(), StoreError> {
        calls::save(&mut self.transaction, saved).await?;
        for call in saved {
            self.tally.call(call);
        }
        self.has_calls |= saved.iter().any(|call| *call.status() == CallStatus::Ready);
        Ok(())
    }

    async fn record(&mut self, recorded: &[SettlementEvent]) -> Result<(), StoreError> {
        events::record(&mut self.transaction, recorded, &self.traces).await?;
        for event in recorded {
            self.tally.event(event);
        }
        self.has_events |= !recorded.is_empty();
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
