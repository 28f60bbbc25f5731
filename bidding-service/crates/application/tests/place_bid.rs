//! Bids through the use case: once per key, one after the other, and nothing half done.

use bidding_application::{error::UseError, place_bid::BidReply};
use bidding_domain::{
    auction::Status,
    bid::{BidOutcome, Refusal},
    english::EnglishTerms,
    ids::AuctionId,
    soft_close::SoftClose,
};
use bidding_harness::{
    faults::When,
    world::{LASTS, SELLER, World, accepted, amount, lot, refused, request, user},
};
use bidding_ports::{error::StoreError, fact::Fact, store::AuctionStore};
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
    assert_eq!(contents.bids.iter().map(|bid| bid.id).collect::<Vec<_>>(), [*bid_id]);
    assert_eq!(contents.outbox.len(), 2, "opened and placed");
    assert_eq!(view, &world.then_sees("ann", auction).await);
}

#[tokio::test]
async fn a_bids_id_carries_the_time_of_the_store() {
    let world = World::default();
    let auction = world.given_open(lot()).await;
    world.when_bids("ann", auction, 900).await;
    let id = world.store.contents().bids[0].id.0;
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
    assert_eq!(world.store.contents().bids.len(), 1);
}

#[tokio::test]
async fn a_double_click_at_the_same_moment_bids_once() {
    let world = World::default();
    let auction = world.given_open(lot()).await;
    let (one, other) = tokio::join!(world.bid("ann", "key", auction, 900), world.bid("ann", "key", auction, 900));
    assert_eq!(world.store.contents().bids.len(), 1);
    let told_to_wait = [&one, &other].iter().filter(|reply| **reply == &Err(UseError::KeyRunning)).count();
    let decided = [one, other].into_iter().flatten().filter(|reply| !reply.replayed).count();
    assert_eq!((decided, told_to_wait), (1, 1));
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
    let again = world.bid("ann", "key", auction, 499).await.unwrap();
    assert_eq!((again.replayed, again.outcome), (true, first.outcome));
    assert!(world.store.contents().bids.is_empty());
}

#[tokio::test]
async fn a_key_with_another_bid_is_a_mistake() {
    let world = World::default();
    let auction = world.given_open(lot()).await;
    world.bid("ann", "key", auction, 900).await.unwrap();
    assert_eq!(world.bid("ann", "key", auction, 901).await, Err(UseError::KeyReused));
    assert_eq!(world.store.contents().bids.len(), 1);
}

#[tokio::test]
async fn a_key_of_a_request_that_found_nothing_is_free_again() {
    let world = World::default();
    let auction = AuctionId(Uuid::now_v7());
    assert_eq!(world.bid("ann", "key", auction, 900).await, Err(UseError::NotFound));
    assert_eq!(world.bid("ann", "key", auction, 900).await, Err(UseError::NotFound));
}

#[tokio::test]
async fn two_bids_are_never_both_decided_on_the_same_price() {
    let world = World::default();
    let auction = world.given_open(lot()).await;
    let (ann, bob) = tokio::join!(world.when_bids("ann", auction, 500), world.when_bids("bob", auction, 500));
    let winners = [&ann, &bob].iter().filter(|reply| matches!(reply, BidReply::Accepted { .. })).count();
    assert_eq!(winners, 1, "{ann:?} {bob:?}");
    assert_eq!(world.store.contents().bids.len(), 1);
}

#[tokio::test]
async fn bids_at_the_same_moment_come_out_as_if_one_after_the_other() {
    let world = World::default();
    let auction = world.given_open(lot()).await;
    let bidder = async |name: &str, step: i64| {
        for round in 1..=20 {
            world.when_bids(name, auction, 500 + round * step).await;
        }
    };
    tokio::join!(bidder("ann", 130), bidder("bob", 170), bidder("cay", 110), bidder("dan", 150));

    let contents = world.store.contents();
    let mut replay = contents.auctions[&auction].clone();
    assert_eq!(replay.rules().bid_count(), contents.bids.len() as u64);
    let terms = replay.terms();
    let starts_at = terms.sale().starts_at;
    replay = bidding_domain::auction::Auction::schedule(auction, terms).open(starts_at).unwrap().auction;
    for bid in &contents.bids {
        let order =
            bidding_domain::bid::Order { bid_id: bid.id, bidder: bid.bidder.clone(), max: bid.max, suspended: false };
        let decision = replay.place_bid(order, bid.placed_at);
        assert_eq!(decision.answer.as_ref(), Ok(bid));
        replay = decision.auction;
    }
    assert_eq!(replay, contents.auctions[&auction]);
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
async fn the_seller_and_suspended_bidders_are_refused() {
    let world = World::default();
    let auction = world.given_open(lot()).await;
    assert_eq!(refused(&world.when_bids(SELLER, auction, 900).await), Refusal::SellerMayNotBid);
    world.hear("ann".to_owned(), 1, Some(Fact::BidderSuspended(user("ann")))).await.unwrap();
    assert_eq!(refused(&world.when_bids("ann", auction, 900).await), Refusal::BidderSuspended);
    world.hear("ann".to_owned(), 2, Some(Fact::BidderReinstated(user("ann")))).await.unwrap();
    assert_eq!(accepted(&world.when_bids("ann", auction, 900).await), BidOutcome::Leading);
}

#[tokio::test]
async fn a_bid_after_the_end_is_late_even_before_the_closer_came() {
    let world = World::default();
    let auction = world.given_open(lot()).await;
    world.store.advance(LASTS);
    let reply = world.when_bids("ann", auction, 900).await;
    assert_eq!(refused(&reply), Refusal::NotOpen { status: Status::Closed });
}

/// Every port call of a bid in its order.
const CALLS: [&str; 8] = ["begin", "claim", "is_suspended", "lock", "save", "record", "answer", "commit"];

fn lost() -> StoreError {
    StoreError::Unavailable("the connection is lost".to_owned())
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
            assert_eq!(contents.bids.len(), usize::from(happened), "{when:?} {name}");
            if !happened {
                assert_eq!(contents.auctions, before.auctions, "{when:?} {name}");
                assert_eq!(contents.events, before.events, "{when:?} {name}");
                assert_eq!(contents.outbox, before.outbox, "{when:?} {name}");
            }

            // The client sends it again: it counts once, with its extension and all its events.
            let again = world.bid("ann", "key", auction, 900).await.unwrap();
            assert_eq!(again.replayed, happened, "{when:?} {name}");
            assert_eq!(accepted(&again.outcome), BidOutcome::Leading);
            let contents = world.store.contents();
            assert_eq!((contents.bids.len(), contents.events.len(), contents.outbox.len()), (1, 3, 3));
            assert_eq!(contents.auctions[&auction].ends_at(), world.store.now() + TimeDelta::seconds(120));
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
        assert_eq!(world.store.contents().bids.len(), 1);
    }
}

#[tokio::test]
async fn nothing_but_a_conflict_is_tried_again() {
    let world = World::default();
    let auction = world.given_open(lot()).await;
    let corrupt = StoreError::Corrupt("not a snapshot".to_owned());
    for error in [lost(), corrupt] {
        let before = world.store.faults.calls().len();
        world.store.faults.fail(3, When::Before, error.clone());
        assert_eq!(world.bid("ann", "key", auction, 900).await, Err(UseError::Store(error)));
        assert_eq!(world.store.faults.calls()[before..], CALLS[..4]);
    }
}

#[tokio::test]
async fn conflicts_without_end_are_given_up() {
    use bidding_ports::store::{MockAuctionStore, MockAuctionTx};
    let mut store = MockAuctionStore::new();
    store.expect_begin().times(5).returning(|| {
        let mut tx = MockAuctionTx::new();
        tx.expect_claim().returning(|_| Err(StoreError::Conflict));
        Ok(Box::new(tx))
    });
    let world = World::default();
    let auctions =
        bidding_application::Auctions::new(std::sync::Arc::new(store), world.feed.clone(), world.aliases.clone());
    let auction = AuctionId(Uuid::now_v7());
    let reply = auctions.place_bid(&request("ann", "key", auction, 900), auction, amount(900)).await;
    assert!(matches!(reply, Err(UseError::Store(StoreError::Unavailable(_)))), "{reply:?}");
}

#[tokio::test]
async fn a_use_case_that_is_abandoned_midway_leaves_nothing_and_no_lock() {
    let world = World::default();
    let auction = world.given_open(lot()).await;
    let mut holder = world.store.begin().await.unwrap();
    holder.lock(auction).await.unwrap();
    let abandoned = tokio::select! {
        biased;
        _ = world.bid("ann", "key", auction, 900) => false,
        () = async { for _ in 0..50 { tokio::task::yield_now().await } } => true,
    };
    assert!(abandoned, "it waits for the lock");
    drop(holder);
    assert_eq!(accepted(&world.bid("ann", "key", auction, 900).await.unwrap().outcome), BidOutcome::Leading);
}
