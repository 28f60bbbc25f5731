//! Closing after a pause of all auctions and after an outage: neither decides a sale.

use std::time::Duration;

use bidding_application::{close::DOWNTIME, manage::Operation, place_bid::BidReply};
use bidding_domain::{
    auction::{PausedBy, Status},
    bid::Refusal,
    event::Happening,
    halt::LAST_MINUTES,
    ids::AuctionId,
    views::AuctionView,
};
use bidding_harness::{
    lots::{dutch, of_each_format},
    world::{LASTS, World, amount, lot, user},
};
use bidding_ports::{
    error::StoreError,
    store::{AuctionStore, Changes},
};
use chrono::TimeDelta;

async fn ends_later_by(world: &World, auction: AuctionId) -> TimeDelta {
    let AuctionView { starts_at, ends_at, .. } = world.then_sees("ann", auction).await;
    ends_at - starts_at - LASTS
}

fn told(world: &World, auction: AuctionId) -> Vec<Happening> {
    world.store.contents().log(auction).iter().flat_map(|entry| entry.record.told.clone()).collect()
}

#[tokio::test]
async fn nothing_opens_or_closes_while_all_are_paused() {
    let world = World::default();
    let (open, waits) = (world.given_open(lot()).await, world.given_published(lot(), TimeDelta::minutes(5)).await);
    world.auctions.pause_all("the network is down").await.unwrap();
    world.store.advance(LASTS * 2);
    assert_eq!(world.auctions.run_due(16).await, Ok(None));
    let contents = world.store.contents();
    assert_eq!(contents.auctions[&open].status(), Status::Open);
    assert_eq!(contents.auctions[&waits].status(), Status::Scheduled);
    assert_eq!(world.then_sees("ann", open).await.status, Status::Paused);
}

#[tokio::test]
async fn an_auction_whose_end_passed_during_a_pause_of_all_goes_on_after_it() {
    for format in of_each_format() {
        let world = World::default();
        let auction = world.given_open(format).await;
        world.when_time_passes(TimeDelta::minutes(50)).await;
        world.auctions.pause_all("the network is down").await.unwrap();
        world.when_time_passes(TimeDelta::minutes(30)).await;
        world.auctions.resume_all().await.unwrap();
        world.when_time_passes(TimeDelta::minutes(10) - TimeDelta::milliseconds(1)).await;
        assert_eq!(ends_later_by(&world, auction).await, TimeDelta::minutes(30));
        world.given_bid("ann", auction, 3_000).await;
        world.when_time_passes(TimeDelta::milliseconds(1)).await;
        assert_eq!(world.then_sees("ann", auction).await.status, Status::Closed);
        world.then_its_log_proves_it(auction);
    }
}

#[tokio::test]
async fn an_auction_that_somebody_asked_for_during_a_pause_of_all_gets_the_same_time_back() {
    let world = World::default();
    let auction = world.given_open(lot()).await;
    world.auctions.pause_all("the network is down").await.unwrap();
    world.when_time_passes(TimeDelta::minutes(10)).await;
    // The bid is refused, and the auction's log follows the pause.
    let _ = world.when_bids("ann", auction, 900).await;
    world.when_time_passes(LASTS).await;
    world.auctions.resume_all().await.unwrap();
    world.when_time_passes(TimeDelta::zero()).await;
    assert_eq!(ends_later_by(&world, auction).await, LASTS + TimeDelta::minutes(10));
    assert_eq!(world.then_sees("ann", auction).await.status, Status::Open);
    world.then_its_log_proves_it(auction);
}

#[tokio::test]
async fn an_auction_whose_start_came_during_a_pause_of_all_has_its_whole_time_after_it() {
    let world = World::default();
    let auction = world.given_published(lot(), TimeDelta::minutes(5)).await;
    world.auctions.pause_all("the network is down").await.unwrap();
    world.when_time_passes(TimeDelta::minutes(30)).await;
    world.auctions.resume_all().await.unwrap();
    world.when_time_passes(TimeDelta::zero()).await;
    assert_eq!(world.then_sees("ann", auction).await.status, Status::Open);
    assert_eq!(ends_later_by(&world, auction).await, TimeDelta::minutes(25), "from its start to the end of the pause");
    world.then_its_log_proves_it(auction);
}

/// Whoever is up first after an outage: its time is given back before anything else happens to an auction.
#[tokio::test]
async fn what_the_operator_does_first_after_an_outage_takes_nothing_from_it() {
    let outage = TimeDelta::minutes(3);
    // Ended in the outage, or ends soon after it.
    for left in [TimeDelta::seconds(30), TimeDelta::minutes(4)] {
        let given = async || {
            let world = World::default();
            let auction = world.given_open(lot()).await;
            world.when_time_passes(LASTS - left).await;
            world.store.advance_without_life(outage);
            (world, auction)
        };
        let (world, auction) = given().await;
        world.auctions.pause_all("to look what happened").await.unwrap();
        assert_eq!(world.then_sees("ann", auction).await.status, Status::Paused, "{left}");
        world.when_time_passes(TimeDelta::minutes(10)).await;
        world.auctions.resume_all().await.unwrap();
        world.when_time_passes(TimeDelta::zero()).await;
        assert_eq!(ends_later_by(&world, auction).await, outage + TimeDelta::minutes(10), "{left}");
        world.then_its_log_proves_it(auction);

        let (world, auction) = given().await;
        let pause = Operation::Pause { reason: "to look what happened".to_owned() };
        world.auctions.operate(&user("operator"), auction, &pause).await.unwrap();
        world.when_time_passes(TimeDelta::minutes(10)).await;
        world.auctions.operate(&user("operator"), auction, &Operation::Resume).await.unwrap();
        assert_eq!(ends_later_by(&world, auction).await, outage + TimeDelta::minutes(10), "{left}");
        world.then_its_log_proves_it(auction);
    }
}

#[tokio::test]
async fn an_outage_that_touches_the_last_minutes_is_given_back() {
    // Ends during the outage, right after it, at the edge of the last minutes, and beyond.
    let edge = TimeDelta::minutes(10) + LAST_MINUTES;
    for (left, given_back) in [
        (TimeDelta::minutes(1), TimeDelta::minutes(10)),
        (TimeDelta::minutes(11), TimeDelta::minutes(10)),
        (edge, TimeDelta::minutes(10)),
        (edge + TimeDelta::milliseconds(1), TimeDelta::zero()),
    ] {
        let world = World::default();
        let auction = world.given_open(lot()).await;
        world.when_time_passes(LASTS - left).await;
        world.given_bid("ann", auction, 900).await;
        world.when_down_for(TimeDelta::minutes(10)).await;
        assert_eq!(ends_later_by(&world, auction).await, given_back, "{left}");
        let view = world.then_sees("ann", auction).await;
        assert_eq!(view.status, Status::Open, "{left}");
        world.given_bid("bob", auction, 2_000).await;
        if !given_back.is_zero() {
            let resumed = told(&world, auction)[2].clone();
            assert_eq!(
                resumed,
                Happening::Resumed { by: PausedBy::Downtime, paused_for_ms: 600_000, ends_at: view.ends_at }
            );
        }
        world.then_its_log_proves_it(auction);
    }
}

#[tokio::test]
async fn a_bid_is_taken_as_soon_as_the_service_is_back_even_before_the_closer_came() {
    let world = World::default();
    let auction = world.given_open(lot()).await;
    world.when_time_passes(LASTS - TimeDelta::minutes(1)).await;
    world.store.advance_without_life(TimeDelta::minutes(10));
    // A bid alone cannot know of the outage; the closer's first call does.
    assert_eq!(world.auctions.run_due(16).await, Ok(Some(Duration::from_secs(60))));
    world.given_bid("ann", auction, 900).await;
    world.when_time_passes(TimeDelta::minutes(1)).await;
    assert_eq!(world.then_sees("ann", auction).await.status, Status::Closed);
    world.then_its_log_proves_it(auction);
}

#[tokio::test]
async fn a_moment_without_a_sign_of_life_is_no_outage() {
    let world = World::default();
    let auction = world.given_open(lot()).await;
    world.when_time_passes(LASTS - TimeDelta::seconds(1)).await;
    world.when_down_for(TimeDelta::from_std(DOWNTIME).unwrap()).await;
    assert_eq!(world.then_sees("ann", auction).await.status, Status::Closed);
    assert!(world.store.contents().halts.is_empty());
}

#[tokio::test]
async fn an_outage_during_a_pause_of_all_neither_ends_the_pause_nor_counts_twice() {
    let world = World::default();
    let auction = world.given_open(lot()).await;
    world.when_time_passes(TimeDelta::minutes(59)).await;
    world.auctions.pause_all("the network is down").await.unwrap();
    assert!(matches!(world.when_bids("ann", auction, 900).await, BidReply::Refused { .. }));
    world.when_down_for(TimeDelta::minutes(10)).await;
    assert_eq!(world.then_sees("ann", auction).await.status, Status::Paused);
    world.when_time_passes(TimeDelta::minutes(5)).await;
    world.auctions.resume_all().await.unwrap();
    world.when_time_passes(TimeDelta::zero()).await;
    assert_eq!(ends_later_by(&world, auction).await, TimeDelta::minutes(15));
    world.then_its_log_proves_it(auction);
}

#[tokio::test]
async fn two_instances_that_come_back_at_once_give_the_time_back_once() {
    let world = World::default();
    let other = world.another_instance();
    let mut auctions = Vec::new();
    for _ in 0..10 {
        auctions.push(world.given_open(lot()).await);
    }
    world.when_time_passes(LASTS - TimeDelta::seconds(30)).await;
    world.store.advance_without_life(TimeDelta::minutes(3));
    let closer =
        async |world: &World| while world.auctions.run_due(3).await.unwrap().is_some_and(|wait| wait.is_zero()) {};
    tokio::join!(closer(&world), closer(&other));
    for auction in auctions {
        assert_eq!(ends_later_by(&world, auction).await, TimeDelta::minutes(3));
        assert_eq!(told(&world, auction).len(), 2, "opened, and given back");
        world.then_its_log_proves_it(auction);
    }
}

#[tokio::test]
async fn several_halts_are_given_back_one_after_the_other() {
    let world = World::default();
    let auction = world.given_open(lot()).await;
    for minutes in [7, 11, 13] {
        world.auctions.pause_all("the network is down").await.unwrap();
        world.when_time_passes(TimeDelta::minutes(minutes)).await;
        world.auctions.resume_all().await.unwrap();
        world.when_time_passes(TimeDelta::minutes(1)).await;
    }
    assert_eq!(ends_later_by(&world, auction).await, TimeDelta::minutes(31));
    world.given_bid("ann", auction, 900).await;
    assert_eq!(ends_later_by(&world, auction).await, TimeDelta::minutes(31), "its log has followed them");
    world.then_its_log_proves_it(auction);
}

#[tokio::test]
async fn a_dutch_price_does_not_fall_while_bidding_rests() {
    let world = World::default();
    let auction = world.given_open(dutch()).await;
    world.when_time_passes(TimeDelta::minutes(2)).await;
    world.auctions.pause_all("the network is down").await.unwrap();
    world.when_time_passes(TimeDelta::minutes(10)).await;
    assert_eq!(world.then_sees("ann", auction).await.price, Some(amount(1_800)));
    world.auctions.resume_all().await.unwrap();
    world.when_time_passes(TimeDelta::minutes(1)).await;
    assert_eq!(world.then_sees("ann", auction).await.price, Some(amount(1_700)));
    world.given_bid("ann", auction, 1_700).await;
    world.then_its_log_proves_it(auction);
}

#[tokio::test]
async fn the_first_bid_after_an_outage_is_not_late_though_nobody_has_noticed_the_outage_yet() {
    let world = World::default();
    let auction = world.given_open(lot()).await;
    world.store.advance(LASTS - TimeDelta::minutes(1));
    world.store.advance_without_life(TimeDelta::minutes(10));
    world.given_bid("ann", auction, 900).await;
    assert_eq!(ends_later_by(&world, auction).await, TimeDelta::minutes(10));
    world.then_its_log_proves_it(auction);
}

#[tokio::test]
async fn a_bid_that_waited_for_its_auction_is_not_accepted_after_a_pause_of_all() {
    let world = World::default();
    let auction = world.given_open(lot()).await;
    // The pause comes between reading and writing.
    let mut tx = world.store.begin().await.unwrap();
    let locked = tx.lock(auction).await.unwrap().unwrap();
    world.auctions.pause_all("the network is down").await.unwrap();
    assert_eq!(tx.save(Changes::of(locked.auction, Vec::new())).await, Err(StoreError::Conflict));
    drop(tx);
    let reply = world.when_bids("ann", auction, 900).await;
    assert!(matches!(reply, BidReply::Refused { refusal: Refusal::Paused }), "{reply:?}");
}
