//! Idempotency keys and the inbox.

use bidding_ports::{
    error::StoreError,
    idempotency::{Claim, RequestKey},
    inbox::{Receipt, Seen},
    store::AuctionStore,
};
use serde_json::json;
use uuid::Uuid;

use super::{fresh, soon};
use crate::world::user;

fn key() -> RequestKey {
    RequestKey { principal: user("ann"), key: fresh("key"), fingerprint: [1; 32] }
}

/// Claims a key and gives it up again.
async fn claim(store: &dyn AuctionStore, key: &RequestKey) -> Result<Claim, StoreError> {
    store.begin().await?.claim(key).await
}

async fn answered(store: &dyn AuctionStore, key: &RequestKey) -> Result<(), StoreError> {
    let mut tx = store.begin().await?;
    assert_eq!(tx.claim(key).await?, Claim::New);
    tx.answer(key, &json!({"answer": [1, null, "ü"]})).await?;
    tx.commit().await
}

pub(super) async fn an_answer_is_replayed_to_the_same_request_only(store: &dyn AuctionStore) -> Result<(), StoreError> {
    let key = key();
    answered(store, &key).await?;
    assert_eq!(claim(store, &key).await?, Claim::Replay(json!({"answer": [1, null, "ü"]})));
    assert_eq!(claim(store, &RequestKey { fingerprint: [2; 32], ..key }).await?, Claim::Mismatch);
    Ok(())
}

pub(super) async fn keys_of_other_principals_do_not_meet(store: &dyn AuctionStore) -> Result<(), StoreError> {
    let key = key();
    answered(store, &key).await?;
    assert_eq!(claim(store, &RequestKey { principal: user("bob"), ..key }).await?, Claim::New);
    Ok(())
}

pub(super) async fn a_key_in_use_is_running_and_free_again_when_its_unit_of_work_is_dropped(
    store: &dyn AuctionStore,
) -> Result<(), StoreError> {
    let key = key();
    let mut holder = store.begin().await?;
    assert_eq!(holder.claim(&key).await?, Claim::New);
    assert_eq!(claim(store, &key).await?, Claim::Running);
    drop(holder);
    soon(async || Ok(claim(store, &key).await? == Claim::New)).await
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

pub(super) async fn an_incoming_event_is_new_once_and_gaps_are_named(
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
        assert_eq!(receive(store, &receipt(&key, sequence)).await?, seen, "{sequence}");
    }
    let elsewhere = Receipt { source: "/outcry/settlement-service".to_owned(), ..receipt(&key, 1) };
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
