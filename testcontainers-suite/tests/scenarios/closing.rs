//! How bidding begins and ends: scheduled starts, cancellations, reserves, soft close.

use std::{sync::Arc, time::Duration};

use anyhow::{Result, ensure};
use chrono::TimeDelta;
use libtest_mimic::Trial;
use serde_json::json;
use testcontainers_suite::{
    story::{Lot, Terms, time},
    trials,
    world::World,
};

pub fn trials() -> Vec<Trial> {
    trials!("scenarios::closing":
        bidding_opens_at_the_scheduled_start_and_not_before,
        a_lot_without_bids_can_be_taken_back,
        a_scheduled_lot_can_be_taken_back_before_it_opens,
        a_lot_with_a_bid_cannot_be_taken_back,
        a_lot_whose_reserve_is_not_met_is_not_sold,
        a_lot_without_bids_is_not_sold,
        a_late_bid_extends_the_auction,
        the_hard_stop_ends_every_extension,
        a_bid_after_the_end_is_refused,
    )
}

async fn bidding_opens_at_the_scheduled_start_and_not_before(world: Arc<World>) -> Result<()> {
    let (anna, bert) = (world.seller("anna"), world.bidder("bert"));
    let lot = anna.sells(&Terms::from(100).starting_in(Duration::from_secs(6))).await?;
    let auction = bert.auction(&lot).await?;
    ensure!(auction["status"] == "scheduled", "{auction}");
    ensure!(anna.listing(&lot).await?["status"] == "scheduled");
    bert.tries_to_bid(&lot, 500).await?.is_problem(409, "auction-not-open")?;

    let opened = bert.awaits_auction(&lot, "open").await?;
    ensure!(time(&opened, "server_time")? >= time(&opened, "starts_at")?, "{opened}");
    ensure!(opened["bid_count"] == 0, "the early bid counts: {opened}");
    bert.bids(&lot, 500).await?;
    anna.awaits_listing(&lot, "live").await?;
    Ok(())
}

async fn a_lot_without_bids_can_be_taken_back(world: Arc<World>) -> Result<()> {
    let (anna, bert) = (world.seller("anna"), world.bidder("bert"));
    let lot = anna.opens(&Terms::from(100).lasting(Duration::from_secs(300))).await?;
    anna.awaits_listing(&lot, "live").await?;
    anna.cancels(&lot).await?.success()?;
    let auction = bert.awaits_auction(&lot, "cancelled").await?;
    ensure!(auction["result"]["outcome"] == "cancelled", "{auction}");
    anna.awaits_listing(&lot, "cancelled").await?;
    bert.tries_to_bid(&lot, 500).await?.is_problem(409, "auction-not-open")?;
    // A repeated wish is the same wish.
    anna.cancels(&lot).await?.success()?;
    Ok(())
}

async fn a_scheduled_lot_can_be_taken_back_before_it_opens(world: Arc<World>) -> Result<()> {
    let (anna, bert) = (world.seller("anna"), world.bidder("bert"));
    let lot = anna.sells(&Terms::from(100).starting_in(Duration::from_secs(120))).await?;
    anna.cancels(&lot).await?.success()?;
    anna.awaits_listing(&lot, "cancelled").await?;
    bert.awaits_auction(&lot, "cancelled").await?;
    Ok(())
}

async fn a_lot_with_a_bid_cannot_be_taken_back(world: Arc<World>) -> Result<()> {
    let (anna, bert, stranger) = (world.seller("anna"), world.bidder("bert"), world.seller("stranger"));
    let lot = anna.opens(&Terms::from(100).lasting(Duration::from_secs(300))).await?;
    stranger.cancels(&lot).await?.is_problem(403, "forbidden")?;
    bert.bids(&lot, 500).await?;
    anna.awaits_listing_that(&lot, "shows the bid", |listing| listing["bid_count"] == 1).await?;
    anna.cancels(&lot).await?.is_problem(409, "listing-state")?;
    ensure!(bert.auction(&lot).await?["status"] == "open");
    ensure!(anna.listing(&lot).await?["status"] == "live");
    Ok(())
}

async fn a_lot_whose_reserve_is_not_met_is_not_sold(world: Arc<World>) -> Result<()> {
    let (anna, bert) = (world.seller("anna"), world.bidder("bert"));
    let lot = anna.opens(&Terms::from(100).with_reserve(10_000)).await?;
    bert.bids(&lot, 9_999).await?;
    let auction = bert.awaits_auction(&lot, "closed").await?;
    ensure!(auction["result"]["outcome"] == "reserve_not_met", "{auction}");
    anna.awaits_listing(&lot, "unsold").await?;
    not_settled(&world, &lot).await
}

async fn a_lot_without_bids_is_not_sold(world: Arc<World>) -> Result<()> {
    let anna = world.seller("anna");
    let lot = anna.opens(&Terms::from(100)).await?;
    let auction = anna.awaits_auction(&lot, "closed").await?;
    ensure!(auction["result"] == json!({"outcome": "no_bids", "price": null, "awards": []}), "{auction}");
    anna.awaits_listing(&lot, "unsold").await?;
    not_settled(&world, &lot).await
}

/// Settlement has heard of a sale that closed later, and of this one it makes nothing.
async fn not_settled(world: &World, lot: &Lot) -> Result<()> {
    let (anna, bert) = (world.seller("anna"), world.bidder("bert"));
    let later = anna.opens(&Terms::from(100)).await?;
    bert.bids(&later, 500).await?;
    bert.awaits_sale(&later).await?;
    let sales = world.operator().sales_of(lot).await?;
    ensure!(sales.is_empty(), "it is settled: {sales:?}");
    Ok(())
}

async fn a_late_bid_extends_the_auction(world: Arc<World>) -> Result<()> {
    let (anna, bert, carla) = (world.seller("anna"), world.bidder("bert"), world.bidder("carla"));
    let lot = anna.opens(&Terms::from(100).lasting(Duration::from_secs(9)).with_soft_close(5, 60)).await?;
    let end = time(&bert.auction(&lot).await?, "ends_at")?;
    bert.awaits_last(&lot, TimeDelta::milliseconds(4_500)).await?;

    let extended = bert.bids(&lot, 500).await?["auction"].clone();
    let (now, new_end) = (time(&extended, "server_time")?, time(&extended, "ends_at")?);
    ensure!(new_end > end && (new_end - now - TimeDelta::seconds(5)).abs() < TimeDelta::milliseconds(50), "{extended}");
    anna.awaits_listing_that(&lot, "shows the new end", |listing| {
        time(listing, "ends_at").is_ok_and(|is| is == new_end)
    })
    .await?;

    // Neither a refused bid nor a raised own maximum extends.
    bert.awaits_last(&lot, TimeDelta::milliseconds(4_900)).await?;
    carla.tries_to_bid(&lot, 101).await?.is_problem(422, "bid-too-low")?;
    let raised = bert.bids(&lot, 900).await?;
    ensure!(raised["outcome"] == "max_raised" && time(&raised["auction"], "ends_at")? == new_end, "{raised}");

    // The winner is who leads at the extended end.
    let won = carla.bids(&lot, 2_000).await?["auction"].clone();
    ensure!(time(&won, "ends_at")? > new_end, "{won}");
    let closed = carla.awaits_auction(&lot, "closed").await?;
    ensure!(closed["you_lead"] == true && closed["result"]["outcome"] == "sold", "{closed}");
    Ok(())
}

async fn the_hard_stop_ends_every_extension(world: Arc<World>) -> Result<()> {
    let (anna, bert) = (world.seller("anna"), world.bidder("bert"));
    let lot = anna.opens(&Terms::from(100).lasting(Duration::from_secs(9)).with_soft_close(8, 2)).await?;
    let end = time(&bert.auction(&lot).await?, "ends_at")?;
    bert.awaits_last(&lot, TimeDelta::milliseconds(5_500)).await?;
    let extended = bert.bids(&lot, 500).await?["auction"].clone();
    ensure!(time(&extended, "ends_at")? == end + TimeDelta::seconds(2), "the end was {end}: {extended}");
    let again = world.bidder("carla").bids(&lot, 900).await?["auction"].clone();
    ensure!(time(&again, "ends_at")? == end + TimeDelta::seconds(2), "the end was {end}: {again}");
    Ok(())
}

async fn a_bid_after_the_end_is_refused(world: Arc<World>) -> Result<()> {
    let (anna, bert) = (world.seller("anna"), world.bidder("bert"));
    let lot = anna.opens(&Terms::from(100)).await?;
    bert.awaits_auction(&lot, "closed").await?;
    let late = bert.tries_to_bid(&lot, 500).await?;
    late.is_problem(409, "auction-not-open")?;
    ensure!(bert.auction(&lot).await?["bid_count"] == 0);
    Ok(())
}
