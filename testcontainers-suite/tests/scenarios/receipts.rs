//! Signed results: what the house states of an auction that is over, and that it can be held to it.

use std::{sync::Arc, time::Duration};

use anyhow::{Result, ensure};
use libtest_mimic::Trial;
use serde_json::{Value, json};
use testcontainers_suite::{
    client::Person,
    receipt::{Keys, forged},
    story::{Lot, Terms, text, time},
    trials,
    world::World,
};
use uuid::Uuid;

pub fn trials() -> Vec<Trial> {
    trials!("scenarios::receipts":
        there_is_no_receipt_before_the_close,
        a_receipt_is_signed_and_states_the_result,
        everybody_gets_the_same_receipt_at_any_time,
        a_changed_receipt_does_not_verify,
        the_receipt_of_units_states_who_won_how_many,
        a_lot_that_was_taken_back_has_a_receipt_that_says_so,
    )
}

const LONG: Duration = Duration::from_secs(300);

/// A lot that is over without anybody waiting: it was bought at once.
async fn bought_lot(world: &World, buyer: &Person<'_>) -> Result<Lot> {
    let lot = world.seller("anna").opens(&Terms::from(100).with_buy_now(500).lasting(LONG)).await?;
    buyer.buys_now(&lot).await?;
    Ok(lot)
}

/// The receipt, verified by the published keys.
async fn verified(person: &Person<'_>, lot: &Lot) -> Result<Value> {
    let answer = person.receipt(lot).await?.success()?;
    let stated = Keys::of(person).await?.verify(&text(&answer, "receipt")?)?;
    ensure!(stated == answer["statement"], "{stated} is signed, and {} is shown", answer["statement"]);
    ensure!(stated["auction_id"] == lot.id.as_str(), "it is another auction's: {stated}");
    Ok(stated)
}

async fn there_is_no_receipt_before_the_close(world: Arc<World>) -> Result<()> {
    let (anna, bert) = (world.seller("anna"), world.bidder("bert"));
    let lot = anna.opens(&Terms::from(100).lasting(LONG)).await?;
    bert.receipt(&lot).await?.is_problem(409, "auction-not-over")?;
    bert.bids(&lot, 500).await?;
    anna.receipt(&lot).await?.is_problem(409, "auction-not-over")?;
    let scheduled = anna.sells(&Terms::from(100).starting_in(LONG)).await?;
    anna.receipt(&scheduled).await?.is_problem(409, "auction-not-over")?;
    anna.receipt(&Lot { id: Uuid::now_v7().to_string() }).await?.is_problem(404, "not-found")
}

async fn a_receipt_is_signed_and_states_the_result(world: Arc<World>) -> Result<()> {
    let (anna, bert, carla) = (world.seller("anna"), world.bidder("bert"), world.bidder("carla"));
    let lot = anna.opens(&Terms::from(100)).await?;
    bert.bids(&lot, 500).await?;
    carla.bids(&lot, 900).await?;
    let closed = carla.awaits_auction(&lot, "closed").await?;
    let stated = verified(&bert, &lot).await?;
    for (member, value) in [
        ("format", json!("english")),
        ("currency", json!("USD")),
        ("outcome", json!("sold")),
        ("price", json!(550)),
        ("winner", closed["leader"].clone()),
        ("awards", json!([])),
        ("bid_count", json!(2)),
        ("sequence", closed["sequence"].clone()),
    ] {
        ensure!(stated[member] == value, "{member} should be {value}: {stated}");
    }
    ensure!(time(&stated, "ended_at")? == time(&closed, "ends_at")?, "{stated} of {closed}");
    let chain = text(&stated, "chain")?;
    ensure!(chain.len() == 64 && chain.bytes().all(|digit| digit.is_ascii_hexdigit()), "{stated}");
    // Opened, two bids, closed.
    ensure!(stated["decisions"].as_u64().is_some_and(|decisions| decisions >= 4), "{stated}");
    for person in [&anna, &bert, &carla] {
        ensure!(!stated.to_string().contains(&person.sub), "{} is named: {stated}", person.sub);
    }
    Ok(())
}

async fn everybody_gets_the_same_receipt_at_any_time(world: Arc<World>) -> Result<()> {
    let (bert, carla, operator) = (world.bidder("bert"), world.bidder("carla"), world.operator());
    let lot = bought_lot(&world, &bert).await?;
    let first = verified(&bert, &lot).await?;
    for person in [&bert, &carla, &operator] {
        let again = verified(person, &lot).await?;
        ensure!(again == first, "{} gets {again} after {first}", person.sub);
    }
    Ok(())
}

async fn a_changed_receipt_does_not_verify(world: Arc<World>) -> Result<()> {
    let bert = world.bidder("bert");
    let (lot, other) = (bought_lot(&world, &bert).await?, bought_lot(&world, &bert).await?);
    let keys = Keys::of(&bert).await?;
    let answer = bert.receipt(&lot).await?.success()?;
    let receipt = text(&answer, "receipt")?;
    keys.verify(&receipt)?;
    for (member, value) in [
        ("price", json!(1)),
        ("winner", json!("bidder-somebody")),
        ("sequence", json!(4_711)),
        ("chain", json!("0".repeat(64))),
        ("surprise", json!(true)),
    ] {
        let mut statement = answer["statement"].clone();
        statement[member] = value;
        ensure!(keys.verify(&forged(&receipt, &statement)?).is_err(), "another {member} verifies: {statement}");
    }
    let others = bert.receipt(&other).await?.success()?["statement"].clone();
    ensure!(keys.verify(&forged(&receipt, &others)?).is_err(), "another auction's statement verifies");
    // The key that signs tokens signs no receipts.
    let by_token_key = world.signer.sign(&world.signer.header(), &answer["statement"]);
    ensure!(keys.verify(&by_token_key).is_err(), "a token's key signs receipts");
    Ok(())
}

async fn the_receipt_of_units_states_who_won_how_many(world: Arc<World>) -> Result<()> {
    let (anna, a, b) = (world.seller("anna"), world.bidder("a"), world.bidder("b"));
    let lot = anna.opens(&Terms::units(1_000, 5).declinable_within(600)).await?;
    a.bids_for(&lot, 2, 2_000).await?;
    b.bids_for(&lot, 4, 2_100).await?;
    let closed = a.awaits_auction(&lot, "closed").await?;
    let of = |place: usize, member: &str| closed["result"]["awards"][place][member].clone();
    let award = |place, declined: bool| json!({"bidder": of(place, "bidder"), "quantity": of(place, "quantity"), "declined": declined});
    let before = verified(&b, &lot).await?;
    ensure!(before["awards"] == json!([award(0, false), award(1, false)]), "{before} of {closed}");
    ensure!(before["winner"].is_null() && before["price"] == 2_000, "{before}");

    a.declines(&lot).await?.success()?;
    let after = verified(&b, &lot).await?;
    ensure!(after["awards"] == json!([award(0, false), award(1, true)]), "{after} of {closed}");
    ensure!(after["chain"] != before["chain"], "the decision is not in the chain: {after}");
    Ok(())
}

async fn a_lot_that_was_taken_back_has_a_receipt_that_says_so(world: Arc<World>) -> Result<()> {
    let (anna, bert) = (world.seller("anna"), world.bidder("bert"));
    let lot = anna.opens(&Terms::from(100).lasting(LONG)).await?;
    bert.bids(&lot, 500).await?;
    world.operator().takes_back(&lot, "it was listed twice").await?;
    let stated = verified(&bert, &lot).await?;
    ensure!(stated["outcome"] == "cancelled" && stated["winner"].is_null() && stated["price"].is_null(), "{stated}");
    Ok(())
}
