//! Units of work: all or nothing, and one after the other on the same auction.

use bidding_domain::{auction::Auction, ids::AuctionId};
use bidding_ports::{error::StoreError, store::AuctionStore};
use chrono::TimeDelta;

use super::{bid, decide, fresh, fresh_id, insert, open, read, scheduled};
use crate::world::{SELLER, user};

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

async fn save(
    store: &dyn AuctionStore,
    change: impl FnOnce(Auction) -> Auction,
    id: AuctionId,
) -> Result<(), StoreError> {
    let mut tx = store.begin().await?;
    let locked = tx.lock(id).await?.expect("it is there");
    let changed = change(locked.auction);
    tx.save(&changed, &[]).await?;
    tx.commit().await?;
    assert_eq!(read(store, id).await?, Some(changed));
    Ok(())
}

pub(super) async fn every_state_is_read_back(store: &dyn AuctionStore) -> Result<(), StoreError> {
    let with_bids = open(store).await?.id();
    bid(store, with_bids, "ann", 900).await?.expect("accepted");
    let close = |auction: Auction| {
        let end = auction.ends_at();
        auction.close(end).expect("its end has come").auction
    };
    save(store, close, with_bids).await?;
    let without_bids = open(store).await?.id();
    save(store, close, without_bids).await?;
    let cancelled = open(store).await?;
    let cancel = |auction: Auction| {
        let now = auction.sale().starts_at;
        auction.cancel(&user(SELLER), now).expect("it has no bids").auction
    };
    save(store, cancel, cancelled.id()).await
}

pub(super) async fn what_is_dropped_leaves_nothing(store: &dyn AuctionStore) -> Result<(), StoreError> {
    let never = scheduled(store, TimeDelta::hours(1)).await?;
    let auction = open(store).await?;
    let before = store.events(auction.id(), 0, 100).await?;
    let bidder = user(&fresh("bidder"));
    {
        let mut tx = store.begin().await?;
        tx.insert(&never).await?;
        let locked = tx.lock(auction.id()).await?.expect("it is there");
        let decision = decide(locked, "ann", 900);
        tx.save(&decision.auction, &[decision.answer.expect("accepted")]).await?;
        tx.record(&decision.events).await?;
        tx.set_suspended(&bidder, true).await?;
    }
    assert_eq!(read(store, never.id()).await?, None);
    assert_eq!(read(store, auction.id()).await?, Some(auction.clone()));
    assert_eq!(store.bids(auction.id(), None, 10).await?, []);
    assert_eq!(store.events(auction.id(), 0, 100).await?, before);
    let mut tx = store.begin().await?;
    assert!(!tx.is_suspended(&bidder).await?);
    assert!(tx.lock(auction.id()).await?.is_some(), "its lock is free again");
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
    let bidder = user(&fresh("bidder"));
    for suspended in [false, true, true, false, false] {
        let mut tx = store.begin().await?;
        tx.set_suspended(&bidder, suspended).await?;
        assert_eq!(tx.is_suspended(&bidder).await?, suspended, "a unit of work sees what it wrote");
        tx.commit().await?;
        assert_eq!(store.begin().await?.is_suspended(&bidder).await?, suspended);
    }
    Ok(())
}
