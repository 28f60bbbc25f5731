//! Idempotency keys and the inbox.

use bidding_ports::{
    error::StoreError,
    idempotency::{Claim, RequestKey},
    inbox::{Receipt, Seen},
    store::{AuctionStore, Changes, Request, Wait},
};
use serde_json::json;
use uuid::Uuid;

use super::{fresh, fresh_id, fresh_key};
use crate::world::user;

async fn claim(store: &dyn AuctionStore, key: &RequestKey) -> Result<Claim, StoreError> {
    let asked = [Request { auction: fresh_id(), key: key.clone() }];
    let floor = store.begin().await?.enter(&asked, Wait::ForAll).await?;
    Ok(floor.known.into_iter().next().expect("one request, one answer").claim)
}

async fn answered(store: &dyn AuctionStore, key: &RequestKey) -> Result<(), StoreError> {
    assert_eq!(claim(store, key).await?, Claim::New);
    let mut tx = store.begin().await?;
    let answers = vec![(key.clone(), json!({"answer": [1, null, "ü"]}).to_string())];
    tx.save(Changes { answers, ..Changes::default() }).await?;
    tx.commit().await
}

pub(super) async fn an_answer_is_replayed_to_the_same_request_only(store: &dyn AuctionStore) -> Result<(), StoreError> {
    let key = fresh_key();
    answered(store, &key).await?;
    assert_eq!(claim(store, &key).await?, Claim::Replay(json!({"answer": [1, null, "ü"]}).to_string()));
    assert_eq!(claim(store, &RequestKey { fingerprint: [2; 32], ..key.clone() }).await?, Claim::Mismatch);
    assert_eq!(claim(store, &RequestKey { key: fresh("key"), ..key }).await?, Claim::New);
    Ok(())
}

pub(super) async fn keys_of_other_principals_do_not_meet(store: &dyn AuctionStore) -> Result<(), StoreError> {
    let key = fresh_key();
    answered(store, &key).await?;
    assert_eq!(claim(store, &RequestKey { principal: user("bob"), ..key }).await?, Claim::New);
    Ok(())
}

fn receipt(key: &str, sequence: u64) -> Receipt {
    let source = "/outcry/listing-service".to_owned();
    Receipt { event_id: Uuid::now_v7(), source, key: key.to_owned(), sequence }
}

async fn receive(store: &dyn AuctionStore, receipt: &Receipt) -> Result<Seen, StoreError> {
    let mut tx = store.begin().await?;
    let seen = tx.receive(receipt).await?;
    tx.commit().await?;
    Ok(seen)
}

pub(super) async fn an_incoming_event_is_new_once_known_from_then_on_and_gaps_are_named(
    store: &dyn AuctionStore,
) -> Result<(), StoreError> {
    let key = fresh("listing");
    let steps = [
        (1, Seen::New),
        (1, Seen::Duplicate),
        (2, Seen::New),
        (5, Seen::Gap { expected: 3 }),
        (4, Seen::Duplicate),
        (6, Seen::New),
    ];
    for (sequence, seen) in steps {
        let receipt = receipt(&key, sequence);
        assert_eq!(store.known(std::slice::from_ref(&receipt)).await?, [seen == Seen::Duplicate], "{sequence}");
        assert_eq!(receive(store, &receipt).await?, seen, "{sequence}");
    }
    let elsewhere = Receipt { source: "/outcry/settlement-service".to_owned(), ..receipt(&key, 1) };
    let asked = [receipt(&key, 7), receipt(&key, 6), elsewhere.clone(), receipt(&key, 1)];
    assert_eq!(store.known(&asked).await?, [false, true, false, true]);
    assert!(store.known(&[]).await?.is_empty());
    assert_eq!(receive(store, &elsewhere).await?, Seen::New, "another source counts for itself");
    assert_eq!(receive(store, &receipt(&fresh("listing"), 1)).await?, Seen::New);
    Ok(())
}

pub(super) async fn a_dropped_receipt_was_never_received(store: &dyn AuctionStore) -> Result<(), StoreError> {
    let receipt = receipt(&fresh("listing"), 1);
    assert_eq!(store.begin().await?.receive(&receipt).await?, Seen::New);
    assert_eq!(receive(store, &receipt).await?, Seen::New);
    Ok(())
}
