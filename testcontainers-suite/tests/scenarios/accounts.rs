//! Sellers and buyers read their accounts: page by page, and as they stood.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use chrono::{SecondsFormat, TimeDelta, Utc};
use libtest_mimic::Trial;
use serde_json::Value;
use testcontainers_suite::{
    client::Person,
    story::{balance_of, text, time},
    terms::Terms,
    trials,
    wait::CONVERGES_WITHIN,
    world::{Service, World},
};

/// Nobody else's, so that the ledger's accounts show this money alone.
const CURRENCY: &str = "COP";
const PRICE: i64 = 3_000;
/// Ten per cent stay with the platform.
const EARNED: i64 = 2_700;
const SALES: i64 = 3;

pub fn trials() -> Vec<Trial> {
    trials!("scenarios::accounts": an_account_is_read_page_by_page_and_as_it_stood)
}

/// All items of a list, in pages of one.
async fn page_by_page(person: &Person<'_>, list: &str) -> Result<Vec<Value>> {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = person.get(Service::Settlement, &format!("{list}&limit=1{cursor}")).await?.success()?;
        let items = page["items"].as_array().with_context(|| format!("{list}: no items: {page}"))?;
        ensure!(items.len() <= 1 && all.len() < 20, "{list}: {page} after {} pages", all.len());
        all.extend(items.iter().cloned());
        let Some(next) = page["next_cursor"].as_str() else { return Ok(all) };
        cursor = format!("&cursor={next}");
    }
}

async fn at_once(person: &Person<'_>, list: &str) -> Result<Vec<Value>> {
    let page = person.get(Service::Settlement, &format!("{list}&limit=100")).await?.success()?;
    ensure!(page["next_cursor"].is_null(), "{list} has more than a page: {page}");
    Ok(page["items"].as_array().with_context(|| format!("{list}: no items: {page}"))?.clone())
}

async fn an_account_is_read_page_by_page_and_as_it_stood(world: Arc<World>) -> Result<()> {
    let (anna, bert, operator) = (world.seller("anna"), world.bidder("bert"), world.operator());
    let before = Utc::now() - TimeDelta::seconds(1);
    for _ in 0..SALES {
        let terms = Terms::from(1_000).with_buy_now(PRICE).in_currency(CURRENCY).lasting(Duration::from_secs(300));
        let lot = anna.opens(&terms).await?;
        bert.buys_now(&lot).await?;
        let sale = bert.awaits_sale(&lot).await?;
        bert.pays(&sale, "pm_card_visa").await?;
        bert.awaits_sale_status(&sale, "escrowed", CONVERGES_WITHIN).await?;
        anna.ships(&sale).await?;
        bert.receives(&sale).await?;
        anna.awaits_sale_status(&sale, "completed", CONVERGES_WITHIN).await?;
    }

    // The seller's account: the newest line first, each with the balance after it.
    let statement = format!("/v1/ledger/statement?currency={CURRENCY}");
    let lines = at_once(&anna, &statement).await?;
    ensure!(page_by_page(&anna, &statement).await? == lines, "page by page it is another account than {lines:?}");
    let amount = |line: &Value, member: &str| line[member].as_i64().with_context(|| format!("no {member} in {line}"));
    let (mut balance, mut earned) = (0, 0);
    for line in lines.iter().rev() {
        balance += amount(line, "credit")? - amount(line, "debit")?;
        earned += amount(line, "credit")?;
        ensure!(amount(line, "balance")? == balance, "{balance} is owed after {line}");
    }
    ensure!((balance, earned) == (0, SALES * EARNED), "{earned} was earned, and {balance} is still owed: {lines:?}");

    // As it stood when the first sale was done with.
    let oldest = lines.last().context("no line")?;
    let then = time(oldest, "at")?;
    let moment = |time: chrono::DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::Micros, true);
    let stood = at_once(&anna, &format!("{statement}&at={}", moment(then))).await?;
    let until_then: Vec<_> = lines.iter().filter(|line| time(line, "at").is_ok_and(|at| at <= then)).collect();
    ensure!(stood.iter().eq(until_then), "at {then} it stood at {stood:?}, of {lines:?}");
    ensure!(!stood.is_empty() && stood.len() < lines.len(), "at {then} it stood at {stood:?}, of {lines:?}");
    let nothing = at_once(&anna, &format!("{statement}&at={}", moment(before))).await?;
    ensure!(nothing.is_empty(), "before anything was sold it stood at {nothing:?}");

    // The ledger as it stood before, and as it stands.
    let path = format!("/v1/ledger/trial-balance?at={}", moment(before));
    let ledger = operator.get(Service::Settlement, &path).await?.success()?;
    ensure!(balance_of(&ledger, "platform_revenue", CURRENCY) == 0, "{ledger}");
    let ledger = operator.trial_balance().await?;
    let kept = balance_of(&ledger, "platform_revenue", CURRENCY).abs();
    ensure!(kept == SALES * (PRICE - EARNED), "the platform keeps {kept}: {ledger}");

    // The buyer's purchases.
    let purchases = at_once(&bert, "/v1/settlements?status=completed").await?;
    ensure!(purchases.len() == usize::try_from(SALES)?, "{purchases:?}");
    ensure!(page_by_page(&bert, "/v1/settlements?status=completed").await? == purchases, "{purchases:?}");
    ensure!(at_once(&bert, "/v1/settlements?status=failed").await?.is_empty());
    let auction = text(&purchases[0], "auction_id")?;
    let of_one = at_once(&bert, &format!("/v1/settlements?auction_id={auction}")).await?;
    ensure!(of_one == purchases[..1], "{of_one:?}");
    Ok(())
}
