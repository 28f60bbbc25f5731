//! Listings follow bidding, by one event or by many at a time.

use chrono::TimeDelta;
use listing_domain::{
    ids::ListingId,
    listing::{Cancellation, CancelledBy, Fact, Listing},
    terms::{Dutch, Format, Sealed},
};
use listing_harness::{
    faults::When,
    world::{World, description, request, said, seller, terms_of},
};
use listing_ports::{
    error::StoreError,
    fact::{FactHandler, HandleError, Handled, Incoming},
};
use uuid::Uuid;

fn bid(price: i64, bid_count: u64) -> Fact {
    Fact::PriceMoved { price: Some(price), bid_count }
}

/// `count` listings that are open for bids.
async fn live(world: &World, count: usize) -> Vec<Listing> {
    let mut listings = Vec::new();
    for _ in 0..count {
        listings.push(world.live(&seller(&format!("seller-{}", Uuid::now_v7()))).await.expect("live"));
    }
    listings
}

async fn found(world: &World, id: ListingId) -> Listing {
    world.listings.find(&seller("anna"), id).await.expect("found")
}

/// The calls of the store that `batch` needs.
async fn calls_of(world: &World, batch: &[Incoming]) -> Vec<&'static str> {
    let before = world.store.faults.calls().len();
    world.listings.handle_all(batch).await.expect("handled");
    world.store.faults.calls().split_off(before)
}

#[tokio::test]
async fn a_run_of_events_is_one_unit_of_work_whatever_its_length() {
    let world = World::default();
    let listings = live(&world, 3).await;
    let round =
        |n: u32| listings.iter().map(move |listing| said(listing.id, 1 + u64::from(n), bid(i64::from(n), n.into())));
    let batch: Vec<Incoming> = (1..=100).flat_map(round).collect();
    let calls = calls_of(&world, &batch).await;
    assert_eq!(calls, ["begin", "receive", "lock_standings", "save_standings", "commit"]);
    for listing in &listings {
        let sale = found(&world, listing.id).await.on_sale().cloned().expect("on sale");
        assert_eq!((sale.price, sale.bid_count), (Some(100), 100));
    }
}

#[tokio::test]
async fn a_run_ends_as_its_events_one_by_one_do() {
    let (together, apart) = (World::default(), World::default());
    let ends_at = together.store.now() + TimeDelta::days(8);
    let facts = [
        bid(100, 1),
        bid(150, 2),
        Fact::EndMoved { ends_at },
        Fact::PriceMoved { price: Some(100), bid_count: 1 },
        Fact::AuctionPaused { paused_at: ends_at },
        Fact::AuctionResumed { ends_at: ends_at + TimeDelta::hours(1) },
        Fact::AuctionClosed { sold: true, price: Some(100), bid_count: 1, ended_at: ends_at },
    ];
    let mut ends = Vec::new();
    for (world, by_one) in [(&together, false), (&apart, true)] {
        let listing = world.live(&seller("anna")).await.expect("live");
        let batch: Vec<Incoming> = (2..).zip(&facts).map(|(n, fact)| said(listing.id, n, fact.clone())).collect();
        if by_one {
            for event in batch {
                assert_eq!(world.listings.handle_all(&[event]).await, Ok(vec![Handled::Done]));
            }
        } else {
            assert_eq!(world.listings.handle_all(&batch).await, Ok(vec![Handled::Done; facts.len()]));
        }
        let over = found(world, listing.id).await;
        ends.push((over.state.clone(), over.version));
    }
    assert_eq!(ends[0], ends[1]);
}

#[tokio::test]
async fn duplicates_and_gaps_are_told_event_by_event() {
    let world = World::default();
    let id = live(&world, 1).await[0].id;
    let batch =
        [said(id, 2, bid(100, 1)), said(id, 2, bid(100, 1)), said(id, 5, bid(300, 4)), said(id, 4, bid(200, 3))];
    let handled = [Handled::Done, Handled::Duplicate, Handled::AfterGap { expected: 3 }, Handled::Duplicate];
    assert_eq!(world.listings.handle_all(&batch).await, Ok(handled.to_vec()));
    assert_eq!(
        found(&world, id).await.on_sale().and_then(|sale| sale.price),
        Some(300),
        "the late one changes nothing"
    );
    assert_eq!(world.listings.handle_all(&batch).await, Ok(vec![Handled::Duplicate; 4]));
}

#[tokio::test]
async fn a_run_that_was_all_seen_before_writes_nothing() {
    let world = World::default();
    let id = live(&world, 1).await[0].id;
    let batch = [said(id, 2, bid(100, 1))];
    world.listings.handle_all(&batch).await.expect("handled");
    assert_eq!(calls_of(&world, &batch).await, ["begin", "receive"]);
}

#[tokio::test]
async fn events_that_listing_does_not_follow_are_only_noted() {
    let world = World::default();
    let id = live(&world, 1).await[0].id;
    let unknown = Incoming { news: None, ..said(id, 2, bid(1, 1)) };
    assert_eq!(calls_of(&world, &[unknown]).await, ["begin", "receive", "commit"]);
    assert_eq!(world.hear(id, 3, bid(100, 1)).await, Ok(Handled::Done), "no gap");
}

#[tokio::test]
async fn one_poisonous_event_leaves_no_effect_of_its_run() {
    let world = World::default();
    let id = live(&world, 1).await[0].id;
    let nowhere = ListingId(Uuid::from_u128(9));
    let impossible = said(id, 3, Fact::AuctionOpened);
    for poison in [said(nowhere, 1, bid(100, 1)), impossible] {
        let batch = [said(id, 2, bid(100, 1)), poison, said(id, 4, bid(200, 2))];
        assert!(matches!(world.listings.handle_all(&batch).await, Err(HandleError::Poison(_))));
        assert_eq!(found(&world, id).await.on_sale().map(|sale| sale.bid_count), Some(0));
    }
    assert_eq!(world.hear(id, 2, bid(100, 1)).await, Ok(Handled::Done), "the inbox has seen none of it");
}

#[tokio::test]
async fn a_run_is_had_in_full_or_not_at_all_wherever_the_store_fails() {
    for (nth, call) in ["begin", "receive", "lock_standings", "save_standings", "commit"].iter().enumerate() {
        let world = World::default();
        let listings = live(&world, 2).await;
        let batch = [said(listings[0].id, 2, bid(100, 1)), said(listings[1].id, 2, bid(200, 1))];
        world.store.faults.fail(nth, When::Before, StoreError::Unavailable("gone".into()));
        assert!(matches!(world.listings.handle_all(&batch).await, Err(HandleError::Retry(_))), "{call}");
        for listing in &listings {
            assert_eq!(&found(&world, listing.id).await, listing, "{call}");
        }
        assert_eq!(world.listings.handle_all(&batch).await, Ok(vec![Handled::Done; 2]), "{call}");
    }
}

#[tokio::test]
async fn a_conflict_tries_the_run_again_in_a_new_unit_of_work() {
    let world = World::default();
    let id = live(&world, 1).await[0].id;
    world.store.faults.fail(4, When::Before, StoreError::Conflict);
    assert_eq!(world.listings.handle_all(&[said(id, 2, bid(100, 1))]).await, Ok(vec![Handled::Done]));
    assert_eq!(found(&world, id).await.on_sale().map(|sale| sale.bid_count), Some(1));
}

async fn live_as(world: &World, format: Format) -> ListingId {
    let anna = seller("anna");
    let terms = terms_of(world.store.now(), format);
    let draft = world.listings.draft(&anna, &request(&anna, "k"), &description(), &terms).await.expect("drafted");
    let id = draft.outcome.id;
    world.listings.publish(&anna, id, None).await.expect("published");
    world.hear(id, 1, Fact::AuctionOpened).await.expect("opens");
    id
}

#[tokio::test]
async fn a_sealed_auction_shows_its_bids_when_it_closes() {
    let world = World::default();
    let id = live_as(&world, Format::Vickrey(Sealed { start_price: 100, reserve_price: None })).await;
    assert_eq!(found(&world, id).await.on_sale().map(|sale| sale.bid_count), Some(0));
    let closed = Fact::AuctionClosed { sold: true, price: Some(140), bid_count: 7, ended_at: world.store.now() };
    assert_eq!(world.hear(id, 2, closed).await, Ok(Handled::Done));
    let sold = found(&world, id).await;
    let sale = sold.on_sale().expect("sold");
    assert_eq!((sold.status(), sale.price, sale.bid_count), ("sold", Some(140), 7));
}

#[tokio::test]
async fn a_dutch_lot_that_is_bought_is_sold_in_the_same_run() {
    let world = World::default();
    let dutch = Dutch { start_price: 5_000, floor_price: 1_000, step: 250, step_every_s: 30 };
    let id = live_as(&world, Format::Dutch(dutch)).await;
    let closed = Fact::AuctionClosed { sold: true, price: Some(4_500), bid_count: 1, ended_at: world.store.now() };
    let run = [said(id, 2, bid(4_500, 1)), said(id, 3, closed)];
    assert_eq!(world.listings.handle_all(&run).await, Ok(vec![Handled::Done; 2]));
    assert_eq!(found(&world, id).await.status(), "sold");
}

#[tokio::test]
async fn the_operators_reason_is_kept() {
    let world = World::default();
    let id = live(&world, 1).await[0].id;
    world.hear(id, 2, bid(100, 1)).await.expect("a bid");
    let cancellation = Cancellation { by: Some(CancelledBy::Operator), reason: Some("a forgery".into()) };
    assert_eq!(world.hear(id, 3, Fact::AuctionCancelled(cancellation.clone())).await, Ok(Handled::Done));
    assert_eq!(found(&world, id).await.state.cancellation(), Some(&cancellation));
}
