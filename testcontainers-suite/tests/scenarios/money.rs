//! What happens after the hammer: paid, declined, refunded, never paid. Each test has a currency of its own, so that
//! the ledger's accounts show its money alone.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;
use serde_json::json;
use testcontainers_suite::{
    story::{Terms, balance_of},
    trials,
    wait::CONVERGES_WITHIN,
    world::World,
};

/// Longer than any deadline of the suite's settings.
const BEYOND_A_DEADLINE: Duration = Duration::from_secs(60);

pub fn trials() -> Vec<Trial> {
    trials!("scenarios::money":
        a_lot_is_listed_bid_for_sold_paid_shipped_received_and_paid_out,
        a_declined_card_is_followed_by_another_one,
        a_payment_whose_result_is_not_known_is_asked_for_and_never_doubled,
        a_payment_that_the_gateway_tells_by_webhook_counts_once,
        a_lot_that_is_never_shipped_is_refunded,
        a_lot_that_is_never_paid_for_fails_with_everything_undone,
        a_lot_whose_receipt_nobody_confirms_counts_as_received,
        only_the_parties_act_and_only_in_turn,
    )
}

async fn a_lot_is_listed_bid_for_sold_paid_shipped_received_and_paid_out(world: Arc<World>) -> Result<()> {
    let (anna, bert, carla) = (world.seller("anna"), world.bidder("bert"), world.bidder("carla"));
    let lot = anna.opens(&Terms::from(100).in_currency("CHF").lasting(Duration::from_secs(20))).await?;
    anna.awaits_listing(&lot, "live").await?;

    bert.bids(&lot, 5_000).await?;
    carla.bids(&lot, 8_000).await?;
    let outbid = bert.bids(&lot, 6_000).await?;
    ensure!(outbid["outcome"] == "outbid" && outbid["auction"]["price"] == 6_100, "{outbid}");
    anna.awaits_listing_that(&lot, "shows the price", |listing| listing["price"] == 6_100 && listing["bid_count"] == 3)
        .await?;

    let closed = carla.awaits_auction(&lot, "closed").await?;
    ensure!(closed["result"] == json!({"outcome": "sold", "price": 6_100, "awards": []}), "{closed}");
    ensure!(closed["you_lead"] == true, "{closed}");
    let listing = bert.awaits_listing(&lot, "sold").await?;
    ensure!(listing["price"] == 6_100, "{listing}");

    let sale = carla.awaits_sale(&lot).await?;
    let settlement = carla.sale(&sale).await?;
    ensure!(settlement["status"] == "awaiting_payment", "{settlement}");
    carla.pays(&sale, "pm_card_visa").await?;
    carla.awaits_sale_status(&sale, "escrowed", CONVERGES_WITHIN).await?;
    let escrow = world.operator().trial_balance().await?;
    ensure!(balance_of(&escrow, "escrow", "CHF").abs() == 6_100, "{escrow}");

    anna.ships(&sale).await?;
    carla.awaits_sale_status(&sale, "shipped", CONVERGES_WITHIN).await?;
    carla.receives(&sale).await?;
    let paid_out = anna.awaits_sale_status(&sale, "completed", CONVERGES_WITHIN).await?;
    ensure!(paid_out["sequence"].is_u64() || paid_out["id"] == sale.id, "{paid_out}");

    let listing = anna.awaits_listing_that(&lot, "is settled", |listing| listing["sale_status"] == "completed").await?;
    ensure!(listing["status"] == "sold", "{listing}");
    let ledger = world.operator().trial_balance().await?;
    for account in ["escrow", "bidder", "seller_payable"] {
        ensure!(balance_of(&ledger, account, "CHF") == 0, "{account}: {ledger}");
    }
    // Ten per cent stay with the platform.
    ensure!(balance_of(&ledger, "platform_revenue", "CHF").abs() == 610, "{ledger}");
    ensure!(balance_of(&ledger, "gateway_clearing", "CHF").abs() == 610, "{ledger}");
    Ok(())
}

async fn a_declined_card_is_followed_by_another_one(world: Arc<World>) -> Result<()> {
    let (anna, bert) = (world.seller("anna"), world.bidder("bert"));
    let lot = anna.opens(&Terms::from(2_000).in_currency("NOK")).await?;
    bert.bids(&lot, 2_000).await?;
    let sale = bert.awaits_sale(&lot).await?;

    bert.pays(&sale, "pm_card_chargeDeclined").await?;
    let again = testcontainers_suite::wait::eventually("the decline is told", || async {
        let settlement = bert.sale(&sale).await?;
        ensure!(settlement["status"] == "awaiting_payment" && !settlement["last_decline"].is_null(), "{settlement}");
        Ok(settlement)
    })
    .await?;
    ensure!(again["last_decline"]["code"] == "card_declined", "{again}");
    let ledger = world.operator().trial_balance().await?;
    ensure!(balance_of(&ledger, "escrow", "NOK") == 0, "{ledger}");

    bert.pays(&sale, "pm_card_visa").await?;
    bert.awaits_sale_status(&sale, "escrowed", CONVERGES_WITHIN).await?;
    anna.ships(&sale).await?;
    bert.receives(&sale).await?;
    bert.awaits_sale_status(&sale, "completed", CONVERGES_WITHIN).await?;
    let ledger = world.operator().trial_balance().await?;
    ensure!(balance_of(&ledger, "platform_revenue", "NOK").abs() == 200, "{ledger}");
    Ok(())
}

async fn a_payment_whose_result_is_not_known_is_asked_for_and_never_doubled(world: Arc<World>) -> Result<()> {
    // Two ways in which the simulated gateway's answer is lost: it did what it was told, or never heard of it.
    for (method, currency) in [("pm_outcry_timeoutAfterEffect", "PLN"), ("pm_outcry_timeoutBeforeEffect", "RSD")] {
        is_paid_once_by(&world, method, currency).await?;
    }
    Ok(())
}

async fn a_payment_that_the_gateway_tells_by_webhook_counts_once(world: Arc<World>) -> Result<()> {
    // Instead of the answer, twice, and in the wrong order.
    for (method, currency) in
        [("pm_outcry_webhookOnly", "AUD"), ("pm_outcry_webhookTwice", "CAD"), ("pm_outcry_webhookOutOfOrder", "NZD")]
    {
        is_paid_once_by(&world, method, currency).await?;
    }
    let admin = world.endpoints.admin.get("settlement").context("no operator's port")?;
    let figures = world.ask(world.http.get(format!("{admin}/metrics"))).await?.text;
    for result in ["moved", "duplicate"] {
        let name = format!("outcry_gateway_notices_total{{result=\"{result}\"}}");
        ensure!(figures.contains(&name), "no {name} in {figures}");
    }
    Ok(())
}

/// A lot is sold in a currency of its own and paid for by a method; its money is in escrow, once.
async fn is_paid_once_by(world: &World, method: &str, currency: &'static str) -> Result<()> {
    let (anna, bert) = (world.seller("anna"), world.bidder("bert"));
    let lot = anna.opens(&Terms::from(3_000).in_currency(currency)).await?;
    bert.bids(&lot, 3_000).await?;
    let sale = bert.awaits_sale(&lot).await?;
    bert.pays(&sale, method).await?;
    bert.awaits_sale_status(&sale, "escrowed", BEYOND_A_DEADLINE).await?;
    let ledger = world.operator().trial_balance().await?;
    for account in ["escrow", "gateway_clearing"] {
        ensure!(balance_of(&ledger, account, currency).abs() == 3_000, "{method}: {account}: {ledger}");
    }
    Ok(())
}

async fn a_lot_that_is_never_shipped_is_refunded(world: Arc<World>) -> Result<()> {
    let (anna, bert) = (world.seller("anna"), world.bidder("bert"));
    let lot = anna.opens(&Terms::from(4_000).in_currency("SEK")).await?;
    bert.bids(&lot, 4_000).await?;
    let sale = bert.awaits_sale(&lot).await?;
    bert.pays(&sale, "pm_card_visa").await?;
    bert.awaits_sale_status(&sale, "escrowed", CONVERGES_WITHIN).await?;

    bert.awaits_sale_status(&sale, "refunded", BEYOND_A_DEADLINE).await?;

    anna.awaits_listing_that(&lot, "is refunded", |listing| listing["sale_status"] == "refunded").await?;
    let late = anna.acts(&sale, "ship", &json!({"carrier": "UPS", "tracking_number": "1Z"})).await?;
    late.is_refusal()?;
    let ledger = world.operator().trial_balance().await?;
    for account in ["escrow", "bidder", "seller_payable", "gateway_clearing", "platform_revenue"] {
        ensure!(balance_of(&ledger, account, "SEK") == 0, "{account}: {ledger}");
    }
    Ok(())
}

async fn a_lot_that_is_never_paid_for_fails_with_everything_undone(world: Arc<World>) -> Result<()> {
    let (anna, bert) = (world.seller("anna"), world.bidder("bert"));
    let lot = anna.opens(&Terms::from(5_000).in_currency("DKK")).await?;
    bert.bids(&lot, 5_000).await?;
    let sale = bert.awaits_sale(&lot).await?;
    bert.pays(&sale, "pm_card_chargeDeclined").await?;

    bert.awaits_sale_status(&sale, "failed", BEYOND_A_DEADLINE).await?;

    anna.awaits_listing_that(&lot, "says so", |listing| listing["sale_status"] == "failed").await?;
    bert.acts(&sale, "pay", &json!({"payment_method": "pm_card_visa"})).await?.is_refusal()?;
    let ledger = world.operator().trial_balance().await?;
    for account in ["escrow", "bidder", "seller_payable", "gateway_clearing", "platform_revenue"] {
        ensure!(balance_of(&ledger, account, "DKK") == 0, "{account}: {ledger}");
    }
    Ok(())
}

async fn a_lot_whose_receipt_nobody_confirms_counts_as_received(world: Arc<World>) -> Result<()> {
    let (anna, bert) = (world.seller("anna"), world.bidder("bert"));
    let lot = anna.opens(&Terms::from(6_000).in_currency("CZK")).await?;
    bert.bids(&lot, 6_000).await?;
    let sale = bert.awaits_sale(&lot).await?;
    bert.pays(&sale, "pm_card_visa").await?;
    bert.awaits_sale_status(&sale, "escrowed", CONVERGES_WITHIN).await?;
    anna.ships(&sale).await?;
    anna.awaits_sale_status(&sale, "completed", BEYOND_A_DEADLINE).await?;
    Ok(())
}

async fn only_the_parties_act_and_only_in_turn(world: Arc<World>) -> Result<()> {
    let (anna, bert, dora) = (world.seller("anna"), world.bidder("bert"), world.person("dora", &["seller", "bidder"]));
    let lot = anna
        .opens(&Terms::from(7_000).in_currency("HUF").with_increments(json!([{"from": 0, "increment": 100}])))
        .await?;
    bert.bids(&lot, 7_000).await?;
    let sale = bert.awaits_sale(&lot).await?;
    let visa = json!({"payment_method": "pm_card_visa"});
    let parcel = json!({"carrier": "UPS", "tracking_number": "1Z999"});

    for (action, body) in [("pay", &visa), ("ship", &parcel), ("receive", &json!({}))] {
        dora.acts(&sale, action, body).await?.is_problem(404, "not-found")?;
    }
    anna.acts(&sale, "pay", &visa).await?.is_problem(403, "forbidden")?;
    for (person, action, body) in [(&anna, "ship", &parcel), (&bert, "receive", &json!({}))] {
        let early = person.acts(&sale, action, body).await?;
        early.is_refusal()?;
        ensure!(early.status == 409, "{action} too early was answered {}: {}", early.status, early.text);
    }
    ensure!(bert.sale(&sale).await?["status"] == "awaiting_payment");

    bert.pays(&sale, "pm_card_visa").await?;
    bert.awaits_sale_status(&sale, "escrowed", CONVERGES_WITHIN).await?;
    bert.acts(&sale, "ship", &parcel).await?.is_problem(403, "forbidden")?;
    let twice = bert.acts(&sale, "pay", &visa).await?;
    ensure!(twice.status == 409, "paying twice was answered {}: {}", twice.status, twice.text);
    Ok(())
}
