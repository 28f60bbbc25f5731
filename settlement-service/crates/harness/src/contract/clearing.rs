//! The account `gateway_clearing`, as a reconciliation reads it: lines in order with their calls, and calls with what the
//! ledger has of them. The store may be shared with others, so it is only looked at what was posted here.

use chrono::{DateTime, TimeDelta, Utc};
use settlement_domain::call::CallStatus;
use settlement_domain::ledger::{self, Transaction};
use settlement_domain::{Answer, CallKey, GatewayCall, MovementKind, Operation, Settlement};
use settlement_ports::{Booked, ClearingPlace, ClearingReads, SettlementStore};

use super::payouts::{gathered, made, received};
use super::samples::{begun, now, paid, somebody, stored, succeeded};

/// All checks of this file.
pub async fn all(store: &dyn SettlementStore, clearing: &dyn ClearingReads) {
    a_call_is_known_with_its_answer_and_what_the_ledger_has_of_it(store, clearing).await;
    the_accounts_lines_are_read_in_order_and_page_by_page(store, clearing).await;
    a_line_that_was_reversed_says_so_until_that_is_reversed_too(store, clearing).await;
    a_payouts_line_has_the_payouts_call(store, clearing).await;
    what_the_bank_took_is_a_line_without_a_movement(store, clearing).await;
}

async fn post(store: &dyn SettlementStore, settlement: &Settlement, entry: &Transaction) {
    let mut tx = store.begin().await.unwrap();
    tx.lock(settlement.id()).await.unwrap().unwrap();
    tx.post(std::slice::from_ref(entry)).await.unwrap();
    tx.commit().await.unwrap();
}

/// A settlement that was captured at a moment; its entry is to be posted yet.
async fn captured(store: &dyn SettlementStore, at: DateTime<Utc>) -> (Settlement, GatewayCall, Transaction) {
    let (settlement, call) = paid(begun(at).0, at);
    let authorized = succeeded(settlement, call, at);
    let capture = authorized.calls.into_iter().find(|call| !call.is_over()).unwrap();
    let mut escrowed = succeeded(authorized.settlement, capture, at);
    let call = escrowed.calls.remove(0);
    stored(store, &escrowed.settlement, std::slice::from_ref(&call)).await;
    (escrowed.settlement, call, escrowed.transactions.remove(0))
}

/// The lines of these entries, read by pages of two, in the order they came.
async fn lines(
    clearing: &dyn ClearingReads,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    of: &[Transaction],
) -> Vec<Booked> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = clearing.clearing(from, to, after, 2).await.unwrap();
        assert!(page.len() <= 2);
        let Some(last) = page.last() else { break };
        after = Some(ClearingPlace { at: last.at, entry: last.entry.clone() });
        found.extend(page);
    }
    found.retain(|booked| of.iter().any(|entry| entry.reference() == booked.entry));
    found
}

/// And a key that was never planned is not.
pub async fn a_call_is_known_with_its_answer_and_what_the_ledger_has_of_it(
    store: &dyn SettlementStore,
    clearing: &dyn ClearingReads,
) {
    let at = now(store).await;
    let (settlement, call, entry) = captured(store, at).await;
    let keys = [call.key(), call.key(), CallKey::new(settlement.id(), Operation::Capture, 9)];
    let [known] = &clearing.known_calls(&keys).await.unwrap()[..] else { panic!("one of them, once") };
    assert_eq!((&known.key, &known.status, &known.booked), (&call.key(), call.status(), &None));
    post(store, &settlement, &entry).await;
    let known = clearing.known_calls(&keys[..1]).await.unwrap().remove(0);
    let booked = known.booked.unwrap();
    assert_eq!((booked.entry.as_str(), booked.amount), (entry.reference().as_str(), settlement.price()));
    assert_eq!(
        (booked.kind, booked.at, booked.came_in, booked.reversed),
        (Some(MovementKind::Charge), at, true, false)
    );
}

/// Those of the moment it begins with, and not those of the moment it ends with.
pub async fn the_accounts_lines_are_read_in_order_and_page_by_page(
    store: &dyn SettlementStore,
    clearing: &dyn ClearingReads,
) {
    let begin = now(store).await;
    let mut posted = Vec::new();
    for n in [2, 0, 3, 1] {
        let (settlement, call, entry) = captured(store, begin + TimeDelta::milliseconds(n)).await;
        post(store, &settlement, &entry).await;
        posted.push((n, call, entry));
    }
    posted.sort_by_key(|(n, ..)| *n);
    let entries: Vec<_> = posted.iter().map(|(.., entry)| entry.clone()).collect();
    let found = lines(clearing, begin, begin + TimeDelta::milliseconds(3), &entries).await;
    let names = |lines: &[Booked]| lines.iter().map(|booked| booked.entry.clone()).collect::<Vec<_>>();
    assert_eq!(names(&found), entries[..3].iter().map(Transaction::reference).collect::<Vec<_>>());
    for (booked, (_, call, _)) in found.iter().zip(&posted) {
        let CallStatus::Answered(Answer::Succeeded { reference }) = call.status() else { panic!("{call:?}") };
        assert_eq!(booked.call, Some((call.key(), reference.clone())));
        assert_eq!(booked.net(), 12_050);
    }
}

/// And the reversal is a line of its own, the other way.
pub async fn a_line_that_was_reversed_says_so_until_that_is_reversed_too(
    store: &dyn SettlementStore,
    clearing: &dyn ClearingReads,
) {
    let at = now(store).await;
    let (settlement, _, entry) = captured(store, at).await;
    let reversal = entry.reversed("a test".to_owned(), at);
    let again = reversal.reversed("a test".to_owned(), at);
    let chain = [entry, reversal, again];
    for (posted, reversed) in [(1, false), (2, true), (3, false)] {
        post(store, &settlement, &chain[posted - 1]).await;
        let found = lines(clearing, at, at + TimeDelta::microseconds(1), &chain).await;
        assert_eq!(found.len(), posted);
        assert_eq!((found[0].reversal, found[0].reversed), (false, reversed), "after {posted}");
        let net: i128 = found.iter().map(Booked::net).sum();
        assert_eq!(net, if reversed { 0 } else { 12_050 });
    }
}

/// Which is for the payout and not for its settlements.
pub async fn a_payouts_line_has_the_payouts_call(store: &dyn SettlementStore, clearing: &dyn ClearingReads) {
    let at = now(store).await;
    let settlement = received(&somebody("seller"), at);
    stored(store, &settlement, &[]).await;
    let change = gathered(vec![settlement.clone()], at);
    made(store, &change).await;
    let (call, contact) = change.calls[0].clone().claim(at);
    let reference = settlement_domain::GatewayRef::from("transfer".to_owned());
    let answer = Answer::Succeeded { reference: reference.clone() };
    let call = call.report(contact, settlement_domain::Report::Answered(answer), at);
    let payout = change.payout.unwrap();
    let entry = ledger::paid_out(&payout, at).unwrap();
    let mut tx = store.begin().await.unwrap();
    tx.lock_payout(payout.id()).await.unwrap().unwrap();
    tx.save_calls(std::slice::from_ref(&call)).await.unwrap();
    tx.post(std::slice::from_ref(&entry)).await.unwrap();
    tx.commit().await.unwrap();
    let found = lines(clearing, at, at + TimeDelta::microseconds(1), std::slice::from_ref(&entry)).await;
    assert_eq!(found[0].call, Some((call.key(), reference)));
    assert_eq!((found[0].kind, found[0].net()), (Some(MovementKind::Payout), -10_845));
    let known = clearing.known_calls(&[call.key()]).await.unwrap().remove(0);
    assert_eq!(known.booked.unwrap().entry, entry.reference());
}

/// It is part of the account, and no call of ours moved it.
pub async fn what_the_bank_took_is_a_line_without_a_movement(
    store: &dyn SettlementStore,
    clearing: &dyn ClearingReads,
) {
    let at = now(store).await;
    let (settlement, capture, entry) = captured(store, at).await;
    post(store, &settlement, &entry).await;
    let taken = ledger::charged_back(&settlement, at).unwrap();
    post(store, &settlement, &taken).await;
    let found = lines(clearing, at, at + TimeDelta::microseconds(1), std::slice::from_ref(&taken)).await;
    let [line] = found.as_slice() else { panic!("one line, got {found:?}") };
    assert_eq!((line.kind, line.net(), line.reversal, &line.call), (None, -12_050, false, &None));
    let known = clearing.known_calls(&[capture.key()]).await.unwrap().remove(0);
    assert_eq!(known.booked.unwrap().entry, entry.reference(), "what the capture moved is its own entry");
}
