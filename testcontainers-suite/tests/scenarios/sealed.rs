//! Sealed auctions: before the close nobody sees anything of the bids, not even that there are any. After it the
//! history shows who bid, and at first price how much.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use futures::future::try_join;
use libtest_mimic::Trial;
use serde_json::{Value, json};
use testcontainers_suite::{
    client::Person,
    floor::names,
    story::{Lot, Terms},
    trials,
    world::World,
};

pub fn trials() -> Vec<Trial> {
    trials!("scenarios::sealed":
        before_the_close_nothing_of_a_sealed_auction_moves,
        after_the_close_the_bids_at_first_price_are_read_out,
        after_the_close_of_a_vickrey_auction_it_shows_who_bid_and_never_how_much,
        a_sealed_lot_that_was_taken_back_keeps_its_bids_secret,
    )
}

/// Everything that `person` sees of a lot, without the clock.
async fn sight(person: &Person<'_>, lot: &Lot) -> Result<Value> {
    let auction = timeless(person.auction(lot).await?);
    Ok(json!({"auction": auction, "history": person.history(lot).await?, "listing": person.listing(lot).await?}))
}

fn timeless(mut auction: Value) -> Value {
    auction["server_time"] = Value::Null;
    auction
}

/// Three bids, two of them by one bidder: 5,000, 8,000 and 6,000.
async fn three_bids(world: &World, lot: &Lot) -> Result<()> {
    let (bert, carla) = (world.bidder("bert"), world.bidder("carla"));
    bert.bids(lot, 5_000).await?;
    carla.bids(lot, 8_000).await?;
    bert.bids(lot, 6_000).await?;
    Ok(())
}

async fn before_the_close_nothing_of_a_sealed_auction_moves(world: Arc<World>) -> Result<()> {
    let secret = async |terms: Terms| {
        let (anna, bert, dora) = (world.seller("anna"), world.bidder("bert"), world.bidder("dora"));
        let lot = anna.opens(&terms.with_reserve(2_000).lasting(Duration::from_secs(20))).await?;
        anna.awaits_listing(&lot, "live").await?;
        let mut stream = dora.watches(&lot).await?;
        let viewers = [&anna, &bert, &dora, &world.operator()];
        let mut before = Vec::new();
        for viewer in viewers {
            before.push(sight(viewer, &lot).await?);
        }
        for member in ["price", "bid_count", "leader"] {
            ensure!(before[0]["auction"][member].is_null(), "{member} is shown: {}", before[0]);
        }
        for member in ["price", "bid_count"] {
            ensure!(before[0]["listing"][member].is_null(), "{member} is shown: {}", before[0]);
        }

        let placed = bert.bids(&lot, 5_000).await?;
        ensure!(timeless(placed["auction"].clone()) == before[1]["auction"], "the bid's answer tells more: {placed}");
        three_bids(&world, &lot).await?;
        let low = dora.tries_to_bid(&lot, 999).await?;
        low.is_problem(422, "bid-too-low")?;
        ensure!(low.body["next_minimum"] == 1_000, "{}", low.text);
        for (viewer, before) in viewers.into_iter().zip(&before) {
            let after = sight(viewer, &lot).await?;
            ensure!(after == *before, "{} sees {after} after {before}", viewer.sub);
        }

        let events = stream.rest(Duration::from_secs(60)).await?;
        ensure!(names(&events) == ["auction.opened", "auction.closed"], "{events:?}");
        ensure!(dora.auction(&lot).await?["sequence"] == 2, "bids have moved the sequence");
        Ok(())
    };
    try_join(secret(Terms::sealed_first_price(1_000)), secret(Terms::vickrey(1_000))).await?;
    Ok(())
}

/// The history of [`three_bids`] after the close: the prices it shows.
async fn shown_prices(world: &World, terms: Terms) -> Result<Vec<Value>> {
    let (anna, dora) = (world.seller("anna"), world.bidder("dora"));
    let lot = anna.opens(&terms).await?;
    three_bids(world, &lot).await?;
    let closed = dora.awaits_auction(&lot, "closed").await?;
    ensure!(closed["bid_count"] == 3 && closed["leader"].is_string(), "{closed}");
    let history = dora.history(&lot).await?;
    let bidders: Vec<&str> = history.iter().filter_map(|bid| bid["bidder"].as_str()).collect();
    let [first, second, third] = *bidders else { anyhow::bail!("these are not three bids: {history:?}") };
    ensure!(first == third && first != second && closed["leader"] == second, "{history:?} of {closed}");
    let listing = dora.awaits_listing(&lot, "sold").await?;
    ensure!(listing["bid_count"] == 3, "{listing}");
    Ok(history.iter().map(|bid| bid["price"].clone()).collect())
}

async fn after_the_close_the_bids_at_first_price_are_read_out(world: Arc<World>) -> Result<()> {
    let prices = shown_prices(&world, Terms::sealed_first_price(1_000)).await?;
    ensure!(prices == [5_000, 8_000, 6_000], "{prices:?}");
    Ok(())
}

async fn after_the_close_of_a_vickrey_auction_it_shows_who_bid_and_never_how_much(world: Arc<World>) -> Result<()> {
    let prices = shown_prices(&world, Terms::vickrey(1_000)).await?;
    ensure!(prices.iter().all(Value::is_null), "{prices:?}");
    Ok(())
}

async fn a_sealed_lot_that_was_taken_back_keeps_its_bids_secret(world: Arc<World>) -> Result<()> {
    let secret = async |terms: Terms| {
        let (anna, dora) = (world.seller("anna"), world.bidder("dora"));
        let lot = anna.opens(&terms.lasting(Duration::from_secs(300))).await?;
        three_bids(&world, &lot).await?;
        world.operator().takes_back(&lot, "the lot was withdrawn").await?;
        let auction = dora.auction(&lot).await?;
        ensure!(auction["status"] == "cancelled" && auction["price"].is_null(), "{auction}");
        ensure!(auction["bid_count"].is_null() && auction["leader"].is_null(), "{auction}");
        let history = dora.history(&lot).await?;
        ensure!(history.is_empty(), "bids that were never opened are shown: {history:?}");
        let last = dora.sees_to_the_end(&lot).await?.pop().context("no events")?;
        ensure!(last.name == "auction.cancelled" && last.id == Some(2), "{last:?}");
        Ok(())
    };
    try_join(secret(Terms::sealed_first_price(1_000)), secret(Terms::vickrey(1_000))).await?;
    Ok(())
}
