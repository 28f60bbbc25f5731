//! Proxy bidding through the API: published rules and worked examples of real marketplaces (P1 to P6), and what others
//! got wrong.

use std::{sync::Arc, time::Duration};

use anyhow::{Result, ensure};
use futures::future::join_all;
use libtest_mimic::Trial;
use serde_json::{Value, json};
use testcontainers_suite::{
    client::{Answer, Person, fresh_key},
    story::{Lot, Terms},
    trials,
    world::{Service, World},
};

/// None of these tests waits for the end.
const LONG: Duration = Duration::from_secs(300);

pub fn trials() -> Vec<Trial> {
    trials!("scenarios::bidding":
        p1_the_price_follows_the_second_highest_maximum,
        p2_the_first_bid_stands_at_the_start_price,
        p3_a_challenger_leads_at_the_own_maximum_below_an_increment,
        p4_the_next_minimum_follows_the_price,
        p5_a_maximum_that_reaches_the_reserve_lifts_the_price_to_it,
        p6_a_bid_equal_to_the_reserve_meets_it,
        of_equal_maxima_the_earlier_leads,
        a_leader_may_raise_the_own_maximum_and_not_lower_it,
        a_bid_that_is_too_low_is_told_the_next_minimum,
        a_double_click_is_one_bid,
        bids_of_many_at_once_are_decided_one_by_one,
        a_seller_may_not_bid_on_the_own_lot,
    )
}

fn by_ones() -> Value {
    json!([{"from": 0, "increment": 100}])
}

async fn bid(person: &Person<'_>, lot: &Lot, max: i64, price: i64, outcome: &str) -> Result<Value> {
    let placed = person.bids(lot, max).await?;
    ensure!(placed["auction"]["price"] == price, "a bid of {max} should bring the price to {price}: {placed}");
    ensure!(placed["outcome"] == outcome, "a bid of {max} should be {outcome}: {placed}");
    ensure!(placed["auction"]["you_lead"] == (outcome != "outbid"), "{placed}");
    Ok(placed["auction"].clone())
}

async fn p1_the_price_follows_the_second_highest_maximum(world: Arc<World>) -> Result<()> {
    let lot = world.seller("anna").opens(&Terms::from(500).with_increments(by_ones()).lasting(LONG)).await?;
    let (a, b) = (world.bidder("a"), world.bidder("b"));
    bid(&a, &lot, 500, 500, "leading").await?;
    bid(&b, &lot, 601, 600, "leading").await?;
    bid(&a, &lot, 800, 701, "leading").await?;
    bid(&b, &lot, 1_500, 900, "leading").await?;
    bid(&a, &lot, 1_502, 1_502, "leading").await?;
    Ok(())
}

async fn p2_the_first_bid_stands_at_the_start_price(world: Arc<World>) -> Result<()> {
    let lot = world.seller("anna").opens(&Terms::from(1_000).with_increments(by_ones()).lasting(LONG)).await?;
    let auction = bid(&world.bidder("a"), &lot, 1_100, 1_000, "leading").await?;
    ensure!(auction["next_minimum"] == 1_100, "{auction}");
    let auction = bid(&world.bidder("b"), &lot, 1_102, 1_102, "leading").await?;
    ensure!(auction["next_minimum"] == 1_202, "{auction}");
    Ok(())
}

async fn p3_a_challenger_leads_at_the_own_maximum_below_an_increment(world: Arc<World>) -> Result<()> {
    let terms = Terms::from(100).in_currency("GBP").with_increments(json!("ebay-uk")).lasting(LONG);
    let lot = world.seller("anna").opens(&terms).await?;
    bid(&world.bidder("a"), &lot, 2_000, 100, "leading").await?;
    bid(&world.bidder("b"), &lot, 900, 950, "outbid").await?;
    bid(&world.bidder("c"), &lot, 2_001, 2_001, "leading").await?;
    Ok(())
}

async fn p4_the_next_minimum_follows_the_price(world: Arc<World>) -> Result<()> {
    let lot = world.seller("anna").opens(&Terms::from(12_750).lasting(LONG)).await?;
    let auction = bid(&world.bidder("a"), &lot, 12_750, 12_750, "leading").await?;
    ensure!(auction["next_minimum"] == 13_000, "{auction}");
    Ok(())
}

async fn p5_a_maximum_that_reaches_the_reserve_lifts_the_price_to_it(world: Arc<World>) -> Result<()> {
    let lot = world.seller("anna").opens(&Terms::from(100).with_reserve(10_000).lasting(LONG)).await?;
    let auction = bid(&world.bidder("a"), &lot, 5_000, 100, "leading").await?;
    ensure!(auction["reserve"] == "not_met", "{auction}");
    let auction = bid(&world.bidder("b"), &lot, 15_000, 10_000, "leading").await?;
    ensure!(auction["reserve"] == "met", "{auction}");
    Ok(())
}

async fn p6_a_bid_equal_to_the_reserve_meets_it(world: Arc<World>) -> Result<()> {
    let lot = world.seller("anna").opens(&Terms::from(100).with_reserve(10_000).lasting(LONG)).await?;
    let auction = bid(&world.bidder("a"), &lot, 10_000, 10_000, "leading").await?;
    ensure!(auction["reserve"] == "met", "{auction}");
    Ok(())
}

async fn of_equal_maxima_the_earlier_leads(world: Arc<World>) -> Result<()> {
    let lot = world.seller("anna").opens(&Terms::from(100).lasting(LONG)).await?;
    bid(&world.bidder("a"), &lot, 1_000, 100, "leading").await?;
    bid(&world.bidder("b"), &lot, 1_000, 1_000, "outbid").await?;
    Ok(())
}

async fn a_leader_may_raise_the_own_maximum_and_not_lower_it(world: Arc<World>) -> Result<()> {
    let lot = world.seller("anna").opens(&Terms::from(100).lasting(LONG)).await?;
    let a = world.bidder("a");
    bid(&a, &lot, 1_000, 100, "leading").await?;
    bid(&a, &lot, 1_001, 100, "max_raised").await?;
    for max in [1_001, 1_000, 500] {
        a.tries_to_bid(&lot, max).await?.is_refusal()?;
    }
    bid(&world.bidder("b"), &lot, 2_000, 1_051, "leading").await?;
    Ok(())
}

async fn a_bid_that_is_too_low_is_told_the_next_minimum(world: Arc<World>) -> Result<()> {
    let lot = world.seller("anna").opens(&Terms::from(1_000).lasting(LONG)).await?;
    let (a, b) = (world.bidder("a"), world.bidder("b"));
    let early = b.tries_to_bid(&lot, 999).await?;
    early.is_problem(422, "bid-too-low")?;
    ensure!(early.body["next_minimum"] == 1_000, "{}", early.text);
    bid(&a, &lot, 1_500, 1_000, "leading").await?;
    let low = b.tries_to_bid(&lot, 1_049).await?;
    low.is_problem(422, "bid-too-low")?;
    ensure!(low.body["next_minimum"] == 1_050, "{}", low.text);
    ensure!(a.auction(&lot).await?["bid_count"] == 1);
    Ok(())
}

async fn a_double_click_is_one_bid(world: Arc<World>) -> Result<()> {
    let lot = world.seller("anna").opens(&Terms::from(100).lasting(LONG)).await?;
    let bert = world.bidder("bert").patient(Duration::from_secs(10));
    let (path, key, body) = (format!("/v1/auctions/{}/bids", lot.id), fresh_key(), json!({"max_amount": 700}));
    let clicks = (0..2).map(|_| bert.post_with_key(Service::Bidding, &path, &key, &body));
    let answers = join_all(clicks).await.into_iter().collect::<Result<Vec<Answer>>>()?;
    ensure!(answers.iter().all(|answer| answer.status == 201), "{} {}", answers[0].text, answers[1].text);
    ensure!(answers[0].body["bid_id"] == answers[1].body["bid_id"], "{} {}", answers[0].text, answers[1].text);
    ensure!(bert.auction(&lot).await?["bid_count"] == 1);
    Ok(())
}

async fn bids_of_many_at_once_are_decided_one_by_one(world: Arc<World>) -> Result<()> {
    const BIDDERS: usize = 24;
    let lot = world.seller("anna").opens(&Terms::from(100).with_increments(by_ones()).lasting(LONG)).await?;
    let bidders: Vec<_> = (0..BIDDERS).map(|_| world.bidder("many")).collect();
    let maxima = (1..).map(|number| number * 1_000);
    let answers = join_all(bidders.iter().zip(maxima).map(|(bidder, max)| bidder.tries_to_bid(&lot, max))).await;
    let answers = answers.into_iter().collect::<Result<Vec<_>>>()?;
    let accepted = answers.iter().filter(|answer| answer.status == 201).count();
    for refused in answers.iter().filter(|answer| answer.status != 201) {
        refused.is_problem(422, "bid-too-low")?;
    }
    let auction = bidders[BIDDERS - 1].auction(&lot).await?;
    ensure!(auction["you_lead"] == true && auction["bid_count"] == accepted, "{accepted} accepted: {auction}");
    // One increment above the second highest maximum, whatever the order was.
    ensure!(auction["price"] == 23_100, "{auction}");
    Ok(())
}

async fn a_seller_may_not_bid_on_the_own_lot(world: Arc<World>) -> Result<()> {
    let anna = world.person("anna", &["seller", "bidder"]);
    let lot = anna.opens(&Terms::from(100).lasting(LONG)).await?;
    anna.tries_to_bid(&lot, 500).await?.is_problem(403, "seller-may-not-bid")?;
    ensure!(anna.auction(&lot).await?["bid_count"] == 0);
    Ok(())
}
