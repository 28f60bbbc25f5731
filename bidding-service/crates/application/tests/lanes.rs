//! Lanes: bids that wait are decided together, in their order, fairly, and none is lost.

use bidding_application::{Answered, error::UseError, lane::LaneLimits, place_bid::BidReply};
use bidding_domain::{bid::BidOutcome, ids::AuctionId};
use bidding_harness::{
    faults::When,
    lots::of_each_format,
    world::{World, accepted, lot},
};
use bidding_ports::{
    error::StoreError,
    store::{AuctionStore, AuctionTx},
};
use tokio::task::JoinHandle;

type Sent = JoinHandle<Result<Answered<BidReply>, UseError>>;

/// A bid on its way.
fn send(world: &World, bidder: &str, key: &str, auction: AuctionId, max: i64) -> Sent {
    let (world, bidder, key) = (world.clone(), bidder.to_owned(), key.to_owned());
    tokio::spawn(async move { world.bid(&bidder, &key, auction, max).await })
}

/// Lets everybody go on until nobody can.
async fn settle() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}

fn lanes(batch: usize, waiting: usize, waiting_of_one: usize) -> World {
    World::with_lanes(1, LaneLimits { batch, waiting, waiting_of_one })
}

/// Keeps an auction locked, and sends a bid for it: the lane works on that one and whatever comes later waits.
async fn keep_busy(world: &World) -> (Box<dyn AuctionTx>, Sent) {
    let auction = world.given_open(lot()).await;
    let mut holder = world.store.begin().await.unwrap();
    holder.lock(auction).await.unwrap();
    let first = send(world, "zoe", "first", auction, 900);
    settle().await;
    assert_eq!(world.auctions.lane_figures().waiting, 0, "it is being decided");
    (holder, first)
}

fn then_their_logs_prove_them(world: &World, auctions: &[AuctionId]) {
    for auction in auctions {
        world.then_its_log_proves_it(*auction);
    }
}

async fn decided(sent: Sent) -> BidReply {
    sent.await.unwrap().unwrap().outcome
}

#[tokio::test]
async fn bids_that_wait_are_decided_in_one_unit_of_work() {
    let world = World::default();
    let mut auctions = Vec::new();
    for format in of_each_format().iter().cycle().take(20) {
        auctions.push(world.given_open(format.clone()).await);
    }
    let (holder, first) = keep_busy(&world).await;
    let before = world.store.faults.count("begin");
    let mut sent = Vec::new();
    for bidder in ["ann", "bob", "cay"] {
        for auction in &auctions {
            sent.push(send(&world, bidder, &auction.to_string(), *auction, 900));
        }
    }
    settle().await;
    assert_eq!(world.auctions.lane_figures().waiting, 60);
    drop(holder);
    decided(first).await;
    for bid in sent {
        decided(bid).await;
    }
    assert_eq!(world.store.faults.count("begin") - before, 1);
    assert_eq!(world.store.contents().kept_answers(), 61);
    let figures = world.auctions.lane_figures();
    assert_eq!((figures.waiting, figures.batches, figures.bids), (0, 2, 61));
    then_their_logs_prove_them(&world, &auctions);
}

#[tokio::test]
async fn a_bid_that_comes_alone_waits_for_nobody() {
    let world = World::default();
    let auction = world.given_open(lot()).await;
    for step in 1..=3 {
        world.given_bid("ann", auction, 900 * step).await;
    }
    assert_eq!(world.auctions.lane_figures().batches, 3);
}

#[tokio::test]
async fn an_auction_with_a_thousand_bids_waiting_keeps_another_waiting_for_one_batch_at_most() {
    let world = lanes(10, 4_096, 2_048);
    let (hot, calm) = (world.given_open(lot()).await, world.given_open(lot()).await);
    let (holder, first) = keep_busy(&world).await;
    let crowd: Vec<_> =
        (0..1_000).map(|step| send(&world, "ann", &format!("{step}"), hot, 500 + 100 * i64::from(step))).collect();
    settle().await;
    let late = send(&world, "bob", "late", calm, 900);
    settle().await;
    assert_eq!(world.auctions.lane_figures().waiting, 1_001);
    drop(holder);
    decided(first).await;
    decided(late).await;
    let batches = world.auctions.lane_figures().batches;
    assert!(batches <= 3, "the batch of its turn, and one that may have begun since: {batches}");
    for bid in crowd {
        decided(bid).await;
    }
    assert_eq!(world.auctions.lane_figures().batches, 1 + 101);
}

#[tokio::test]
async fn the_bids_of_one_auction_are_decided_in_the_order_in_which_they_came() {
    let world = lanes(7, 4_096, 2_048);
    let auctions = [world.given_open(lot()).await, world.given_open(lot()).await];
    let (holder, first) = keep_busy(&world).await;
    let mut sent = Vec::new();
    for step in 0..50_i64 {
        for auction in auctions {
            sent.push(send(&world, &format!("bidder-{step}"), &format!("{auction}"), auction, 1_000));
        }
        settle().await;
    }
    drop(holder);
    decided(first).await;
    for bid in sent {
        let _ = bid.await.unwrap();
    }
    for auction in auctions {
        // Equal bids: whoever came first leads.
        world.then_leads("bidder-0", auction, 1_000).await;
        let bids = world.store.contents().bids();
        let bidders: Vec<_> =
            bids.iter().filter(|bid| bid.auction_id == auction).map(|bid| bid.bidder.0.as_str()).collect();
        assert_eq!(bidders, ["bidder-0", "bidder-1"], "the others were refused");
    }
}

#[tokio::test]
async fn one_bid_more_than_may_wait_is_told_that_the_lane_is_busy() {
    let world = lanes(512, 30, 20);
    let [one, other, third] =
        [world.given_open(lot()).await, world.given_open(lot()).await, world.given_open(lot()).await];
    let (holder, first) = keep_busy(&world).await;
    let mut sent = Vec::new();
    for step in 0..20_i64 {
        sent.push(send(&world, "ann", &format!("one-{step}"), one, 1_000 * (step + 1)));
    }
    settle().await;
    assert_eq!(world.bid("ann", "one-too-many", one, 99_000).await, Err(UseError::Busy), "of one auction");
    for step in 0..10_i64 {
        sent.push(send(&world, "bob", &format!("other-{step}"), other, 1_000 * (step + 1)));
    }
    settle().await;
    assert_eq!(world.bid("cay", "one-too-many", third, 900).await, Err(UseError::Busy), "of all");
    assert_eq!(world.auctions.lane_figures().waiting, 30);
    drop(holder);
    decided(first).await;
    for bid in sent {
        let _ = accepted(&decided(bid).await);
    }
    let again = world.bid("cay", "one-too-many", third, 900).await.unwrap();
    assert!(!again.replayed, "what was refused as busy had no effect, and its key is free");
    let _ = accepted(&again.outcome);
}

#[tokio::test]
async fn a_bidder_who_goes_away_has_bid_all_the_same() {
    let world = World::default();
    let auction = world.given_open(lot()).await;
    let (holder, first) = keep_busy(&world).await;
    let gone = send(&world, "ann", "key", auction, 900);
    let stays = send(&world, "bob", "key", auction, 700);
    settle().await;
    gone.abort();
    // And who had the lane to work for everybody goes, too.
    first.abort();
    settle().await;
    drop(holder);
    assert_eq!(accepted(&decided(stays).await), BidOutcome::Outbid);
    world.then_leads("ann", auction, 800).await;
    let again = world.bid("ann", "key", auction, 900).await.unwrap();
    assert!(again.replayed);
    assert_eq!(world.store.contents().bids().len(), 3);
}

#[tokio::test]
async fn a_conflict_is_decided_again_for_all_and_the_answers_are_right() {
    for (call, when) in
        [("enter", When::Before), ("save", When::Before), ("save", When::After), ("commit", When::Before)]
    {
        let world = World::default();
        let auctions = [world.given_open(lot()).await, world.given_open(lot()).await];
        let (holder, first) = keep_busy(&world).await;
        let bids = ["ann", "bob"].map(|bidder| auctions.map(|auction| send(&world, bidder, "key", auction, 900)));
        let rival = send(&world, "cay", "rival", auctions[0], 2_000);
        settle().await;
        drop(holder);
        decided(first).await;
        world.store.faults.fail_next(call, when, StoreError::Conflict);
        world.store.faults.fail_next(call, when, StoreError::Conflict);
        let rival = decided(rival).await;
        for answer in bids.into_iter().flatten() {
            let _ = answer.await.unwrap();
        }
        let BidReply::Accepted { outcome: BidOutcome::Leading, auction: view, .. } = rival else { panic!("{rival:?}") };
        assert_eq!(*view, world.then_sees("cay", auctions[0]).await, "{call}");
        then_their_logs_prove_them(&world, &auctions);
    }
}

#[tokio::test]
async fn a_store_that_is_away_is_the_answer_to_all_and_the_lane_goes_on_after_it() {
    let world = World::default();
    let auctions = [world.given_open(lot()).await, world.given_open(lot()).await];
    let gone = StoreError::Unavailable("gone".to_owned());
    let (holder, first) = keep_busy(&world).await;
    let sent: Vec<_> =
        auctions.iter().map(|auction| send(&world, "ann", &format!("{auction}"), *auction, 900)).collect();
    settle().await;
    world.store.faults.fail_next("begin", When::Before, gone.clone());
    drop(holder);
    decided(first).await;
    for bid in sent {
        assert_eq!(bid.await.unwrap(), Err(UseError::Store(gone.clone())));
    }
    for auction in auctions {
        let again = world.bid("ann", &format!("{auction}"), auction, 900).await.unwrap();
        assert!(!again.replayed);
        let _ = accepted(&again.outcome);
    }
}

#[tokio::test]
async fn an_auction_that_cannot_be_read_spoils_only_its_own_bids() {
    let world = World::default();
    let (broken, sound) = (world.given_open(lot()).await, world.given_open(lot()).await);
    world.store.tamper(|contents| assert!(contents.unreadable.insert(broken)));
    let (holder, first) = keep_busy(&world).await;
    let sent = [broken, sound, broken, sound];
    let sent: Vec<_> = (0_i64..)
        .zip(sent)
        .map(|(step, auction)| send(&world, "ann", &format!("{step}"), auction, 900 + step))
        .collect();
    settle().await;
    drop(holder);
    decided(first).await;
    for (number, bid) in sent.into_iter().enumerate() {
        let answer = bid.await.unwrap();
        if number % 2 == 0 {
            assert!(matches!(answer, Err(UseError::Store(StoreError::Corrupt(_)))), "{answer:?}");
        } else {
            let _ = accepted(&answer.unwrap().outcome);
        }
    }
    assert_eq!(world.auctions.lane_figures().batches, 2);
}

#[tokio::test]
async fn what_spoils_a_whole_batch_spoils_only_the_bid_that_it_belongs_to() {
    let world = World::default();
    let auctions = [world.given_open(lot()).await, world.given_open(lot()).await, world.given_open(lot()).await];
    let (holder, first) = keep_busy(&world).await;
    let sent = auctions.map(|auction| send(&world, "ann", &format!("{auction}"), auction, 900));
    settle().await;
    let corrupt = StoreError::Corrupt("an answer that is none".to_owned());
    // All together, and then the first of them alone.
    world.store.faults.fail_next("save", When::Before, StoreError::Corrupt("something".to_owned()));
    drop(holder);
    let spoiled = first.await.unwrap();
    assert!(spoiled.is_err(), "a bid that is alone has nobody to be tried without");
    world.store.faults.fail_next("save", When::Before, corrupt.clone());
    world.store.faults.fail_next("save", When::Before, corrupt.clone());
    let mut answers = Vec::new();
    for bid in sent {
        answers.push(bid.await.unwrap().map(|answer| accepted(&answer.outcome)));
    }
    let leading = || Ok(BidOutcome::Leading);
    assert_eq!(answers, [Err(UseError::Store(corrupt)), leading(), leading()]);
}

#[tokio::test]
async fn a_bid_whose_commit_is_not_known_is_answered_the_same_when_it_is_repeated() {
    let world = World::default();
    let auctions = [world.given_open(lot()).await, world.given_open(lot()).await];
    let (holder, first) = keep_busy(&world).await;
    let sent = auctions.map(|auction| send(&world, "ann", &format!("{auction}"), auction, 900));
    settle().await;
    drop(holder);
    decided(first).await;
    world.store.faults.fail_next("commit", When::After, StoreError::Unavailable("no answer".to_owned()));
    for bid in sent {
        assert!(bid.await.unwrap().is_err());
    }
    let bids = world.store.contents().bids();
    for auction in auctions {
        world.given_bid("bob", auction, 5_000).await;
        let again = world.bid("ann", &format!("{auction}"), auction, 900).await.unwrap();
        let BidReply::Accepted { bid_id, outcome: BidOutcome::Leading, auction: view } = again.outcome else {
            panic!("{again:?}")
        };
        assert!(again.replayed && bids.iter().any(|bid| bid.id == bid_id));
        assert_eq!(view.sequence, 2, "as it was then");
    }
}

#[tokio::test]
async fn a_bug_that_panics_costs_its_batch_and_not_the_lane() {
    let world = World::default();
    let auction = world.given_open(lot()).await;
    world.store.faults.panic_next("enter");
    let spoiled = world.bid("ann", "k", auction, 900).await;
    assert!(matches!(spoiled, Err(UseError::Store(StoreError::Unavailable(_)))), "{spoiled:?}");
    world.given_bid("bob", auction, 900).await;
    assert_eq!(accepted(&decided(send(&world, "ann", "k", auction, 1_000)).await), BidOutcome::Leading);
}

#[tokio::test]
async fn an_auction_that_is_kept_too_long_costs_its_own_bids_only_and_the_others_wait_for_it_once() {
    let world = World::default();
    let (kept, free) = (world.given_open(lot()).await, world.given_open(lot()).await);
    let mut holder = world.store.begin().await.unwrap();
    holder.lock(kept).await.unwrap();
    for round in ["first", "second"] {
        let began = std::time::Instant::now();
        let sent = [kept, free].map(|auction| send(&world, round, &format!("{round}-{auction}"), auction, 900));
        let [of_kept, of_free] = sent;
        assert_eq!(of_kept.await.unwrap(), Err(UseError::Store(StoreError::Locked)));
        let _ = accepted(&decided(of_free).await);
        assert_eq!(began.elapsed().as_secs() >= 2, round == "first");
    }
    drop(holder);
    assert!(send(&world, "cay", "later", kept, 900).await.unwrap().is_ok());
    then_their_logs_prove_them(&world, &[kept, free]);
}
