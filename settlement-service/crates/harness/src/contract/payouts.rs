//! Payouts: what waits for one is found by its seller, one worker gathers at a time, and all of a payout is locked.

use chrono::{DateTime, Utc};
use settlement_domain::saga::{self, Act, PayoutChange};
use settlement_domain::{Currency, Parcel, PayoutRules, Settlement, UserId};
use settlement_ports::{SettlementStore, SettlementTx};
use uuid::Uuid;

use super::samples::{begun, escrowed, now, somebody, stored};

/// All checks of this file.
pub async fn all(store: &dyn SettlementStore) {
    what_waits_for_a_seller_is_found_by_one_worker_at_a_time(store).await;
    a_payout_is_locked_with_its_settlements_and_read_as_it_was(store).await;
    a_payouts_call_is_due_with_its_payout(store).await;
}

/// A settlement of this seller whose buyer has the lot.
#[must_use]
pub fn received(seller: &UserId, at: DateTime<Utc>) -> Settlement {
    let mut value = serde_json::to_value(begun(at).0).unwrap();
    value["seller_id"] = serde_json::json!(seller);
    let escrowed = escrowed(serde_json::from_value(value).unwrap(), at).settlement;
    let shipped = saga::begin(escrowed, Act::Ship(Parcel::new("UPS", "1Z").unwrap()), at).unwrap().settlement;
    saga::begin(shipped, Act::Receive, at).unwrap().settlement
}

/// All of it is paid at once.
#[must_use]
pub fn gathered(settlements: Vec<Settlement>, at: DateTime<Utc>) -> PayoutChange {
    saga::gather(settlements, &PayoutRules::default(), at)
}

/// Stores a payout of settlements that are stored.
pub async fn made(store: &dyn SettlementStore, change: &PayoutChange) {
    let mut tx = store.begin().await.unwrap();
    let settlements: Vec<_> = change.settlements.iter().map(|change| change.settlement.clone()).collect();
    for settlement in &settlements {
        tx.lock(settlement.id()).await.unwrap().unwrap();
    }
    tx.save(&settlements).await.unwrap();
    tx.save_payouts(change.payout.as_slice()).await.unwrap();
    tx.save_calls(&change.calls).await.unwrap();
    tx.commit().await.unwrap();
}

/// In one currency; others find nothing to do, and do not wait.
pub async fn what_waits_for_a_seller_is_found_by_one_worker_at_a_time(store: &dyn SettlementStore) {
    let (seller, now) = (somebody("seller"), now(store).await);
    let mut waiting = [received(&seller, now), received(&seller, now)];
    waiting.sort_by_key(Settlement::id);
    for settlement in &waiting {
        stored(store, settlement, &[]).await;
    }
    let other = received(&somebody("seller"), now);
    stored(store, &other, &[]).await;
    let [usd, eur] = ["USD", "EUR"].map(|code| code.parse().unwrap());

    let mut first = store.begin().await.unwrap();
    let found = owed(first.as_mut(), &[(seller.clone(), usd), (other.seller_id().clone(), usd)], 10).await;
    assert_eq!(found, [waiting.to_vec(), vec![other.clone()]]);
    let mut second = store.begin().await.unwrap();
    assert_eq!(owed(second.as_mut(), &[(seller.clone(), usd), (seller.clone(), eur)], 10).await, [[]; 0]);
    drop((first, second));

    made(store, &gathered(vec![waiting[0].clone()], now)).await;
    let mut tx = store.begin().await.unwrap();
    assert_eq!(owed(tx.as_mut(), &[(seller, usd)], 1).await, [&waiting[1..]]);
}

/// What each is owed, in the order of the sellers.
async fn owed(tx: &mut dyn SettlementTx, sellers: &[(UserId, Currency)], limit: u32) -> Vec<Vec<Settlement>> {
    let locked = tx.lock_owed(sellers, limit).await.unwrap();
    let mut owed: Vec<_> = locked.into_iter().map(|locked| locked.aggregate).collect();
    let place = |owed: &Vec<Settlement>| sellers.iter().position(|(seller, _)| seller == owed[0].seller_id());
    owed.sort_by_key(place);
    owed
}

/// Paying and paid.
pub async fn a_payout_is_locked_with_its_settlements_and_read_as_it_was(store: &dyn SettlementStore) {
    let (seller, now) = (somebody("seller"), now(store).await);
    let settlements = vec![received(&seller, now), received(&seller, now)];
    for settlement in &settlements {
        stored(store, settlement, &[]).await;
    }
    let change = gathered(settlements, now);
    made(store, &change).await;
    let payout = change.payout.clone().unwrap();
    assert_eq!(store.payout(payout.id()).await.unwrap(), Some(payout.clone()));
    assert_eq!(store.payout(Uuid::now_v7().into()).await.unwrap(), None);

    let mut tx = store.begin().await.unwrap();
    assert!(tx.lock_payout(Uuid::now_v7().into()).await.unwrap().is_none());
    let locked = tx.lock_payout(payout.id()).await.unwrap().unwrap().aggregate;
    let mut expected: Vec<_> = change.settlements.iter().map(|change| change.settlement.clone()).collect();
    expected.sort_by_key(Settlement::id);
    assert_eq!((locked.payout, locked.settlements), (payout.clone(), expected));
    tx.save_payouts(std::slice::from_ref(&payout)).await.unwrap();
    tx.commit().await.unwrap();
}

/// It is none of the settlements' calls, and is leased like them.
pub async fn a_payouts_call_is_due_with_its_payout(store: &dyn SettlementStore) {
    let (seller, now) = (somebody("seller"), now(store).await);
    let settlement = received(&seller, now);
    stored(store, &settlement, &[]).await;
    let change = gathered(vec![settlement], now);
    made(store, &change).await;
    let key = change.calls[0].key();

    let mut tx = store.begin().await.unwrap();
    let calls = tx.lock_pending_calls(1_000).await.unwrap();
    assert!(calls.iter().all(|locked| locked.aggregate.call.key() != key));
    let due = tx.lock_pending_payouts(1_000).await.unwrap();
    let locked = due.into_iter().find(|locked| locked.aggregate.call.key() == key).expect("it is due");
    assert_eq!(Some(&locked.aggregate.payout), change.payout.as_ref());
    let (leased, _) = locked.aggregate.call.claim(locked.now);
    tx.save_calls(std::slice::from_ref(&leased)).await.unwrap();
    tx.commit().await.unwrap();

    let mut tx = store.begin().await.unwrap();
    let due = tx.lock_pending_payouts(1_000).await.unwrap();
    assert!(due.iter().all(|locked| locked.aggregate.call.key() != key), "it is leased");
    tx.lock_payout(change.payout.unwrap().id()).await.unwrap().unwrap();
    assert_eq!(tx.call(&key).await.unwrap(), Some(leased));
}
