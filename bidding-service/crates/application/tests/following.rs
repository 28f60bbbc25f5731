//! Facts of listing and settlement: taken in once, in one unit of work with their effect.

use bidding_application::close::DOWNTIME;
use bidding_domain::{
    auction::{CancelledBy, Status},
    event::Happening,
    halt::LAST_MINUTES,
    ids::AuctionId,
};
use bidding_harness::{
    faults::When,
    lots::dutch,
    world::{LASTS, SELLER, World, amount, lot, terms, terms_of, user},
};
use bidding_ports::{
    error::StoreError,
    fact::{Fact, HandleError, Handled},
};
use chrono::TimeDelta;
use uuid::Uuid;

fn published(world: &World, auction: AuctionId) -> Fact {
    Fact::ListingPublished { auction, terms: terms(lot(), world.store.now()) }
}

fn cancelled(auction: AuctionId) -> Fact {
    Fact::ListingCancelled { auction, seller: user(SELLER) }
}

#[tokio::test]
async fn a_listing_whose_start_has_come_opens_at_once() {
    let world = World::default();
    let auction = world.given_open(lot()).await;
    assert_eq!(world.then_sees("ann", auction).await.status, Status::Open);
    assert!(matches!(world.store.contents().events()[0].what, Happening::Opened { .. }));
}

#[tokio::test]
async fn a_listing_whose_start_lies_ahead_is_scheduled_and_nobody_is_told() {
    let world = World::default();
    let auction = world.given_published(lot(), TimeDelta::seconds(1)).await;
    assert_eq!(world.then_sees("ann", auction).await.status, Status::Scheduled);
    assert!(world.store.contents().events().is_empty());
}

#[tokio::test]
async fn a_listing_that_is_heard_of_late_gets_the_time_since_its_start_back_where_an_outage_would_give_it() {
    let edge = LASTS - LAST_MINUTES;
    for (late, given_back) in
        [(LASTS * 2, LASTS * 2), (edge, edge), (edge - TimeDelta::milliseconds(1), TimeDelta::zero())]
    {
        let world = World::default();
        let auction = world.given_published(lot(), -late).await;
        world.when_time_passes(TimeDelta::zero()).await;
        let view = world.then_sees("ann", auction).await;
        assert_eq!((view.status, view.ends_at - view.starts_at), (Status::Open, LASTS + given_back), "{late}");
        world.given_bid("ann", auction, 900).await;
        world.when_time_passes(LASTS).await;
        assert_eq!(world.then_sees("ann", auction).await.status, Status::Closed, "{late}");
        assert!(world.auctions.verify(auction).await.unwrap().is_ok(), "{late}");
        world.then_its_log_proves_it(auction);
    }
}

#[tokio::test]
async fn a_falling_price_that_is_heard_of_late_begins_at_its_top() {
    let world = World::default();
    let auction = world.given_published(dutch(), -TimeDelta::minutes(3)).await;
    assert_eq!(world.then_sees("ann", auction).await.price, Some(amount(2_000)));
    world.when_time_passes(TimeDelta::minutes(1)).await;
    assert_eq!(world.then_sees("ann", auction).await.price, Some(amount(1_900)));
}

#[tokio::test]
async fn a_listing_that_is_heard_of_within_five_seconds_gets_nothing_back() {
    let five_seconds = TimeDelta::from_std(DOWNTIME).unwrap();
    let more = five_seconds + TimeDelta::milliseconds(1);
    for (late, given_back) in [(five_seconds, TimeDelta::zero()), (more, more)] {
        let world = World::default();
        let auction = AuctionId(Uuid::now_v7());
        let lasts = TimeDelta::seconds(6);
        let terms = terms_of(lot(), world.store.now() - late, lasts);
        world.hear(auction.to_string(), 1, Some(Fact::ListingPublished { auction, terms })).await.unwrap();
        let view = world.then_sees("ann", auction).await;
        assert_eq!(view.ends_at - view.starts_at, lasts + given_back, "{late}");
    }
}

#[tokio::test]
async fn a_fact_that_comes_twice_has_one_effect() {
    let world = World::default();
    let auction = world.given_open(lot()).await;
    world.given_bid("ann", auction, 900).await;
    let again = world.hear(auction.to_string(), 1, Some(published(&world, auction))).await;
    assert_eq!(again, Ok(Handled::Duplicate));
    assert_eq!(world.then_sees("ann", auction).await.bid_count, Some(1));
}

#[tokio::test]
async fn a_listing_published_again_leaves_its_auction_as_it_is() {
    let world = World::default();
    let auction = world.given_open(lot()).await;
    world.given_bid("ann", auction, 900).await;
    let again = world.hear(auction.to_string(), 2, Some(published(&world, auction))).await;
    assert_eq!(again, Ok(Handled::Done));
    assert_eq!(world.then_sees("ann", auction).await.bid_count, Some(1));
}

#[tokio::test]
async fn a_gap_is_reported_and_the_fact_taken_all_the_same() {
    let world = World::default();
    let auction = AuctionId(Uuid::now_v7());
    let handled = world.hear(auction.to_string(), 3, Some(published(&world, auction))).await;
    assert_eq!(handled, Ok(Handled::AfterGap { expected: 1 }));
    assert_eq!(world.then_sees("ann", auction).await.status, Status::Open);
}

#[tokio::test]
async fn an_event_that_bidding_does_not_follow_makes_no_gap() {
    let world = World::default();
    let auction = world.given_open(lot()).await;
    assert_eq!(world.hear(auction.to_string(), 2, None).await, Ok(Handled::Done));
    assert_eq!(world.hear(auction.to_string(), 3, Some(cancelled(auction))).await, Ok(Handled::Done));
    assert_eq!(world.then_sees("ann", auction).await.status, Status::Cancelled);
}

#[tokio::test]
async fn a_cancelled_listing_without_bids_is_cancelled_and_told() {
    for opens_in in [TimeDelta::zero(), TimeDelta::hours(1)] {
        let world = World::default();
        let auction = world.given_published(lot(), opens_in).await;
        world.hear(auction.to_string(), 2, Some(cancelled(auction))).await.unwrap();
        assert_eq!(world.then_sees("ann", auction).await.status, Status::Cancelled);
        let told = world.store.contents().events().pop().unwrap().what;
        assert_eq!(told, Happening::Cancelled { seller: user(SELLER), by: CancelledBy::Seller, reason: None });
        world.when_time_passes(LASTS * 3).await;
        assert_eq!(world.then_sees("ann", auction).await.status, Status::Cancelled, "it never opens");
    }
}

#[tokio::test]
async fn a_cancelled_listing_with_bids_goes_on() {
    let world = World::default();
    let auction = world.given_open(lot()).await;
    world.given_bid("ann", auction, 900).await;
    assert_eq!(world.hear(auction.to_string(), 2, Some(cancelled(auction))).await, Ok(Handled::Done));
    assert_eq!(world.then_sees("ann", auction).await.status, Status::Open);
}

#[tokio::test]
async fn a_cancellation_whose_publication_is_a_dead_letter_is_one_too_and_comes_right_behind_it() {
    let world = World::default();
    let auction = AuctionId(Uuid::now_v7());
    let handled = world.hear(auction.to_string(), 2, Some(cancelled(auction))).await;
    assert!(matches!(handled, Err(HandleError::Poison(_))), "{handled:?}");
    // The replay.
    let late = world.hear(auction.to_string(), 1, Some(published(&world, auction))).await;
    assert_eq!(late, Ok(Handled::Done));
    let handled = world.hear(auction.to_string(), 2, Some(cancelled(auction))).await;
    assert_eq!(handled, Ok(Handled::Done));
    let view = world.then_sees("ann", auction).await;
    assert_eq!(view.status, Status::Cancelled, "what was cancelled does not open after all");
}

#[tokio::test]
async fn a_first_bid_and_a_cancellation_at_the_same_moment_leave_one_of_them() {
    let world = World::default();
    let auction = world.given_open(lot()).await;
    let (reply, handled) = tokio::join!(
        world.when_bids("ann", auction, 900),
        world.hear(auction.to_string(), 2, Some(cancelled(auction)))
    );
    assert_eq!(handled, Ok(Handled::Done));
    let view = world.then_sees("ann", auction).await;
    let bid_first = matches!(reply, bidding_application::place_bid::BidReply::Accepted { .. });
    let expected = if bid_first { (Status::Open, Some(1)) } else { (Status::Cancelled, Some(0)) };
    assert_eq!((view.status, view.bid_count), expected);
}

#[tokio::test]
async fn a_fault_at_any_port_call_is_retried_later_and_leaves_nothing_half_done() {
    let calls = ["begin", "receive", "lock", "now", "insert", "save", "commit"];
    for (nth, name) in calls.into_iter().enumerate() {
        for when in [When::Before, When::After] {
            let world = World::default();
            let auction = AuctionId(Uuid::now_v7());
            world.store.faults.fail(nth, when, StoreError::Unavailable("gone".to_owned()));
            let handled = world.hear(auction.to_string(), 1, Some(published(&world, auction))).await;
            assert!(matches!(handled, Err(HandleError::Retry(_))), "{when:?} {name}: {handled:?}");
            assert_eq!(world.store.faults.calls()[nth], name);

            let happened = when == When::After && name == "commit";
            let contents = world.store.contents();
            assert_eq!(contents.auctions.len(), usize::from(happened), "{when:?} {name}");
            assert_eq!(contents.outbox.len(), usize::from(happened), "{when:?} {name}");

            let again = world.hear(auction.to_string(), 1, Some(published(&world, auction))).await;
            assert_eq!(again, Ok(if happened { Handled::Duplicate } else { Handled::Done }), "{when:?} {name}");
            assert_eq!(world.store.contents().outbox.len(), 1);
        }
    }
}

#[tokio::test]
async fn a_fact_about_an_auction_that_another_unit_of_work_has_comes_again_and_is_no_dead_letter() {
    let world = World::default();
    let auction = world.given_open(lot()).await;
    world.store.faults.fail_next("lock", When::Before, StoreError::Locked);
    let handled = world.hear(auction.to_string(), 2, Some(cancelled(auction))).await;
    assert!(matches!(handled, Err(HandleError::Retry(_))), "{handled:?}");
    assert_eq!(world.hear(auction.to_string(), 2, Some(cancelled(auction))).await, Ok(Handled::Done));
}

#[tokio::test]
async fn what_the_store_cannot_read_goes_to_the_dead_letters() {
    let world = World::default();
    let auction = AuctionId(Uuid::now_v7());
    world.store.faults.fail(2, When::Before, StoreError::Corrupt("not a snapshot".to_owned()));
    let handled = world.hear(auction.to_string(), 1, Some(published(&world, auction))).await;
    assert!(matches!(handled, Err(HandleError::Poison(_))), "{handled:?}");
}
