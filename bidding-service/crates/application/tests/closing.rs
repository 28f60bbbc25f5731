//! Auctions open and close when they are due, never early, never twice.

use std::time::Duration;

use bidding_application::close::LOCKED_ELSEWHERE;
use bidding_domain::{
    auction::Status, bid::Refusal, english::EnglishTerms, event::Happening, format::Outcome, ids::AuctionId,
    soft_close::SoftClose, views::ResultOutcome,
};
use bidding_harness::{
    faults::When,
    world::{LASTS, World, amount, lot, refused, user},
};
use bidding_ports::{error::StoreError, store::AuctionStore};
use chrono::TimeDelta;

fn told(world: &World, auction: AuctionId) -> Vec<Happening> {
    let events = world.store.contents().events();
    events.into_iter().filter(|event| event.auction_id == auction).map(|event| event.what).collect()
}

#[tokio::test]
async fn an_auction_opens_at_its_start_and_closes_at_its_end() {
    let world = World::default();
    let auction = world.given_published(lot(), TimeDelta::minutes(1)).await;
    world.when_time_passes(TimeDelta::seconds(59)).await;
    assert_eq!(world.then_sees("ann", auction).await.status, Status::Scheduled);
    world.when_time_passes(TimeDelta::seconds(1)).await;
    assert_eq!(world.then_sees("ann", auction).await.status, Status::Open);
    world.given_bid("ann", auction, 900).await;
    world.when_time_passes(LASTS - TimeDelta::milliseconds(1)).await;
    assert_eq!(world.then_sees("ann", auction).await.status, Status::Open);
    world.when_time_passes(TimeDelta::milliseconds(1)).await;
    let view = world.then_sees("ann", auction).await;
    let result = view.result.unwrap();
    assert_eq!((view.status, result.outcome, result.price), (Status::Closed, ResultOutcome::Sold, Some(amount(500))));
}

#[tokio::test]
async fn the_winner_is_picked_at_the_extended_end_and_no_extension_is_lost() {
    let soft_close = SoftClose::Reset { window_s: 120, hard_stop_s: 3_600 };
    let world = World::default();
    let auction = world.given_open(EnglishTerms { soft_close, ..lot() }).await;
    world.when_time_passes(LASTS - TimeDelta::seconds(1)).await;
    world.given_bid("ann", auction, 900).await;
    world.when_time_passes(TimeDelta::seconds(1)).await;
    assert_eq!(world.then_sees("ann", auction).await.status, Status::Open, "the first end has passed");
    world.given_bid("bob", auction, 2_000).await;
    world.when_time_passes(TimeDelta::seconds(120)).await;
    let Some(Happening::Closed { outcome, .. }) = told(&world, auction).pop() else { panic!("not closed") };
    assert_eq!(outcome, Outcome::Sold { price: amount(1_000), winner: user("bob") });
}

#[tokio::test]
async fn finished_is_never_saved_without_its_event_nor_told_without_being_saved() {
    for (nth, name) in ["beat", "begin", "lock_due", "save", "commit"].into_iter().enumerate() {
        for when in [When::Before, When::After] {
            let world = World::default();
            let auction = world.given_open(lot()).await;
            world.given_bid("ann", auction, 900).await;
            world.store.advance(LASTS);
            let calls_before = world.store.faults.calls().len();
            world.store.faults.fail(nth, when, StoreError::Unavailable("gone".to_owned()));
            assert!(world.auctions.run_due(16).await.is_err());
            assert_eq!(world.store.faults.calls()[calls_before + nth], name);

            let finished = world.store.contents().auctions[&auction].status() == Status::Closed;
            let events = told(&world, auction).len();
            assert_eq!(finished, when == When::After && name == "commit", "{when:?} {name}");
            assert_eq!(events, if finished { 3 } else { 2 }, "{when:?} {name}");

            world.when_time_passes(TimeDelta::zero()).await;
            assert_eq!(world.store.contents().auctions[&auction].status(), Status::Closed);
            assert_eq!((told(&world, auction).len(), world.store.contents().outbox.len()), (3, 3));
        }
    }
}

#[tokio::test]
async fn an_auction_whose_whole_time_passed_unseen_opens_and_closes_at_once() {
    let world = World::default();
    let auction = world.given_published(lot(), TimeDelta::minutes(1)).await;
    world.when_time_passes(LASTS * 2).await;
    let told = told(&world, auction);
    assert!(matches!(told[..], [Happening::Opened { .. }, Happening::Closed { outcome: Outcome::NoBids, .. }]));
}

#[tokio::test]
async fn a_batch_takes_no_more_than_its_limit_and_says_that_more_may_be_due() {
    let world = World::default();
    for _ in 0..5 {
        world.given_open(lot()).await;
    }
    world.store.advance(LASTS);
    let closed = |world: &World| {
        world.store.contents().auctions.values().filter(|auction| auction.status() == Status::Closed).count()
    };
    assert_eq!(world.auctions.run_due(2).await, Ok(Some(Duration::ZERO)));
    assert_eq!(closed(&world), 2);
    assert_eq!(world.auctions.run_due(2).await, Ok(Some(Duration::ZERO)));
    assert_eq!(world.auctions.run_due(2).await, Ok(None), "no auction waits any more");
    assert_eq!(closed(&world), 5);
}

#[tokio::test]
async fn the_closer_sleeps_until_the_next_start_or_end() {
    let world = World::default();
    assert_eq!(world.auctions.run_due(16).await, Ok(None));
    world.given_published(lot(), TimeDelta::minutes(10)).await;
    assert_eq!(world.auctions.run_due(16).await, Ok(Some(Duration::from_secs(600))));
}

#[tokio::test]
async fn an_auction_that_a_bid_has_locked_is_left_for_the_next_round() {
    let world = World::default();
    let auction = world.given_open(lot()).await;
    world.store.advance(LASTS);
    let mut bid = world.store.begin().await.unwrap();
    bid.lock(auction).await.unwrap();
    assert_eq!(world.auctions.run_due(16).await, Ok(Some(LOCKED_ELSEWHERE)));
    drop(bid);
    assert_eq!(world.auctions.run_due(16).await, Ok(None));
}

#[tokio::test]
async fn two_closers_close_each_auction_once() {
    let world = World::default();
    let mut auctions = Vec::new();
    for _ in 0..10 {
        auctions.push(world.given_open(lot()).await);
    }
    world.store.advance(LASTS);
    let closer = async || while world.auctions.run_due(3).await.unwrap().is_some() {};
    tokio::join!(closer(), closer());
    for auction in auctions {
        assert_eq!(told(&world, auction).len(), 2, "opened and closed");
    }
}

#[tokio::test]
async fn a_bid_and_the_closer_at_the_same_moment_agree_who_was_first() {
    let world = World::default();
    let auction = world.given_open(lot()).await;
    world.store.advance(LASTS);
    let (reply, _) = tokio::join!(world.when_bids("ann", auction, 900), world.auctions.run_due(16));
    assert_eq!(refused(&reply), Refusal::NotOpen { status: Status::Closed });
    world.when_time_passes(TimeDelta::seconds(1)).await;
    assert_eq!(told(&world, auction).len(), 2);
}

#[tokio::test]
async fn a_late_bid_closes_what_a_busy_lane_keeps_from_the_closer() {
    let world = World::default();
    let auction = world.given_open(lot()).await;
    world.given_bid("ann", auction, 900).await;
    world.store.advance(LASTS);
    let late = world.when_bids("bob", auction, 2_000).await;
    assert_eq!(refused(&late), Refusal::NotOpen { status: Status::Closed });
    let [.., Happening::Closed { outcome, .. }] = &told(&world, auction)[..] else { panic!("not closed") };
    assert_eq!(*outcome, Outcome::Sold { price: amount(500), winner: user("ann") });
    assert_eq!(world.auctions.run_due(16).await, Ok(None));
    world.then_its_log_proves_it(auction);
}

#[tokio::test]
async fn a_closer_that_stood_still_after_its_beat_closes_nothing_before_it_knows_what_was_lost() {
    let world = World::default();
    let auction = world.given_open(lot()).await;
    world.store.advance(LASTS - TimeDelta::seconds(1));
    world.store.advance_without_life(TimeDelta::minutes(10));
    let mut tx = world.store.begin().await.unwrap();
    assert!(tx.lock_due(16).await.unwrap()[0].silence > TimeDelta::minutes(9));
    drop(tx);
    world.auctions.run_due(16).await.unwrap();
    assert_eq!(world.then_sees("ann", auction).await.status, Status::Open, "ten minutes were given back");
}
