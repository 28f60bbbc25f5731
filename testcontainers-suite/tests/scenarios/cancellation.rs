//! The operator takes lots back, whoever bid, and says why. What the seller may take back is in `closing`.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;
use serde_json::{Value, json};
use testcontainers_suite::{
    story::{Lot, Terms},
    trials,
    world::World,
};
use uuid::Uuid;

pub fn trials() -> Vec<Trial> {
    trials!("scenarios::cancellation":
        the_operator_takes_back_a_lot_with_bids_and_says_why,
        a_paused_lot_can_be_taken_back,
        what_is_over_cannot_be_taken_back,
        only_the_operator_takes_back_and_only_with_a_reason,
    )
}

const LONG: Duration = Duration::from_secs(300);
const REASON: &str = "the photographs show another watch";

async fn the_operator_takes_back_a_lot_with_bids_and_says_why(world: Arc<World>) -> Result<()> {
    let (anna, bert, carla) = (world.seller("anna"), world.bidder("bert"), world.bidder("carla"));
    let lot = anna.opens(&Terms::from(100).lasting(LONG)).await?;
    bert.bids(&lot, 500).await?;
    carla.bids(&lot, 900).await?;
    let cancelled = world.operator().takes_back(&lot, REASON).await?;
    ensure!(cancelled["status"] == "cancelled" && cancelled["result"]["outcome"] == "cancelled", "{cancelled}");

    carla.tries_to_bid(&lot, 2_000).await?.is_problem(409, "auction-not-open")?;
    let last = carla.sees_to_the_end(&lot).await?.pop().context("no events")?;
    ensure!(last.name == "auction.cancelled" && last.data["reason"] == REASON, "{last:?}");
    let listing = carla.awaits_listing(&lot, "cancelled").await?;
    ensure!(listing["cancelled_by"] == "operator" && listing["cancellation_reason"] == REASON, "{listing}");
    let sales = world.operator().sales_of(&lot).await?;
    ensure!(sales.is_empty(), "it is settled: {sales:?}");
    Ok(())
}

async fn a_paused_lot_can_be_taken_back(world: Arc<World>) -> Result<()> {
    let (anna, bert, operator) = (world.seller("anna"), world.bidder("bert"), world.operator());
    let lot = anna.opens(&Terms::from(100).lasting(LONG)).await?;
    bert.bids(&lot, 500).await?;
    operator.pauses(&lot, "the lot is being looked at").await?;
    let cancelled = operator.takes_back(&lot, REASON).await?;
    ensure!(cancelled["status"] == "cancelled" && cancelled["paused_at"].is_null(), "{cancelled}");
    let listing = anna.awaits_listing(&lot, "cancelled").await?;
    ensure!(listing["paused_at"].is_null(), "{listing}");
    Ok(())
}

async fn what_is_over_cannot_be_taken_back(world: Arc<World>) -> Result<()> {
    let (anna, bert, operator) = (world.seller("anna"), world.bidder("bert"), world.operator());
    let lot = anna.opens(&Terms::from(100).with_buy_now(500).lasting(LONG)).await?;
    bert.buys_now(&lot).await?;
    let late = operator.does(&lot, "cancel", &json!({"reason": REASON})).await?;
    late.is_problem(409, "auction-state")?;
    ensure!(bert.auction(&lot).await?["result"]["outcome"] == "sold");
    let unknown = Lot { id: Uuid::now_v7().to_string() };
    operator.does(&unknown, "cancel", &json!({"reason": REASON})).await?.is_problem(404, "not-found")
}

async fn only_the_operator_takes_back_and_only_with_a_reason(world: Arc<World>) -> Result<()> {
    let (anna, bert, operator) = (world.person("anna", &["seller", "bidder"]), world.bidder("bert"), world.operator());
    let lot = anna.opens(&Terms::from(100).lasting(LONG)).await?;
    for person in [&anna, &bert] {
        person.does(&lot, "cancel", &json!({"reason": REASON})).await?.is_problem(403, "forbidden")?;
    }
    let reasons = [json!(""), json!("   "), json!("a\u{0}b"), json!("x".repeat(1_001)), json!(7), Value::Null];
    for reason in reasons {
        let answer = operator.does(&lot, "cancel", &json!({"reason": reason})).await?;
        answer.is_problem(422, "validation")?;
        ensure!(answer.body["errors"][0]["pointer"] == "/reason", "{}", answer.text);
    }
    ensure!(bert.auction(&lot).await?["status"] == "open");
    operator.takes_back(&lot, &"é".repeat(1_000)).await?;
    Ok(())
}
