//! What others got wrong, line by line of ACCEPTANCE. Some lines have their trial where the rule is tried:
//!
//! | what others got wrong | the trial |
//! |---|---|
//! | bid equal to the reserve refused | `bidding::p6_a_bid_equal_to_the_reserve_meets_it` |
//! | two bids read, then both inserted | `of_two_equal_bids_at_once_one_is_taken` |
//! | "finished" saved before its event | `what_is_finished_has_told_so` |
//! | an extension lost after the commit | `an_extension_is_kept_and_told_to_everybody` |
//! | buy-now alive after a bid | `buy_now::buying_now_is_gone_after_the_first_bid` |
//! | winner picked at the unextended end | `the_winner_is_who_leads_at_the_extended_end` |
//! | lone Vickrey bidder pays own bid | `formats::a_lone_vickrey_bidder_pays_the_larger_of_start_price_and_reserve` |
//! | the leader's hidden maximum overwritten | `lower_bids_leave_the_leaders_hidden_maximum` |
//! | money in floats | `money_is_exact_to_the_last_minor_unit` |
//! | the same bid twice on a double click | `bidding::a_double_click_is_one_bid` |
//! | a refused bid that extends | `a_refused_bid_does_not_extend` |
//! | time zones in end times | `an_end_in_another_time_zone_is_the_same_instant_in_utc` |

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use chrono::{DateTime, FixedOffset, TimeDelta, Utc};
use futures::future::try_join;
use libtest_mimic::Trial;
use serde_json::{Value, json};
use testcontainers_suite::{
    floor::{names, next_called},
    sse::EventStream,
    story::{Lot, Terms, text, time},
    trials,
    wait::CONVERGES_WITHIN,
    world::{Service, World},
};

pub fn trials() -> Vec<Trial> {
    trials!("scenarios::others_got_wrong":
        of_two_equal_bids_at_once_one_is_taken,
        what_is_finished_has_told_so,
        an_extension_is_kept_and_told_to_everybody,
        the_winner_is_who_leads_at_the_extended_end,
        lower_bids_leave_the_leaders_hidden_maximum,
        money_is_exact_to_the_last_minor_unit,
        a_refused_bid_does_not_extend,
        an_end_in_another_time_zone_is_the_same_instant_in_utc,
    )
}

const LONG: Duration = Duration::from_secs(300);

async fn of_two_equal_bids_at_once_one_is_taken(world: Arc<World>) -> Result<()> {
    let anna = world.seller("anna");
    // Once could be luck.
    for _ in 0..5 {
        let lot = anna.opens(&Terms::from(1_000).lasting(LONG)).await?;
        let (bert, carla) = (world.bidder("bert"), world.bidder("carla"));
        let (one, other) = try_join(bert.tries_to_bid(&lot, 1_000), carla.tries_to_bid(&lot, 1_000)).await?;
        let (taken, refused) = if one.status == 201 { (one, other) } else { (other, one) };
        ensure!(taken.status == 201, "neither was taken: {} {}", taken.text, refused.text);
        refused.is_problem(422, "bid-too-low")?;
        ensure!(anna.auction(&lot).await?["bid_count"] == 1 && anna.history(&lot).await?.len() == 1);
    }
    Ok(())
}

async fn what_is_finished_has_told_so(world: Arc<World>) -> Result<()> {
    let (anna, bert) = (world.seller("anna"), world.bidder("bert"));
    let lot = anna.opens(&Terms::from(100)).await?;
    bert.bids(&lot, 500).await?;
    let closed = bert.awaits_auction(&lot, "closed").await?;
    let last = closed["sequence"].as_u64().context("a sequence")?;
    // Whoever saw it closed gets the event at once: there is nothing to wait for.
    let events = EventStream::open(&bert, &lot.id, Some(last - 1)).await?.rest(CONVERGES_WITHIN).await?;
    ensure!(names(&events) == ["auction.closed"] && events[0].id == Some(last), "{events:?} of {closed}");
    ensure!(events[0].data["result"] == closed["result"], "{events:?} of {closed}");
    anna.awaits_listing(&lot, "sold").await?;
    Ok(())
}

async fn an_extension_is_kept_and_told_to_everybody(world: Arc<World>) -> Result<()> {
    let (anna, bert) = (world.seller("anna"), world.bidder("bert"));
    let lot = anna.opens(&Terms::from(100).with_added_time(600, 4, 60)).await?;
    let before = time(&anna.auction(&lot).await?, "ends_at")?;
    let mut stream = anna.watches(&lot).await?;
    let placed = bert.bids(&lot, 500).await?;
    let end = before + TimeDelta::seconds(4);
    ensure!(time(&placed["auction"], "ends_at")? == end, "{placed}");
    ensure!(time(&anna.auction(&lot).await?, "ends_at")? == end, "the extension is lost");
    let told = next_called(&mut stream, "auction.extended").await?;
    ensure!(time(&told.data, "ends_at")? == end && told.data["bid_id"] == placed["bid_id"], "{told:?}");
    let extended = |listing: &Value| time(listing, "ends_at").is_ok_and(|is| is == end);
    anna.awaits_listing_that(&lot, "shows the extension", extended).await?;
    let over = next_called(&mut stream, "auction.closed").await?;
    ensure!(time(&over.data, "ended_at")? == end && time(&over.data, "at")? >= end, "{over:?}");
    Ok(())
}

async fn the_winner_is_who_leads_at_the_extended_end(world: Arc<World>) -> Result<()> {
    let (anna, bert, carla) = (world.seller("anna"), world.bidder("bert"), world.bidder("carla"));
    let lot = anna.opens(&Terms::from(100).with_added_time(600, 8, 8)).await?;
    let end = time(&anna.auction(&lot).await?, "ends_at")?;
    bert.bids(&lot, 500).await?;
    let passed = |auction: &Value| time(auction, "server_time").is_ok_and(|now| now > end);
    let leads = bert.awaits_auction_that(&lot, "has passed its first end", passed).await?;
    ensure!(leads["status"] == "open" && leads["you_lead"] == true, "{leads}");
    carla.bids(&lot, 900).await?;
    let closed = carla.awaits_auction(&lot, "closed").await?;
    ensure!(closed["you_lead"] == true && closed["result"]["price"] == 550, "{closed}");
    let sale = carla.awaits_sale(&lot).await?;
    ensure!(anna.sale(&sale).await?["buyer"] == carla.sub.as_str());
    Ok(())
}

async fn lower_bids_leave_the_leaders_hidden_maximum(world: Arc<World>) -> Result<()> {
    let (anna, bert, carla) = (world.seller("anna"), world.bidder("bert"), world.bidder("carla"));
    let lot = anna.opens(&Terms::from(500).by_steps_of(100).lasting(LONG)).await?;
    bert.bids(&lot, 5_000).await?;
    bert.tries_to_bid(&lot, 600).await?.is_problem(422, "max-not-raised")?;
    for (max, price) in [(1_000, 1_100), (3_000, 3_100), (4_950, 5_000)] {
        let placed = carla.bids(&lot, max).await?;
        ensure!(placed["outcome"] == "outbid" && placed["auction"]["price"] == price, "{max}: {placed}");
    }
    let above = carla.bids(&lot, 5_100).await?;
    ensure!(above["outcome"] == "leading" && above["auction"]["price"] == 5_100, "{above}");
    Ok(())
}

/// In dollars, these amounts have no exact double: the next one is more than a cent away.
async fn money_is_exact_to_the_last_minor_unit(world: Arc<World>) -> Result<()> {
    const LARGE: i64 = 9_007_199_254_740_001;
    let (anna, bert, carla) = (world.seller("anna"), world.bidder("bert"), world.bidder("carla"));
    let lot = anna.opens(&Terms::from(LARGE).by_steps_of(1).lasting(LONG)).await?;
    ensure!(anna.listing(&lot).await?["format"]["start_price"] == LARGE);
    bert.bids(&lot, LARGE + 102).await?;
    let answer = carla.tries_to_bid(&lot, LARGE + 201).await?;
    ensure!(answer.status == 201, "{}", answer.text);
    let auction = &answer.body["auction"];
    ensure!(auction["price"] == LARGE + 103 && auction["next_minimum"] == LARGE + 104, "{}", answer.text);
    ensure!(answer.text.contains(&format!("\"price\":{}", LARGE + 103)), "it is written otherwise: {}", answer.text);
    let bid = carla.history(&lot).await?.pop().context("no bids")?;
    ensure!(bid["price"] == LARGE + 103, "{bid}");
    let shown = |listing: &Value| listing["price"] == LARGE + 103;
    anna.awaits_listing_that(&lot, "shows the exact price", shown).await?;
    // A tenth and two tenths of a dollar, in every way in which a float would come.
    let path = format!("/v1/auctions/{}/bids", lot.id);
    for amount in [json!(0.3), json!(0.1 + 0.2), json!(1e3), json!("0.30")] {
        let float = bert.post(Service::Bidding, &path, &json!({"max_amount": amount})).await?;
        float.is_problem(422, "validation")?;
    }
    Ok(())
}

async fn a_refused_bid_does_not_extend(world: Arc<World>) -> Result<()> {
    let (anna, bert) = (world.person("anna", &["seller", "bidder"]), world.bidder("bert"));
    let lot = anna.opens(&Terms::from(1_000).with_added_time(86_400, 60, 3_600).lasting(LONG)).await?;
    let before = anna.auction(&lot).await?;
    bert.tries_to_bid(&lot, 999).await?.is_problem(422, "bid-too-low")?;
    bert.tries_to_bid_for(&lot, 2, 5_000).await?.is_problem(422, "validation")?;
    anna.tries_to_bid(&lot, 5_000).await?.is_problem(403, "seller-may-not-bid")?;
    let after = anna.auction(&lot).await?;
    ensure!(after["ends_at"] == before["ends_at"] && after["sequence"] == before["sequence"], "{after}");
    Ok(())
}

async fn an_end_in_another_time_zone_is_the_same_instant_in_utc(world: Arc<World>) -> Result<()> {
    let anna = world.seller("anna");
    for hours in [-11, 0, 5, 14] {
        let half_past = FixedOffset::east_opt(hours * 3_600 + 1_800).context("an offset")?;
        let mut body = Terms::from(100).lasting(LONG).body();
        let end: DateTime<Utc> = time(&body, "ends_at")?;
        body["ends_at"] = json!(end.with_timezone(&half_past).to_rfc3339());
        let draft = anna.post(Service::Listing, "/v1/listings", &body).await?.success()?;
        let lot = Lot { id: text(&draft, "id")? };
        anna.publishes(&lot).await?.success()?;
        let auction = anna.awaits_auction(&lot, "open").await?;
        for seen in [&anna.listing(&lot).await?, &auction] {
            ensure!(time(seen, "ends_at")? == end, "{} should be {end}: {seen}", body["ends_at"]);
            ensure!(text(seen, "ends_at")?.ends_with('Z'), "it is not told in UTC: {seen}");
        }
    }
    // Without an offset nobody knows when it is.
    let mut body = Terms::from(100).lasting(LONG).body();
    body["ends_at"] = json!(text(&body, "ends_at")?.trim_end_matches('Z'));
    anna.post(Service::Listing, "/v1/listings", &body).await?.is_problem(422, "validation")
}
