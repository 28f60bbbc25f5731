//! Concurrent bidders, lanes and instances: what comes out is what some serial order gives.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bidding_application::{Answered, error::UseError, lane::LaneLimits, place_bid::BidReply};
use bidding_domain::{bid::BidOutcome, ids::AuctionId};
use bidding_harness::{
    faults::When,
    lots::of_each_format,
    world::{World, lot, request, units},
};
use bidding_ports::error::StoreError;
use tokio::task::JoinHandle;

type Sent = JoinHandle<Result<Answered<BidReply>, UseError>>;

/// A bid on its way.
fn send(world: &World, bidder: &str, key: &str, auction: AuctionId, max: i64) -> Sent {
    let (world, bidder, key) = (world.clone(), bidder.to_owned(), key.to_owned());
    tokio::spawn(async move { world.bid(&bidder, &key, auction, max).await })
}

fn then_their_logs_prove_them(world: &World, auctions: &[AuctionId]) {
    for auction in auctions {
        world.then_its_log_proves_it(*auction);
    }
}

/// A small generator of numbers, so that a failure can be repeated.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// What a bidder was told: every accepted answer with its auction.
async fn bids_at_random(world: World, name: String, auctions: Arc<[AuctionId]>, mut dice: Dice) -> Vec<BidReply> {
    let mut told = Vec::new();
    for number in 0..40 {
        let auction = auctions[usize::try_from(dice.roll(auctions.len() as u64)).unwrap()];
        let max = 500 + 100 * i64::try_from(dice.roll(400)).unwrap();
        let quantity = if dice.roll(4) == 0 { 2 } else { 1 };
        let ask = units(max, quantity);
        let key = format!("{number}");
        let reply = loop {
            match world.auctions.place_bid(request(&name, &key, auction, ask), auction, ask).await {
                Ok(answer) => break answer.outcome,
                Err(UseError::Busy | UseError::Store(StoreError::Unavailable(_))) => tokio::task::yield_now().await,
                Err(error) => panic!("{error}"),
            }
        };
        told.push(reply);
        for _ in 0..dice.roll(6) {
            tokio::task::yield_now().await;
        }
    }
    told
}

#[tokio::test]
async fn random_interleavings_come_out_as_some_serial_order_does() {
    for seed in 0..8 {
        let mut dice = Dice(seed);
        let limits = LaneLimits { batch: 5, waiting: 64, waiting_of_one: 16 };
        let world = World::with_lanes(usize::try_from(1 + seed % 3).unwrap(), limits);
        let instances = [world.clone(), world.another_instance()];
        let mut auctions = Vec::new();
        for format in of_each_format().into_iter().chain(of_each_format()) {
            auctions.push(world.given_open(format).await);
        }
        let auctions: Arc<[AuctionId]> = auctions.into();
        let bidders: Vec<_> = (0..12)
            .map(|number| {
                let world = instances[number % 2].clone();
                let dice = Dice(dice.roll(u64::MAX));
                tokio::spawn(bids_at_random(world, format!("bidder-{number}"), Arc::clone(&auctions), dice))
            })
            .collect();
        // Now and then a unit of work is lost, before its commit or after.
        for when in [When::Before, When::After, When::Before, When::After] {
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
            world.store.faults.fail_next("commit", when, StoreError::Unavailable("lost".to_owned()));
        }
        let mut accepted = BTreeMap::new();
        for bidder in bidders {
            for reply in bidder.await.unwrap() {
                if let BidReply::Accepted { bid_id, outcome, auction } = reply {
                    assert!(accepted.insert(bid_id, (outcome, auction)).is_none(), "one answer for each bid");
                }
            }
        }
        then_their_logs_prove_them(&world, &auctions);
        let bids = world.store.contents().bids();
        assert_eq!(bids.len(), accepted.len(), "every bid in the logs was answered, and every answer is there");
        for bid in bids {
            let (outcome, view) = &accepted[&bid.id];
            assert_eq!((*outcome, view.id, view.sequence), (bid.outcome, bid.auction_id, bid.sequence));
            if bid.outcome != BidOutcome::Sealed {
                assert_eq!(view.price, bid.price);
            }
        }
    }
}

#[tokio::test]
async fn two_instances_never_wait_for_each_other_for_ever() {
    let world = World::default();
    let other = world.another_instance();
    let mut auctions = Vec::new();
    for _ in 0..6 {
        auctions.push(world.given_open(lot()).await);
    }
    let mut sent = Vec::new();
    for step in 0..20_i64 {
        for (place, auction) in auctions.iter().enumerate() {
            sent.push(send(&world, "ann", &format!("{step} {auction}"), *auction, 500 + step * 300));
            let crossing = auctions[auctions.len() - 1 - place];
            sent.push(send(&other, "bob", &format!("{step} {crossing}"), crossing, 600 + step * 300));
        }
        tokio::task::yield_now().await;
    }
    for bid in sent {
        tokio::time::timeout(Duration::from_secs(30), bid).await.expect("no deadlock").unwrap().unwrap();
    }
    then_their_logs_prove_them(&world, &auctions);
}
