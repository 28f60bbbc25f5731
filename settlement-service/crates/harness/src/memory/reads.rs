//! Reads of what is committed: the port's, and more for tests.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use settlement_domain::ledger::{Account, Place, Side, StatementLine, Transaction, TrialBalance};
use settlement_domain::settlement::Resolution;
use settlement_domain::standing::Reinstatement;
use settlement_domain::{
    CallKey, GatewayCall, Grace, Money, Payout, PayoutId, Settlement, SettlementId, Standing, UserId,
};
use settlement_ports::{
    LedgerReads, ListFilter, OutboxRecord, SettlementStore, SettlementTx, StatementQuery, StoreError, Viewer,
};

use super::MemoryStore;
use super::tx::MemoryTx;

#[async_trait]
impl SettlementStore for MemoryStore {
    async fn begin(&self) -> Result<Box<dyn SettlementTx>, StoreError> {
        self.pass_the_gate().await;
        let entered = self.faults.enter("store.begin")?;
        entered.done()?;
        Ok(Box::new(MemoryTx::new(self.clone())))
    }

    async fn beat(&self) -> Result<Option<Grace>, StoreError> {
        let entered = self.faults.enter("store.beat")?;
        let before = self.watch();
        let grace = before.seen(self.clock.now()).grace;
        self.committed().grace = grace;
        self.clock.seen();
        entered.done()?;
        Ok(grace.filter(|_| grace != before.grace))
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

    async fn payout(&self, id: PayoutId) -> Result<Option<Payout>, StoreError> {
        let entered = self.faults.enter("store.payout")?;
        entered.done()?;
        Ok(self.committed().payouts.get(&id).cloned())
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
}

#[async_trait]
impl LedgerReads for MemoryStore {
    async fn trial_balance(&self, at: Option<DateTime<Utc>>) -> Result<TrialBalance, StoreError> {
        let entered = self.faults.enter("ledger.trial_balance")?;
        entered.done()?;
        let committed = self.committed();
        Ok(TrialBalance::of(committed.ledger.values().filter(|entry| at.is_none_or(|at| entry.at() <= at))))
    }

    async fn statement(&self, query: &StatementQuery, limit: u32) -> Result<Vec<StatementLine>, StoreError> {
        let entered = self.faults.enter("ledger.statement")?;
        entered.done()?;
        let account = Account::SellerPayable(query.seller.clone());
        let nothing = Money::zero(query.currency);
        let mut lines = Vec::new();
        for entry in self.committed().ledger.values() {
            for (line, posting) in (1_i16..).zip(entry.postings()) {
                if posting.account == account && posting.amount.currency() == query.currency {
                    let place = Place { at: entry.at(), reference: entry.reference(), line };
                    let (debit, credit) = match posting.side {
                        Side::Debit => (posting.amount, nothing),
                        Side::Credit => (nothing, posting.amount),
                    };
                    let (subject, kind) = (entry.subject(), entry.kind());
                    let reversal = entry.reversal().is_some();
                    lines.push(StatementLine { place, subject, kind, reversal, credit, debit, balance: 0 });
                }
            }
        }
        lines.retain(|line| query.at.is_none_or(|at| line.place.at <= at));
        lines.sort_by(|left, right| left.place.cmp(&right.place));
        let mut balance = 0;
        for line in &mut lines {
            balance += i128::from(line.credit.amount()) - i128::from(line.debit.amount());
            line.balance = balance;
        }
        lines.retain(|line| query.before.as_ref().is_none_or(|before| line.place < *before));
        Ok(lines.into_iter().rev().take(limit as usize).collect())
    }

    async fn transaction(&self, reference: &str) -> Result<Option<Transaction>, StoreError> {
        let entered = self.faults.enter("ledger.transaction")?;
        entered.done()?;
        Ok(self.committed().ledger.get(reference).cloned())
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

    /// Forgets an entry of the ledger, as no store may.
    pub fn loses(&self, entry: &str) {
        self.committed().ledger.remove(entry).expect("what is lost was there");
    }

    /// All events, in the order they were recorded.
    #[must_use]
    pub fn events(&self) -> Vec<OutboxRecord> {
        self.committed().outbox.values().cloned().collect()
    }
}
