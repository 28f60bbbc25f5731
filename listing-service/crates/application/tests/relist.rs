//! Lots that are listed again: at settlement's request and at the seller's, once.

use chrono::TimeDelta;
use listing_application::error::UseError;
use listing_domain::{
    event::Happening,
    ids::ListingId,
    listing::{Fact, Listing, Refusal},
};
use listing_harness::{
    faults::When,
    world::{World, bidder, receipt, request, sale_status, seller},
};
use listing_ports::{
    error::StoreError,
    fact::{FactHandler, HandleError, Handled, Incoming, News},
};
use uuid::Uuid;

/// Settlement's event number `sequence` about the auction `id`.
fn settlement_says(id: ListingId, sequence: u64, fact: Fact) -> Incoming {
    let receipt = receipt("/outcry/settlement-service", id, sequence);
    Incoming { receipt, news: Some(News { listing: id, fact }) }
}

/// A lot of anna's whose auction is over.
async fn closed(world: &World, sold: bool) -> Listing {
    let live = world.live(&seller("anna")).await.expect("live");
    world.store.set_clock(world.store.now() + TimeDelta::days(7));
    let price = Some(100).filter(|_| sold);
    let closed = Fact::AuctionClosed { sold, price, bid_count: u64::from(sold), ended_at: world.store.now() };
    world.hear(live.id, 2, closed).await.expect("closes");
    found(world, live.id).await
}

async fn found(world: &World, id: ListingId) -> Listing {
    world.listings.find(&seller("anna"), id).await.expect("found")
}

/// The listings that repeat `id`.
fn relistings(world: &World, id: ListingId) -> Vec<Listing> {
    world.store.contents().listings.into_values().filter(|listing| listing.relisted_from == Some(id)).collect()
}

/// How often the others were told of a relisting of `id`.
fn told(world: &World, id: ListingId) -> usize {
    let events = world.store.contents().outbox;
    events
        .iter()
        .filter(|event| matches!(event.what, Happening::Published { relisted_from: Some(from), .. } if from == id))
        .count()
}

#[tokio::test]
async fn settlements_request_lists_the_lot_again_in_one_unit_of_work() {
    let world = World::default();
    let old = closed(&world, true).await;
    let failed = settlement_says(old.id, 1, sale_status("failed", world.store.now()));
    let requested = settlement_says(old.id, 2, Fact::RelistRequested);
    let before = world.store.faults.calls().len();
    assert_eq!(world.listings.handle_all(&[failed, requested]).await, Ok(vec![Handled::Done; 2]));
    let calls = world.store.faults.calls().split_off(before);
    let once = ["begin", "receive", "lock_standings", "save_standings", "lock", "insert", "save", "record", "commit"];
    assert_eq!(calls, once);

    let [new] = relistings(&world, old.id).try_into().expect("one");
    let after = found(&world, old.id).await;
    assert_eq!((after.relisted_as, after.sale_status.map(|status| status.name)), (Some(new.id), Some("failed".into())));
    assert_eq!((new.status(), new.terms.ends_at), ("scheduled", world.store.now() + TimeDelta::days(7)));
    assert_eq!(told(&world, old.id), 1);
    assert_eq!(world.hear(new.id, 1, Fact::AuctionOpened).await, Ok(Handled::Done), "and it goes its way");
}

#[tokio::test]
async fn a_request_that_comes_again_in_any_way_makes_no_second_listing() {
    let world = World::default();
    let old = closed(&world, true).await;
    let requested = |sequence| settlement_says(old.id, sequence, Fact::RelistRequested);
    assert_eq!(world.listings.handle_all(&[requested(1), requested(2)]).await, Ok(vec![Handled::Done; 2]));
    assert_eq!(world.listings.handle_all(&[requested(1)]).await, Ok(vec![Handled::Duplicate]));
    assert_eq!(world.listings.handle_all(&[requested(3)]).await, Ok(vec![Handled::Done]));
    assert_eq!((relistings(&world, old.id).len(), told(&world, old.id)), (1, 1));
    assert_eq!(found(&world, old.id).await.version, old.version + 1);
}

#[tokio::test]
async fn a_request_about_what_was_never_sold_goes_to_the_dead_letters() {
    let world = World::default();
    let unsold = closed(&world, false).await;
    let nowhere = ListingId(Uuid::from_u128(9));
    for id in [unsold.id, nowhere] {
        let handled = world.listings.handle_all(&[settlement_says(id, 1, Fact::RelistRequested)]).await;
        assert!(matches!(handled, Err(HandleError::Poison(_))), "{handled:?}");
    }
    assert!(relistings(&world, unsold.id).is_empty());
}

#[tokio::test]
async fn a_fault_at_any_port_call_lists_the_lot_again_once_or_not_at_all() {
    let calls = ["begin", "receive", "lock_standings", "save_standings", "lock", "insert", "save", "record", "commit"];
    for (nth, name) in calls.into_iter().enumerate() {
        for when in [When::Before, When::After] {
            let world = World::default();
            let old = closed(&world, true).await;
            let requested = [settlement_says(old.id, 1, Fact::RelistRequested)];
            world.store.faults.fail(nth, when, StoreError::Unavailable("gone".into()));
            let handled = world.listings.handle_all(&requested).await;
            assert!(matches!(handled, Err(HandleError::Retry(_))), "{when:?} {name}: {handled:?}");
            let happened = usize::from(when == When::After && name == "commit");
            assert_eq!(
                (relistings(&world, old.id).len(), told(&world, old.id)),
                (happened, happened),
                "{when:?} {name}"
            );
            world.listings.handle_all(&requested).await.expect("it comes again");
            assert_eq!((relistings(&world, old.id).len(), told(&world, old.id)), (1, 1), "{when:?} {name}");
        }
    }
}

#[tokio::test]
async fn a_seller_relists_what_was_not_sold_once_for_each_key() {
    let (world, anna) = (World::default(), seller("anna"));
    let old = closed(&world, false).await;
    let first = world.listings.relist(&anna, &request(&anna, "r"), old.id).await.expect("decided");
    let again = world.listings.relist(&anna, &request(&anna, "r"), old.id).await.expect("replayed");
    assert_eq!((first.replayed, again.replayed), (false, true));
    assert_eq!(first.outcome, again.outcome);
    let new = first.outcome.expect("relisted");
    assert_eq!((new.relisted_from, new.status()), (Some(old.id), "scheduled"));
    assert_eq!(relistings(&world, old.id), std::slice::from_ref(&new));
    assert_eq!(told(&world, old.id), 1);

    let another = world.listings.relist(&anna, &request(&anna, "other key"), old.id).await.expect("decided");
    assert_eq!(another.outcome, Err(Refusal::Relisted { relisted_as: new.id }));
}

#[tokio::test]
async fn a_refusal_is_kept_like_a_listing() {
    let (world, anna) = (World::default(), seller("anna"));
    let old = closed(&world, true).await;
    let refused = world.listings.relist(&anna, &request(&anna, "r"), old.id).await.expect("decided");
    assert!(matches!(refused.outcome, Err(Refusal::State { .. })), "{refused:?}");
    world
        .listings
        .handle_all(&[settlement_says(old.id, 1, sale_status("failed", world.store.now()))])
        .await
        .expect("heard");
    let again = world.listings.relist(&anna, &request(&anna, "r"), old.id).await.expect("replayed");
    assert_eq!((again.replayed, &again.outcome), (true, &refused.outcome));
    let anew = world.listings.relist(&anna, &request(&anna, "r2"), old.id).await.expect("decided");
    assert!(anew.outcome.is_ok(), "its sale has failed by now");
}

#[tokio::test]
async fn only_its_seller_relists_a_lot_and_a_key_belongs_to_one_request() {
    let (world, anna, bert) = (World::default(), seller("anna"), seller("bert"));
    let old = closed(&world, false).await;
    let stranger = world.listings.relist(&bert, &request(&bert, "r"), old.id).await;
    assert!(matches!(stranger, Err(UseError::Forbidden(_))), "{stranger:?}");
    let no_seller = world.listings.relist(&bidder("anna"), &request(&anna, "r"), old.id).await;
    assert!(matches!(no_seller, Err(UseError::Forbidden(_))), "{no_seller:?}");
    let draft = world.draft(&anna, "k").await.expect("drafted").outcome;
    let hidden = world.listings.relist(&bert, &request(&bert, "r"), draft.id).await;
    assert_eq!(hidden, Err(UseError::NotFound), "a stranger's draft");
    let mut other = request(&anna, "k");
    other.fingerprint = [1; 32];
    assert_eq!(world.listings.relist(&anna, &other, old.id).await, Err(UseError::KeyReused));
    assert!(relistings(&world, old.id).is_empty());
}

#[tokio::test]
async fn the_seller_and_settlement_at_once_make_one_listing() {
    let (world, anna) = (World::default(), seller("anna"));
    let old = closed(&world, true).await;
    world
        .listings
        .handle_all(&[settlement_says(old.id, 1, sale_status("failed", world.store.now()))])
        .await
        .expect("heard");
    let requested = [settlement_says(old.id, 2, Fact::RelistRequested)];
    let key = request(&anna, "r");
    let (by_seller, by_settlement) =
        tokio::join!(world.listings.relist(&anna, &key, old.id), world.listings.handle_all(&requested));
    assert_eq!(by_settlement, Ok(vec![Handled::Done]));
    let [new] = relistings(&world, old.id).try_into().expect("one");
    let answer = by_seller.expect("decided").outcome;
    assert!(answer == Ok(new.clone()) || answer == Err(Refusal::Relisted { relisted_as: new.id }), "{answer:?}");
    assert_eq!(told(&world, old.id), 1);
}
