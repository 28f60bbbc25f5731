//! The changes of one unit of work, written together.

use settlement_domain::ledger::Transaction;
use settlement_domain::saga::Change;
use settlement_domain::{GatewayCall, Settlement, SettlementEvent};
use settlement_ports::{SettlementTx, StoreError};

/// Changes of any number of settlements.
#[derive(Default)]
pub struct Batch {
    settlements: Vec<Settlement>,
    calls: Vec<GatewayCall>,
    transactions: Vec<Transaction>,
    events: Vec<SettlementEvent>,
}

impl Batch {
    /// Adds a decision.
    pub fn add(&mut self, change: Change) {
        self.settlements.push(change.settlement);
        self.calls.extend(change.calls);
        self.transactions.extend(change.transactions);
        self.events.extend(change.events);
    }

    /// Adds a call that is to be stored while its settlement stays.
    pub fn add_call(&mut self, call: GatewayCall) {
        self.calls.push(call);
    }

    /// Writes it all into the unit of work.
    pub async fn write(self, tx: &mut dyn SettlementTx) -> Result<(), StoreError> {
        if !self.settlements.is_empty() {
            tx.save(&self.settlements).await?;
        }
        if !self.calls.is_empty() {
            tx.save_calls(&self.calls).await?;
        }
        if !self.transactions.is_empty() {
            tx.post(&self.transactions).await?;
        }
        if !self.events.is_empty() {
            tx.record(&self.events).await?;
        }
        Ok(())
    }
}
