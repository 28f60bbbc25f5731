//! Sales on which the parties do not agree, sales that both call off, and sales whose money a bank takes back: who gets the
//! money, to the cent.

use std::{sync::Arc, time::Duration};

use anyhow::{Result, bail, ensure};
use libtest_mimic::Trial;
use serde_json::{Value, json};
use testcontainers_suite::{
    client::Person,
    story::{Sale, Terms, balance_of},
    trials,
    wait::CONVERGES_WITHIN,
    world::{Service, World},
};

pub fn trials() -> Vec<Trial> {
    trials!("scenarios::disputes":
        a_dispute_that_the_buyer_wins_gives_everything_back,
        a_dispute_that_the_seller_wins_pays_the_seller,
        a_part_refund_divides_the_sellers_share,
        a_dispute_hears_both_sides_and_nobody_else,
        a_sale_that_both_parties_call_off_is_undone_without_a_strike,
        a_chargeback_stops_the_sale_until_the_operator_lets_it_go_on,
        a_chargeback_that_the_bank_decides_for_the_buyer_is_closed,
    )
}

/// A lot sold for 10,000 that is on its way.
async fn is_shipped(seller: &Person<'_>, buyer: &Person<'_>, currency: &'static str) -> Result<Sale> {
    let sale = is_paid(seller, buyer, currency).await?;
    seller.ships(&sale).await?;
    buyer.awaits_sale_status(&sale, "shipped", CONVERGES_WITHIN).await?;
    Ok(sale)
}

/// A lot sold for 10,000 whose money is in escrow.
async fn is_paid(seller: &Person<'_>, buyer: &Person<'_>, currency: &'static str) -> Result<Sale> {
    let lot = seller.opens(&Terms::from(10_000).in_currency(currency)).await?;
    buyer.bids(&lot, 10_000).await?;
    let sale = buyer.awaits_sale(&lot).await?;
    buyer.pays(&sale, "pm_card_visa").await?;
    buyer.awaits_sale_status(&sale, "escrowed", CONVERGES_WITHIN).await?;
    Ok(sale)
}

/// The buyer complains, the operator decides.
async fn is_decided(world: &World, buyer: &Person<'_>, sale: &Sale, decision: &Value) -> Result<()> {
    buyer.acts(sale, "dispute", &json!({"reason": "The glass is cracked."})).await?.success()?;
    world.operator().acts(sale, "resolve", decision).await?.success()?;
    Ok(())
}

async fn a_dispute_that_the_buyer_wins_gives_everything_back(world: Arc<World>) -> Result<()> {
    let (anna, bert) = (world.seller("anna"), world.bidder("bert"));
    let sale = is_shipped(&anna, &bert, "MAD").await?;
    is_decided(&world, &bert, &sale, &json!({"decision": "refund"})).await?;

    let refunded = bert.awaits_sale_status(&sale, "refunded", CONVERGES_WITHIN).await?;
    ensure!(refunded["failure_reason"] == "dispute_refunded", "{refunded}");
    let ledger = world.operator().trial_balance().await?;
    for account in ["escrow", "bidder", "seller_payable", "gateway_clearing", "platform_revenue"] {
        ensure!(balance_of(&ledger, account, "MAD") == 0, "{account}: {ledger}");
    }
    Ok(())
}

async fn a_dispute_that_the_seller_wins_pays_the_seller(world: Arc<World>) -> Result<()> {
    let (anna, bert) = (world.seller("anna"), world.bidder("bert"));
    let sale = is_shipped(&anna, &bert, "RON").await?;
    is_decided(&world, &bert, &sale, &json!({"decision": "release"})).await?;

    anna.awaits_sale_status(&sale, "completed", CONVERGES_WITHIN).await?;
    let ledger = world.operator().trial_balance().await?;
    ensure!(balance_of(&ledger, "platform_revenue", "RON").abs() == 1_000, "{ledger}");
    ensure!(balance_of(&ledger, "gateway_clearing", "RON").abs() == 1_000, "{ledger}");
    Ok(())
}

async fn a_part_refund_divides_the_sellers_share(world: Arc<World>) -> Result<()> {
    let (anna, bert) = (world.seller("anna"), world.bidder("bert"));
    let sale = is_shipped(&anna, &bert, "PHP").await?;
    bert.acts(&sale, "dispute", &json!({"reason": "The glass is cracked."})).await?.success()?;
    let all_of_it = json!({"decision": "part_refund", "amount": 9_001});
    world.operator().acts(&sale, "resolve", &all_of_it).await?.is_refusal()?;
    let part = json!({"decision": "part_refund", "amount": 2_500});
    world.operator().acts(&sale, "resolve", &part).await?.success()?;

    let completed = anna.awaits_sale_status(&sale, "completed", CONVERGES_WITHIN).await?;
    ensure!(completed["refunded"] == 2_500 && completed["payout"] == 6_500, "{completed}");
    let ledger = world.operator().trial_balance().await?;
    for (account, balance) in [("platform_revenue", 1_000), ("gateway_clearing", 1_000), ("escrow", 0)] {
        ensure!(balance_of(&ledger, account, "PHP").abs() == balance, "{account}: {ledger}");
    }
    Ok(())
}

async fn a_dispute_hears_both_sides_and_nobody_else(world: Arc<World>) -> Result<()> {
    let (anna, bert, dora) = (world.seller("anna"), world.bidder("bert"), world.bidder("dora"));
    let sale = is_shipped(&anna, &bert, "MYR").await?;
    anna.acts(&sale, "dispute", &json!({"reason": "I am the seller."})).await?.is_problem(403, "forbidden")?;
    bert.acts(&sale, "dispute", &json!({"reason": "The glass is cracked."})).await?.success()?;
    anna.acts(&sale, "evidence", &json!({"text": "It was whole when it left."})).await?.success()?;
    dora.acts(&sale, "evidence", &json!({"text": "I heard of it."})).await?.is_problem(404, "not-found")?;
    bert.acts(&sale, "resolve", &json!({"decision": "refund"})).await?.is_problem(403, "forbidden")?;

    let heard = world.operator().sale(&sale).await?;
    ensure!(heard["status"] == "disputed" && heard["due_at"].is_null(), "no time runs in a dispute: {heard}");
    let text = heard["dispute"].to_string();
    ensure!(text.contains("cracked") && text.contains("whole when it left"), "{heard}");
    Ok(())
}

async fn a_sale_that_both_parties_call_off_is_undone_without_a_strike(world: Arc<World>) -> Result<()> {
    let (anna, bert) = (world.seller("anna"), world.bidder("bert"));
    let sale = is_paid(&anna, &bert, "TRY").await?;
    anna.acts(&sale, "cancel", &json!({})).await?.success()?;
    let asked = bert.sale(&sale).await?;
    ensure!(asked["status"] == "escrowed" && asked["cancel_requested_by"] == "seller", "{asked}");
    bert.acts(&sale, "cancel", &json!({})).await?.success()?;

    let refunded = bert.awaits_sale_status(&sale, "refunded", Duration::from_secs(15)).await?;
    ensure!(refunded["failure_reason"] == "agreed", "{refunded}");
    let path = format!("/v1/bidders/{}", bert.sub);
    let standing = bert.get(Service::Settlement, &path).await?.success()?;
    ensure!(standing["strikes"] == json!([]), "{standing}");
    let ledger = world.operator().trial_balance().await?;
    ensure!(balance_of(&ledger, "escrow", "TRY") == 0 && balance_of(&ledger, "gateway_clearing", "TRY") == 0);
    Ok(())
}

/// A lot sold for 10,000 whose buyer's bank took the money back as soon as it was in escrow.
async fn is_charged_back(seller: &Person<'_>, buyer: &Person<'_>, currency: &'static str) -> Result<Sale> {
    let lot = seller.opens(&Terms::from(10_000).in_currency(currency)).await?;
    buyer.bids(&lot, 10_000).await?;
    let sale = buyer.awaits_sale(&lot).await?;
    buyer.pays(&sale, "pm_card_createDispute").await?;
    buyer.awaits_sale_status(&sale, "needs_operator", CONVERGES_WITHIN).await?;
    Ok(sale)
}

async fn a_chargeback_stops_the_sale_until_the_operator_lets_it_go_on(world: Arc<World>) -> Result<()> {
    let (anna, bert, operator) = (world.seller("anna"), world.bidder("bert"), world.operator());
    let sale = is_charged_back(&anna, &bert, "GEL").await?;

    let parcel = json!({"carrier": "UPS", "tracking_number": "1Z999AA10123456784"});
    anna.acts(&sale, "ship", &parcel).await?.is_problem(409, "settlement-state")?;
    let stopped = operator.sale(&sale).await?;
    ensure!(stopped["operator_actions"] == json!(["retry", "refund", "close"]), "{stopped}");
    ensure!(stopped["due_at"].is_null(), "no time runs: {stopped}");
    let chargebacks = stopped["chargebacks"].as_array().map(Vec::as_slice).unwrap_or_default();
    let [taken] = chargebacks else { bail!("the gateway told of one, by two events: {stopped}") };
    ensure!(taken["amount"] == 10_000 && taken["currency"] == "GEL" && taken["reason"] == "fraudulent", "{stopped}");
    for party in [&anna, &bert] {
        let seen = party.sale(&sale).await?;
        ensure!(seen["chargebacks"] == json!([]), "it is the operator's business: {seen}");
    }
    let ledger = operator.trial_balance().await?;
    ensure!(balance_of(&ledger, "escrow", "GEL").abs() == 10_000, "nobody is paid: {ledger}");

    let unseen = json!({"decision": "retry", "note": "It goes on.", "chargebacks": 0});
    operator.acts(&sale, "resolve", &unseen).await?.is_problem(409, "chargeback-unseen")?;
    let goes_on = json!({"decision": "retry", "note": "The bank has given it back.", "chargebacks": 1});
    operator.acts(&sale, "resolve", &goes_on).await?.success()?;
    anna.ships(&sale).await?;
    bert.receives(&sale).await?;
    anna.awaits_sale_status(&sale, "completed", CONVERGES_WITHIN).await?;
    let ledger = operator.trial_balance().await?;
    for (account, balance) in [("platform_revenue", 1_000), ("gateway_clearing", 1_000), ("escrow", 0)] {
        ensure!(balance_of(&ledger, account, "GEL").abs() == balance, "{account}: {ledger}");
    }
    Ok(())
}

async fn a_chargeback_that_the_bank_decides_for_the_buyer_is_closed(world: Arc<World>) -> Result<()> {
    let (anna, bert, operator) = (world.seller("anna"), world.bidder("bert"), world.operator());
    let sale = is_charged_back(&anna, &bert, "JMD").await?;
    let closed = json!({"decision": "close", "note": "The bank keeps it."});
    bert.acts(&sale, "resolve", &closed).await?.is_problem(403, "forbidden")?;
    operator.acts(&sale, "resolve", &closed).await?.success()?;

    let refunded = bert.awaits_sale_status(&sale, "refunded", CONVERGES_WITHIN).await?;
    ensure!(refunded["failure_reason"] == "called_off" && refunded["refunded"] == 10_000, "{refunded}");
    let ledger = operator.trial_balance().await?;
    for account in ["escrow", "bidder", "seller_payable", "gateway_clearing", "platform_revenue"] {
        ensure!(balance_of(&ledger, account, "JMD") == 0, "{account}: {ledger}");
    }
    Ok(())
}
