//! What a unit of work changes is written at once.

use bidding_domain::ids::AuctionId;
use bidding_ports::{
    error::StoreError,
    idempotency::{Claim, RequestKey},
    store::{AuctionStore, AuctionTx, Changes, Request, Wait},
};
use serde_json::json;

use super::{decide, fresh_key, open, open_lot, read, request};
use crate::{
    lots::{first_price, lot},
    world::one,
};

/// The changes of one bid on each of several auctions, all in one.
async fn bids(tx: &mut dyn AuctionTx, requests: &[Request], max: i64) -> Result<Changes, StoreError> {
    let floor = tx.enter(requests, Wait::ForAll).await?;
    let mut changes = Changes::default();
    for auction in floor.auctions.into_values() {
        let first = decide(auction?, floor.now, "ann", one(max));
        let second = decide(first.auction, floor.now, "bob", one(max + 1_000));
        for entry in [first.entry, second.entry] {
            let entries = entry.into_iter().collect();
            changes.entries.extend(Changes::of(second.auction.clone(), entries).entries);
        }
        changes.auctions.push(second.auction);
    }
    changes.answers =
        requests.iter().map(|request| (request.key.clone(), json!(request.auction).to_string())).collect();
    Ok(changes)
}

pub(super) async fn many_auctions_entries_and_answers_are_written_at_once(
    store: &dyn AuctionStore,
) -> Result<(), StoreError> {
    let mut requests = Vec::new();
    for number in 0..40 {
        let id =
            if number % 2 == 0 { open_lot(store, lot()).await? } else { open_lot(store, first_price()).await? }.id();
        requests.push(request(id));
    }
    let mut tx = store.begin().await?;
    let changes = bids(&mut *tx, &requests, 1_000).await?;
    let (auctions, entries) = (changes.auctions.clone(), changes.entries.clone());
    tx.save(changes).await?;
    tx.commit().await?;

    for auction in auctions {
        let id = auction.id();
        assert_eq!(read(store, id).await?, Some(auction), "what was saved");
        let log = store.log(id).await?;
        let own: Vec<_> = entries.iter().map(|caused| &caused.entry).filter(|entry| entry.auction_id == id).collect();
        assert_eq!(log.iter().skip(1).collect::<Vec<_>>(), own, "after the opening");
        assert_eq!(store.bids(id, None, 10).await?.len(), 2);
    }
    let known = store.begin().await?.enter(&requests, Wait::ForAll).await?.known;
    for (request, known) in requests.iter().zip(known) {
        assert_eq!(known.claim, Claim::Replay(json!(request.auction).to_string()));
    }
    Ok(())
}

/// Two units of work that both found a key free, each with an auction of its own.
async fn race(
    store: &dyn AuctionStore,
    key: &RequestKey,
) -> Result<[(Result<(), StoreError>, AuctionId); 2], StoreError> {
    let (one, other) = (open(store).await?.id(), open(store).await?.id());
    let asked = |auction| [Request { auction, key: key.clone() }];
    let (mut first, mut second) = (store.begin().await?, store.begin().await?);
    let (first_changes, second_changes) =
        (bids(&mut *first, &asked(one), 1_000).await?, bids(&mut *second, &asked(other), 1_000).await?);
    first.save(first_changes).await?;
    // A store may let the second wait until the first has ended.
    let late = async {
        second.save(second_changes).await?;
        second.commit().await
    };
    let (earlier, later) = tokio::join!(first.commit(), late);
    Ok([(earlier, one), (later, other)])
}

pub(super) async fn of_two_answers_to_one_key_the_later_conflicts(store: &dyn AuctionStore) -> Result<(), StoreError> {
    let key = fresh_key();
    let mut outcomes = race(store, &key).await?;
    outcomes.sort_by_key(|(outcome, _)| outcome.is_err());
    let [(kept, one), (refused, _)] = outcomes;
    assert_eq!((kept, refused), (Ok(()), Err(StoreError::Conflict)));
    let again = [Request { auction: one, key }];
    assert_eq!(
        store.begin().await?.enter(&again, Wait::ForAll).await?.known[0].claim,
        Claim::Replay(json!(one).to_string())
    );
    Ok(())
}

pub(super) async fn what_conflicts_leaves_nothing(store: &dyn AuctionStore) -> Result<(), StoreError> {
    for (outcome, id) in race(store, &fresh_key()).await? {
        let bids = if outcome.is_ok() { 2 } else { 0 };
        assert_eq!(store.bids(id, None, 10).await?.len(), bids);
        assert_eq!(store.log(id).await?.len(), 1 + bids);
        assert_eq!(read(store, id).await?.expect("it is there").rules().bid_count(), bids as u64);
    }
    Ok(())
}
