//! The changes of one unit of work, written together. A settlement that is decided about more than once stands in
//! between where the decision before has left it, and not where the store has it: so none undoes another.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use settlement_domain::call::CallStatus;
use settlement_domain::ledger::Transaction;
use settlement_domain::saga::{self, Change, Dispatch, PayoutChange};
use settlement_domain::settlement::Resolution;
use settlement_domain::{
    CallKey, Contact, GatewayCall, Payout, PayoutId, Report, Settlement, SettlementEvent, SettlementId, Standing,
    Strike, UserId,
};
use settlement_ports::{Locked, SettlementTx, StoreError, WholePayout};

use crate::called::Called;

/// Changes of any number of settlements.
#[derive(Default)]
pub struct Batch {
    settlements: BTreeMap<SettlementId, Settlement>,
    payouts: BTreeMap<PayoutId, Payout>,
    calls: BTreeMap<CallKey, GatewayCall>,
    transactions: Vec<Transaction>,
    events: Vec<SettlementEvent>,
    strikes: Vec<(UserId, Strike)>,
    resolutions: Vec<Resolution>,
}

impl Batch {
    /// Decides about a settlement that was read under its lock.
    pub fn decide(&mut self, read: Settlement, how: impl FnOnce(Settlement) -> Change) {
        let change = how(self.standing(read));
        self.add(change);
    }

    /// The same, if the decision is one: a refusal changes nothing and is handed back.
    pub fn try_decide<E>(
        &mut self,
        read: Settlement,
        how: impl FnOnce(Settlement) -> Result<Change, E>,
    ) -> Result<Settlement, E> {
        let change = how(self.standing(read))?;
        let settlement = change.settlement.clone();
        self.add(change);
        Ok(settlement)
    }

    /// Decides about settlements that a seller is owed for.
    pub fn decide_owed(&mut self, read: Vec<Settlement>, how: impl FnOnce(Vec<Settlement>) -> PayoutChange) {
        let settlements = read.into_iter().map(|settlement| self.standing(settlement)).collect();
        let change = how(settlements);
        self.add_payout(change);
    }

    /// Decides about a payout that was read under its lock, with its settlements.
    pub fn decide_payout(&mut self, read: WholePayout, how: impl FnOnce(Payout, Vec<Settlement>) -> PayoutChange) {
        let settlements = read.settlements.into_iter().map(|settlement| self.standing(settlement)).collect();
        let payout = self.payouts.get(&read.payout.id()).cloned().unwrap_or(read.payout);
        let change = how(payout, settlements);
        self.add_payout(change);
    }

    /// Decides what came of a contact about something that was read under its lock.
    pub fn report(&mut self, read: Locked<Called>, call: GatewayCall, contact: Contact, report: Report) {
        let Locked { aggregate, now } = read;
        match aggregate {
            Called::Settlement(settlement) => {
                self.decide(*settlement, |it| saga::report(it, call, contact, report, now));
            }
            Called::Payout(whole) => self.decide_payout(whole, |payout, settlements| {
                saga::payout_report(payout, settlements, call, contact, report, now)
            }),
        }
    }

    /// Where the decisions so far have left a settlement that was read.
    fn standing(&self, read: Settlement) -> Settlement {
        self.settlements.get(&read.id()).cloned().unwrap_or(read)
    }

    fn add(&mut self, change: Change) {
        self.settlements.insert(change.settlement.id(), change.settlement);
        self.add_calls(change.calls);
        self.transactions.extend(change.transactions);
        self.events.extend(change.events);
        self.strikes.extend(change.strikes);
        self.resolutions.extend(change.resolutions);
    }

    fn add_payout(&mut self, change: PayoutChange) {
        self.payouts.extend(change.payout.map(|payout| (payout.id(), payout)));
        self.add_calls(change.calls);
        self.transactions.extend(change.transactions);
        for settlement in change.settlements {
            self.add(settlement);
        }
    }

    fn add_calls(&mut self, calls: Vec<GatewayCall>) {
        self.calls.extend(calls.into_iter().map(|call| (call.key(), call)));
    }

    /// Adds events of settlements that are stored already.
    pub fn add_events(&mut self, events: impl IntoIterator<Item = SettlementEvent>) {
        self.events.extend(events);
    }

    /// Takes up the calls that the decisions about settlements have planned for now, as it would be done a moment later:
    /// what is wanted still is stored as counted and in doubt, and the gateway may hear of it once this is committed.
    pub fn claim_planned(&mut self, now: DateTime<Utc>) -> Vec<(GatewayCall, Contact)> {
        let is_planned = |call: &&GatewayCall| {
            *call.status() == CallStatus::Ready && call.due_at().is_some_and(|due_at| due_at <= now)
        };
        let planned: Vec<GatewayCall> = self.calls.values().filter(is_planned).cloned().collect();
        let mut contacts = Vec::new();
        for call in planned {
            let settlement = call.subject().settlement_id().and_then(|id| self.settlements.get(&id)).cloned();
            let Some(settlement) = settlement else { continue };
            match saga::dispatch(settlement, call, now) {
                Dispatch::Contact(call, contact) => {
                    self.add_call(call.clone());
                    contacts.push((call, contact));
                }
                Dispatch::Overtaken(change) => self.add(*change),
            }
        }
        contacts
    }

    /// Adds a call that is to be stored while its settlement stays.
    pub fn add_call(&mut self, call: GatewayCall) {
        self.calls.insert(call.key(), call);
    }

    /// How many settlements it changes.
    pub fn len(&self) -> usize {
        self.settlements.len()
    }

    /// Writes it all into the unit of work.
    pub async fn write(self, tx: &mut dyn SettlementTx) -> Result<(), StoreError> {
        if !self.settlements.is_empty() {
            tx.save(&self.settlements.into_values().collect::<Vec<_>>()).await?;
        }
        if !self.payouts.is_empty() {
            tx.save_payouts(&self.payouts.into_values().collect::<Vec<_>>()).await?;
        }
        if !self.calls.is_empty() {
            tx.save_calls(&self.calls.into_values().collect::<Vec<_>>()).await?;
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

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use settlement_domain::saga::Act;
    use settlement_domain::settlement::{Lot, Sale};
    use settlement_domain::{Money, Status, Way};
    use settlement_harness::{fees, terms};

    use super::*;

    const NOW: DateTime<Utc> = DateTime::UNIX_EPOCH;

    fn user(name: &str) -> UserId {
        name.parse().unwrap()
    }

    fn sold() -> Settlement {
        let sale = Sale {
            auction_id: uuid::Uuid::nil().into(),
            seller_id: user("seller"),
            buyer_id: user("buyer"),
            price: Money::new(12_050, "USD".parse().unwrap()).unwrap(),
            lot: Lot::Units,
            closed_at: NOW,
        };
        Settlement::start(uuid::Uuid::nil().into(), sale, terms(), &fees(), NOW).unwrap().0
    }

    fn pay() -> Act {
        Act::Pay("pm_card_visa".parse().unwrap())
    }

    /// The buyer pays, and nothing is written yet.
    fn paid() -> (Settlement, Batch) {
        let (read, mut batch) = (sold(), Batch::default());
        batch.try_decide(read.clone(), |it| saga::begin(it, pay(), NOW)).unwrap();
        (read, batch)
    }

    #[test]
    fn a_second_decision_about_a_settlement_stands_on_the_first() {
        let (read, mut batch) = (sold(), Batch::default());
        for who in ["buyer", "seller"] {
            let decided = batch.try_decide(read.clone(), |it| saga::begin(it, Act::Cancel(user(who)), NOW)).unwrap();
            let expected = if who == "buyer" { Status::AwaitingPayment } else { Status::Failed };
            assert_eq!(decided.status(), expected, "both parties want it off, whichever of them was read with it");
        }
        assert_eq!(batch.len(), 1, "it is stored once");
        assert_eq!(batch.events.len(), 1, "and told once");
    }

    #[test]
    fn a_refusal_leaves_what_was_decided_before() {
        let (read, mut batch) = paid();
        assert!(batch.try_decide(read, |it| saga::begin(it, pay(), NOW)).is_err(), "it is being paid already");
        assert_eq!((batch.len(), batch.calls.len()), (1, 1));
    }

    #[test]
    fn what_is_planned_for_now_is_taken_up_once_counted_and_in_doubt() {
        let (_, mut batch) = paid();
        assert!(batch.claim_planned(NOW - TimeDelta::seconds(1)).is_empty(), "it is not due yet");
        let contacts = batch.claim_planned(NOW);
        let [(call, contact)] = contacts.as_slice() else { panic!("one call, got {contacts:?}") };
        assert_eq!((call.status(), call.tries(), contact.way), (&CallStatus::InDoubt, 1, Way::Send));
        assert_eq!(batch.calls.get(&call.key()), Some(call), "so it is stored");
        assert!(batch.claim_planned(NOW).is_empty(), "it is taken up already");
    }

    #[test]
    fn what_a_later_decision_does_not_want_any_more_is_not_taken_up() {
        let (read, mut batch) = paid();
        batch.decide(read.clone(), |it| saga::award_declined(it, NOW));
        assert!(batch.claim_planned(NOW).is_empty());
        assert!(batch.calls.values().all(|call| *call.status() == CallStatus::Dropped));
        assert_eq!(batch.settlements[&read.id()].status(), Status::Failed);
    }
}
