//! Bids through the use case: once per key, one after the other, and nothing half done.

use bidding_application::{error::UseError, place_bid::BidReply};
use bidding_domain::{
    auction::Status,
    bid::{Ask, BidOutcome, Refusal},
    english::EnglishTerms,
    ids::AuctionId,
    soft_close::SoftClose,
    views::ResultOutcome,
};
use bidding_harness::{
    faults::When,
    lots::{dutch, of_each_format, uniform},
    world::{LASTS, SELLER, World, accepted, amount, lot, one, refused, request, units, user},
};
use bidding_ports::{error::StoreError, fact::Fact};
use chrono::TimeDelta;
use uuid::Uuid;

#[tokio::test]
async fn an_accepted_bid_is_kept_told_and_answered() {
    let world = World::default();
    let auction = world.given_open(lot()).await;
    let reply = world.when_bids("ann", auction, 900).await;
    let BidReply::Accepted { bid_id, outcome, auction: view } = &reply else { panic!("{reply:?}") };
    assert_eq!((outcome, view.price, view.you_lead), (&BidOutcome::Leading, Some(amount(500)), true));
    let contents = world.store.contents();
    assert_eq!(contents.bids().iter().map(|bid| bid.id).collect::<Vec<_>>(), [*bid_id]);
    assert_eq!(contents.outbox.len(), 2, "opened and placed");
    assert_eq!(**view, world.then_sees("ann", auction).await);
    world.then_its_log_proves_it(auction);
}

#[tokio::test]
async fn a_bids_id_carries_the_time_of_the_store() {
    let world = World::default();
    let auction = world.given_open(lot()).await;
    world.when_bids("ann", auction, 900).await;
    let id = world.store.contents().bids()[0].id.0;
    let (seconds, _) = id.get_timestamp().unwrap().to_unix();
    assert_eq!((id.get_version_num(), seconds), (7, 1_800_000_000));
}

#[tokio::test]
async fn nobody_bids_on_an_auction_that_is_not_there() {
    let world = World::default();
    let reply = world.bid("ann", "key", AuctionId(Uuid::from_u128(9)), 900).await;
    assert_eq!(reply, Err(UseError::NotFound));
}

#[tokio::test]
async fn a_double_click_bids_once() {
    let world = World::default();
    let auction = world.given_open(lot()).await;
    let first = world.bid("ann", "key", auction, 900).await.unwrap();
    let again = world.bid("ann", "key", auction, 900).await.unwrap();
    assert_eq!((first.replayed, again.replayed), (false, true));
    assert_eq!(first.outcome, again.outcome);
    assert_eq!(world.store.contents().bids().len(), 1);
}

#[tokio::test]
async fn of_a_hundred_requests_with_one_key_at_once_one_has_an_effect() {
    for instances in [1, 2] {
        let world = World::default();
        let other = world.another_instance();
        let auction = world.given_open(lot()).await;
        let send = |number: usize| {
            let world = if number.is_multiple_of(instances) { world.clone() } else { other.clone() };
            tokio::spawn(async move { world.bid("ann", "key", auction, 900).await })
        };
        let requests: Vec<_> = (0..100).map(send).collect();
        let (mut decided, mut replayed, mut told_to_wait) = (Vec::new(), Vec::new(), 0);
        for reply in requests {
            match reply.await.unwrap() {
                Ok(answer) if answer.replayed => replayed.push(answer.outcome),
                Ok(answer) => decided.push(answer.outcome),
                Err(UseError::KeyRunning) => told_to_wait += 1,
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!((decided.len(), replayed.len() + told_to_wait), (1, 99), "{instances}");
        assert!(replayed.iter().all(|answer| *answer == decided[0]));
        assert!(told_to_wait >= 98, "{told_to_wait}");
        assert_eq!(world.store.contents().bids().len(), 1);
        assert!(world.bid("ann", "key", auction, 900).await.unwrap().replayed, "the key is free again");
    }
}

#[tokio::test]
async fn a_replay_gives_the_first_answer_even_when_the_auction_moved_on() {
    let world = World::default();
    let auction = world.given_open(lot()).await;
    let first = world.bid("ann", "key", auction, 900).await.unwrap();
    world.when_bids("bob", auction, 9_000).await;
    world.when_time_passes(LASTS).await;
    let again = world.bid("ann", "key", auction, 900).await.unwrap();
    assert_eq!(first.outcome, again.outcome);
}

#[tokio::test]
async fn a_refused_bid_is_kept_like_a_success() {
    let world = World::default();
    let auction = world.given_open(lot()).await;
    let first = world.bid("ann", "key", auction, 499).await.unwrap();
    assert_eq!(refused(&first.outcome), Refusal::BidTooLow { next_minimum: amount(500) });
    world.when_time_passes(LASTS).await;
    let again = world.bid("ann", "key", auction, 499).await.unwrap();
    assert_eq!((again.replayed, again.outcome), (true, first.outcome));
    assert!(world.store.contents().bids().is_empty());
}

#[tokio::test]
async fn a_key_with_another_bid_is_a_mistake() {
    let world = World::default();
    let (auction, elsewhere) = (world.given_open(lot()).await, world.given_open(lot()).await);
    world.bid("ann", "key", auction, 900).await.unwrap();
    assert_eq!(world.bid("ann", "key", auction, 901).await, Err(UseError::KeyReused));
    assert_eq!(world.bid("ann", "key", elsewhere, 900).await, Err(UseError::KeyReused));
    assert_eq!(world.ask("ann", "key", auction, Ask::BuyNow).await, Err(UseError::KeyReused));
    assert!(!world.bid("bob", "key", auction, 1_000).await.unwrap().replayed, "keys of others never meet");
    assert_eq!(world.store.contents().bids().len(), 2);
}

#[tokio::test]
async fn a_key_of_a_request_that_found_nothing_is_free_again() {
    let world = World::default();
    let auction = AuctionId(Uuid::now_v7());
    assert_eq!(world.bid("ann", "key", auction, 900).await, Err(UseError::NotFound));
    assert_eq!(world.bid("ann", "key", auction, 900).await, Err(UseError::NotFound));
    assert_eq!(world.store.contents().kept_answers(), 0);
}

#[tokio::test]
async fn two_bids_are_never_both_decided_on_the_same_price() {
    let world = World::default();
    let auction = world.given_open(lot()).await;
    let (ann, bob) = tokio::join!(world.when_bids("ann", auction, 500), world.when_bids("bob", auction, 500));
    let winners = [&ann, &bob].iter().filter(|reply| matches!(reply, BidReply::Accepted { .. })).count();
    assert_eq!(winners, 1, "{ann:?} {bob:?}");
    assert_eq!(world.store.contents().bids().len(), 1);
}

#[tokio::test]
async fn the_price_is_the_same_whoever_asks_and_only_the_leader_hears_that_he_leads() {
    let world = World::default();
    let auction = world.given_open(lot()).await;
    assert_eq!(accepted(&world.when_bids("ann", auction, 2_000).await), BidOutcome::Leading);
    assert_eq!(accepted(&world.when_bids("bob", auction, 900).await), BidOutcome::Outbid);
    assert_eq!(accepted(&world.when_bids("ann", auction, 3_000).await), BidOutcome::MaxRaised);
    world.then_leads("ann", auction, 1_000).await;
    assert!(!world.then_sees("bob", auction).await.you_lead);
}

#[tokio::test]
async fn the_seller_and_suspended_bidders_are_refused_in_every_format() {
    let world = World::default();
    for (sequence, format) in (1..).step_by(2).zip(of_each_format()) {
        let auction = world.given_open(format).await;
        assert_eq!(refused(&world.when_bids(SELLER, auction, 3_000).await), Refusal::SellerMayNotBid);
        world.hear("ann".to_owned(), sequence, Some(Fact::BidderSuspended(user("ann")))).await.unwrap();
        assert_eq!(refused(&world.when_bids("ann", auction, 3_000).await), Refusal::BidderSuspended);
        world.hear("ann".to_owned(), sequence + 1, Some(Fact::BidderReinstated(user("ann")))).await.unwrap();
        let _ = accepted(&world.when_bids("ann", auction, 3_000).await);
    }
}

#[tokio::test]
async fn a_bid_after_the_end_is_late_even_before_the_closer_came() {
    let world = World::default();
    let auction = world.given_open(lot()).await;
    world.store.advance(LASTS);
    let reply = world.when_bids("ann", auction, 900).await;
    assert_eq!(refused(&reply), Refusal::NotOpen { status: Status::Closed });
}

#[tokio::test]
async fn a_bid_after_the_start_opens_the_auction_before_the_opener_came() {
    let world = World::default();
    let auction = world.given_published(lot(), TimeDelta::minutes(1)).await;
    assert_eq!(refused(&world.when_bids("ann", auction, 900).await), Refusal::NotOpen { status: Status::Scheduled });
    world.store.advance(TimeDelta::minutes(1));
    let _ = accepted(&world.when_bids("ann", auction, 900).await);
    world.when_time_passes(TimeDelta::minutes(1)).await;
    assert_eq!(world.store.contents().log(auction).len(), 2, "opened once, and one bid");
    world.then_its_log_proves_it(auction);
}

#[tokio::test]
async fn buying_now_ends_the_auction_at_once() {
    let world = World::default();
    let auction = world.given_open(EnglishTerms { buy_now_price: Some(amount(900)), ..lot() }).await;
    let reply = world.when_asks("ann", auction, Ask::BuyNow).await;
    let BidReply::Accepted { outcome: BidOutcome::Bought, auction: view, .. } = reply else { panic!("{reply:?}") };
    let result = view.result.unwrap();
    assert_eq!((view.status, result.outcome, result.price), (Status::Closed, ResultOutcome::Sold, Some(amount(900))));
    assert_eq!(world.store.contents().events().len(), 3, "opened, placed, closed");
    let late = world.when_bids("bob", auction, 5_000).await;
    assert_eq!(refused(&late), Refusal::NotOpen { status: Status::Closed });
    world.then_its_log_proves_it(auction);
}

#[tokio::test]
async fn a_bid_ends_the_offer_to_buy_now() {
    let world = World::default();
    let auction = world.given_open(EnglishTerms { buy_now_price: Some(amount(900)), ..lot() }).await;
    assert_eq!(world.then_sees("ann", auction).await.buy_now_price, Some(amount(900)));
    world.given_bid("ann", auction, 500).await;
    assert_eq!(world.then_sees("ann", auction).await.buy_now_price, None);
    assert_eq!(refused(&world.when_asks("bob", auction, Ask::BuyNow).await), Refusal::BuyNowGone);
}

#[tokio::test]
async fn of_two_who_take_a_dutch_price_at_once_one_buys() {
    let world = World::default();
    let auction = world.given_open(dutch()).await;
    world.when_time_passes(TimeDelta::seconds(150)).await;
    let (ann, bob) = tokio::join!(world.when_bids("ann", auction, 1_800), world.when_bids("bob", auction, 1_900));
    let bought = |reply: &BidReply| matches!(reply, BidReply::Accepted { outcome: BidOutcome::Bought, .. });
    assert!(bought(&ann) != bought(&bob), "{ann:?} {bob:?}");
    let view = world.then_sees("ann", auction).await;
    assert_eq!((view.status, view.result.unwrap().price), (Status::Closed, Some(amount(1_800))));
    world.then_its_log_proves_it(auction);
}

#[tokio::test]
async fn only_a_lot_of_many_units_takes_a_quantity() {
    let world = World::default();
    for format in of_each_format() {
        let auction = world.given_open(format).await;
        let reply = world.when_asks("ann", auction, units(3_000, 4)).await;
        let largest = world.then_sees("ann", auction).await.quantity;
        assert_eq!(refused(&reply), Refusal::QuantityNotOffered { largest });
    }
    let auction = world.given_open(uniform()).await;
    let _ = accepted(&world.when_asks("ann", auction, units(600, 2)).await);
}

/// Every port call of a bid in its order.
const CALLS: [&str; 4] = ["begin", "enter", "save", "commit"];

fn lost() -> StoreError {
    StoreError::Unavailable("the connection is lost".to_owned())
}

#[tokio::test]
async fn a_bid_takes_four_port_calls() {
    let world = World::default();
    let auction = world.given_open(lot()).await;
    let before = world.store.faults.calls().len();
    world.given_bid("ann", auction, 900).await;
    assert_eq!(world.store.faults.calls()[before..], CALLS);
}

#[tokio::test]
async fn a_fault_at_any_port_call_leaves_nothing_half_done() {
    for (nth, name) in CALLS.into_iter().enumerate() {
        for when in [When::Before, When::After] {
            let soft_close = SoftClose::Reset { window_s: 120, hard_stop_s: 600 };
            let world = World::default();
            let auction = world.given_open(EnglishTerms { soft_close, ..lot() }).await;
            world.store.advance(LASTS - TimeDelta::seconds(1));
            let before = world.store.contents();
            let calls_before = world.store.faults.calls().len();

            world.store.faults.fail(nth, when, lost());
            assert_eq!(world.bid("ann", "key", auction, 900).await, Err(UseError::Store(lost())), "{when:?} {name}");
            assert_eq!(world.store.faults.calls()[calls_before + nth], name);

            // Only a commit that happened and was not answered has an effect: the whole of it.
            let happened = when == When::After && name == "commit";
            let contents = world.store.contents();
            assert_eq!(contents.bids().len(), usize::from(happened), "{when:?} {name}");
            if !happened {
                assert_eq!(contents.auctions, before.auctions, "{when:?} {name}");
                assert_eq!(contents.entries, before.entries, "{when:?} {name}");
                assert_eq!(contents.outbox, before.outbox, "{when:?} {name}");
                assert_eq!(contents.kept_answers(), 0, "{when:?} {name}");
            }

            // The client sends it again: it counts once, with its extension and all its events.
            let again = world.bid("ann", "key", auction, 900).await.unwrap();
            assert_eq!(again.replayed, happened, "{when:?} {name}");
            assert_eq!(accepted(&again.outcome), BidOutcome::Leading);
            let contents = world.store.contents();
            assert_eq!((contents.bids().len(), contents.events().len(), contents.outbox.len()), (1, 3, 3));
            assert_eq!(contents.auctions[&auction].ends_at(), world.store.now() + TimeDelta::seconds(120));
            world.then_its_log_proves_it(auction);
        }
    }
}

#[tokio::test]
async fn a_conflict_is_tried_again_in_a_new_unit_of_work() {
    for nth in 0..CALLS.len() {
        let world = World::default();
        let auction = world.given_open(lot()).await;
        world.store.faults.fail(nth, When::Before, StoreError::Conflict);
        let reply = world.bid("ann", "key", auction, 900).await.unwrap();
        assert_eq!(accepted(&reply.outcome), BidOutcome::Leading);
        assert_eq!(world.store.contents().bids().len(), 1);
    }
}

#[tokio::test]
async fn nothing_but_a_conflict_is_tried_again() {
    let world = World::default();
    let auction = world.given_open(lot()).await;
    let corrupt = StoreError::Corrupt("not a snapshot".to_owned());
    for error in [lost(), corrupt] {
        let before = world.store.faults.calls().len();
        world.store.faults.fail(2, When::Before, error.clone());
        assert_eq!(world.bid("ann", "key", auction, 900).await, Err(UseError::Store(error)));
        assert_eq!(world.store.faults.calls()[before..], CALLS[..3]);
    }
}

#[tokio::test]
async fn conflicts_without_end_are_given_up() {
    use bidding_ports::store::{MockAuctionStore, MockAuctionTx};
    let mut store = MockAuctionStore::new();
    store.expect_begin().times(5).returning(|| {
        let mut tx = MockAuctionTx::new();
        tx.expect_enter().returning(|_, _| Err(StoreError::Conflict));
        Ok(Box::new(tx))
    });
    let world = World::default();
    let auctions =
        bidding_application::Auctions::new(std::sync::Arc::new(store), world.feed.clone(), world.aliases.clone());
    let auction = AuctionId(Uuid::now_v7());
    let ask = one(900);
    let reply = auctions.place_bid(request("ann", "key", auction, ask), auction, ask).await;
    assert!(matches!(reply, Err(UseError::Store(StoreError::Unavailable(_)))), "{reply:?}");
}
