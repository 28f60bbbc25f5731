//! The store's units of work: all or nothing, one at a time, and requests and events once.

use futures::poll;
use serde_json::json;
use settlement_domain::Settlement;
use settlement_ports::{Claim, Free, Inserted, Receipt, RequestKey, Seen, SettlementStore};
use uuid::Uuid;

use super::{
    samples::{begun, escrowed, now, request, somebody, stored},
    soon,
};

/// All checks of this file.
pub async fn all(store: &dyn SettlementStore) {
    what_is_committed_is_there_and_what_is_dropped_is_not(store).await;
    a_settlement_is_unique_by_auction_and_buyer(store).await;
    a_saved_settlement_is_read_as_it_was(store).await;
    a_lock_is_waited_for_and_then_shows_what_was_committed(store).await;
    what_is_free_is_locked_and_what_is_held_is_told_and_not_waited_for(store).await;
    a_key_is_answered_once_and_replayed_after(store).await;
    a_key_belongs_to_its_principal_and_request(store).await;
    a_claim_that_was_dropped_was_never_made(store).await;
    a_claimed_key_is_running_for_others(store).await;
    many_keys_are_claimed_and_answered_at_once(store).await;
    of_settlements_that_are_added_together_each_buyer_of_an_auction_has_one(store).await;
    an_event_is_received_once(store).await;
    events_that_are_received_together_count_in_their_order(store).await;
    an_event_received_in_a_dropped_unit_was_not_received(store).await;
}

/// The core of it.
pub async fn what_is_committed_is_there_and_what_is_dropped_is_not(store: &dyn SettlementStore) {
    let (kept, _) = begun(now(store).await);
    stored(store, &kept, &[]).await;
    assert_eq!(store.settlement(kept.id()).await.unwrap(), Some(kept.clone()));

    let (dropped, event) = begun(now(store).await);
    let mut tx = store.begin().await.unwrap();
    tx.insert(&dropped).await.unwrap();
    tx.record(&[event]).await.unwrap();
    drop(tx);
    assert_eq!(store.settlement(dropped.id()).await.unwrap(), None);
    assert!(store.begin().await.unwrap().lock(dropped.id()).await.unwrap().is_none());
}

/// The second insertion changes nothing, in the same unit of work and in a later one.
pub async fn a_settlement_is_unique_by_auction_and_buyer(store: &dyn SettlementStore) {
    let (first, _) = begun(now(store).await);
    stored(store, &first, &[]).await;
    let mut value = serde_json::to_value(&first).unwrap();
    value["id"] = json!(Uuid::now_v7());
    let again: Settlement = serde_json::from_value(value).unwrap();
    let mut tx = store.begin().await.unwrap();
    assert_eq!(tx.insert(&again).await.unwrap(), Inserted::Exists);
    tx.commit().await.unwrap();
    assert_eq!(store.settlement(again.id()).await.unwrap(), None);
    assert_eq!(store.settlement(first.id()).await.unwrap(), Some(first));
}

/// With its state's data, its attempts and its sequence.
pub async fn a_saved_settlement_is_read_as_it_was(store: &dyn SettlementStore) {
    let (settlement, _) = begun(now(store).await);
    stored(store, &settlement, &[]).await;
    let mut tx = store.begin().await.unwrap();
    let locked = tx.lock(settlement.id()).await.unwrap().unwrap();
    assert!(locked.now >= settlement.started_at());
    let change = escrowed(locked.aggregate, locked.now);
    tx.save(std::slice::from_ref(&change.settlement)).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(store.settlement(settlement.id()).await.unwrap(), Some(change.settlement));
}

/// No lost update.
pub async fn a_lock_is_waited_for_and_then_shows_what_was_committed(store: &dyn SettlementStore) {
    let (settlement, _) = begun(now(store).await);
    stored(store, &settlement, &[]).await;
    let mut first = store.begin().await.unwrap();
    let locked = first.lock(settlement.id()).await.unwrap().unwrap();
    let mut second = store.begin().await.unwrap();
    let mut waiting = second.lock(settlement.id());
    assert!(poll!(&mut waiting).is_pending());
    let change = escrowed(locked.aggregate, locked.now);
    first.save(std::slice::from_ref(&change.settlement)).await.unwrap();
    first.commit().await.unwrap();
    let locked = waiting.await.unwrap().unwrap();
    assert_eq!(locked.aggregate, change.settlement);
}

/// In id order, and it stays locked; what is not there is neither.
pub async fn what_is_free_is_locked_and_what_is_held_is_told_and_not_waited_for(store: &dyn SettlementStore) {
    let began = now(store).await;
    let mut all = [(); 3].map(|()| begun(began).0);
    all.sort_by_key(Settlement::id);
    for settlement in &all {
        stored(store, settlement, &[]).await;
    }
    let [first, held, last] = all;
    let mut holder = store.begin().await.unwrap();
    holder.lock(held.id()).await.unwrap();
    let mut tx = store.begin().await.unwrap();
    let nobodys = Uuid::now_v7().into();
    let free = tx.lock_free(&[last.id(), held.id(), nobodys, first.id()]).await.unwrap();
    assert_eq!(free.held, [held.id()]);
    assert!(free.locked.iter().all(|locked| locked.now >= began));
    assert_eq!(free.locked.into_iter().map(|locked| locked.aggregate).collect::<Vec<_>>(), [first.clone(), last]);
    let mut other = store.begin().await.unwrap();
    assert_eq!(other.lock_free(&[first.id()]).await.unwrap(), Free { locked: Vec::new(), held: vec![first.id()] });
    drop((holder, tx, other));
    soon(async || store.begin().await.unwrap().lock_free(&[held.id()]).await.unwrap().held.is_empty()).await;
}

/// In later units of work.
pub async fn a_key_is_answered_once_and_replayed_after(store: &dyn SettlementStore) {
    let key = request();
    let answer = json!({"outcome": "done", "n": 9_007_199_254_740_991_i64, "text": "ü\u{1F642}"});
    let mut tx = store.begin().await.unwrap();
    assert_eq!(tx.claim(&key).await.unwrap(), Claim::New);
    tx.answer(&key, &answer).await.unwrap();
    tx.commit().await.unwrap();
    for _ in 0..2 {
        let mut tx = store.begin().await.unwrap();
        assert_eq!(tx.claim(&key).await.unwrap(), Claim::Replay(answer.clone()));
    }
}

/// Same key of somebody else is new; same key with another body is a mismatch.
pub async fn a_key_belongs_to_its_principal_and_request(store: &dyn SettlementStore) {
    let key = request();
    let mut tx = store.begin().await.unwrap();
    tx.claim(&key).await.unwrap();
    tx.answer(&key, &json!(1)).await.unwrap();
    tx.commit().await.unwrap();
    let mut tx = store.begin().await.unwrap();
    let other_body = RequestKey { fingerprint: [2; 32], ..key.clone() };
    assert_eq!(tx.claim(&other_body).await.unwrap(), Claim::Mismatch);
    drop(tx);
    let mut tx = store.begin().await.unwrap();
    let other_principal = RequestKey { principal: somebody("other"), ..key };
    assert_eq!(tx.claim(&other_principal).await.unwrap(), Claim::New);
}

/// The request may come again.
pub async fn a_claim_that_was_dropped_was_never_made(store: &dyn SettlementStore) {
    let key = request();
    let mut tx = store.begin().await.unwrap();
    tx.claim(&key).await.unwrap();
    tx.answer(&key, &json!(1)).await.unwrap();
    drop(tx);
    soon(async || store.begin().await.unwrap().claim(&key).await.unwrap() == Claim::New).await;
}

/// Without waiting.
pub async fn a_claimed_key_is_running_for_others(store: &dyn SettlementStore) {
    let key = request();
    let mut first = store.begin().await.unwrap();
    assert_eq!(first.claim(&key).await.unwrap(), Claim::New);
    let mut second = store.begin().await.unwrap();
    assert_eq!(second.claim(&key).await.unwrap(), Claim::Running);
    drop(second);
    first.answer(&key, &json!(1)).await.unwrap();
    first.commit().await.unwrap();
    assert_eq!(store.begin().await.unwrap().claim(&key).await.unwrap(), Claim::Replay(json!(1)));
}

/// Each found as it would be alone, in the order they were asked for; what is held already is held.
pub async fn many_keys_are_claimed_and_answered_at_once(store: &dyn SettlementStore) {
    let (answered, running, new, mismatch) = (request(), request(), request(), request());
    let mut tx = store.begin().await.unwrap();
    let kept = [(answered.clone(), json!({"n": 1})), (mismatch.clone(), json!({"n": 2}))];
    let keys: Vec<RequestKey> = kept.iter().map(|(key, _)| key.clone()).collect();
    assert_eq!(tx.claim_all(&keys).await.unwrap(), [Claim::New, Claim::New]);
    tx.answer_all(&kept).await.unwrap();
    tx.commit().await.unwrap();

    let mut other = store.begin().await.unwrap();
    assert_eq!(other.claim(&running).await.unwrap(), Claim::New);
    let mut tx = store.begin().await.unwrap();
    let mismatch = RequestKey { fingerprint: [9; 32], ..mismatch };
    let claims = tx.claim_all(&[running, answered, new.clone(), mismatch, new]).await.unwrap();
    assert_eq!(claims, [Claim::Running, Claim::Replay(json!({"n": 1})), Claim::New, Claim::Mismatch, Claim::New]);
    assert!(tx.claim_all(&[]).await.unwrap().is_empty());
}

/// The first one, and what was there before stays.
pub async fn of_settlements_that_are_added_together_each_buyer_of_an_auction_has_one(store: &dyn SettlementStore) {
    let now = now(store).await;
    let (there, added) = (begun(now).0, begun(now).0);
    stored(store, &there, &[]).await;
    let again = |of: &Settlement| -> Settlement {
        let mut value = serde_json::to_value(of).unwrap();
        value["id"] = json!(Uuid::now_v7());
        serde_json::from_value(value).unwrap()
    };
    let together = [again(&there), added.clone(), again(&added)];
    let mut tx = store.begin().await.unwrap();
    assert_eq!(tx.insert_all(&together).await.unwrap(), [Inserted::Exists, Inserted::New, Inserted::Exists]);
    tx.commit().await.unwrap();
    assert_eq!(store.settlement(added.id()).await.unwrap(), Some(added));
    assert_eq!(store.settlement(together[2].id()).await.unwrap(), None);
}

fn receipt(key: &str, sequence: u64) -> Receipt {
    let source = "/outcry/bidding-service".to_owned();
    Receipt { event_id: Uuid::now_v7(), source, key: key.to_owned(), sequence }
}

async fn receive(store: &dyn SettlementStore, receipt: &Receipt) -> Seen {
    let mut tx = store.begin().await.unwrap();
    let seen = tx.receive(receipt).await.unwrap();
    tx.commit().await.unwrap();
    seen
}

/// By its id and by its number.
pub async fn an_event_is_received_once(store: &dyn SettlementStore) {
    let key = Uuid::now_v7().to_string();
    let first = receipt(&key, 1);
    assert_eq!(receive(store, &first).await, Seen::New);
    assert_eq!(receive(store, &first).await, Seen::Duplicate);
    assert_eq!(receive(store, &receipt(&key, 2)).await, Seen::New);
    assert_eq!(receive(store, &receipt(&key, 2)).await, Seen::Duplicate, "another id, a number that was seen");
    assert_eq!(receive(store, &receipt(&key, 5)).await, Seen::Gap { expected: 3 });
    assert_eq!(receive(store, &receipt(&key, 4)).await, Seen::Duplicate, "below the last one seen");
    assert_eq!(receive(store, &receipt(&key, 6)).await, Seen::New);
    let other_source = Receipt { source: "/outcry/listing-service".to_owned(), ..receipt(&key, 1) };
    assert_eq!(receive(store, &other_source).await, Seen::New);
    assert_eq!(receive(store, &receipt(&Uuid::now_v7().to_string(), 1)).await, Seen::New, "another key");
}

/// As if they had come one by one.
pub async fn events_that_are_received_together_count_in_their_order(store: &dyn SettlementStore) {
    let (one, other) = (Uuid::now_v7().to_string(), Uuid::now_v7().to_string());
    let receipts = [receipt(&one, 1), receipt(&other, 3), receipt(&one, 1), receipt(&one, 2), receipt(&other, 2)];
    let mut tx = store.begin().await.unwrap();
    let seen = tx.receive_all(&receipts).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(seen, [Seen::New, Seen::Gap { expected: 1 }, Seen::Duplicate, Seen::New, Seen::Duplicate]);
    assert_eq!(receive(store, &receipt(&one, 3)).await, Seen::New);
    assert_eq!(receive(store, &receipt(&other, 4)).await, Seen::New);
}

/// It comes again.
pub async fn an_event_received_in_a_dropped_unit_was_not_received(store: &dyn SettlementStore) {
    let receipt = receipt(&Uuid::now_v7().to_string(), 1);
    let mut tx = store.begin().await.unwrap();
    assert_eq!(tx.receive(&receipt).await.unwrap(), Seen::New);
    drop(tx);
    assert_eq!(receive(store, &receipt).await, Seen::New);
}
