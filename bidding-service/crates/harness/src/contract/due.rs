//! What is due, and who gets it.

use std::time::Duration;

use bidding_domain::{
    auction::{Auction, Status},
    ids::AuctionId,
};
use bidding_ports::{
    error::StoreError,
    store::{AuctionStore, AuctionTx, Changes},
};
use chrono::TimeDelta;

use super::{change, close, insert, open, scheduled, soon};

/// More than any test leaves behind.
const ALL: u32 = 10_000;

pub(super) async fn due_ids(tx: &mut dyn AuctionTx) -> Result<Vec<AuctionId>, StoreError> {
    Ok(tx.lock_due(ALL).await?.iter().map(|locked| locked.auction.id()).collect())
}

pub(super) async fn an_auction_is_due_at_its_start_and_then_at_its_end(
    store: &dyn AuctionStore,
) -> Result<(), StoreError> {
    let waiting = scheduled(store, TimeDelta::hours(1)).await?;
    let to_open = scheduled(store, -TimeDelta::minutes(1)).await?;
    let to_close = scheduled(store, -TimeDelta::hours(2)).await?;
    for auction in [&waiting, &to_open, &to_close] {
        insert(store, auction).await?;
    }

    let mut tx = store.begin().await?;
    let due = due_ids(&mut *tx).await?;
    assert!(!due.contains(&waiting.id()), "its start has not come");
    assert!(due.contains(&to_open.id()) && due.contains(&to_close.id()));
    for auction in [&to_open, &to_close] {
        let locked = tx.lock(auction.id()).await?.expect("it is there");
        let opened = locked.auction.open(locked.now).expect("its start has come");
        tx.save(Changes::of(opened.auction, opened.entries)).await?;
    }
    tx.commit().await?;

    let mut tx = store.begin().await?;
    let due = tx.lock_due(ALL).await?;
    let find = |id| due.iter().find(|locked| locked.auction.id() == id);
    assert!(find(to_open.id()).is_none(), "it is open, and its end has not come");
    let locked = find(to_close.id()).expect("its end has come").clone();
    assert_eq!(locked.auction.status(), Status::Open);
    let closed = locked.auction.close(locked.now).expect("its end has come");
    tx.save(Changes::of(closed.auction, closed.entries)).await?;
    tx.commit().await?;
    assert!(!due_ids(&mut *store.begin().await?).await?.contains(&to_close.id()), "it is over");
    Ok(())
}

pub(super) async fn what_is_locked_elsewhere_is_left_out_and_nobody_waits(
    store: &dyn AuctionStore,
) -> Result<(), StoreError> {
    let auction = scheduled(store, -TimeDelta::minutes(1)).await?;
    insert(store, &auction).await?;
    let mut holder = store.begin().await?;
    assert!(holder.lock(auction.id()).await?.is_some());
    let mut other = store.begin().await?;
    assert!(!due_ids(&mut *other).await?.contains(&auction.id()));
    drop((holder, other));
    soon(async || Ok(due_ids(&mut *store.begin().await?).await?.contains(&auction.id()))).await
}

pub(super) async fn the_longest_due_come_first_and_no_more_than_asked_for(
    store: &dyn AuctionStore,
) -> Result<(), StoreError> {
    let mut ids = Vec::new();
    for days in [400, 600, 500] {
        let auction = scheduled(store, -TimeDelta::days(days)).await?;
        insert(store, &auction).await?;
        ids.push(auction.id());
    }
    let mut tx = store.begin().await?;
    let due: Vec<_> = tx.lock_due(2).await?.iter().map(|locked| locked.auction.id()).collect();
    assert_eq!(due, [ids[1], ids[2]]);
    Ok(())
}

pub(super) async fn a_paused_auction_is_not_due(store: &dyn AuctionStore) -> Result<(), StoreError> {
    let auction = scheduled(store, -TimeDelta::hours(2)).await?;
    insert(store, &auction).await?;
    change(store, auction.id(), Auction::open).await?;
    assert!(due_ids(&mut *store.begin().await?).await?.contains(&auction.id()));
    let before_its_end = auction.ends_at() - TimeDelta::minutes(1);
    change(store, auction.id(), |auction, _| auction.pause("a fault", before_its_end)).await?;
    assert!(!due_ids(&mut *store.begin().await?).await?.contains(&auction.id()));
    let resumed = change(store, auction.id(), |auction, _| auction.resume(before_its_end)).await?;
    assert_eq!(resumed.due_at(), Some(auction.ends_at()));
    assert!(due_ids(&mut *store.begin().await?).await?.contains(&auction.id()));
    Ok(())
}

pub(super) async fn the_wait_is_until_the_next_one_due(store: &dyn AuctionStore) -> Result<(), StoreError> {
    // Opens and closes whatever other promises left due, and may still hold for a moment.
    soon(async || {
        let mut tx = store.begin().await?;
        for locked in tx.lock_due(ALL).await? {
            let (auction, now) = (locked.auction, locked.now);
            let mut entries = Vec::new();
            let auction = match auction.status() {
                Status::Scheduled => {
                    let opened = auction.open(now).expect("due");
                    entries.extend(opened.entries);
                    opened.auction
                }
                _ => auction,
            };
            let closed = close(auction, now).expect("over");
            entries.extend(closed.entries);
            tx.save(Changes::of(closed.auction, entries)).await?;
        }
        tx.commit().await?;
        Ok(store.next_due().await? != Some(Duration::ZERO))
    })
    .await?;

    open(store).await?;
    let hour = Duration::from_secs(3_600);
    let wait = store.next_due().await?.expect("an auction waits");
    assert!(wait > Duration::ZERO && wait <= hour, "{wait:?}");

    let soon = scheduled(store, TimeDelta::minutes(10)).await?;
    insert(store, &soon).await?;
    let wait = store.next_due().await?.expect("an auction waits");
    assert!(wait > Duration::ZERO && wait <= hour / 6, "{wait:?}");

    let due: Auction = scheduled(store, -TimeDelta::minutes(10)).await?;
    insert(store, &due).await?;
    assert_eq!(store.next_due().await?, Some(Duration::ZERO));
    Ok(())
}
