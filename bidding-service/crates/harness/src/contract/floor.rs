//! What many requests need to be decided together.

use std::time::Duration;

use bidding_domain::ids::AuctionId;
use bidding_ports::{
    error::StoreError,
    idempotency::{Claim, RequestKey},
    store::{AuctionStore, Changes, Known, Request, Wait},
};
use serde_json::json;

use super::{due::due_ids, fresh, fresh_id, fresh_key, open, request, soon};
use crate::world::user;

/// Two open auctions, the one with the lower id first.
async fn two(store: &dyn AuctionStore) -> Result<[AuctionId; 2], StoreError> {
    let mut ids = [open(store).await?.id(), open(store).await?.id()];
    ids.sort_unstable();
    Ok(ids)
}

pub(super) async fn a_floor_has_the_auctions_that_there_are_and_no_other(
    store: &dyn AuctionStore,
) -> Result<(), StoreError> {
    let (one, other, nowhere) = (open(store).await?, open(store).await?, fresh_id());
    open(store).await?;
    let requests = [one.id(), nowhere, other.id(), one.id()].map(request);
    let mut tx = store.begin().await?;
    let floor = tx.enter(&requests, Wait::ForAll).await?;
    assert_eq!(floor.known.len(), 4, "one for each request, of auctions that are not there too");
    let auctions: Vec<_> = floor.auctions.into_values().collect();
    let mut expected = [Ok(one), Ok(other)];
    expected.sort_unstable_by_key(|auction| auction.as_ref().map(bidding_domain::auction::Auction::id).ok());
    assert_eq!(auctions, expected);
    assert!(tx.enter(&[], Wait::ForAll).await?.auctions.is_empty());
    Ok(())
}

pub(super) async fn a_floor_is_of_one_moment_after_its_last_lock(store: &dyn AuctionStore) -> Result<(), StoreError> {
    for held in [0, 1] {
        let ids = two(store).await?;
        let (mut holder, mut waiting) = (store.begin().await?, store.begin().await?);
        holder.lock(ids[held]).await?;
        let release = async {
            // Long enough for the other to begin to wait.
            tokio::time::sleep(Duration::from_millis(30)).await;
            let released_at = holder.now().await?;
            holder.commit().await?;
            Ok(released_at)
        };
        let requests = ids.map(request);
        let (floor, released_at) = tokio::try_join!(waiting.enter(&requests, Wait::ForAll), release)?;
        assert!(floor.now >= released_at, "the time was read before the lock was granted");

        let (mut holder, mut waiting) = (waiting, store.begin().await?);
        let release = async {
            tokio::time::sleep(Duration::from_millis(30)).await;
            let released_at = holder.now().await?;
            holder.commit().await?;
            Ok(released_at)
        };
        let (locked, released_at) = tokio::try_join!(waiting.lock(ids[held]), release)?;
        assert!(locked.expect("it is there").now >= released_at, "so it is with a single lock");
    }
    Ok(())
}

pub(super) async fn a_floor_locks_its_auctions_until_the_unit_of_work_ends(
    store: &dyn AuctionStore,
) -> Result<(), StoreError> {
    let mut ids = Vec::new();
    for _ in 0..2 {
        let due = super::scheduled(store, -chrono::TimeDelta::minutes(1)).await?;
        super::insert(store, &due).await?;
        ids.push(due.id());
    }
    let both_due = async || {
        let due = due_ids(&mut *store.begin().await?).await?;
        Ok::<_, StoreError>(ids.iter().filter(|id| due.contains(id)).count())
    };
    assert_eq!(both_due().await?, 2);
    let mut holder = store.begin().await?;
    holder.enter(&[request(ids[0]), request(ids[1])], Wait::ForAll).await?;
    assert_eq!(both_due().await?, 0);
    drop(holder);
    soon(async || Ok(both_due().await? == 2)).await
}

pub(super) async fn floors_that_cross_never_wait_for_each_other(store: &dyn AuctionStore) -> Result<(), StoreError> {
    let [low, high] = two(store).await?;
    let enter = async |ids: [AuctionId; 2]| {
        for _ in 0..20 {
            let mut tx = store.begin().await?;
            assert_eq!(tx.enter(&ids.map(request), Wait::ForAll).await?.auctions.len(), 2);
            tx.commit().await?;
        }
        Ok::<_, StoreError>(())
    };
    let crossing = async { tokio::try_join!(enter([low, high]), enter([high, low])) };
    tokio::time::timeout(Duration::from_secs(30), crossing).await.expect("no deadlock")?;
    Ok(())
}

pub(super) async fn what_another_unit_of_work_keeps_is_left_out_when_nobody_waits_for_it(
    store: &dyn AuctionStore,
) -> Result<(), StoreError> {
    let [held, free] = two(store).await?;
    let mut holder = store.begin().await?;
    holder.lock(held).await?;
    let requests = [request(held), request(free), request(fresh_id())];
    let floor = store.begin().await?.enter(&requests, Wait::ForNone).await?;
    assert_eq!(floor.auctions.len(), 2, "one that is not there is not held either");
    assert_eq!(floor.auctions[&held].as_ref().err(), Some(&StoreError::Locked));
    assert!(floor.auctions[&free].is_ok());
    let waited = store.begin().await?.enter(&requests, Wait::ForAll).await;
    assert_eq!(waited.err(), Some(StoreError::Locked), "and waiting has an end");
    drop(holder);
    soon(async || Ok(store.begin().await?.enter(&requests, Wait::ForNone).await?.auctions[&held].is_ok())).await
}

pub(super) async fn a_floor_knows_each_requests_key_and_bidder_in_their_order(
    store: &dyn AuctionStore,
) -> Result<(), StoreError> {
    let (id, other) = (open(store).await?.id(), open(store).await?.id());
    let answered = fresh_key();
    let suspended = RequestKey { principal: user(&fresh("bidder")), ..fresh_key() };
    let mut tx = store.begin().await?;
    tx.enter(&[Request { auction: id, key: answered.clone() }], Wait::ForAll).await?;
    tx.save(Changes { answers: vec![(answered.clone(), json!({"kept": true}).to_string())], ..Changes::default() })
        .await?;
    tx.set_suspended(&suspended.principal, true).await?;
    tx.commit().await?;

    let keys = [
        (other, fresh_key()),
        (id, answered.clone()),
        (id, RequestKey { fingerprint: [2; 32], ..answered.clone() }),
        (fresh_id(), suspended.clone()),
        (id, RequestKey { principal: suspended.principal.clone(), ..answered.clone() }),
        (other, answered),
    ];
    let requests: Vec<_> = keys.into_iter().map(|(auction, key)| Request { auction, key }).collect();
    let known = store.begin().await?.enter(&requests, Wait::ForAll).await?.known;
    let replay = || Claim::Replay(json!({"kept": true}).to_string());
    let expected = [
        (Claim::New, false),
        (replay(), false),
        (Claim::Mismatch, false),
        (Claim::New, true),
        (Claim::New, true),
        (replay(), false),
    ];
    assert_eq!(known, expected.map(|(claim, suspended)| Known { claim, suspended }));
    Ok(())
}
