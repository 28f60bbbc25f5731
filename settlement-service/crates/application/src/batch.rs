//! The changes of one unit of work, written together.

use settlement_domain::ledger::Transaction;
use settlement_domain::saga::{Change, PayoutChange};
use settlement_domain::settlement::Resolution;
use settlement_domain::{GatewayCall, Payout, Settlement, SettlementEvent, Standing, Strike, UserId};
use settlement_ports::{SettlementTx, StoreError};

/// Changes of any number of settlements.
#[derive(Default)]
pub struct Batch {
    settlements: Vec<Settlement>,
    payouts: Vec<Payout>,
    calls: Vec<GatewayCall>,
    transactions: Vec<Transaction>,
    events: Vec<SettlementEvent>,
    strikes: Vec<(UserId, Strike)>,
    resolutions: Vec<Resolution>,
}

impl Batch {
    /// Adds a decision.
    pub fn add(&mut self, change: Change) {
        self.settlements.push(change.settlement);
        self.calls.extend(change.calls);
        self.transactions.extend(change.transactions);
        self.events.extend(change.events);
        self.strikes.extend(change.strikes);
        self.resolutions.extend(change.resolutions);
    }

    /// Adds a decision about a payout.
    pub fn add_payout(&mut self, change: PayoutChange) {
        self.payouts.extend(change.payout);
        self.calls.extend(change.calls);
        self.transactions.extend(change.transactions);
        for settlement in change.settlements {
            self.add(settlement);
        }
    }

    /// Adds events of settlements that are stored already.
    pub fn add_events(&mut self, events: impl IntoIterator<Item = SettlementEvent>) {
        self.events.extend(events);
    }

    /// Adds a call that is to be stored while its settlement stays.
    pub fn add_call(&mut self, call: GatewayCall) {
        self.calls.push(call);
    }

    /// How many settlements it changes.
    pub fn len(&self) -> usize {
        self.settlements.len()
    }

    /// Writes it all into the unit of work.
    pub async fn write(self, tx: &mut dyn SettlementTx) -> Result<(), StoreError> {
        if !self.settlements.is_empty() {
            tx.save(&self.settlements).await?;
        }
        if !self.payouts.is_empty() {
            tx.save_payouts(&self.payouts).await?;
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
        if !self.resolutions.is_empty() {
            tx.note_resolutions(&self.resolutions).await?;
        }
        strike(tx, self.strikes).await
    }
}

/// Standings are locked in the order of their users, so that units of work cannot wait for each other in a circle.
async fn strike(tx: &mut dyn SettlementTx, mut strikes: Vec<(UserId, Strike)>) -> Result<(), StoreError> {
    strikes.sort_by(|(left, _), (right, _)| left.cmp(right));
    let (mut standings, mut events) = (Vec::<Standing>::new(), Vec::new());
    for (user, strike) in strikes {
        let standing = match standings.pop_if(|last| *last.user_id() == user) {
            Some(standing) => standing,
            None => tx.lock_standing(&user).await?.aggregate,
        };
        let (standing, event) = standing.struck(strike);
        standings.push(standing);
        events.extend(event);
    }
    if !standings.is_empty() {
        tx.save_standings(&standings).await?;
    }
    if !events.is_empty() {
        tx.record_standings(&events).await?;
    }
    Ok(())
}
