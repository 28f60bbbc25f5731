//! The outbox: what waits, in which order, and who may take it.

use std::time::Duration;

use bidding_domain::{english::EnglishTerms, ids::AuctionId, soft_close::SoftClose};
use bidding_ports::{
    error::StoreError,
    outbox::{Outbox, OutboxRecord},
    store::AuctionStore,
};
use uuid::Uuid;

use super::{bid, changes, decide, open, open_lot};
use crate::{
    lots::{lot, vickrey},
    world::one,
};

/// More than any test leaves behind.
const ALL: u32 = 10_000;
const MINUTE: Duration = Duration::from_secs(60);

async fn waiting(relay: &dyn Outbox, id: AuctionId) -> Result<Vec<OutboxRecord>, StoreError> {
    let key = id.to_string();
    Ok(relay.batch(ALL).await?.into_iter().filter(|record| record.key == key).collect())
}

pub(super) async fn events_wait_in_order_until_they_are_deleted(
    store: &dyn AuctionStore,
    relay: &dyn Outbox,
) -> Result<(), StoreError> {
    let holder = Uuid::now_v7();
    let epoch = relay.lease(holder, MINUTE).await?.expect("nobody has the lease");
    let id = open(store).await?.id();
    bid(store, id, "ann", 900).await?;
    bid(store, id, "bob", 700).await?;

    let records = waiting(relay, id).await?;
    assert_eq!(records.iter().map(|record| record.sequence).collect::<Vec<_>>(), [1, 2, 3]);
    assert!(records.is_sorted_by_key(|record| record.id));
    assert!(records.iter().all(|record| record.topic == "outcry.bidding.v1"));
    assert_eq!(records[0].event_type, "outcry.bidding.auction.opened.v1");
    assert_eq!(records[1].event_type, "outcry.bidding.bid.placed.v1");
    let times: Vec<_> = store.events(id, 0, 10).await?.iter().map(|event| event.at).collect();
    assert_eq!(records.iter().map(|record| record.time).collect::<Vec<_>>(), times);
    assert_eq!(waiting(relay, id).await?, records, "read again they are the same");
    let first = relay.batch(1).await?;
    assert!(!first.is_empty() && first.iter().all(|record| record.id == first[0].id), "those of one decision");
    assert!(relay.age_s().await? >= 0.0);

    relay.delete(epoch, &[records[1].id]).await?;
    let left: Vec<_> = waiting(relay, id).await?.iter().map(|record| record.sequence).collect();
    assert_eq!(left, [1, 3], "what is present is read, whatever was seen before");
    assert_eq!(store.events(id, 0, 10).await?.len(), 3, "readers keep what was published");
    relay.delete(epoch, &[records[0].id, records[1].id, records[2].id]).await?;
    assert_eq!(waiting(relay, id).await?, []);
    relay.release(holder).await?;
    Ok(())
}

pub(super) async fn events_of_one_decision_wait_and_go_together(
    store: &dyn AuctionStore,
    relay: &dyn Outbox,
) -> Result<(), StoreError> {
    let holder = Uuid::now_v7();
    let epoch = relay.lease(holder, MINUTE).await?.expect("nobody has the lease");
    let soft_close = SoftClose::Reset { window_s: 7_200, hard_stop_s: 86_400 };
    let id = open_lot(store, EnglishTerms { soft_close, ..lot() }).await?.id();
    bid(store, id, "ann", 900).await?.expect("accepted");
    bid(store, id, "bob", 2_000).await?.expect("accepted");
    let records = waiting(relay, id).await?;
    assert_eq!(records.iter().map(|record| record.sequence).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    let ids: Vec<_> = records.iter().map(|record| record.id).collect();
    assert!(ids[0] < ids[1] && ids[1] == ids[2] && ids[2] < ids[3] && ids[3] == ids[4], "{ids:?}");
    assert_eq!(records[2].event_type, "outcry.bidding.auction.extended.v1");
    assert_ne!(records[1].event_id, records[2].event_id);
    relay.delete(epoch, &[ids[0], ids[1]]).await?;
    let left: Vec<_> = waiting(relay, id).await?.iter().map(|record| record.sequence).collect();
    assert_eq!(left, [4, 5]);
    relay.delete(epoch, &[ids[3]]).await?;
    relay.release(holder).await?;
    Ok(())
}

pub(super) async fn a_decision_that_tells_nothing_leaves_nothing(
    store: &dyn AuctionStore,
    relay: &dyn Outbox,
) -> Result<(), StoreError> {
    let id = open_lot(store, vickrey()).await?.id();
    bid(store, id, "ann", 900).await?.expect("accepted");
    bid(store, id, "bob", 2_000).await?.expect("accepted");
    let sequences: Vec<_> = waiting(relay, id).await?.iter().map(|record| record.sequence).collect();
    assert_eq!(sequences, [1], "it opened");
    Ok(())
}

pub(super) async fn events_of_a_dropped_unit_of_work_never_wait(
    store: &dyn AuctionStore,
    relay: &dyn Outbox,
) -> Result<(), StoreError> {
    let id = open(store).await?.id();
    let before = waiting(relay, id).await?;
    let mut tx = store.begin().await?;
    let locked = tx.lock(id).await?.expect("it is there");
    tx.save(changes(decide(locked.auction, locked.now, "ann", one(900)))).await?;
    assert_eq!(waiting(relay, id).await?, before, "nothing waits before the commit");
    drop(tx);
    assert_eq!(waiting(relay, id).await?, before);
    Ok(())
}

pub(super) async fn one_holder_has_the_lease_and_a_deposed_one_deletes_nothing(
    store: &dyn AuctionStore,
    relay: &dyn Outbox,
) -> Result<(), StoreError> {
    let (first, second) = (Uuid::now_v7(), Uuid::now_v7());
    let epoch = relay.lease(first, MINUTE).await?.expect("nobody has the lease");
    assert_eq!(relay.lease(second, MINUTE).await?, None);
    assert_eq!(relay.lease(first, Duration::ZERO).await?, Some(epoch), "renewing keeps the epoch");

    let later = relay.lease(second, MINUTE).await?.expect("the lease has run out");
    assert!(later > epoch);
    let id = open(store).await?.id();
    let ids: Vec<_> = waiting(relay, id).await?.iter().map(|record| record.id).collect();
    assert_eq!(relay.delete(epoch, &ids).await, Err(StoreError::Conflict));
    assert_eq!(waiting(relay, id).await?.len(), 1);
    relay.delete(later, &ids).await?;
    assert_eq!(waiting(relay, id).await?, []);
    relay.release(second).await?;
    Ok(())
}

pub(super) async fn a_lease_is_given_back_by_its_holder_only(relay: &dyn Outbox) -> Result<(), StoreError> {
    let (first, second) = (Uuid::now_v7(), Uuid::now_v7());
    let epoch = relay.lease(first, MINUTE).await?.expect("nobody has the lease");
    relay.release(second).await?;
    assert_eq!(relay.lease(second, MINUTE).await?, None, "another's is not given back");
    relay.lease(first, Duration::ZERO).await?;
    relay.release(second).await?;
    assert_eq!(relay.lease(first, MINUTE).await?, Some(epoch), "one that has run out is not taken by giving it back");

    relay.release(first).await?;
    let later = relay.lease(second, MINUTE).await?.expect("it was given back");
    assert!(later > epoch);
    relay.release(first).await?;
    assert_eq!(relay.lease(first, MINUTE).await?, None, "it is not the former holder's any more");
    relay.release(second).await?;
    Ok(())
}
