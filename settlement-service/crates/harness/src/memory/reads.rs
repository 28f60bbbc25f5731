//! Reads of what is committed: the port's, and more for tests.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use settlement_domain::ledger::{Transaction, TrialBalance};
use settlement_domain::settlement::Resolution;
use settlement_domain::standing::Reinstatement;
use settlement_domain::{CallKey, GatewayCall, Settlement, SettlementId, Standing, UserId};
use settlement_ports::{ListFilter, OutboxRecord, SettlementStore, SettlementTx, StoreError, Viewer};

use super::MemoryStore;
use super::tx::MemoryTx;

#[async_trait]
impl SettlementStore for MemoryStore {
    async fn begin(&self) -> Result<Box<dyn SettlementTx>, StoreError> {
        let entered = self.faults.enter("store.begin")?;
        entered.done()?;
        Ok(Box::new(MemoryTx::new(self.clone())))
    }

    async fn settlement(&self, id: SettlementId) -> Result<Option<Settlement>, StoreError> {
        let entered = self.faults.enter("store.settlement")?;
        entered.done()?;
        Ok(self.committed().settlements.get(&id).cloned())
    }

    async fn list(&self, viewer: &Viewer, filter: &ListFilter, limit: u32) -> Result<Vec<Settlement>, StoreError> {
        let entered = self.faults.enter("store.list")?;
        entered.done()?;
        let fits = |settlement: &&Settlement| {
            viewer.may_see(settlement)
                && filter.auction_id.is_none_or(|auction| auction == settlement.auction_id())
                && filter.status.is_none_or(|status| status == settlement.status())
                && filter.after.is_none_or(|after| settlement.id() < after)
        };
        Ok(self.committed().settlements.values().rev().filter(fits).take(limit as usize).cloned().collect())
    }

    async fn resolutions(&self, id: SettlementId) -> Result<Vec<Resolution>, StoreError> {
        let entered = self.faults.enter("store.resolutions")?;
        entered.done()?;
        Ok(self.committed().resolutions.iter().filter(|one| one.settlement_id == id).cloned().collect())
    }

    async fn standing(&self, user: &UserId) -> Result<Option<Standing>, StoreError> {
        let entered = self.faults.enter("store.standing")?;
        entered.done()?;
        Ok(self.committed().standings.get(user).cloned())
    }

    async fn trial_balance(&self) -> Result<TrialBalance, StoreError> {
        let entered = self.faults.enter("store.trial_balance")?;
        entered.done()?;
        Ok(TrialBalance::of(self.committed().ledger.values()))
    }
}

impl MemoryStore {
    /// All settlements.
    #[must_use]
    pub fn all_settlements(&self) -> Vec<Settlement> {
        self.committed().settlements.values().cloned().collect()
    }

    /// All calls ever planned.
    #[must_use]
    pub fn all_calls(&self) -> Vec<GatewayCall> {
        self.committed().calls.values().cloned().collect()
    }

    /// A settlement as committed.
    #[must_use]
    pub fn committed_settlement(&self, id: SettlementId) -> Option<Settlement> {
        self.committed().settlements.get(&id).cloned()
    }

    /// All standings.
    #[must_use]
    pub fn all_standings(&self) -> Vec<Standing> {
        self.committed().standings.values().cloned().collect()
    }

    /// All reinstatements by the operator.
    #[must_use]
    pub fn reinstatements(&self) -> Vec<Reinstatement> {
        self.committed().reinstatements.clone()
    }

    /// A call as committed.
    #[must_use]
    pub fn committed_call(&self, key: &CallKey) -> Option<GatewayCall> {
        self.committed().calls.get(key).cloned()
    }

    /// When the first call is due that is not over.
    #[must_use]
    pub fn next_call_due(&self) -> Option<DateTime<Utc>> {
        self.committed().calls.values().filter_map(GatewayCall::due_at).min()
    }

    /// All of the ledger.
    #[must_use]
    pub fn ledger(&self) -> Vec<Transaction> {
        self.committed().ledger.values().cloned().collect()
    }

    /// All events, in the order they were recorded.
    #[must_use]
    pub fn events(&self) -> Vec<OutboxRecord> {
        self.committed().outbox.values().cloned().collect()
    }
}
