//! The log is kept as it was written: its chain proves the auction.

use bidding_domain::{
    auction::Auction,
    bid::Ask,
    format::FormatTerms,
    log::{Entry, StandingBids},
    replay::replay,
};
use bidding_ports::{
    error::StoreError,
    store::{AuctionStore, Changes, Locked},
};
use chrono::TimeDelta;

use super::{ask, bid, change, close, decide, open_lot, read};
use crate::{
    lots::{Lot, lot, of_each_format, uniform},
    world::{SELLER, amount, one, terms, units, user},
};

async fn proves(store: &dyn AuctionStore, auction: &Auction, entries: usize) -> Result<Vec<Entry>, StoreError> {
    let log = store.log(auction.id()).await?;
    assert_eq!(log.len(), entries, "{}", auction.kind());
    let played = replay(auction.id(), auction.terms(), &log).expect("the log follows from the rules");
    assert_eq!((played.head(), played.state()), (auction.head(), auction.state()));
    let kept = read(store, auction.id()).await?.expect("it is there");
    assert_eq!((kept.terms(), kept.snapshot()), (auction.terms(), auction.snapshot()));
    Ok(log)
}

/// Retracts a bid as its bidder.
pub(super) async fn retract(store: &dyn AuctionStore, bid: &bidding_domain::bid::Bid) -> Result<Auction, StoreError> {
    let bids = store.log(bid.auction_id).await?.iter().collect::<StandingBids>().into_vec();
    change(store, bid.auction_id, |auction, now| auction.retract(bid.id, &bid.bidder, None, &bids, now)).await
}

pub(super) async fn a_log_is_read_back_entry_by_entry_and_proves_its_auction(
    store: &dyn AuctionStore,
) -> Result<(), StoreError> {
    for format in of_each_format() {
        let at_once = matches!(format, FormatTerms::Dutch(_));
        let id = open_lot(store, format).await?.id();
        change(store, id, |auction, now| auction.pause("Größe: \"5\" {}\u{1f528}", now)).await?;
        change(store, id, Auction::resume).await?;
        let first = bid(store, id, "ann", 2_000).await?.expect("accepted");
        if at_once {
            proves(store, &read(store, id).await?.expect("it is there"), 4).await?;
            continue;
        }
        bid(store, id, "bob", 3_000).await?.expect("accepted");
        retract(store, &first).await?;
        bid(store, id, "cay", 4_000).await?.expect("accepted");
        let closed = change(store, id, close).await?;
        proves(store, &closed, 8).await?;
    }
    many_units(store).await?;
    bought_and_cancelled(store).await
}

async fn many_units(store: &dyn AuctionStore) -> Result<(), StoreError> {
    let id = open_lot(store, uniform()).await?.id();
    ask(store, id, "ann", units(900, 2)).await?.expect("accepted");
    ask(store, id, "bob", units(800, 2)).await?.expect("accepted");
    change(store, id, close).await?;
    let declined = change(store, id, |auction, now| auction.decline(&user("bob"), now)).await?;
    proves(store, &declined, 5).await?;
    Ok(())
}

async fn bought_and_cancelled(store: &dyn AuctionStore) -> Result<(), StoreError> {
    let buy_now = bidding_domain::english::EnglishTerms { buy_now_price: Some(amount(900)), ..lot() };
    let id = open_lot(store, buy_now).await?.id();
    ask(store, id, "ann", Ask::BuyNow).await?.expect("accepted");
    proves(store, &read(store, id).await?.expect("it is there"), 2).await?;

    let id = open_lot(store, lot().format()).await?.id();
    let cancelled = change(store, id, |auction, now| auction.cancel(&user(SELLER), now)).await?;
    proves(store, &cancelled, 2).await?;
    let id = open_lot(store, lot().format()).await?.id();
    let cancelled = change(store, id, |auction, now| auction.cancel_by_operator("stolen", now)).await?;
    proves(store, &cancelled, 2).await?;

    let starts_at = super::now(store).await? + TimeDelta::hours(1);
    let scheduled = Auction::schedule(super::fresh_id(), terms(lot(), starts_at));
    super::insert(store, &scheduled).await?;
    proves(store, &scheduled, 0).await?;
    Ok(())
}

pub(super) async fn a_unit_of_work_reads_the_standing_bids_of_what_it_has_locked(
    store: &dyn AuctionStore,
) -> Result<(), StoreError> {
    let id = open_lot(store, lot()).await?.id();
    bid(store, id, "ann", 1_000).await?.expect("accepted");
    let mut tx = store.begin().await?;
    let Locked { auction, now, .. } = tx.lock(id).await?.expect("it is there");
    let decision = decide(auction, now, "bob", one(3_000));
    let entry = decision.entry.clone().expect("accepted");
    tx.save(Changes::of(decision.auction, vec![entry.clone()])).await?;
    let bids = tx.standing_bids(id).await?;
    assert_eq!(bids.iter().map(|bid| bid.bidder.0.as_str()).collect::<Vec<_>>(), ["ann", "bob"], "its own, too");
    assert_eq!(bids.last(), entry.bid().as_ref());
    assert_eq!(store.log(id).await?.len(), 2, "others do not");
    Ok(())
}
