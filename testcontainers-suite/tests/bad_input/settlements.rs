//! Paying, shipping, receiving.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;
use serde_json::{Value, json};
use testcontainers_suite::{
    story::Terms,
    trials,
    wait::CONVERGES_WITHIN,
    world::{Service, World},
};
use uuid::Uuid;

use super::{refused, spoilt, with, with_raw};

pub fn trials() -> Vec<Trial> {
    trials!("bad_input::settlements":
        what_is_no_payment_is_refused_and_changes_nothing,
        what_is_no_parcel_is_refused_and_changes_nothing,
        a_settlement_that_is_none_is_refused,
        bad_lists_are_refused,
    )
}

/// Texts that are no short line.
fn no_lines(longest: usize) -> Vec<Value> {
    let long = "x".repeat(10_000);
    let beyond = "x".repeat(longest + 1);
    vec![
        json!(""),
        json!("   "),
        json!(beyond),
        json!(long),
        json!("a\u{0}b"),
        json!("a\nb"),
        json!("a\u{1b}[0m"),
        json!(7),
        json!(true),
        Value::Null,
        json!([]),
        json!({}),
        json!(["x"]),
    ]
}

async fn what_is_no_payment_is_refused_and_changes_nothing(world: Arc<World>) -> Result<()> {
    let (anna, bert) = (world.seller("anna"), world.bidder("bert"));
    let lot = anna.opens(&Terms::from(100)).await?;
    bert.bids(&lot, 500).await?;
    let sale = bert.awaits_sale(&lot).await?;
    let before = bert.sale(&sale).await?;
    let path = format!("/v1/settlements/{}/pay", sale.id);
    let body = json!({"payment_method": "pm_card_visa"});
    for (what, content) in spoilt(&body) {
        refused(&bert, Service::Settlement, &path, what, content).await?;
    }
    for value in no_lines(128).into_iter().chain([json!("4242 4242 4242 4242"), json!("pm_çard"), json!("../pm")]) {
        let what = format!("payment_method {value:.30}");
        refused(&bert, Service::Settlement, &path, &what, with(&body, "/payment_method", value)?).await?;
    }
    for raw in ["\"\\ud800\"", "\"\\udc00\\ud800\"", "'pm'"] {
        refused(&bert, Service::Settlement, &path, raw, with_raw(&body, "/payment_method", raw)?).await?;
    }
    for content in
        [r#"{"payment_method":"pm_card_visa","amount":1}"#, r#"{"payment_method":"pm_card_visa","currency":"EUR"}"#]
    {
        refused(&bert, Service::Settlement, &path, content, content.into()).await?;
    }
    let after = bert.sale(&sale).await?;
    for member in ["status", "sequence", "price"] {
        ensure!(after[member] == before[member], "{member} changed: {after}");
    }
    Ok(())
}

async fn what_is_no_parcel_is_refused_and_changes_nothing(world: Arc<World>) -> Result<()> {
    let (anna, bert) = (world.seller("anna"), world.bidder("bert"));
    let lot = anna.opens(&Terms::from(100)).await?;
    bert.bids(&lot, 500).await?;
    let sale = bert.awaits_sale(&lot).await?;
    bert.pays(&sale, "pm_card_visa").await?;
    bert.awaits_sale_status(&sale, "escrowed", CONVERGES_WITHIN).await?;
    let path = format!("/v1/settlements/{}/ship", sale.id);
    let body = json!({"carrier": "UPS", "tracking_number": "1Z999AA10123456784"});
    for (what, content) in spoilt(&body) {
        refused(&anna, Service::Settlement, &path, what, content).await?;
    }
    for member in ["carrier", "tracking_number"] {
        for value in no_lines(64) {
            let what = format!("{member} {value:.30}");
            refused(&anna, Service::Settlement, &path, &what, with(&body, &format!("/{member}"), value)?).await?;
        }
    }
    let after = anna.sale(&sale).await?;
    ensure!(after["status"] == "escrowed", "it changed: {after}");
    Ok(())
}

async fn a_settlement_that_is_none_is_refused(world: Arc<World>) -> Result<()> {
    let bert = world.bidder("bert");
    let id = Uuid::now_v7().to_string();
    let parcel = json!({"carrier": "UPS", "tracking_number": "1Z"});
    for id in [id.as_str(), "x", "%00"] {
        for (action, body) in
            [("pay", json!({"payment_method": "pm_card_visa"})), ("ship", parcel.clone()), ("receive", json!({}))]
        {
            let path = format!("/v1/settlements/{id}/{action}");
            let answer = bert.post(Service::Settlement, &path, &body).await?;
            answer.is_problem(404, "not-found").context(path)?;
        }
    }
    Ok(())
}

async fn bad_lists_are_refused(world: Arc<World>) -> Result<()> {
    let bert = world.bidder("bert");
    for query in [
        "status=paid",
        "status=",
        "status=%00",
        "auction_id=x",
        "auction_id=",
        "cursor=x",
        "limit=0",
        "limit=101",
        "unknown=1",
        "status=shipped&status=failed",
    ] {
        let answer = bert.get(Service::Settlement, &format!("/v1/settlements?{query}")).await?;
        answer.is_problem(422, "validation").with_context(|| query.to_owned())?;
    }
    let page = bert.get(Service::Settlement, "/v1/settlements?limit=100&status=shipped").await?.success()?;
    ensure!(page["items"].as_array().is_some_and(Vec::is_empty) && page["next_cursor"].is_null(), "{page}");
    Ok(())
}
