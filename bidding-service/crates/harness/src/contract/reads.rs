//! Queries: histories in pages, events from anywhere.

use std::collections::BTreeMap;

use bidding_domain::{
    bid::Bid,
    english::EnglishTerms,
    event::Happening,
    ids::{AuctionId, BidId},
    soft_close::SoftClose,
};
use bidding_ports::{
    error::StoreError,
    store::{AuctionStore, LogPlace},
};

use super::{bid, change, close, fresh_id, log::retract, open, open_lot};
use crate::lots::{lot, vickrey};

fn place(bid: &Bid) -> LogPlace {
    LogPlace { sequence: bid.sequence, number: bid.number }
}

/// Reads `placed`, the latest bid first, in every size of pages.
async fn read_in_pages(store: &dyn AuctionStore, id: AuctionId, placed: &[Bid]) -> Result<(), StoreError> {
    for size in 1..=placed.len() + 1 {
        let (mut seen, mut before) = (Vec::new(), None);
        loop {
            let page = store.bids(id, before, u32::try_from(size).expect("small")).await?;
            assert!(page.len() <= size);
            let Some(last) = page.last() else { break };
            before = Some(place(last));
            seen.extend(page);
        }
        assert_eq!(seen, placed, "in pages of {size}");
    }
    Ok(())
}

pub(super) async fn a_history_is_read_from_the_latest_bid_in_pages(store: &dyn AuctionStore) -> Result<(), StoreError> {
    let id = open(store).await?.id();
    let elsewhere = open(store).await?.id();
    let mut placed = Vec::new();
    for (bidder, max) in [("ann", 500), ("bob", 700), ("ann", 1_000), ("cay", 5_000), ("cay", 6_000)] {
        placed.push(bid(store, id, bidder, max).await?.expect("accepted"));
        bid(store, elsewhere, bidder, max).await?;
    }
    placed.reverse();
    read_in_pages(store, id, &placed).await
}

pub(super) async fn a_sealed_history_is_read_in_the_order_of_the_bids(
    store: &dyn AuctionStore,
) -> Result<(), StoreError> {
    let id = open_lot(store, vickrey()).await?.id();
    let mut placed = Vec::new();
    for (bidder, max) in [("ann", 500), ("bob", 900), ("cay", 600), ("ann", 800), ("dan", 900)] {
        placed.push(bid(store, id, bidder, max).await?.expect("accepted"));
    }
    placed.reverse();
    assert!(placed.iter().all(|bid| bid.sequence == 1), "nobody was told of any");
    read_in_pages(store, id, &placed).await?;
    change(store, id, |auction, now| auction.pause("a fault", now)).await?;
    change(store, id, bidding_domain::auction::Auction::resume).await?;
    placed.insert(0, bid(store, id, "eve", 700).await?.expect("accepted"));
    read_in_pages(store, id, &placed).await?;

    let sequences = |events: Vec<bidding_domain::event::AuctionEvent>| -> Vec<u64> {
        events.iter().map(|event| event.sequence).collect()
    };
    change(store, id, close).await?;
    assert_eq!(sequences(store.events(id, 0, 1).await?), [1], "many entries have that sequence");
    assert_eq!(sequences(store.events(id, 0, 100).await?), [1, 2, 3, 4]);
    assert_eq!(sequences(store.events(id, 3, 1).await?), [4], "none of them is a bid");
    Ok(())
}

pub(super) async fn of_some_bids_those_are_named_that_were_taken_back(
    store: &dyn AuctionStore,
) -> Result<(), StoreError> {
    let id = open(store).await?.id();
    let mut placed = Vec::new();
    for (bidder, max) in [("ann", 500), ("bob", 700), ("cay", 900)] {
        placed.push(bid(store, id, bidder, max).await?.expect("accepted"));
    }
    let [first, second, third] = [0, 1, 2].map(|place: usize| placed[place].id);
    assert_eq!(store.retracted(&[first, second, third]).await?, BTreeMap::new());
    let mut gone = BTreeMap::new();
    for place in [0, 2] {
        retract(store, &placed[place]).await?;
        let at = store.log(id).await?.last().expect("it was taken back").at;
        gone.insert(placed[place].id, at);
    }
    assert_eq!(store.retracted(&[third, second, first]).await?, gone);
    assert_eq!(store.retracted(&[first]).await?, BTreeMap::from([(first, gone[&first])]), "nobody asked for the other");
    assert_eq!(store.retracted(&[second, BidId(id.0)]).await?, BTreeMap::new());
    assert_eq!(store.retracted(&[]).await?, BTreeMap::new());
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

pub(super) async fn events_of_one_decision_are_read_from_the_middle(
    store: &dyn AuctionStore,
) -> Result<(), StoreError> {
    let soft_close = SoftClose::Reset { window_s: 7_200, hard_stop_s: 86_400 };
    let id = open_lot(store, EnglishTerms { soft_close, ..lot() }).await?.id();
    for (bidder, max) in [("ann", 500), ("bob", 700), ("ann", 1_000)] {
        bid(store, id, bidder, max).await?.expect("accepted");
    }
    let all = store.events(id, 0, 100).await?;
    assert_eq!(all.iter().map(|event| event.sequence).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6, 7]);
    assert!(matches!(all[1].what, Happening::BidPlaced { .. }) && matches!(all[2].what, Happening::Extended { .. }));
    for after in 0..=7 {
        assert_eq!(store.events(id, after, 100).await?, all[usize::try_from(after).expect("small")..], "{after}");
    }
    assert_eq!(store.events(id, 0, 2).await?, all[..3], "two decisions");
    assert_eq!(store.events(id, 2, 1).await?, all[2..3], "the rest of one");
    assert_eq!(store.events(id, 2, 2).await?, all[2..5]);
    Ok(())
}

pub(super) async fn what_is_not_there_is_not_found(store: &dyn AuctionStore) -> Result<(), StoreError> {
    let nowhere = fresh_id();
    assert_eq!(store.find(nowhere).await?, None);
    assert_eq!(store.bids(nowhere, None, 10).await?, []);
    assert_eq!(store.events(nowhere, 0, 10).await?, []);
    assert_eq!(store.log(nowhere).await?, []);
    Ok(())
}
