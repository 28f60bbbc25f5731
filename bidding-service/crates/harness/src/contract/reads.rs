//! Queries: histories in pages, events from anywhere.

use bidding_ports::{error::StoreError, store::AuctionStore};

use super::{bid, fresh_id, open};

pub(super) async fn a_history_is_read_from_the_latest_bid_in_pages(store: &dyn AuctionStore) -> Result<(), StoreError> {
    let id = open(store).await?.id();
    let elsewhere = open(store).await?.id();
    let mut placed = Vec::new();
    for (bidder, max) in [("ann", 500), ("bob", 700), ("ann", 1_000), ("cay", 5_000), ("cay", 6_000)] {
        placed.push(bid(store, id, bidder, max).await?.expect("accepted"));
        bid(store, elsewhere, bidder, max).await?;
    }
    placed.reverse();
    assert_eq!(store.bids(id, None, 10).await?, placed);
    let first = store.bids(id, None, 2).await?;
    assert_eq!(first, placed[..2]);
    let second = store.bids(id, Some(first[1].sequence), 2).await?;
    assert_eq!(second, placed[2..4]);
    let last = store.bids(id, Some(second[1].sequence), 2).await?;
    assert_eq!(last, placed[4..]);
    Ok(())
}

pub(super) async fn events_are_read_in_order_from_anywhere_without_a_gap(
    store: &dyn AuctionStore,
) -> Result<(), StoreError> {
    let id = open(store).await?.id();
    let elsewhere = open(store).await?.id();
    for (bidder, max) in [("ann", 500), ("bob", 700), ("ann", 1_000)] {
        bid(store, id, bidder, max).await?.expect("accepted");
        bid(store, elsewhere, bidder, max).await?;
    }
    let all = store.events(id, 0, 100).await?;
    assert_eq!(all.iter().map(|event| event.sequence).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert!(all.iter().all(|event| event.auction_id == id));
    assert_eq!(store.events(id, 2, 100).await?, all[2..]);
    assert_eq!(store.events(id, 1, 2).await?, all[1..3]);
    assert_eq!(store.events(id, 4, 100).await?, []);
    assert_eq!(store.events(id, u64::MAX, 100).await?, []);
    Ok(())
}

pub(super) async fn what_is_not_there_is_not_found(store: &dyn AuctionStore) -> Result<(), StoreError> {
    let nowhere = fresh_id();
    assert_eq!(store.find(nowhere).await?, None);
    assert_eq!(store.bids(nowhere, None, 10).await?, []);
    assert_eq!(store.events(nowhere, 0, 10).await?, []);
    Ok(())
}
