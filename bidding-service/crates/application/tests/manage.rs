//! What happens to an auction besides bids: retraction, declined lots, and the operator.

use bidding_application::{error::UseError, place_bid::BidReply};
use bidding_domain::{
    auction::{Attempt, CancelledBy, Objection, State, Status},
    bid::Refusal,
    event::Happening,
    ids::{AuctionId, BidId},
    views::ResultOutcome,
};
use bidding_harness::{
    faults::When,
    lots::{Lot, first_price, uniform, vickrey},
    world::{LASTS, World, amount, lot, refused, units, user},
};
use bidding_ports::{error::StoreError, store::AuctionStore};
use chrono::TimeDelta;
use uuid::Uuid;

fn objection<T: std::fmt::Debug>(result: Result<T, UseError>) -> Objection {
    match result {
        Err(UseError::Refused(refused)) => refused.objection,
        other => panic!("not refused: {other:?}"),
    }
}

fn last_told(world: &World) -> Happening {
    world.store.contents().events().pop().unwrap().what
}

#[tokio::test]
async fn with_much_time_to_go_all_bids_of_a_bidder_are_taken_back() {
    let world = World::default();
    let auction = world.given_open_for(lot(), TimeDelta::hours(24)).await;
    let first = world.given_bid("ann", auction, 900).await;
    world.given_bid("bob", auction, 2_000).await;
    let second = world.given_bid("ann", auction, 5_000).await;
    let retraction = world.when_retracts("ann", auction, first).await.unwrap();
    assert_eq!(retraction.gone, [first, second]);
    assert_eq!((retraction.auction.price, retraction.auction.bid_count), (Some(amount(500)), Some(1)));
    assert_eq!(retraction.auction, world.then_sees("ann", auction).await);
    world.then_leads("bob", auction, 500).await;
    world.then_its_log_proves_it(auction);
}

#[tokio::test]
async fn with_little_time_to_go_only_a_young_bid_is_taken_back() {
    let world = World::default();
    let auction = world.given_open_for(lot(), TimeDelta::hours(12)).await;
    let old = world.given_bid("ann", auction, 900).await;
    world.when_time_passes(TimeDelta::hours(1)).await;
    let young = world.given_bid("ann", auction, 5_000).await;
    assert_eq!(objection(world.when_retracts("ann", auction, old).await), Objection::TooLate);
    assert_eq!(world.when_retracts("ann", auction, young).await.unwrap().gone, [young]);
    world.given_bid("bob", auction, 1_000).await;
    world.then_leads("bob", auction, 1_000).await;
    world.then_its_log_proves_it(auction);
}

#[tokio::test]
async fn nobody_takes_back_the_bid_of_another_nor_one_that_is_not_there() {
    let world = World::default();
    let auction = world.given_open(lot()).await;
    let bid = world.given_bid("ann", auction, 900).await;
    assert_eq!(world.when_retracts("bob", auction, bid).await, Err(UseError::NotFound));
    assert_eq!(world.when_retracts("ann", auction, BidId(Uuid::now_v7())).await, Err(UseError::NotFound));
    assert_eq!(world.when_retracts("ann", AuctionId(Uuid::now_v7()), bid).await, Err(UseError::NotFound));
    world.when_retracts("ann", auction, bid).await.unwrap();
    assert_eq!(world.when_retracts("ann", auction, bid).await, Err(UseError::NotFound), "it is gone already");
}

#[tokio::test]
async fn after_the_end_nothing_is_taken_back_even_before_the_closer_came() {
    let world = World::default();
    let auction = world.given_open(lot()).await;
    let bid = world.given_bid("ann", auction, 900).await;
    world.store.advance(LASTS);
    assert_eq!(objection(world.when_retracts("ann", auction, bid).await), Objection::Over);
}

#[tokio::test]
async fn a_sealed_bid_that_is_taken_back_is_told_to_nobody() {
    let world = World::default();
    let auction = world.given_open(vickrey()).await;
    let bid = world.given_bid("ann", auction, 9_000).await;
    world.given_bid("bob", auction, 2_000).await;
    world.given_bid("cay", auction, 1_000).await;
    world.when_retracts("ann", auction, bid).await.unwrap();
    assert_eq!(world.store.contents().events().len(), 1, "opened");
    world.when_time_passes(LASTS).await;
    let view = world.then_sees("bob", auction).await;
    assert_eq!((view.you_lead, view.price), (true, Some(amount(1_000))));
    world.then_its_log_proves_it(auction);
}

/// Ann gets two units of the three, Bob one of the two that he wanted.
async fn given_a_partial_lot(world: &World) -> AuctionId {
    let auction = world.given_open(uniform()).await;
    for (bidder, max) in [("ann", 900), ("bob", 800)] {
        let reply = world.when_asks(bidder, auction, units(max, 2)).await;
        assert!(matches!(reply, BidReply::Accepted { .. }), "{reply:?}");
    }
    world.when_time_passes(LASTS).await;
    auction
}

#[tokio::test]
async fn who_won_less_than_was_wanted_may_decline_it_once_and_in_time() {
    let world = World::default();
    let auction = given_a_partial_lot(&world).await;
    world.store.advance(TimeDelta::seconds(59));
    assert_eq!(objection(world.when_declines("ann", auction).await), Objection::NothingToDecline);
    assert_eq!(objection(world.when_declines("cay", auction).await), Objection::NothingToDecline);
    let view = world.when_declines("bob", auction).await.unwrap();
    let declined: Vec<_> = view.result.unwrap().awards.iter().map(|award| (award.yours, award.declined)).collect();
    assert_eq!(declined, [(false, false), (true, true)]);
    assert!(matches!(last_told(&world), Happening::Declined { quantity: 1, .. }));
    assert_eq!(objection(world.when_declines("bob", auction).await), Objection::NothingToDecline);
    world.then_its_log_proves_it(auction);
}

#[tokio::test]
async fn a_partial_lot_is_declined_before_its_time_is_over_or_not_at_all() {
    let world = World::default();
    let auction = given_a_partial_lot(&world).await;
    world.store.advance(TimeDelta::seconds(60));
    assert_eq!(objection(world.when_declines("bob", auction).await), Objection::Over);
    let open = world.given_open(uniform()).await;
    assert_eq!(objection(world.when_declines("bob", open).await), Objection::WrongState);
}

#[tokio::test]
async fn a_paused_auction_takes_no_bids_and_gets_its_time_back() {
    let world = World::default();
    let auction = world.given_open(lot()).await;
    let end = world.then_sees("ann", auction).await.ends_at;
    world.when_time_passes(TimeDelta::minutes(50)).await;
    let paused = world.when_paused(auction).await.unwrap();
    assert_eq!((paused.status, paused.paused_at), (Status::Paused, Some(world.store.now())));
    world.when_time_passes(LASTS).await;
    assert_eq!(refused(&world.when_bids("ann", auction, 900).await), Refusal::Paused);
    let resumed = world.when_resumed(auction).await.unwrap();
    assert_eq!((resumed.status, resumed.paused_at, resumed.ends_at), (Status::Open, None, end + LASTS));
    world.given_bid("ann", auction, 900).await;
    world.when_time_passes(TimeDelta::minutes(10)).await;
    assert_eq!(world.then_sees("ann", auction).await.status, Status::Closed);
    world.then_its_log_proves_it(auction);
}

#[tokio::test]
async fn the_operator_pauses_what_is_open_and_resumes_what_is_paused() {
    let world = World::default();
    let auction = world.given_open(lot()).await;
    assert_eq!(objection(world.when_resumed(auction).await), Objection::WrongState);
    world.when_paused(auction).await.unwrap();
    assert_eq!(objection(world.when_paused(auction).await), Objection::WrongState);
    world.when_resumed(auction).await.unwrap();
    world.store.advance(LASTS);
    assert_eq!(objection(world.when_paused(auction).await), Objection::Over);
    assert_eq!(world.when_paused(AuctionId(Uuid::now_v7())).await, Err(UseError::NotFound));
}

#[tokio::test]
async fn the_operator_cancels_whoever_bid_and_the_reason_is_kept() {
    let world = World::default();
    let auction = world.given_open(lot()).await;
    world.given_bid("ann", auction, 900).await;
    let view = world.when_cancelled(auction).await.unwrap();
    assert_eq!((view.status, view.result.unwrap().outcome), (Status::Cancelled, ResultOutcome::Cancelled));
    let Happening::Cancelled { by: CancelledBy::Operator, reason, .. } = last_told(&world) else { panic!() };
    assert_eq!(reason.as_deref(), Some("the lot was stolen"));
    assert_eq!(objection(world.when_cancelled(auction).await), Objection::WrongState);
    let Err(UseError::Refused(refused)) = world.when_paused(auction).await else { panic!() };
    assert_eq!((refused.status, refused.attempt), (Status::Cancelled, Attempt::Pause));
    world.then_its_log_proves_it(auction);
}

#[tokio::test]
async fn a_paused_auction_can_be_cancelled() {
    let world = World::default();
    let auction = world.given_open(lot()).await;
    world.when_paused(auction).await.unwrap();
    assert_eq!(world.when_cancelled(auction).await.unwrap().status, Status::Cancelled);
}

#[tokio::test]
async fn a_pause_of_all_refuses_bids_everywhere_and_ends_for_all() {
    let world = World::default();
    let auctions = [world.given_open(lot()).await, world.given_open(uniform()).await];
    assert_eq!(world.auctions.pause_all("the network is down").await, Ok(true));
    assert_eq!(world.auctions.pause_all("again").await, Ok(false));
    for auction in auctions {
        let view = world.then_sees("ann", auction).await;
        assert_eq!((view.status, view.paused_at), (Status::Paused, Some(world.store.now())), "before anybody asked");
        assert_eq!(refused(&world.when_bids("ann", auction, 900).await), Refusal::Paused);
        assert_eq!(objection(world.when_resumed(auction).await), Objection::AllPaused);
    }
    world.when_time_passes(TimeDelta::minutes(10)).await;
    assert_eq!(world.auctions.resume_all().await, Ok(true));
    assert_eq!(world.auctions.resume_all().await, Ok(false));
    for auction in auctions {
        let view = world.then_sees("ann", auction).await;
        assert_eq!((view.status, view.paused_at), (Status::Open, None));
        assert_eq!(view.ends_at - view.starts_at, LASTS + TimeDelta::minutes(10));
        world.given_bid("ann", auction, 900).await;
        world.then_its_log_proves_it(auction);
    }
}

#[tokio::test]
async fn an_auction_that_was_paused_alone_stays_so_when_all_go_on() {
    let world = World::default();
    let auction = world.given_open(lot()).await;
    world.when_paused(auction).await.unwrap();
    world.when_time_passes(TimeDelta::minutes(10)).await;
    world.auctions.pause_all("the network is down").await.unwrap();
    world.when_time_passes(TimeDelta::minutes(10)).await;
    world.auctions.resume_all().await.unwrap();
    world.when_time_passes(TimeDelta::minutes(10)).await;
    assert_eq!(world.then_sees("ann", auction).await.status, Status::Paused);
    let resumed = world.when_resumed(auction).await.unwrap();
    assert_eq!(resumed.ends_at - resumed.starts_at, LASTS + TimeDelta::minutes(30), "each minute once");
    world.given_bid("ann", auction, 900).await;
    world.then_its_log_proves_it(auction);
}

#[tokio::test]
async fn a_fault_at_any_port_call_of_an_operation_leaves_nothing_half_done() {
    for (nth, name) in ["begin", "lock", "save", "commit"].into_iter().enumerate() {
        for when in [When::Before, When::After] {
            let world = World::default();
            let auction = world.given_open(lot()).await;
            let gone = StoreError::Unavailable("gone".to_owned());
            let before = world.store.faults.calls().len();
            world.store.faults.fail(nth, when, gone.clone());
            assert_eq!(world.when_paused(auction).await, Err(UseError::Store(gone)));
            assert_eq!(world.store.faults.calls()[before + nth], name);
            let contents = world.store.contents();
            let paused = matches!(contents.auctions[&auction].state(), State::Paused { .. });
            assert_eq!(paused, when == When::After && name == "commit", "{when:?} {name}");
            assert_eq!(contents.log(auction).len(), if paused { 2 } else { 1 });
            assert_eq!(contents.outbox.len(), contents.events().len());
            world.then_its_log_proves_it(auction);
        }
    }
}

#[tokio::test]
async fn a_retraction_that_runs_into_a_conflict_is_decided_again() {
    let world = World::default();
    let auction = world.given_open(lot()).await;
    let bid = world.given_bid("ann", auction, 900).await;
    world.store.faults.fail_next("commit", When::Before, StoreError::Conflict);
    assert_eq!(world.when_retracts("ann", auction, bid).await.unwrap().gone, [bid]);
    world.then_its_log_proves_it(auction);
}

#[tokio::test]
async fn a_bid_and_its_retraction_at_the_same_moment_come_one_after_the_other() {
    let world = World::default();
    let auction = world.given_open(lot()).await;
    let bid = world.given_bid("ann", auction, 5_000).await;
    let (reply, retraction) =
        tokio::join!(world.when_bids("bob", auction, 900), world.when_retracts("ann", auction, bid));
    assert!(matches!(reply, BidReply::Accepted { .. }), "{reply:?}");
    assert_eq!(retraction.unwrap().gone, [bid]);
    world.then_leads("bob", auction, 500).await;
    world.then_its_log_proves_it(auction);
}

#[tokio::test]
async fn a_retraction_that_is_refused_neither_locks_the_auction_nor_reads_its_other_bids() {
    let world = World::default();
    let auction = world.given_open_for(lot(), TimeDelta::hours(12)).await;
    let old = world.given_bid("ann", auction, 900).await;
    world.when_time_passes(TimeDelta::hours(1)).await;
    let young = world.given_bid("ann", auction, 5_000).await;
    world.when_retracts("ann", auction, young).await.unwrap();
    let before = world.store.faults.calls().len();
    assert_eq!(world.when_retracts("bob", auction, old).await, Err(UseError::NotFound));
    assert_eq!(world.store.faults.calls()[before..], ["bid"]);
    let before = world.store.faults.calls().len();
    assert_eq!(objection(world.when_retracts("ann", auction, old).await), Objection::TooLate);
    assert_eq!(world.store.faults.calls()[before..], ["bid", "find"]);
    let before = world.store.faults.calls().len();
    assert_eq!(world.when_retracts("ann", auction, young).await, Err(UseError::NotFound), "it is gone already");
    assert_eq!(world.store.faults.calls()[before..], ["bid", "find", "retracted"]);
}

#[tokio::test]
async fn of_two_retractions_of_one_bid_at_the_same_moment_one_takes_it_back() {
    let world = World::default();
    let auction = world.given_open(lot()).await;
    let bid = world.given_bid("ann", auction, 900).await;
    let (one, other) = tokio::join!(world.when_retracts("ann", auction, bid), world.when_retracts("ann", auction, bid));
    let (gone, refused): (Vec<_>, Vec<_>) = [one, other].into_iter().partition(Result::is_ok);
    assert_eq!((gone.len(), refused), (1, vec![Err(UseError::NotFound)]));
    world.then_its_log_proves_it(auction);
}

#[tokio::test]
async fn the_first_retraction_after_an_outage_is_not_late_though_nobody_has_noticed_the_outage_yet() {
    let world = World::default();
    let auction = world.given_open(lot()).await;
    world.when_time_passes(LASTS - TimeDelta::minutes(2)).await;
    let bid = world.given_bid("ann", auction, 900).await;
    world.store.advance_without_life(TimeDelta::minutes(10));
    assert_eq!(world.when_retracts("ann", auction, bid).await.unwrap().gone, [bid]);
    world.then_its_log_proves_it(auction);
}

#[tokio::test]
async fn no_more_than_two_retractions_have_a_unit_of_work_at_once() {
    let world = World::default();
    let mut bids = Vec::new();
    for _ in 0..4 {
        let auction = world.given_open(lot()).await;
        bids.push((auction, world.given_bid("ann", auction, 900).await));
    }
    let mut elsewhere = world.store.begin().await.unwrap();
    for (auction, _) in &bids {
        elsewhere.lock(*auction).await.unwrap();
    }
    let before = world.store.faults.count("begin");
    let retract = |(auction, bid)| {
        let world = world.clone();
        tokio::spawn(async move { world.when_retracts("ann", auction, bid).await })
    };
    let retractions: Vec<_> = bids.into_iter().map(retract).collect();
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
    assert_eq!(world.store.faults.count("begin") - before, 2, "the others wait without one");
    drop(elsewhere);
    for retraction in retractions {
        assert!(retraction.await.unwrap().is_ok());
    }
}

#[tokio::test]
async fn the_history_marks_what_was_taken_back_and_keeps_a_sealed_amount_to_itself() {
    for (format, shown) in [(lot().format(), true), (first_price(), false)] {
        let world = World::default();
        let auction = world.given_open(format).await;
        let gone = world.given_bid("ann", auction, 9_000).await;
        world.given_bid("bob", auction, 10_000).await;
        world.when_retracts("ann", auction, gone).await.unwrap();
        world.when_time_passes(LASTS).await;
        let page = world.auctions.bids(&user("bob"), auction, None, 10).await.unwrap();
        let [bob, ann] = &page.bids[..] else { panic!("{page:?}") };
        assert_eq!((bob.retracted_at, bob.price.is_some()), (None, true));
        assert_eq!((ann.bid_id, ann.retracted_at.is_some(), ann.price.is_some()), (gone, true, shown));
    }
}
