//! Buying at once: it ends the auction, the first bid ends the offer, and it costs at least 30 % over the start.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use futures::future::try_join;
use libtest_mimic::Trial;
use serde_json::{Value, json};
use testcontainers_suite::{
    client::fresh_key,
    floor::names,
    story::Terms,
    trials,
    world::{Service, World},
};

pub fn trials() -> Vec<Trial> {
    trials!("scenarios::buy_now":
        buying_now_ends_the_auction_at_once,
        buying_now_is_gone_after_the_first_bid,
        with_a_reserve_buying_now_stays_until_the_price_has_reached_it,
        of_two_who_buy_now_at_once_one_gets_the_lot,
        a_double_click_buys_once,
        a_lot_that_is_not_offered_for_it_cannot_be_bought_now,
        a_seller_may_not_buy_the_own_lot,
        buying_now_costs_at_least_thirty_per_cent_over_the_start_price,
    )
}

/// From 1,000, at once for 3,000; no test waits for the end.
fn offered() -> Terms {
    Terms::from(1_000).with_buy_now(3_000).lasting(Duration::from_secs(300))
}

async fn buying_now_ends_the_auction_at_once(world: Arc<World>) -> Result<()> {
    let (anna, bert, carla) = (world.seller("anna"), world.bidder("bert"), world.bidder("carla"));
    let lot = anna.opens(&offered()).await?;
    ensure!(bert.auction(&lot).await?["buy_now_price"] == 3_000);
    let bought = bert.buys_now(&lot).await?;
    let auction = &bought["auction"];
    ensure!(bought["outcome"] == "bought" && auction["status"] == "closed", "it goes on: {bought}");
    ensure!(auction["result"] == json!({"outcome": "sold", "price": 3_000, "awards": []}), "{bought}");
    ensure!(auction["you_lead"] == true && auction["buy_now_price"].is_null(), "{bought}");

    carla.tries_to_bid(&lot, 5_000).await?.is_problem(409, "auction-not-open")?;
    carla.tries_to_buy_now(&lot).await?.is_problem(409, "auction-not-open")?;
    let events = carla.sees_to_the_end(&lot).await?;
    ensure!(names(&events) == ["auction.opened", "bid.placed", "auction.closed"], "{events:?}");
    let listing = anna.awaits_listing(&lot, "sold").await?;
    ensure!(listing["price"] == 3_000 && listing["bid_count"] == 1, "{listing}");
    let sale = bert.awaits_sale(&lot).await?;
    ensure!(bert.sale(&sale).await?["amount"] == 3_000);
    Ok(())
}

async fn buying_now_is_gone_after_the_first_bid(world: Arc<World>) -> Result<()> {
    let (anna, bert, carla) = (world.seller("anna"), world.bidder("bert"), world.bidder("carla"));
    let lot = anna.opens(&offered()).await?;
    let placed = bert.bids(&lot, 1_000).await?;
    ensure!(placed["auction"]["buy_now_price"].is_null(), "it is still offered: {placed}");
    for person in [&bert, &carla] {
        person.tries_to_buy_now(&lot).await?.is_problem(409, "buy-now-gone")?;
    }
    let auction = carla.auction(&lot).await?;
    ensure!(auction["status"] == "open" && auction["bid_count"] == 1 && auction["price"] == 1_000, "{auction}");
    Ok(())
}

async fn with_a_reserve_buying_now_stays_until_the_price_has_reached_it(world: Arc<World>) -> Result<()> {
    let (anna, bert, carla) = (world.seller("anna"), world.bidder("bert"), world.bidder("carla"));
    let terms = offered().with_reserve(2_000);
    let lot = anna.opens(&terms).await?;
    let below = bert.bids(&lot, 1_999).await?;
    ensure!(below["auction"]["reserve"] == "not_met" && below["auction"]["buy_now_price"] == 3_000, "{below}");
    let reached = carla.bids(&lot, 2_000).await?;
    ensure!(reached["auction"]["reserve"] == "met" && reached["auction"]["buy_now_price"].is_null(), "{reached}");
    bert.tries_to_buy_now(&lot).await?.is_problem(409, "buy-now-gone")?;

    let other = anna.opens(&terms).await?;
    bert.bids(&other, 1_999).await?;
    let bought = carla.buys_now(&other).await?;
    ensure!(bought["auction"]["result"]["price"] == 3_000 && bought["auction"]["you_lead"] == true, "{bought}");
    Ok(())
}

async fn of_two_who_buy_now_at_once_one_gets_the_lot(world: Arc<World>) -> Result<()> {
    let (anna, bert, carla) = (world.seller("anna"), world.bidder("bert"), world.bidder("carla"));
    let lot = anna.opens(&offered()).await?;
    let (one, other) = try_join(bert.tries_to_buy_now(&lot), carla.tries_to_buy_now(&lot)).await?;
    let (bought, refused) = if one.status == 201 { (one, other) } else { (other, one) };
    ensure!(bought.status == 201, "nobody got it: {} {}", bought.text, refused.text);
    refused.is_problem(409, "auction-not-open")?;
    let auction = anna.auction(&lot).await?;
    ensure!(auction["bid_count"] == 1 && auction["leader"] == bought.body["auction"]["leader"], "{auction}");
    Ok(())
}

async fn a_double_click_buys_once(world: Arc<World>) -> Result<()> {
    let (anna, bert) = (world.seller("anna"), world.bidder("bert"));
    let lot = anna.opens(&offered()).await?;
    let (path, key, body) = (format!("/v1/auctions/{}/buy-now", lot.id), fresh_key(), json!({}));
    let click = || bert.post_with_key(Service::Bidding, &path, &key, &body);
    let (one, other) = try_join(click(), click()).await?;
    ensure!(one.status == 201 && one.body == other.body, "{} {}", one.text, other.text);
    let replays = [&one, &other].map(|answer| answer.header("idempotency-replayed") == Some("true"));
    ensure!(replays[0] != replays[1], "one of both is the first: {replays:?}");
    Ok(())
}

async fn a_lot_that_is_not_offered_for_it_cannot_be_bought_now(world: Arc<World>) -> Result<()> {
    let (anna, bert) = (world.seller("anna"), world.bidder("bert"));
    let long = Duration::from_secs(300);
    for terms in [Terms::from(1_000), Terms::vickrey(1_000), Terms::dutch(5_000, 1_000, 1, 60), Terms::units(1_000, 5)]
    {
        let lot = anna.opens(&terms.lasting(long)).await?;
        bert.tries_to_buy_now(&lot).await?.is_problem(409, "buy-now-gone")?;
        let auction = bert.auction(&lot).await?;
        ensure!(auction["status"] == "open" && auction["buy_now_price"].is_null(), "{auction}");
    }
    Ok(())
}

async fn a_seller_may_not_buy_the_own_lot(world: Arc<World>) -> Result<()> {
    let anna = world.person("anna", &["seller", "bidder"]);
    let lot = anna.opens(&offered()).await?;
    anna.tries_to_buy_now(&lot).await?.is_problem(403, "seller-may-not-bid")?;
    ensure!(anna.auction(&lot).await?["status"] == "open");
    Ok(())
}

async fn buying_now_costs_at_least_thirty_per_cent_over_the_start_price(world: Arc<World>) -> Result<()> {
    let anna = world.seller("anna");
    let answer = async |terms: &Terms| anna.post(Service::Listing, "/v1/listings", &terms.body()).await;
    // 30 % over 999 are 1,298.7.
    for (start, least) in [(1_000, 1_300), (999, 1_299), (1, 2)] {
        let low = answer(&Terms::from(start).with_buy_now(least - 1)).await?;
        low.is_problem(422, "validation")?;
        let told = low.body["errors"].as_array().into_iter().flatten();
        let told: Vec<&Value> = told.map(|error| &error["pointer"]).collect();
        ensure!(told == ["/format/buy_now_price"], "{}", low.text);
        answer(&Terms::from(start).with_buy_now(least)).await?.success().with_context(|| format!("{least}"))?;
    }
    let below_reserve = answer(&Terms::from(1_000).with_reserve(2_000).with_buy_now(1_999)).await?;
    below_reserve.is_problem(422, "validation")?;
    ensure!(below_reserve.body["errors"][0]["pointer"] == "/format/buy_now_price", "{}", below_reserve.text);
    Ok(())
}
