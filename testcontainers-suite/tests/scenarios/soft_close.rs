//! Late bids that add time, and the hard stop. The mode `reset` is tried where auctions end (`closing`).

use std::{sync::Arc, time::Duration};

use anyhow::{Result, ensure};
use chrono::{DateTime, TimeDelta, Utc};
use libtest_mimic::Trial;
use serde_json::Value;
use testcontainers_suite::{
    client::Person,
    story::{Lot, Terms, time},
    trials,
    world::World,
};

pub fn trials() -> Vec<Trial> {
    trials!("scenarios::soft_close":
        a_bid_in_the_last_window_adds_its_time_and_an_earlier_one_does_not,
        only_what_changes_leader_or_price_adds_time,
        added_time_ends_at_the_hard_stop,
        units_are_extended_too,
    )
}

/// The end after a bid that is taken.
async fn end_after(person: &Person<'_>, lot: &Lot, max: i64) -> Result<DateTime<Utc>> {
    time(&person.bids(lot, max).await?["auction"], "ends_at")
}

/// A lot that lasts twelve seconds, and when it ends.
async fn lot(world: &World, terms: Terms) -> Result<(Lot, DateTime<Utc>)> {
    let anna = world.seller("anna");
    let lot = anna.opens(&terms.lasting(Duration::from_secs(12))).await?;
    let end = time(&anna.auction(&lot).await?, "ends_at")?;
    Ok((lot, end))
}

const SECOND: TimeDelta = TimeDelta::seconds(1);

async fn a_bid_in_the_last_window_adds_its_time_and_an_earlier_one_does_not(world: Arc<World>) -> Result<()> {
    let (bert, carla) = (world.bidder("bert"), world.bidder("carla"));
    let (lot, end) = lot(&world, Terms::from(100).with_added_time(4, 3, 60)).await?;
    let early = bert.bids(&lot, 500).await?["auction"].clone();
    let to_go = time(&early, "ends_at")? - time(&early, "server_time")?;
    ensure!(time(&early, "ends_at")? == end && to_go > SECOND * 4, "{to_go} to go: {early}");

    bert.awaits_last(&lot, TimeDelta::milliseconds(3_500)).await?;
    ensure!(end_after(&carla, &lot, 900).await? == end + SECOND * 3, "the end was {end}");
    // Counted from the end as it stands, not from the bid.
    bert.awaits_last(&lot, TimeDelta::milliseconds(3_500)).await?;
    ensure!(end_after(&bert, &lot, 2_000).await? == end + SECOND * 6, "the end was {end}");
    let closed = bert.awaits_auction(&lot, "closed").await?;
    ensure!(time(&closed, "ends_at")? == end + SECOND * 6 && closed["you_lead"] == true, "{closed}");
    Ok(())
}

async fn only_what_changes_leader_or_price_adds_time(world: Arc<World>) -> Result<()> {
    let (bert, carla) = (world.bidder("bert"), world.bidder("carla"));
    let (lot, end) = lot(&world, Terms::from(100).with_added_time(600, 1, 60)).await?;
    ensure!(end_after(&bert, &lot, 500).await? == end + SECOND, "the first bid leads");
    ensure!(end_after(&bert, &lot, 900).await? == end + SECOND, "a raised own maximum adds time");
    carla.tries_to_bid(&lot, 101).await?.is_problem(422, "bid-too-low")?;
    ensure!(time(&carla.auction(&lot).await?, "ends_at")? == end + SECOND, "a refused bid adds time");
    ensure!(end_after(&carla, &lot, 600).await? == end + SECOND * 2, "a bid that raises the price adds none");
    let told = carla.auction(&lot).await?;
    // Opened, three bids that were taken, two extensions.
    ensure!(told["sequence"] == 6, "{told}");
    Ok(())
}

async fn added_time_ends_at_the_hard_stop(world: Arc<World>) -> Result<()> {
    let (bert, carla) = (world.bidder("bert"), world.bidder("carla"));
    let (lot, end) = lot(&world, Terms::from(100).with_added_time(600, 3, 5)).await?;
    let mut ends = Vec::new();
    for (person, max) in [(&bert, 500), (&carla, 900), (&bert, 2_000), (&carla, 3_000)] {
        ends.push((end_after(person, &lot, max).await? - end).num_milliseconds());
    }
    ensure!(ends == [3_000, 5_000, 5_000, 5_000], "{ends:?}");
    let closed = carla.awaits_auction(&lot, "closed").await?;
    ensure!(time(&closed, "ends_at")? == end + SECOND * 5 && closed["you_lead"] == true, "{closed}");
    Ok(())
}

async fn units_are_extended_too(world: Arc<World>) -> Result<()> {
    let bert = world.bidder("bert");
    let (lot, end) = lot(&world, Terms::units(100, 5).with_added_time(600, 2, 60)).await?;
    let placed: Value = bert.bids_for(&lot, 3, 500).await?;
    ensure!(time(&placed["auction"], "ends_at")? == end + SECOND * 2, "the end was {end}: {placed}");
    Ok(())
}
