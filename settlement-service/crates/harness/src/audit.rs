//! Holds the ledger, the calls, the events and the gateway's own list against each other.

use std::collections::{BTreeMap, BTreeSet};

use settlement_domain::call::CallStatus;
use settlement_domain::ledger::{AccountKind, EntryKind, Transaction, TrialBalance};
use settlement_domain::settlement::{FailureReason, State};
use settlement_domain::{Answer, Currency, Operation, Role, Settlement, Status, Subject};

use crate::{MemoryGateway, MemoryStore};

/// What must hold at every moment, whatever failed: the ledger sums to zero, money in is money out and held, the
/// ledger has nothing that the gateway has not, and events have no gap.
pub fn always(store: &MemoryStore, gateway: &MemoryGateway, currency: Currency) {
    sums_are_sound(&TrialBalance::of(&store.ledger()), currency);
    let totals = gateway.totals();
    assert!(totals.refunded + totals.paid_out <= totals.captured, "the gateway gave more than it took: {totals:?}");
    for settlement in store.all_settlements() {
        events_have_no_gap(store, &settlement.id().to_string(), settlement.sequence());
    }
    for standing in store.all_standings() {
        events_have_no_gap(store, standing.user_id().as_str(), standing.sequence());
    }
    strikes_are_for_unpaid_and_unshipped_lots(store);
    a_success_is_the_last_attempt(store);
}

/// The ledger's part of it, of whatever store.
pub fn sums_are_sound(sums: &TrialBalance, currency: Currency) {
    assert!(sums.is_balanced(), "the ledger does not sum to zero: {sums:?}");
    let balance = |account| sums.balance(account, currency);
    let held = -(balance(AccountKind::Escrow) + balance(AccountKind::SellerPayable));
    let earned = -(balance(AccountKind::PlatformRevenue) + balance(AccountKind::Fees) + balance(AccountKind::Tax));
    assert_eq!(balance(AccountKind::GatewayClearing), held + earned, "money in is not money out and held: {sums:?}");
    assert_eq!(balance(AccountKind::Bidder), 0, "a payment was not applied to its lot");
    assert!(held >= 0 && earned >= 0, "more was paid out than came in: {sums:?}");
}

fn events_have_no_gap(store: &MemoryStore, key: &str, last: u64) {
    let numbers: Vec<u64> =
        store.events().into_iter().filter(|event| event.key == key).map(|event| event.sequence).collect();
    assert_eq!(numbers, (1..=last).collect::<Vec<_>>(), "events of {key}");
}

/// One for each, in the transaction that decided it, and no other.
fn strikes_are_for_unpaid_and_unshipped_lots(store: &MemoryStore) {
    let mut given: Vec<_> = Vec::new();
    for standing in store.all_standings() {
        given.extend(
            standing.strikes().iter().map(|strike| (strike.settlement_id, strike.role, standing.user_id().clone())),
        );
    }
    let deserved = |settlement: Settlement| {
        let role = match settlement.state() {
            State::Failed { reason: FailureReason::Unpaid, .. } => Role::Buyer,
            State::Refunded { reason: FailureReason::NotShipped, .. } => Role::Seller,
            _ => return None,
        };
        Some((settlement.id(), role, settlement.party(role).clone()))
    };
    let mut deserved: Vec<_> = store.all_settlements().into_iter().filter_map(deserved).collect();
    given.sort();
    deserved.sort();
    assert_eq!(given, deserved, "strikes given and deserved");
}

/// What was done once is not attempted again, even where the gateway would refuse it. Only a hold is, when it ran out.
fn a_success_is_the_last_attempt(store: &MemoryStore) {
    for call in store.all_calls() {
        let succeeded = matches!(call.status(), CallStatus::Answered(Answer::Succeeded { .. }));
        if succeeded && call.operation() != Operation::Authorize {
            let attempts = match call.subject() {
                Subject::Settlement(id) => store.committed_settlement(id).unwrap().attempts(call.operation()),
                Subject::Payout(id) => store.all_payouts().into_iter().find(|one| one.id() == id).unwrap().attempts(),
            };
            assert_eq!(call.attempt(), attempts, "{} succeeded and was attempted again", call.key());
        }
    }
}

/// What must hold once everything is over: ledger and gateway agree to the cent, and nothing is left anywhere.
pub fn at_the_end(store: &MemoryStore, gateway: &MemoryGateway, currency: Currency) {
    always(store, gateway, currency);
    let (mut captured, mut refunded, mut paid_out, mut charged_back) = (0, 0, 0, 0);
    let entries = store.ledger();
    let taken = entries.iter().filter(|entry| entry.kind() == EntryKind::ChargedBack);
    let taken: BTreeSet<Subject> = taken.map(Transaction::subject).collect();
    for settlement in store.all_settlements() {
        assert!(settlement.status().is_end(), "{} is {}", settlement.id(), settlement.status());
        let price = settlement.price().amount();
        match settlement.status() {
            Status::Completed => {
                let split = settlement.split().unwrap();
                captured += price;
                refunded += split.refunded.map_or(0, settlement_domain::Money::amount);
                paid_out += split.payout.amount();
            }
            Status::Refunded if taken.contains(&Subject::Settlement(settlement.id())) => {
                captured += price;
                charged_back += price;
            }
            Status::Refunded => {
                captured += price;
                refunded += price;
            }
            _ => {}
        }
    }
    let totals = gateway.totals();
    assert_eq!((totals.held, totals.captured), (0, captured), "held, captured: {totals:?}");
    assert_eq!((totals.refunded, totals.paid_out), (refunded, paid_out), "refunded, paid out: {totals:?}");
    assert!(charged_back <= totals.charged_back, "the ledger has {charged_back} as taken by banks: {totals:?}");

    let sums = TrialBalance::of(&entries);
    let clearing = sums.balance(AccountKind::GatewayClearing, currency);
    let left = totals.captured - totals.refunded - totals.paid_out - charged_back;
    assert_eq!(clearing, i128::from(left), "clearing");
    assert_eq!(sums.balance(AccountKind::Escrow, currency), 0, "escrow");
    assert_eq!(sums.balance(AccountKind::SellerPayable, currency), 0, "seller payable");

    let mut open: BTreeMap<_, _> = BTreeMap::new();
    for call in store.all_calls().into_iter().filter(|call| !call.is_over()) {
        open.insert(call.key(), call.status().clone());
    }
    assert!(open.is_empty(), "calls nobody waits for: {open:?}");
}
