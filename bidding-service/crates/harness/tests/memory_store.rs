//! The in-memory store keeps the promises of the ports.

use bidding_domain::bid::Refusal;
use bidding_harness::{
    contract,
    world::{LASTS, World, lot, refused},
};
use bidding_ports::{
    error::StoreError,
    store::{AuctionStore, Request, Wait},
};

#[tokio::test]
async fn the_store_in_memory_keeps_every_promise() {
    let store = World::default().store.running();
    contract::holds(&store, &store).await.unwrap();
}

#[tokio::test]
async fn an_auction_that_cannot_be_read_does_not_spoil_the_others() {
    let world = World::default();
    let (broken, sound) = (world.given_open(lot()).await, world.given_open(lot()).await);
    world.store.tamper(|contents| assert!(contents.unreadable.insert(broken)));
    let key = |auction| bidding_harness::world::request("ann", "key", auction, bidding_harness::world::one(900));
    let requests = [broken, sound].map(|auction| Request { auction, key: key(auction) });
    let mut tx = world.store.begin().await.unwrap();
    let floor = tx.enter(&requests, Wait::ForAll).await.unwrap();
    assert!(matches!(floor.auctions[&broken], Err(StoreError::Corrupt(_))));
    assert!(floor.auctions[&sound].is_ok());
    drop(tx);
    world.store.advance(LASTS);
    let due = world.store.begin().await.unwrap().lock_due(10).await.unwrap();
    assert_eq!(due.iter().map(|locked| locked.auction.id()).collect::<Vec<_>>(), [sound]);
}

#[tokio::test]
async fn a_bid_is_refused_by_the_clock_that_the_test_moved() {
    let world = World::default();
    let auction = world.given_open(lot()).await;
    world.store.advance(LASTS);
    let reply = world.when_bids("ann", auction, 900).await;
    assert!(matches!(refused(&reply), Refusal::NotOpen { .. }));
}
