//! Settlement asks who is next: answered once, by the auction's log, and told to nobody else.

use bidding_domain::{
    bid::Refusal,
    event::Happening,
    ids::{AuctionId, SettlementId},
    second_chance::Asked,
    views::HappeningView,
};
use bidding_harness::{
    faults::When,
    lots::{Lot, first_price, vickrey},
    world::{LASTS, World, amount, lot, refused, user},
};
use bidding_ports::{
    error::StoreError,
    fact::{Fact, HandleError, Handled},
};
use uuid::Uuid;

/// ann wins, bob and cay follow; the lot is over.
async fn sold(world: &World, lot: impl Lot) -> AuctionId {
    let auction = world.given_open(lot).await;
    for (bidder, max) in [("cay", 2_000), ("bob", 3_000), ("ann", 5_000)] {
        world.given_bid(bidder, auction, max).await;
    }
    world.when_time_passes(LASTS).await;
    auction
}

/// The question of a settlement, which excludes ann alone.
fn question(auction: AuctionId, settlement: u128) -> Fact {
    let asked = Asked { settlement: SettlementId(Uuid::from_u128(settlement)), excluded: vec![user("ann")] };
    Fact::SecondChanceRequested { auction, asked }
}

async fn ask(world: &World, auction: AuctionId, settlement: u128) -> Result<Handled, HandleError> {
    world.hear(format!("settlement {settlement}"), 1, Some(question(auction, settlement))).await
}

/// What settlement was told of the auction, by settlement.
fn answers(world: &World, auction: AuctionId) -> Vec<(u128, Option<(String, i64)>)> {
    let events = world.store.contents().events();
    let of_auction = events.into_iter().filter(|event| event.auction_id == auction);
    let answer = |what| match what {
        Happening::Nominated { settlement, bidder, amount, .. } => {
            Some((settlement.0.as_u128(), Some((bidder.0, amount.minor()))))
        }
        Happening::Exhausted { settlement } => Some((settlement.0.as_u128(), None)),
        _ => None,
    };
    of_auction.filter_map(|event| answer(event.what)).collect()
}

fn bob() -> (String, i64) {
    ("bob".to_owned(), 3_000)
}

fn cay() -> (String, i64) {
    ("cay".to_owned(), 2_000)
}

#[tokio::test]
async fn contenders_are_nominated_one_after_the_other_until_there_are_none() {
    for format in [lot().format(), first_price(), vickrey()] {
        let world = World::default();
        let auction = sold(&world, format).await;
        for settlement in 1..=3 {
            assert_eq!(ask(&world, auction, settlement).await, Ok(Handled::Done));
        }
        assert_eq!(answers(&world, auction), [(1, Some(bob())), (2, Some(cay())), (3, None)]);
        world.then_its_log_proves_it(auction);
    }
}

#[tokio::test]
async fn a_question_that_comes_twice_has_one_answer() {
    let world = World::default();
    let auction = sold(&world, lot()).await;
    assert_eq!(ask(&world, auction, 1).await, Ok(Handled::Done));
    assert_eq!(ask(&world, auction, 1).await, Ok(Handled::Duplicate));
    let under_another_number = world.hear("settlement 1".to_owned(), 2, Some(question(auction, 1))).await;
    assert_eq!(under_another_number, Ok(Handled::Done));
    assert_eq!(answers(&world, auction), [(1, Some(bob()))]);
}

#[tokio::test]
async fn a_suspended_bidder_is_refused_and_no_contender_until_reinstated() {
    let world = World::default();
    let auction = sold(&world, lot()).await;
    let other = world.given_open(lot()).await;
    world.hear("bob".to_owned(), 1, Some(Fact::BidderSuspended(user("bob")))).await.unwrap();
    assert_eq!(refused(&world.when_bids("bob", other, 900).await), Refusal::BidderSuspended);
    ask(&world, auction, 1).await.unwrap();
    world.hear("bob".to_owned(), 2, Some(Fact::BidderReinstated(user("bob")))).await.unwrap();
    world.given_bid("bob", other, 900).await;
    ask(&world, auction, 2).await.unwrap();
    assert_eq!(answers(&world, auction), [(1, Some(cay())), (2, Some(bob()))]);
    world.then_its_log_proves_it(auction);
}

#[tokio::test]
async fn an_auction_that_is_not_over_has_no_contender_and_goes_on_as_if_nobody_had_asked() {
    let world = World::default();
    let auction = world.given_open(lot()).await;
    world.given_bid("cay", auction, 2_000).await;
    world.given_bid("ann", auction, 5_000).await;
    let before = world.then_sees("eve", auction).await;
    let mut stream = world.auctions.stream(&user("eve"), auction, before.sequence).await.unwrap();
    assert_eq!(ask(&world, auction, 1).await, Ok(Handled::Done));
    assert_eq!(answers(&world, auction), [(1, None)]);
    assert_eq!(world.then_sees("eve", auction).await, before);
    world.given_bid("bob", auction, 3_000).await;
    let next = stream.next().await.unwrap().unwrap();
    assert!(matches!(&next[..], [event] if matches!(event.what, HappeningView::BidPlaced { .. })), "{next:?}");
    world.when_time_passes(LASTS).await;
    world.then_its_log_proves_it(auction);
}

#[tokio::test]
async fn a_question_about_what_bidding_never_heard_of_goes_to_the_dead_letters() {
    let world = World::default();
    let handled = ask(&world, AuctionId(Uuid::now_v7()), 1).await;
    assert_eq!(handled, Err(HandleError::Poison("there is no such auction".to_owned())));
}

#[tokio::test]
async fn streams_views_and_history_of_the_auction_say_nothing_of_an_answer() {
    for format in [lot().format(), first_price(), vickrey()] {
        let world = World::default();
        let auction = sold(&world, format).await;
        let seen = async || {
            let mut stream = world.auctions.stream(&user("eve"), auction, 0).await.unwrap();
            let mut events = Vec::new();
            while let Some(more) = stream.next().await.unwrap() {
                events.extend(more);
            }
            let history = world.auctions.bids(&user("eve"), auction, None, 50).await.unwrap();
            (events, history, world.then_sees("eve", auction).await)
        };
        let before = seen().await;
        ask(&world, auction, 1).await.unwrap();
        ask(&world, auction, 2).await.unwrap();
        assert_eq!(seen().await, before);

        let last = before.2.sequence;
        for after in [last, last + 1, last + 2, u64::MAX] {
            let mut stream = world.auctions.stream(&user("eve"), auction, after).await.unwrap();
            assert!(stream.is_ended(), "who has seen the close has seen all");
            assert_eq!(stream.next().await, Ok(None));
        }
    }
}

#[tokio::test]
async fn a_receipt_stays_what_it_was_and_the_log_still_proves_it() {
    let world = World::default();
    let auction = sold(&world, lot()).await;
    let stated = world.auctions.statement(auction).await.unwrap();
    ask(&world, auction, 1).await.unwrap();
    assert_eq!(world.auctions.statement(auction).await, Ok(stated.clone()));
    assert_eq!(world.auctions.verify(auction).await, Ok(Ok(Some(stated))));

    world.store.tamper(|contents| {
        for event in contents.entries.iter_mut().flat_map(|entry| &mut entry.record.told) {
            if let Happening::Nominated { amount: price, .. } = event {
                *price = amount(1);
            }
        }
    });
    let difference = world.auctions.verify(auction).await.unwrap().expect_err("it was changed");
    assert!(difference.what.contains("nominated"), "{difference}");
}

#[tokio::test]
async fn a_fault_at_any_port_call_leaves_no_half_answer_and_the_question_comes_again() {
    let calls = ["begin", "receive", "lock", "standing_bids", "suspended", "save", "commit"];
    for (nth, name) in calls.into_iter().enumerate() {
        for when in [When::Before, When::After] {
            let world = World::default();
            let auction = sold(&world, lot()).await;
            let before = world.store.faults.calls().len();
            world.store.faults.fail(nth, when, StoreError::Unavailable("gone".to_owned()));
            let handled = ask(&world, auction, 1).await;
            assert!(matches!(handled, Err(HandleError::Retry(_))), "{when:?} {name}: {handled:?}");
            assert_eq!(world.store.faults.calls()[before + nth], name);
            let again = ask(&world, auction, 1).await;
            let happened = when == When::After && name == "commit";
            assert_eq!(again, Ok(if happened { Handled::Duplicate } else { Handled::Done }), "{when:?} {name}");
            assert_eq!(answers(&world, auction), [(1, Some(bob()))], "{when:?} {name}");
        }
    }
}
