//! Units of work: all or nothing, and one after the other on the same auction.

use bidding_domain::auction::Auction;
use bidding_ports::{
    error::StoreError,
    store::{AuctionStore, Changes, Request, Wait},
};
use chrono::TimeDelta;
use serde_json::json;

use super::{
    ask, bid, change, changes, close, decide, fresh, fresh_id, fresh_key, insert, open, open_lot, read, request,
    scheduled,
};
use crate::{
    lots::{of_each_format, uniform},
    world::{SELLER, one, units, user},
};

pub(super) async fn what_is_committed_is_read_back(store: &dyn AuctionStore) -> Result<(), StoreError> {
    let auction = scheduled(store, TimeDelta::hours(1)).await?;
    insert(store, &auction).await?;
    let found = store.find(auction.id()).await?.expect("it is there");
    assert_eq!(found.auction, auction);
    let mut tx = store.begin().await?;
    let locked = tx.lock(auction.id()).await?.expect("it is there");
    assert_eq!(locked.auction, auction);
    assert!(locked.now >= found.now, "time does not run backwards");
    assert_eq!(tx.lock(fresh_id()).await?, None);
    Ok(())
}

pub(super) async fn every_state_is_read_back(store: &dyn AuctionStore) -> Result<(), StoreError> {
    let same = async |kept: Auction| {
        assert_eq!(read(store, kept.id()).await?, Some(kept));
        Ok::<_, StoreError>(())
    };
    for format in of_each_format() {
        let id = open_lot(store, format).await?.id();
        same(change(store, id, |auction, now| auction.pause("a fault", now)).await?).await?;
        same(change(store, id, Auction::resume).await?).await?;
        bid(store, id, "ann", 2_000).await?.expect("accepted");
        let auction = read(store, id).await?.expect("it is there");
        if !auction.is_over() {
            same(change(store, id, close).await?).await?;
        }
        let without_bids = open(store).await?.id();
        same(change(store, without_bids, close).await?).await?;
    }
    let units_id = open_lot(store, uniform()).await?.id();
    ask(store, units_id, "ann", units(900, 2)).await?.expect("accepted");
    ask(store, units_id, "bob", units(800, 2)).await?.expect("accepted");
    same(change(store, units_id, |auction, _| auction.clone().close(auction.ends_at())).await?).await?;
    same(change(store, units_id, |auction, now| auction.decline(&user("bob"), now)).await?).await?;
    let by_seller = open(store).await?.id();
    same(change(store, by_seller, |auction, now| auction.cancel(&user(SELLER), now)).await?).await?;
    let by_operator = open(store).await?.id();
    same(change(store, by_operator, |auction, now| auction.cancel_by_operator("stolen", now)).await?).await
}

pub(super) async fn what_is_dropped_leaves_nothing(store: &dyn AuctionStore) -> Result<(), StoreError> {
    let never = scheduled(store, TimeDelta::hours(1)).await?;
    let auction = open(store).await?;
    let before = store.log(auction.id()).await?;
    let asked = Request { auction: auction.id(), key: fresh_key() };
    {
        let mut tx = store.begin().await?;
        tx.insert(&never).await?;
        let locked = tx.lock(auction.id()).await?.expect("it is there");
        let answers = vec![(asked.key.clone(), json!(1).to_string())];
        let bid = changes(decide(locked.auction, locked.now, "ann", one(900)));
        tx.save(Changes { answers, ..bid }).await?;
        tx.set_suspended(&asked.key.principal, true).await?;
    }
    assert_eq!(read(store, never.id()).await?, None);
    assert_eq!(read(store, auction.id()).await?, Some(auction.clone()));
    assert_eq!(store.bids(auction.id(), None, 10).await?, []);
    assert_eq!(store.log(auction.id()).await?, before);
    let floor = store.begin().await?.enter(std::slice::from_ref(&asked), Wait::ForAll).await?;
    assert_eq!(floor.known[0].claim, bidding_ports::idempotency::Claim::New, "the key is free");
    assert!(!floor.known[0].suspended);
    assert!(floor.auctions.contains_key(&auction.id()), "its lock was free again");
    Ok(())
}

pub(super) async fn an_id_is_inserted_once(store: &dyn AuctionStore) -> Result<(), StoreError> {
    let auction = scheduled(store, TimeDelta::hours(1)).await?;
    insert(store, &auction).await?;
    assert_eq!(insert(store, &auction).await, Err(StoreError::Conflict));
    Ok(())
}

/// Each of two writers bids ten times, ever higher, retrying as the use case does not need to: what
/// both read before the other wrote would be lost or refused by a lower count.
pub(super) async fn no_update_is_lost_between_two_that_read_and_write(
    store: &dyn AuctionStore,
) -> Result<(), StoreError> {
    let id = open(store).await?.id();
    let writer = async |bidder: &'static str| {
        for step in 1..=10_i64 {
            bid(store, id, bidder, step * 100_000).await?;
        }
        Ok::<_, StoreError>(())
    };
    tokio::try_join!(writer("ann"), writer("bob"))?;

    let mut bids = store.bids(id, None, 100).await?;
    bids.reverse();
    let auction = read(store, id).await?.expect("it is there");
    assert_eq!(auction.rules().bid_count(), bids.len() as u64, "as many as were kept");
    let events = store.events(id, 0, 100).await?;
    let sequences: Vec<_> = events.iter().map(|event| event.sequence).collect();
    assert_eq!(sequences, (1..=auction.sequence()).collect::<Vec<_>>(), "no number twice, none left out");
    let prices: Vec<_> = bids.iter().map(|bid| bid.price).collect();
    assert!(prices.is_sorted(), "in the order of their sequence the price never falls: {prices:?}");
    Ok(())
}

pub(super) async fn two_bids_are_never_read_and_then_both_inserted(store: &dyn AuctionStore) -> Result<(), StoreError> {
    let id = open(store).await?.id();
    // Both ask for exactly the start price: whoever comes second is below the next minimum.
    let (ann, bob) = tokio::try_join!(bid(store, id, "ann", 500), bid(store, id, "bob", 500))?;
    assert_eq!(ann.iter().chain(&bob).count(), 1);
    assert_eq!(store.bids(id, None, 10).await?.len(), 1);
    Ok(())
}

pub(super) async fn a_bidder_is_suspended_until_reinstated(store: &dyn AuctionStore) -> Result<(), StoreError> {
    let id = open(store).await?.id();
    let mut asked = request(id);
    asked.key.principal = user(&fresh("bidder"));
    let asked = [asked];
    for suspended in [false, true, true, false, false] {
        let mut tx = store.begin().await?;
        tx.set_suspended(&asked[0].key.principal, suspended).await?;
        assert_eq!(
            tx.enter(&asked, Wait::ForAll).await?.known[0].suspended,
            suspended,
            "a unit of work sees what it wrote"
        );
        tx.commit().await?;
        assert_eq!(store.begin().await?.enter(&asked, Wait::ForAll).await?.known[0].suspended, suspended);
    }
    Ok(())
}
