//! Bidding.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;
use serde_json::json;
use testcontainers_suite::{
    story::{Terms, text},
    trials,
    world::{Service, World},
};
use uuid::Uuid;

use super::{no_amounts, post, refused, spoilt, with_raw};

pub fn trials() -> Vec<Trial> {
    trials!("bad_input::bids":
        what_is_no_bid_is_refused_and_changes_nothing,
        a_bid_that_nobody_can_pay_is_refused_and_changes_nothing,
        what_is_no_order_is_refused_and_changes_nothing,
        what_is_no_word_of_the_operator_is_refused_and_changes_nothing,
        a_bid_on_nothing_is_refused,
        bad_pages_of_the_history_are_refused,
    )
}

async fn what_is_no_bid_is_refused_and_changes_nothing(world: Arc<World>) -> Result<()> {
    let (anna, bert) = (world.seller("anna"), world.bidder("bert"));
    let lot = anna.opens(&Terms::from(100).lasting(Duration::from_secs(600))).await?;
    let path = format!("/v1/auctions/{}/bids", lot.id);
    let before = bert.auction(&lot).await?;
    let body = json!({"max_amount": 500});
    for (what, content) in spoilt(&body) {
        refused(&bert, Service::Bidding, &path, what, content).await?;
    }
    for raw in no_amounts() {
        let content = with_raw(&body, "/max_amount", raw)?;
        refused(&bert, Service::Bidding, &path, &format!("max_amount {raw}"), content).await?;
    }
    // A currency is the auction's; a bid has none.
    for content in [
        r#"{"max_amount":500,"currency":"EUR"}"#,
        r#"{"max_amount":{"amount":500,"currency":"USD"}}"#,
        r#"{"max_amount":500,"bidder":"somebody-else"}"#,
        r#"{"amount":500}"#,
        "{}",
    ] {
        refused(&bert, Service::Bidding, &path, content, content.into()).await?;
    }
    let largest = post(&bert, Service::Bidding, &path, br#"{"max_amount":9007199254740991}"#.to_vec()).await?;
    ensure!(largest.status == 201 || largest.is_refusal().is_ok(), "the largest amount: {}", largest.text);
    let after = bert.auction(&lot).await?;
    for member in ["price", "bid_count", "ends_at", "leader"].iter().filter(|_| largest.status != 201) {
        ensure!(after[*member] == before[*member], "{member} changed: {after}");
    }
    ensure!(after["bid_count"] == u64::from(largest.status == 201), "{after}");
    Ok(())
}

async fn a_bid_that_nobody_can_pay_is_refused_and_changes_nothing(world: Arc<World>) -> Result<()> {
    let (anna, bert, carla) = (world.seller("anna"), world.bidder("bert"), world.bidder("carla"));
    let lot = anna.opens(&Terms::from(1_000).in_currency("KWD").lasting(Duration::from_secs(600))).await?;
    bert.bids(&lot, 2_000).await?;
    let before = bert.auction(&lot).await?;
    let told = json!([{"pointer": "/max_amount", "detail": "amounts in KWD are multiples of 10 minor units"}]);
    // A maximum that is raised is a bid, too.
    for (person, max_amount) in [(&bert, 2_505), (&bert, 2_509), (&carla, 1_255), (&carla, 9_001)] {
        let answer = person.tries_to_bid(&lot, max_amount).await?;
        answer.is_problem(422, "validation").with_context(|| max_amount.to_string())?;
        ensure!(answer.body["errors"] == told, "{max_amount}: {}", answer.text);
    }
    ensure!(bert.auction(&lot).await?["sequence"] == before["sequence"], "it changed from {before}");
    ensure!(bert.bids(&lot, 2_510).await?["outcome"] == "max_raised");
    ensure!(carla.bids(&lot, 2_500).await?["auction"]["price"] == 2_510, "bert's maximum is the price");
    Ok(())
}

async fn what_is_no_order_is_refused_and_changes_nothing(world: Arc<World>) -> Result<()> {
    let (anna, bert) = (world.seller("anna"), world.bidder("bert"));
    let long = Duration::from_secs(600);
    let terms = Terms::from(100).with_reserve(9_000).with_buy_now(10_000).lasting(long);
    let lot = anna.opens(&terms).await?;
    let placed = bert.bids(&lot, 500).await?;
    let before = bert.auction(&lot).await?;
    let retract = format!("bids/{}/retract", text(&placed, "bid_id")?);
    for action in ["buy-now", &retract, "decline"] {
        let path = format!("/v1/auctions/{}/{action}", lot.id);
        for (what, content) in spoilt(&json!({})) {
            refused(&bert, Service::Bidding, &path, &format!("{action}: {what}"), content).await?;
        }
        let surprise = br#"{"surprise":1}"#.to_vec();
        refused(&bert, Service::Bidding, &path, &format!("{action}: an unknown member"), surprise).await?;
    }
    let path = format!("/v1/auctions/{}/bids", lot.id);
    for raw in ["0", "2", "101", "-1", "1.5", "4294967297", "\"1\"", "null", "[]"] {
        let content = with_raw(&json!({"max_amount": 700}), "/quantity", raw)?;
        refused(&bert, Service::Bidding, &path, &format!("quantity {raw}"), content).await?;
    }
    let after = bert.auction(&lot).await?;
    for member in ["status", "price", "bid_count", "sequence", "buy_now_price"] {
        ensure!(after[member] == before[member], "{member} changed: {after}");
    }
    Ok(())
}

async fn what_is_no_word_of_the_operator_is_refused_and_changes_nothing(world: Arc<World>) -> Result<()> {
    let (anna, operator) = (world.seller("anna"), world.operator());
    let lot = anna.opens(&Terms::from(100).lasting(Duration::from_secs(600))).await?;
    let before = anna.auction(&lot).await?;
    let reasons = ["\"\"", "\" \"", "\"a\\u0000b\"", "\"\\ud800\"", "7", "null", "[]", "{}"];
    for action in ["pause", "cancel"] {
        let (path, body) = (format!("/v1/auctions/{}/{action}", lot.id), json!({"reason": "a sound one"}));
        for (what, content) in spoilt(&body) {
            refused(&operator, Service::Bidding, &path, &format!("{action}: {what}"), content).await?;
        }
        for raw in reasons {
            let content = with_raw(&body, "/reason", raw)?;
            refused(&operator, Service::Bidding, &path, &format!("{action}: reason {raw}"), content).await?;
        }
    }
    let after = anna.auction(&lot).await?;
    ensure!(after["status"] == "open" && after["sequence"] == before["sequence"], "{after}");
    Ok(())
}

async fn a_bid_on_nothing_is_refused(world: Arc<World>) -> Result<()> {
    let bert = world.bidder("bert");
    let long = "a".repeat(5_000);
    let id = Uuid::now_v7().to_string();
    for id in [id.as_str(), "x", "%00", "%2e%2e", long.as_str()] {
        let answer =
            bert.post(Service::Bidding, &format!("/v1/auctions/{id}/bids"), &json!({"max_amount": 500})).await?;
        answer.is_problem(404, "not-found").with_context(|| format!("{id:.40}"))?;
    }
    let draft = world.seller("anna").drafts(&Terms::from(100)).await?;
    bert.tries_to_bid(&draft, 500).await?.is_problem(404, "not-found")
}

async fn bad_pages_of_the_history_are_refused(world: Arc<World>) -> Result<()> {
    let (anna, bert) = (world.seller("anna"), world.bidder("bert"));
    let lot = anna.opens(&Terms::from(100).lasting(Duration::from_secs(600))).await?;
    bert.bids(&lot, 500).await?;
    for query in
        ["limit=0", "limit=101", "limit=x", "cursor=x", "cursor=%00", "cursor=-1", "unknown=1", "limit=1&limit=2"]
    {
        let answer = bert.get(Service::Bidding, &format!("/v1/auctions/{}/bids?{query}", lot.id)).await?;
        answer.is_problem(422, "validation").with_context(|| query.to_owned())?;
    }
    let page = bert.get(Service::Bidding, &format!("/v1/auctions/{}/bids?limit=1", lot.id)).await?.success()?;
    ensure!(page["items"].as_array().map(Vec::len) == Some(1) && page.get("next_cursor").is_some(), "{page}");
    Ok(())
}
