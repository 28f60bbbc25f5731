//! Receipts: an auction that is over is proved from its log, and what was changed in it is named.

use bidding_application::{error::UseError, receipt::Statement};
use bidding_domain::{
    auction::{Auction, Snapshot},
    bid::Ask,
    english::EnglishTerms,
    format::FormatTerms,
    halt::Halt,
    ids::AuctionId,
    log::{Decided, Entry},
    replay::Difference,
    views::ResultOutcome,
};
use bidding_harness::{
    lots::{Lot, dutch, first_price, of_each_format, uniform, vickrey},
    world::{LASTS, World, amount, lot, units, user},
};
use chrono::TimeDelta;
use uuid::Uuid;

/// An auction that was bid on, rested, and is over.
async fn over(world: &World, format: FormatTerms) -> AuctionId {
    let auction = world.given_open(format).await;
    world.when_paused(auction).await.unwrap();
    world.when_time_passes(TimeDelta::minutes(5)).await;
    world.when_resumed(auction).await.unwrap();
    for (bidder, max) in [("ann", 2_000), ("bob", 3_000), ("cay", 2_500), ("ann", 4_000)] {
        let _ = world.when_asks(bidder, auction, units(max, 1)).await;
    }
    world.when_time_passes(LASTS).await;
    auction
}

async fn verified(world: &World, auction: AuctionId) -> Result<Option<Statement>, Difference> {
    world.auctions.verify(auction).await.unwrap()
}

#[tokio::test]
async fn an_auction_of_each_format_is_proved_from_its_log() {
    for format in of_each_format() {
        let world = World::default();
        let auction = over(&world, format).await;
        let stated = world.auctions.statement(auction).await.unwrap();
        assert_eq!(stated.result.outcome, ResultOutcome::Sold);
        let log = world.store.contents().log(auction);
        let last = log.last().unwrap();
        assert_eq!(
            (stated.decisions, stated.sequence, stated.chain),
            (Some(last.number), last.sequence, world.aliases.sealed(last.link))
        );
        assert_eq!(verified(&world, auction).await, Ok(Some(stated)));
    }
}

#[tokio::test]
async fn a_statement_names_price_and_winner_as_everybody_sees_them() {
    let formats = [(lot().format(), 3_100), (first_price(), 4_000), (vickrey(), 3_000)];
    for (format, price) in formats {
        let world = World::default();
        let auction = over(&world, format).await;
        let stated = world.auctions.statement(auction).await.unwrap();
        assert_eq!(stated.result.price, Some(amount(price)), "{}", stated.format);
        assert_eq!(stated.winner, Some(world.aliases.of(auction, &user("ann"))));
        assert_eq!((stated.currency, stated.auction_id), ("USD", auction));
    }
    let world = World::default();
    let auction = over(&world, uniform().format()).await;
    let stated = world.auctions.statement(auction).await.unwrap();
    assert_eq!((stated.winner, stated.result.price, stated.result.awards.len()), (None, Some(amount(2_500)), 3));
    assert!(stated.result.awards.iter().all(|award| !award.yours), "it is the same to everybody");
}

#[tokio::test]
async fn there_is_no_statement_before_the_end_and_none_of_what_is_not_there() {
    let world = World::default();
    let auction = world.given_open(lot()).await;
    assert_eq!(world.auctions.statement(auction).await, Err(UseError::NotOver));
    assert_eq!(verified(&world, auction).await, Ok(None), "it can be checked all the same");
    let nowhere = AuctionId(Uuid::now_v7());
    assert_eq!(world.auctions.statement(nowhere).await, Err(UseError::NotFound));
    assert_eq!(world.auctions.verify(nowhere).await, Err(UseError::NotFound));
}

#[tokio::test]
async fn what_was_cancelled_declined_retracted_bought_or_never_bid_on_is_proved_too() {
    let world = World::default();
    let cancelled = world.given_open(lot()).await;
    world.given_bid("ann", cancelled, 900).await;
    world.when_cancelled(cancelled).await.unwrap();
    let unsold = world.given_open(lot()).await;
    let bought = world.given_open(EnglishTerms { buy_now_price: Some(amount(900)), ..lot() }).await;
    world.when_asks("ann", bought, Ask::BuyNow).await;
    let retracted = world.given_open(lot()).await;
    let bid = world.given_bid("ann", retracted, 900).await;
    world.given_bid("bob", retracted, 5_000).await;
    world.when_retracts("ann", retracted, bid).await.unwrap();
    let declined = world.given_open(uniform()).await;
    world.when_asks("ann", declined, units(900, 2)).await;
    world.when_asks("bob", declined, units(800, 2)).await;
    let halted = world.given_open(lot()).await;
    world.given_bid("ann", halted, 900).await;
    world.when_time_passes(LASTS - TimeDelta::minutes(1)).await;
    world.when_down_for(TimeDelta::minutes(3)).await;
    world.when_time_passes(LASTS).await;
    world.when_declines("bob", declined).await.unwrap();
    for (auction, outcome, bids) in [
        (cancelled, ResultOutcome::Cancelled, 1),
        (unsold, ResultOutcome::NoBids, 0),
        (bought, ResultOutcome::Sold, 1),
        (retracted, ResultOutcome::Sold, 1),
        (declined, ResultOutcome::Sold, 2),
        (halted, ResultOutcome::Sold, 1),
    ] {
        let stated = verified(&world, auction).await.unwrap().unwrap();
        assert_eq!((stated.result.outcome, stated.bid_count), (outcome, Some(bids)));
        assert_eq!(world.auctions.statement(auction).await, Ok(stated));
    }
}

/// Changes one entry of an auction's log, and gives what it was.
fn plant(world: &World, auction: AuctionId, number: u64, change: impl FnOnce(&mut Entry)) -> Entry {
    let mut before = None;
    world.store.tamper(|contents| {
        let mut entries = contents.entries.iter_mut();
        let entry = entries.find(|entry| entry.auction_id == auction && entry.number == number).unwrap();
        before = Some(entry.clone());
        change(entry);
        entry.text = serde_json::to_string(&entry.record).unwrap();
    });
    before.unwrap()
}

fn bid_of(entry: &mut Entry) -> (&mut bidding_domain::ids::UserId, &mut Ask) {
    match &mut entry.record.decided {
        Decided::Bid { bidder, ask, .. } => (bidder, ask),
        other => panic!("no bid: {other:?}"),
    }
}

#[tokio::test]
async fn a_planted_change_of_one_stored_bid_is_named_in_each_format() {
    let changes: [fn(&mut Entry); 4] = [
        |entry| {
            let Ask::Bid { max, .. } = bid_of(entry).1 else { panic!() };
            *max = max.saturating_add(amount(1));
        },
        |entry| *bid_of(entry).0 = user("mallory"),
        |entry| entry.at += TimeDelta::microseconds(1),
        |entry| entry.sequence += 1,
    ];
    for format in of_each_format() {
        let world = World::default();
        let auction = over(&world, format).await;
        let log = world.store.contents().log(auction);
        let bids: Vec<_> = log.iter().filter(|entry| entry.bid().is_some()).map(|entry| entry.number).collect();
        assert!(!bids.is_empty());
        for number in bids {
            for change in changes {
                let before = plant(&world, auction, number, change);
                let difference = verified(&world, auction).await.expect_err("it was changed");
                assert_eq!(difference.number, number, "{difference}");
                plant(&world, auction, number, |entry| *entry = before);
                assert!(verified(&world, auction).await.is_ok(), "put right again");
            }
        }
    }
}

#[tokio::test]
async fn an_entry_that_was_left_out_or_put_in_is_named() {
    let world = World::default();
    let auction = over(&world, lot().format()).await;
    let sound = world.store.contents();
    let count = u64::try_from(sound.log(auction).len()).unwrap();
    for number in 1..=count {
        world.store.tamper(|contents| contents.entries.retain(|entry| entry.number != number));
        let difference = verified(&world, auction).await.expect_err("it was left out");
        // When the last is missing, what is kept is not what the rest leads to.
        assert_eq!(difference.number, if number == count { number - 1 } else { number }, "{difference}");
        world.store.tamper(|contents| {
            let again = sound.entries.iter().find(|entry| entry.number == number).unwrap();
            contents.entries = sound.entries.clone();
            contents.entries.insert(usize::try_from(number).unwrap(), again.clone());
        });
        let difference = verified(&world, auction).await.expect_err("it was put in");
        assert_eq!(difference.number, number + 1, "{difference}");
        world.store.tamper(|contents| *contents = sound.clone());
    }
}

#[tokio::test]
async fn a_planted_change_of_what_was_told_or_published_is_named() {
    let world = World::default();
    let auction = over(&world, dutch().format()).await;
    let sound = world.store.contents();
    let last = u64::try_from(sound.log(auction).len()).unwrap();
    plant(&world, auction, last, |entry| drop(entry.record.told.pop()));
    assert_eq!(verified(&world, auction).await.expect_err("an event is missing").number, last);
    world.store.tamper(|contents| *contents = sound.clone());

    // The log is sound, and the auction is kept as it was some entries before, or as another one is.
    let other = over(&world, dutch().format()).await;
    world.store.tamper(|contents| {
        let snapshot = contents.auctions[&other].snapshot();
        let terms = contents.auctions[&auction].terms();
        let planted = bidding_domain::auction::Auction::restore(auction, terms, snapshot).unwrap();
        contents.auctions.insert(auction, planted);
    });
    let difference = verified(&world, auction).await.expect_err("it is not what the log leads to");
    assert_eq!(difference.number, last, "{difference}");
}

#[tokio::test]
async fn a_planted_change_of_what_is_kept_of_the_bids_is_named() {
    for format in of_each_format() {
        let world = World::default();
        let auction = world.given_open(format).await;
        world.given_bid("ann", auction, 20_000).await;
        world.when_time_passes(LASTS).await;
        assert!(world.auctions.verify(auction).await.unwrap().is_ok());
        world.store.tamper(|contents| {
            let kept = contents.auctions[&auction].clone();
            let text = serde_json::to_string(&kept.snapshot().book).unwrap().replace("ann", "eve");
            let forged = Snapshot { book: serde_json::from_str(&text).unwrap(), ..kept.snapshot() };
            contents.auctions.insert(auction, Auction::restore(auction, kept.terms(), forged).unwrap());
        });
        let difference = world.auctions.verify(auction).await.unwrap().unwrap_err();
        assert!(difference.what.contains("not as it is kept"), "{difference}");
    }
}

#[tokio::test]
async fn time_given_back_for_a_halt_that_there_was_not_is_named() {
    let world = World::default();
    let auction = world.given_open(lot()).await;
    world.store.advance(LASTS - TimeDelta::minutes(1));
    world.store.advance_without_life(TimeDelta::minutes(10));
    world.auctions.run_due(16).await.unwrap();
    world.when_time_passes(TimeDelta::hours(1)).await;
    assert!(world.auctions.verify(auction).await.unwrap().is_ok());
    let changes: [fn(&mut Vec<Halt>); 2] = [|halts| drop(halts.pop()), |halts| halts[0].since += TimeDelta::seconds(1)];
    for change in changes {
        let before = world.store.contents().halts;
        world.store.tamper(|contents| change(&mut contents.halts));
        let difference = world.auctions.verify(auction).await.unwrap().unwrap_err();
        assert_eq!(difference.number, 2);
        world.store.tamper(|contents| contents.halts = before);
    }
}

#[tokio::test]
async fn time_given_back_for_longer_than_a_lot_was_unheard_of_is_named() {
    let world = World::default();
    let auction = world.given_published(lot(), -LASTS).await;
    assert!(verified(&world, auction).await.is_ok());
    plant(&world, auction, 1, |entry| entry.at -= TimeDelta::seconds(1));
    assert_eq!(verified(&world, auction).await.unwrap_err().number, 2);
}
