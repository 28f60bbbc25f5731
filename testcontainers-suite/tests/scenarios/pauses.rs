//! The operator pauses one auction: bids are refused, and the time is given back. Pausing all auctions would stop every
//! test beside this one; the program `resilience` has a marketplace for that.

use std::{sync::Arc, time::Duration};

use anyhow::{Result, ensure};
use chrono::TimeDelta;
use libtest_mimic::Trial;
use serde_json::{Value, json};
use testcontainers_suite::{
    floor::next_called,
    story::{Terms, time},
    trials,
    world::World,
};

pub fn trials() -> Vec<Trial> {
    trials!("scenarios::pauses":
        a_paused_auction_takes_no_bids_and_gets_its_time_back_exactly,
        an_end_that_falls_into_a_pause_decides_nothing,
        a_dutch_price_does_not_fall_during_a_pause,
        only_the_operator_pauses_and_resumes,
        what_rests_cannot_be_paused_and_what_goes_on_cannot_be_resumed,
    )
}

const LONG: Duration = Duration::from_secs(300);

async fn a_paused_auction_takes_no_bids_and_gets_its_time_back_exactly(world: Arc<World>) -> Result<()> {
    let (anna, bert, operator) = (world.seller("anna"), world.bidder("bert"), world.operator());
    let lot = anna.opens(&Terms::from(100).with_buy_now(1_000).lasting(LONG)).await?;
    let mut stream = bert.watches(&lot).await?;
    let before = bert.auction(&lot).await?;
    anna.awaits_listing(&lot, "live").await?;

    let paused = operator.pauses(&lot, "the photographs are being replaced").await?;
    ensure!(paused["status"] == "open" && paused["ends_at"] == before["ends_at"], "{paused}");
    let since = time(&paused, "paused_at")?;
    let told = next_called(&mut stream, "auction.paused").await?;
    ensure!(told.data["reason"] == "the photographs are being replaced", "{told:?}");
    bert.tries_to_bid(&lot, 500).await?.is_problem(409, "auction-paused")?;
    bert.tries_to_buy_now(&lot).await?.is_problem(409, "auction-paused")?;
    let rests = |listing: &Value| time(listing, "paused_at").is_ok_and(|is| is == since);
    anna.awaits_listing_that(&lot, "shows the pause", rests).await?;

    let resumed = operator.resumes(&lot).await?;
    ensure!(resumed["paused_at"].is_null(), "{resumed}");
    let told = next_called(&mut stream, "auction.resumed").await?;
    let given_back = time(&resumed, "ends_at")? - time(&before, "ends_at")?;
    ensure!(time(&told.data, "ends_at")? == time(&resumed, "ends_at")?, "{told:?}");
    ensure!(told.data["paused_for_ms"] == given_back.num_milliseconds(), "{given_back} given back: {told:?}");
    // To the millisecond.
    let rested = time(&told.data, "at")? - since;
    ensure!(rested.num_milliseconds() == given_back.num_milliseconds(), "{rested} of rest, {given_back} given back");

    bert.bids(&lot, 500).await?;
    let end = time(&resumed, "ends_at")?;
    let goes_on =
        |listing: &Value| listing["paused_at"].is_null() && time(listing, "ends_at").is_ok_and(|is| is == end);
    anna.awaits_listing_that(&lot, "shows the new end", goes_on).await?;
    Ok(())
}

async fn an_end_that_falls_into_a_pause_decides_nothing(world: Arc<World>) -> Result<()> {
    let (anna, bert, carla, operator) =
        (world.seller("anna"), world.bidder("bert"), world.bidder("carla"), world.operator());
    let lot = anna.opens(&Terms::from(100)).await?;
    bert.bids(&lot, 500).await?;
    let end = time(&operator.pauses(&lot, "nobody can reach the service").await?, "ends_at")?;
    let passed = |auction: &Value| time(auction, "server_time").is_ok_and(|now| now > end + TimeDelta::seconds(3));
    let rests = carla.awaits_auction_that(&lot, "has passed its end", passed).await?;
    ensure!(rests["status"] == "open" && rests["result"].is_null(), "it was decided: {rests}");

    let resumed = operator.resumes(&lot).await?;
    ensure!(time(&resumed, "ends_at")? > time(&resumed, "server_time")?, "nothing is left of it: {resumed}");
    carla.bids(&lot, 900).await?;
    let closed = carla.awaits_auction(&lot, "closed").await?;
    ensure!(closed["you_lead"] == true && closed["ends_at"] == resumed["ends_at"], "{closed}");
    Ok(())
}

async fn a_dutch_price_does_not_fall_during_a_pause(world: Arc<World>) -> Result<()> {
    let (anna, bert, operator) = (world.seller("anna"), world.bidder("bert"), world.operator());
    let lot = anna.opens(&Terms::dutch(500_000, 1_000, 250, 1).lasting(LONG)).await?;
    let paused = operator.pauses(&lot, "the hall is being aired").await?;
    let since = time(&paused, "paused_at")?;
    let later = |auction: &Value| time(auction, "server_time").is_ok_and(|now| now > since + TimeDelta::seconds(4));
    let rests = bert.awaits_auction_that(&lot, "has rested", later).await?;
    ensure!(rests["price"] == paused["price"], "it fell from {} to {}", paused["price"], rests["price"]);
    let resumed = operator.resumes(&lot).await?;
    ensure!(resumed["price"] == paused["price"], "it fell from {} to {}", paused["price"], resumed["price"]);
    Ok(())
}

async fn only_the_operator_pauses_and_resumes(world: Arc<World>) -> Result<()> {
    let (anna, bert, operator) = (world.person("anna", &["seller", "bidder"]), world.bidder("bert"), world.operator());
    let lot = anna.opens(&Terms::from(100).lasting(LONG)).await?;
    let reason = json!({"reason": "I am losing"});
    for person in [&anna, &bert] {
        person.does(&lot, "pause", &reason).await?.is_problem(403, "forbidden")?;
    }
    bert.bids(&lot, 500).await?;
    operator.pauses(&lot, "the lot is being looked at").await?;
    for person in [&anna, &bert] {
        person.does(&lot, "resume", &json!({})).await?.is_problem(403, "forbidden")?;
    }
    bert.tries_to_bid(&lot, 900).await?.is_problem(409, "auction-paused")?;
    Ok(())
}

async fn what_rests_cannot_be_paused_and_what_goes_on_cannot_be_resumed(world: Arc<World>) -> Result<()> {
    let (anna, operator) = (world.seller("anna"), world.operator());
    let lot = anna.opens(&Terms::from(100).lasting(LONG)).await?;
    let (pause, resume) = (json!({"reason": "once more"}), json!({}));
    operator.does(&lot, "resume", &resume).await?.is_problem(409, "auction-state")?;
    operator.pauses(&lot, "once").await?;
    operator.does(&lot, "pause", &pause).await?.is_problem(409, "auction-state")?;
    operator.resumes(&lot).await?;
    operator.does(&lot, "resume", &resume).await?.is_problem(409, "auction-state")?;
    operator.takes_back(&lot, "the end of it").await?;
    operator.does(&lot, "pause", &pause).await?.is_problem(409, "auction-state")
}
