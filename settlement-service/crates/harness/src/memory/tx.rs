//! The unit of work: it holds its locks and its writes until it is committed or dropped.

use std::collections::{BTreeSet, HashMap};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use futures::lock::OwnedMutexGuard;
use serde_json::Value;
use settlement_domain::ledger::Transaction;
use settlement_domain::settlement::Resolution;
use settlement_domain::standing::Reinstatement;
use settlement_domain::{
    AuctionId, CallKey, Currency, GatewayCall, Payout, PayoutId, Settlement, SettlementEvent, SettlementId, Standing,
    StandingEvent, Subject, UserId,
};
use settlement_ports::{
    Claim, Early, Free, FreeStandings, Inserted, Locked, OutboxRecord, PendingCall, PendingPayout, Receipt, RequestKey,
    Seen, SettlementTx, StoreError, WholePayout,
};
use uuid::Uuid;

use super::tables::Tables;
use super::{LockKey, MemoryStore};
use crate::faults::Entered;

pub(super) struct MemoryTx {
    pub store: MemoryStore,
    pub staged: Tables,
    pub held: HashMap<LockKey, OwnedMutexGuard<()>>,
    failed: bool,
}

impl MemoryTx {
    pub fn new(store: MemoryStore) -> Self {
        Self { store, staged: Tables::default(), held: HashMap::new(), failed: false }
    }

    pub fn enter(&mut self, name: &'static str) -> Result<Entered, StoreError> {
        assert!(!self.failed, "{name} after an error: a failed unit of work may only be dropped");
        self.store.faults.enter(name).map_err(|fault| {
            self.failed = true;
            fault.into()
        })
    }

    pub fn done(&mut self, entered: Entered) -> Result<(), StoreError> {
        entered.done().map_err(|fault| {
            self.failed = true;
            fault.into()
        })
    }

    pub async fn hold(&mut self, key: LockKey) {
        if !self.held.contains_key(&key) {
            let guard = self.store.wait_for(&key).await;
            self.held.insert(key, guard);
        }
    }

    /// Whether the lock is this unit of work's, without waiting.
    pub fn try_hold(&mut self, key: LockKey) -> bool {
        if self.held.contains_key(&key) {
            return true;
        }
        let guard = self.store.try_lock(&key);
        guard.is_some_and(|guard| self.held.insert(key, guard).is_none())
    }

    pub fn settlement(&self, id: SettlementId) -> Option<Settlement> {
        let staged = self.staged.settlements.get(&id).cloned();
        staged.or_else(|| self.store.committed().settlements.get(&id).cloned())
    }

    /// Stages an event.
    pub fn put_out(&mut self, name: &str, key: String, sequence: u64, time: DateTime<Utc>, data: Value) {
        let id = {
            let mut committed = self.store.committed();
            committed.next_outbox_id += 1;
            committed.next_outbox_id
        };
        let record = OutboxRecord {
            id,
            event_id: Uuid::now_v7(),
            event_type: format!("outcry.settlement.{name}.v1"),
            topic: "outcry.settlement.v1".to_owned(),
            key,
            sequence,
            time,
            traceparent: None,
            data,
        };
        self.staged.outbox.insert(id, record);
    }

    pub fn assert_locked(&self, subject: Subject, what: &str) {
        let key = match subject {
            Subject::Settlement(id) => LockKey::Settlement(id),
            Subject::Payout(id) => LockKey::Payout(id),
        };
        assert!(self.held.contains_key(&key), "{what} without the lock of {subject:?}");
    }
}

#[async_trait]
impl SettlementTx for MemoryTx {
    async fn now(&mut self) -> Result<DateTime<Utc>, StoreError> {
        let entered = self.enter("tx.now")?;
        self.done(entered)?;
        Ok(self.store.clock.now())
    }

    /// Nobody looks at traces here.
    fn trace(&mut self, _: SettlementId, _: &tracing::Span) {}

    async fn claim_all(&mut self, keys: &[RequestKey]) -> Result<Vec<Claim>, StoreError> {
        self.claimed(keys)
    }

    async fn answer_all(&mut self, answers: &[(RequestKey, Value)]) -> Result<(), StoreError> {
        self.answered(answers)
    }

    async fn receive_all(&mut self, receipts: &[Receipt]) -> Result<Vec<Seen>, StoreError> {
        self.received(receipts).await
    }

    async fn insert_all(&mut self, settlements: &[Settlement]) -> Result<Vec<Inserted>, StoreError> {
        let entered = self.enter("tx.insert")?;
        let mut inserted = Vec::new();
        for settlement in settlements {
            let winner = (settlement.auction_id(), settlement.buyer_id().clone());
            self.hold(LockKey::Winner(winner.0, winner.1.clone())).await;
            let exists = self.staged.winners.contains(&winner) || self.store.committed().winners.contains(&winner);
            if !exists {
                self.hold(LockKey::Settlement(settlement.id())).await;
                self.staged.winners.insert(winner);
                self.staged.settlements.insert(settlement.id(), settlement.clone());
            }
            inserted.push(if exists { Inserted::Exists } else { Inserted::New });
        }
        self.done(entered)?;
        Ok(inserted)
    }

    async fn lock_all(&mut self, ids: &[SettlementId]) -> Result<Vec<Locked<Settlement>>, StoreError> {
        let entered = self.enter("tx.lock")?;
        for id in ids.iter().collect::<BTreeSet<_>>() {
            self.hold(LockKey::Settlement(*id)).await;
        }
        let now = self.store.clock.now();
        let locked = ids.iter().collect::<BTreeSet<_>>().into_iter().filter_map(|id| self.settlement(*id));
        let locked = locked.map(|settlement| self.store.locked(settlement, now)).collect();
        self.done(entered)?;
        Ok(locked)
    }

    async fn lock_free(&mut self, ids: &[SettlementId]) -> Result<Free, StoreError> {
        let entered = self.enter("tx.lock_free")?;
        let (now, mut free) = (self.store.clock.now(), Free::default());
        for id in ids.iter().collect::<BTreeSet<_>>() {
            if self.try_hold(LockKey::Settlement(*id)) {
                free.locked.extend(self.settlement(*id).map(|settlement| self.store.locked(settlement, now)));
            } else {
                free.held.extend(self.settlement(*id).map(|held| held.id()));
            }
        }
        self.done(entered)?;
        Ok(free)
    }

    async fn lock_due_timers(&mut self, limit: u32) -> Result<Vec<Locked<Settlement>>, StoreError> {
        let entered = self.enter("tx.lock_due_timers")?;
        let now = self.store.clock.now();
        let due = self.store.committed().due_timers(now);
        let mut locked = Vec::new();
        for id in due {
            if locked.len() < limit as usize && self.try_hold(LockKey::Settlement(id)) {
                locked.extend(self.settlement(id).map(|settlement| self.store.locked(settlement, now)));
            }
        }
        self.done(entered)?;
        Ok(locked)
    }

    async fn lock_pending_calls(&mut self, limit: u32) -> Result<Vec<Locked<PendingCall>>, StoreError> {
        let entered = self.enter("tx.lock_pending_calls")?;
        let now = self.store.clock.now();
        let due = self.store.committed().due_calls(now);
        let mut locked = Vec::new();
        for key in due {
            let call = self.store.committed().calls[&key].clone();
            let Some(id) = call.subject().settlement_id() else { continue };
            if locked.len() < limit as usize && self.try_hold(LockKey::Settlement(id)) {
                let settlement = self.settlement(id).expect("a call belongs to a settlement");
                locked.push(Locked { aggregate: PendingCall { settlement, call }, now });
            }
        }
        self.done(entered)?;
        Ok(locked)
    }

    async fn lock_owed(
        &mut self,
        sellers: &[(UserId, Currency)],
        limit: u32,
    ) -> Result<Vec<Locked<Vec<Settlement>>>, StoreError> {
        self.locked_owed(sellers, limit)
    }

    async fn lock_pending_payouts(&mut self, limit: u32) -> Result<Vec<Locked<PendingPayout>>, StoreError> {
        self.locked_pending_payouts(limit)
    }

    async fn lock_payouts(&mut self, ids: &[PayoutId]) -> Result<Vec<Locked<WholePayout>>, StoreError> {
        self.locked_payouts(ids).await
    }

    async fn save_payouts(&mut self, payouts: &[Payout]) -> Result<(), StoreError> {
        self.saved_payouts(payouts).await
    }

    async fn lock_auctions(&mut self, ids: &[AuctionId]) -> Result<Vec<Locked<Settlement>>, StoreError> {
        self.locked_auctions(ids).await
    }

    async fn keep_early(&mut self, id: AuctionId, early: &Early) -> Result<(), StoreError> {
        self.kept_early(id, early)
    }

    async fn early_of_all(&mut self, ids: &[AuctionId]) -> Result<Vec<(AuctionId, Early)>, StoreError> {
        self.told_early(ids)
    }

    async fn lock_standing(&mut self, user: &UserId) -> Result<Locked<Standing>, StoreError> {
        self.locked_standing(user).await
    }

    async fn lock_free_standings(&mut self, users: &[UserId]) -> Result<FreeStandings, StoreError> {
        self.locked_free_standings(users)
    }

    async fn lock_due_standings(&mut self, limit: u32) -> Result<Vec<Locked<Standing>>, StoreError> {
        self.locked_due_standings(limit)
    }

    async fn save_standings(&mut self, standings: &[Standing]) -> Result<(), StoreError> {
        self.saved_standings(standings)
    }

    async fn record_standings(&mut self, events: &[StandingEvent]) -> Result<(), StoreError> {
        self.recorded_standings(events)
    }

    async fn note_resolutions(&mut self, resolutions: &[Resolution]) -> Result<(), StoreError> {
        self.noted_resolutions(resolutions)
    }

    async fn note_reinstatement(&mut self, reinstatement: &Reinstatement) -> Result<(), StoreError> {
        self.noted_reinstatement(reinstatement)
    }

    async fn calls(&mut self, keys: &[CallKey]) -> Result<Vec<GatewayCall>, StoreError> {
        let entered = self.enter("tx.call")?;
        let staged = |key| self.staged.calls.get(key).cloned();
        let committed = |key| self.store.committed().calls.get(key).cloned();
        let calls: Vec<_> = keys.iter().filter_map(|key| staged(key).or_else(|| committed(key))).collect();
        for call in &calls {
            self.assert_locked(call.subject(), "reading a call");
        }
        self.done(entered)?;
        Ok(calls)
    }

    async fn save(&mut self, settlements: &[Settlement]) -> Result<(), StoreError> {
        let entered = self.enter("tx.save")?;
        let ids: BTreeSet<_> = settlements.iter().map(Settlement::id).collect();
        assert_eq!(ids.len(), settlements.len(), "a settlement saved twice at once");
        for settlement in settlements {
            self.assert_locked(settlement.id().into(), "saving");
            self.staged.settlements.insert(settlement.id(), settlement.clone());
        }
        self.done(entered)
    }

    async fn save_calls(&mut self, calls: &[GatewayCall]) -> Result<(), StoreError> {
        let entered = self.enter("tx.save_calls")?;
        let keys: BTreeSet<_> = calls.iter().map(|call| call.key().to_string()).collect();
        assert_eq!(keys.len(), calls.len(), "a call saved twice at once");
        for call in calls {
            self.assert_locked(call.subject(), "saving a call");
            self.staged.calls.insert(call.key(), call.clone());
        }
        self.done(entered)
    }

    async fn record(&mut self, events: &[SettlementEvent]) -> Result<(), StoreError> {
        let entered = self.enter("tx.record")?;
        for event in events {
            let data = serde_json::to_value(event).unwrap();
            self.put_out(event.what.name(), event.settlement_id.to_string(), event.sequence, event.at, data);
        }
        self.done(entered)
    }

    async fn post(&mut self, transactions: &[Transaction]) -> Result<(), StoreError> {
        let entered = self.enter("tx.post")?;
        for transaction in transactions {
            self.assert_locked(transaction.subject(), "posting");
            self.staged.ledger.entry(transaction.reference()).or_insert_with(|| transaction.clone());
        }
        self.done(entered)
    }

    async fn commit(mut self: Box<Self>) -> Result<(), StoreError> {
        let entered = self.enter("tx.commit")?;
        let staged = std::mem::take(&mut self.staged);
        self.store.committed().merge(staged);
        self.held.clear();
        self.done(entered)
    }
}
