//! Payouts in memory: what waits for one, those that are due, and a payout with all that it pays for.

use std::collections::BTreeSet;

use settlement_domain::{Currency, Payout, PayoutId, Settlement, UserId, saga};
use settlement_ports::{Locked, PendingPayout, StoreError, WholePayout};

use super::tx::MemoryTx;
use super::{LockKey, MemoryStore};

impl MemoryTx {
    pub(super) fn locked_owed(
        &mut self,
        sellers: &[(UserId, Currency)],
        limit: u32,
    ) -> Result<Vec<Locked<Vec<Settlement>>>, StoreError> {
        let entered = self.enter("tx.lock_owed")?;
        let (now, mut locked) = (self.store.clock.now(), Vec::new());
        for (seller, currency) in sellers {
            if self.try_hold(LockKey::Owed(seller.clone(), *currency)) {
                let owed = self.owed(seller, *currency, limit);
                locked.extend((!owed.is_empty()).then_some(Locked { aggregate: owed, now }));
            }
        }
        self.done(entered)?;
        Ok(locked)
    }

    fn owed(&mut self, seller: &UserId, currency: Currency, limit: u32) -> Vec<Settlement> {
        let waits = |settlement: &Settlement| {
            let amount = saga::waiting(settlement).map(|(amount, _)| amount.currency());
            settlement.seller_id() == seller && amount == Some(currency)
        };
        let mut owed = Vec::new();
        for settlement in self.store.all_settlements().into_iter().filter(waits) {
            if owed.len() < limit as usize && self.try_hold(LockKey::Settlement(settlement.id())) {
                owed.extend(self.settlement(settlement.id()));
            }
        }
        owed
    }

    pub(super) fn locked_pending_payouts(&mut self, limit: u32) -> Result<Vec<Locked<PendingPayout>>, StoreError> {
        let entered = self.enter("tx.lock_pending_payouts")?;
        let now = self.store.clock.now();
        let due = self.store.committed().due_calls(now);
        let mut locked = Vec::new();
        for key in due {
            let call = self.store.committed().calls[&key].clone();
            let Some(id) = call.subject().payout_id() else { continue };
            if locked.len() < limit as usize && self.try_hold(LockKey::Payout(id)) {
                let payout = self.store.committed().payouts[&id].clone();
                locked.push(Locked { aggregate: PendingPayout { payout, call }, now });
            }
        }
        self.done(entered)?;
        Ok(locked)
    }

    pub(super) async fn locked_payouts(&mut self, ids: &[PayoutId]) -> Result<Vec<Locked<WholePayout>>, StoreError> {
        let entered = self.enter("tx.lock_payout")?;
        let mut payouts = Vec::new();
        for id in ids.iter().collect::<BTreeSet<_>>() {
            self.hold(LockKey::Payout(*id)).await;
            payouts.extend(self.store.committed().payouts.get(id).cloned());
        }
        let items = |payout: &Payout| payout.items().iter().map(|item| item.settlement_id).collect::<BTreeSet<_>>();
        for id in payouts.iter().flat_map(items).collect::<BTreeSet<_>>() {
            self.hold(LockKey::Settlement(id)).await;
        }
        let now = self.store.clock.now();
        let whole = |payout: Payout| {
            let settlements = items(&payout).into_iter().filter_map(|id| self.settlement(id)).collect();
            Locked { aggregate: WholePayout { payout, settlements }, now }
        };
        let locked = payouts.into_iter().map(whole).collect();
        self.done(entered)?;
        Ok(locked)
    }

    pub(super) async fn saved_payouts(&mut self, payouts: &[Payout]) -> Result<(), StoreError> {
        let entered = self.enter("tx.save_payouts")?;
        for payout in payouts {
            let known = self.store.committed().payouts.contains_key(&payout.id());
            if known {
                self.assert_locked(payout.id().into(), "saving a payout");
            } else {
                self.hold(LockKey::Payout(payout.id())).await;
            }
            self.staged.payouts.insert(payout.id(), payout.clone());
        }
        self.done(entered)
    }
}

impl MemoryStore {
    /// All payouts.
    #[must_use]
    pub fn all_payouts(&self) -> Vec<Payout> {
        self.committed().payouts.values().cloned().collect()
    }
}
