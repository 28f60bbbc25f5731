//! Signs of life, and times in which nobody could bid.

use std::{sync::Arc, time::Duration};

use bidding_domain::{
    auction::{Auction, PausedBy, State},
    halt::Halt,
    ids::AuctionId,
};
use bidding_ports::{
    error::StoreError,
    store::{AuctionStore, Changes, Locked, Wait},
};
use chrono::TimeDelta;

use super::{change, close, fresh_id, insert, now, open, request, scheduled, soon};
use crate::{lots::lot, world::terms_of};

/// Longer than any test.
const HOUR: Duration = Duration::from_secs(3_600);

async fn halts(store: &dyn AuctionStore, id: AuctionId) -> Result<Arc<[Halt]>, StoreError> {
    Ok(store.find(id).await?.expect("it is there").halts)
}

/// The halts that were added to `before`.
async fn added(store: &dyn AuctionStore, id: AuctionId, before: &[Halt]) -> Result<Vec<Halt>, StoreError> {
    let halts = halts(store, id).await?;
    assert!(halts.is_sorted_by(|one, other| one.number < other.number), "{halts:?}");
    Ok(halts.iter().filter(|halt| before.iter().all(|known| known.number != halt.number)).cloned().collect())
}

/// The time is what is tested: it has to pass.
async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}

pub(super) async fn a_time_without_a_sign_of_life_becomes_one_halt(store: &dyn AuctionStore) -> Result<(), StoreError> {
    let id = open(store).await?.id();
    assert!(!store.beat(HOUR).await?);
    let before = halts(store, id).await?;
    pass(Duration::from_millis(20)).await;
    assert!(!store.beat(HOUR).await?);
    assert_eq!(added(store, id, &before).await?, [], "it was not down for so long");

    pass(Duration::from_millis(20)).await;
    assert!(!store.beat(Duration::from_millis(1)).await?);
    let [halt] = added(store, id, &before).await?.try_into().expect("one halt");
    let up_at = now(store).await?;
    assert_eq!(halt.by, PausedBy::Downtime);
    let until = halt.until.expect("it is over");
    assert!(until <= up_at, "{halt:?} {up_at}");
    assert!(until - halt.since >= TimeDelta::milliseconds(20), "{halt:?}");
    store.beat(HOUR).await?;
    assert_eq!(added(store, id, &before).await?, [halt], "the last sign of life is a new one");
    Ok(())
}

pub(super) async fn two_that_wake_at_once_make_one_halt_of_it(store: &dyn AuctionStore) -> Result<(), StoreError> {
    let id = open(store).await?.id();
    store.beat(HOUR).await?;
    let before = halts(store, id).await?;
    pass(Duration::from_millis(600)).await;
    let downtime = Duration::from_millis(300);
    tokio::try_join!(store.beat(downtime), store.beat(downtime), store.beat(downtime))?;
    assert_eq!(added(store, id, &before).await?.len(), 1);
    Ok(())
}

pub(super) async fn a_pause_of_all_begins_once_and_ends_once(store: &dyn AuctionStore) -> Result<(), StoreError> {
    let id = open(store).await?.id();
    let before = halts(store, id).await?;
    assert!(!store.resume_all().await?, "nothing rests");
    let (one, other) = tokio::try_join!(store.pause_all("a fault"), store.pause_all("a fault"))?;
    assert!(one != other);
    assert!(!store.pause_all("another fault").await?);
    assert!(store.beat(HOUR).await?, "the closer is told");
    let [lasting] = added(store, id, &before).await?.try_into().expect("one halt");
    assert_eq!((lasting.by, lasting.reason.as_str(), lasting.until), (PausedBy::Operator, "a fault", None));

    let (one, other) = tokio::try_join!(store.resume_all(), store.resume_all())?;
    assert!(one != other);
    assert!(!store.resume_all().await?);
    assert!(!store.beat(HOUR).await?);
    let [over] = added(store, id, &before).await?.try_into().expect("one halt");
    assert!(over.until.expect("it is over") >= lasting.since);
    assert_eq!(Halt { until: None, ..over }, lasting);
    assert!(store.pause_all("a second fault").await?);
    assert!(store.resume_all().await?);
    assert_eq!(added(store, id, &before).await?.len(), 2);
    Ok(())
}

pub(super) async fn an_outage_during_a_pause_of_all_is_a_halt_of_its_own(
    store: &dyn AuctionStore,
) -> Result<(), StoreError> {
    let id = open(store).await?.id();
    store.beat(HOUR).await?;
    let before = halts(store, id).await?;
    store.pause_all("a fault").await?;
    pass(Duration::from_millis(20)).await;
    assert!(store.beat(Duration::from_millis(1)).await?, "they are still paused");
    assert!(store.resume_all().await?, "an outage ends no pause");
    let added = added(store, id, &before).await?;
    assert_eq!(added.iter().map(|halt| halt.by).collect::<Vec<_>>(), [PausedBy::Operator, PausedBy::Downtime]);
    assert!(added.iter().all(|halt| halt.until.is_some()));
    Ok(())
}

pub(super) async fn everybody_who_decides_is_given_the_halts(store: &dyn AuctionStore) -> Result<(), StoreError> {
    let open_one = open(store).await?.id();
    let due = scheduled(store, -TimeDelta::minutes(1)).await?;
    insert(store, &due).await?;
    let before = halts(store, open_one).await?;
    store.pause_all("a fault").await?;
    for _ in 0..2 {
        let [halt] = added(store, open_one, &before).await?.try_into().expect("one halt");
        let mut tx = store.begin().await?;
        let floor = tx.enter(&[request(open_one)], Wait::ForAll).await?;
        let locked = tx.lock(open_one).await?.expect("it is there");
        let locked_due = tx.lock_due(10_000).await?;
        let due = locked_due.iter().find(|locked| locked.auction.id() == due.id()).expect("it is due");
        for (halts, who) in [(floor.halts, "floor"), (locked.halts, "lock"), (Arc::clone(&due.halts), "lock_due")] {
            assert!(halts.is_sorted_by_key(|halt| halt.number));
            assert!(halts.contains(&halt), "{who} of {halts:?}");
        }
        drop(tx);
        store.resume_all().await?;
    }
    Ok(())
}

pub(super) async fn what_was_decided_before_a_halt_began_or_ended_is_not_written_after_it(
    store: &dyn AuctionStore,
) -> Result<(), StoreError> {
    let id = open(store).await?.id();
    for paused in [false, true] {
        let mut tx = store.begin().await?;
        let read = if paused {
            tx.enter(&[request(id)], Wait::ForAll).await?.auctions.remove(&id).expect("it is there")?
        } else {
            tx.lock(id).await?.expect("it is there").auction
        };
        assert!(if paused { store.resume_all().await? } else { store.pause_all("a fault").await? });
        assert_eq!(tx.save(Changes::of(read, Vec::new())).await, Err(StoreError::Conflict));
    }
    Ok(())
}

pub(super) async fn an_auction_whose_end_passed_during_a_pause_of_all_gets_the_time_back(
    store: &dyn AuctionStore,
) -> Result<(), StoreError> {
    let starts_at = now(store).await?;
    let auction = Auction::schedule(fresh_id(), terms_of(lot(), starts_at, TimeDelta::seconds(1)));
    let (id, end) = (auction.id(), auction.ends_at());
    insert(store, &auction).await?;
    change(store, id, Auction::open).await?;
    store.pause_all("a fault").await?;
    soon(async || Ok(now(store).await? >= end)).await?;

    let due = |locked: &Locked| locked.auction.id() == id;
    let mut tx = store.begin().await?;
    let Locked { auction, halts, now, .. } =
        tx.lock_due(10_000).await?.into_iter().find(due).expect("its end has passed");
    let followed = auction.catch_up(&halts, now);
    assert!(matches!(followed.auction.state(), State::Paused { halt: Some(_), .. }), "{:?}", followed.auction.state());
    tx.save(Changes::of(followed.auction.clone(), followed.entries)).await?;
    tx.commit().await?;
    assert_eq!(super::read(store, id).await?, Some(followed.auction));

    store.resume_all().await?;
    let mut tx = store.begin().await?;
    let Locked { auction, halts, now, .. } = tx.lock(id).await?.expect("it is there");
    let halt = halts.last().cloned().expect("there was one");
    let rested = halt.until.expect("it is over") - halt.since;
    let resumed = auction.catch_up(&halts, now);
    assert_eq!(resumed.auction.ends_at(), end + TimeDelta::milliseconds(rested.num_milliseconds()));
    tx.save(Changes::of(resumed.auction.clone(), resumed.entries)).await?;
    tx.commit().await?;
    assert_eq!(super::read(store, id).await?, Some(resumed.auction));
    change(store, id, close).await?;
    Ok(())
}
