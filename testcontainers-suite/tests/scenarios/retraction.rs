//! Bids that are taken back: with more than twelve hours to go all of the bidder's, else one that is young. The price
//! follows from the maxima that remain, and the history keeps what was. (That an old bid stays is a matter of hours, and
//! of the domain's tests.)

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;
use serde_json::{Value, json};
use testcontainers_suite::{
    client::Person,
    floor::next_called,
    story::{Lot, Terms, text},
    trials,
    world::World,
};
use uuid::Uuid;

pub fn trials() -> Vec<Trial> {
    trials!("scenarios::retraction":
        with_more_than_twelve_hours_to_go_all_bids_of_the_bidder_go,
        with_less_only_the_bid_that_is_named_goes,
        when_the_only_bid_goes_the_lot_is_as_without_bids,
        a_retraction_is_told_in_the_stream_and_the_history_keeps_the_bids_and_marks_them,
        somebody_elses_bid_cannot_be_taken_back,
        after_the_end_nothing_can_be_taken_back,
        a_retraction_may_say_why,
    )
}

const HOUR: Duration = Duration::from_secs(3_600);

fn terms(lasts: Duration) -> Terms {
    Terms::from(500).by_steps_of(100).lasting(lasts)
}

/// Bids 1,000 · B 2,000 · A 3,000 · B 2,500: A leads at 2,600. What A and B were answered, each in order.
async fn contest(a: &Person<'_>, b: &Person<'_>, lot: &Lot) -> Result<([Value; 2], [Value; 2])> {
    let first = a.bids(lot, 1_000).await?;
    let second = b.bids(lot, 2_000).await?;
    let third = a.bids(lot, 3_000).await?;
    let fourth = b.bids(lot, 2_500).await?;
    ensure!(fourth["auction"]["price"] == 2_600 && fourth["outcome"] == "outbid", "{fourth}");
    Ok(([first, third], [second, fourth]))
}

/// Exactly these bids went, and this is what the others made of it.
fn left(retraction: &Value, gone: &[&Value], price: i64, bid_count: u64) -> Result<()> {
    let mut expected = gone.iter().map(|placed| text(placed, "bid_id")).collect::<Result<Vec<_>>>()?;
    let retracted = retraction["retracted"].as_array().with_context(|| format!("nothing went: {retraction}"))?;
    let mut retracted: Vec<_> = retracted.iter().filter_map(Value::as_str).collect();
    expected.sort_unstable();
    retracted.sort_unstable();
    ensure!(retracted == expected, "{expected:?} should have gone: {retraction}");
    let auction = &retraction["auction"];
    ensure!(auction["price"] == price && auction["bid_count"] == bid_count, "{bid_count} at {price}: {retraction}");
    ensure!(auction["next_minimum"] == price + 100, "{retraction}");
    Ok(())
}

async fn with_more_than_twelve_hours_to_go_all_bids_of_the_bidder_go(world: Arc<World>) -> Result<()> {
    let (anna, a, b) = (world.seller("anna"), world.bidder("a"), world.bidder("b"));
    let lot = anna.opens(&terms(HOUR * 13)).await?;
    let (_, [one, other]) = contest(&a, &b, &lot).await?;
    let retraction = b.retracts(&lot, &one).await?;
    left(&retraction, &[&one, &other], 500, 2)?;
    ensure!(a.auction(&lot).await?["you_lead"] == true);
    anna.awaits_listing_that(&lot, "shows the price of what remains", |listing| {
        listing["price"] == 500 && listing["bid_count"] == 2
    })
    .await?;
    b.tries_to_retract(&lot, &other).await?.is_problem(404, "not-found")?;
    // Whoever has taken back may bid again.
    let again = b.bids(&lot, 2_000).await?;
    ensure!(again["auction"]["price"] == 2_100 && again["outcome"] == "outbid", "{again}");
    Ok(())
}

async fn with_less_only_the_bid_that_is_named_goes(world: Arc<World>) -> Result<()> {
    let (anna, a, b) = (world.seller("anna"), world.bidder("a"), world.bidder("b"));
    let lot = anna.opens(&terms(HOUR)).await?;
    let ([lower, higher], [_, second]) = contest(&a, &b, &lot).await?;
    let retraction = a.retracts(&lot, &higher).await?;
    // What remains: A 1,000, B 2,000, and B's own raise to 2,500.
    left(&retraction, &[&higher], 1_100, 3)?;
    ensure!(retraction["auction"]["you_lead"] == false && b.auction(&lot).await?["you_lead"] == true, "{retraction}");
    let retraction = b.retracts(&lot, &second).await?;
    left(&retraction, &[&second], 1_100, 2)?;
    let retraction = a.retracts(&lot, &lower).await?;
    left(&retraction, &[&lower], 500, 1)
}

async fn when_the_only_bid_goes_the_lot_is_as_without_bids(world: Arc<World>) -> Result<()> {
    let (anna, a) = (world.seller("anna"), world.bidder("a"));
    let lot = anna.opens(&terms(HOUR)).await?;
    let placed = a.bids(&lot, 1_000).await?;
    let auction = a.retracts(&lot, &placed).await?["auction"].clone();
    ensure!(auction["price"].is_null() && auction["leader"].is_null() && auction["bid_count"] == 0, "{auction}");
    ensure!(auction["next_minimum"] == 500, "{auction}");
    anna.awaits_listing_that(&lot, "shows no bid", |listing| listing["price"].is_null() && listing["bid_count"] == 0)
        .await?;
    Ok(())
}

async fn a_retraction_is_told_in_the_stream_and_the_history_keeps_the_bids_and_marks_them(
    world: Arc<World>,
) -> Result<()> {
    let (anna, a, b) = (world.seller("anna"), world.bidder("a"), world.bidder("b"));
    let lot = anna.opens(&terms(HOUR * 13)).await?;
    let mut stream = a.watches(&lot).await?;
    let (_, [one, other]) = contest(&a, &b, &lot).await?;
    let before = a.history(&lot).await?;
    b.retracts(&lot, &other).await?;

    let told = next_called(&mut stream, "bid.retracted").await?;
    ensure!(told.data["bid_ids"] == json!([one["bid_id"], other["bid_id"]]), "{told:?}");
    ensure!(told.data["price"] == 500 && told.data["bid_count"] == 2 && told.data["you_lead"] == true, "{told:?}");
    ensure!(told.data["bidder"] == before[1]["bidder"] && told.data["yours"] == false, "{told:?}");
    ensure!(a.auction(&lot).await?["sequence"].as_u64() == told.id, "{told:?}");
    let mut after = a.history(&lot).await?;
    for bid in &mut after {
        let taken_back = [&one["bid_id"], &other["bid_id"]].contains(&&bid["bid_id"]);
        ensure!(bid["retracted_at"].is_string() == taken_back, "{bid}");
        bid["retracted_at"] = Value::Null;
    }
    ensure!(after == before && before.len() == 4, "the history has changed otherwise");
    Ok(())
}

async fn somebody_elses_bid_cannot_be_taken_back(world: Arc<World>) -> Result<()> {
    let (anna, a, b) = (world.seller("anna"), world.bidder("a"), world.bidder("b"));
    let (lot, other) = (anna.opens(&terms(HOUR * 13)).await?, anna.opens(&terms(HOUR * 13)).await?);
    let (own, others) = contest(&a, &b, &lot).await?;
    let elsewhere = a.bids(&other, 1_000).await?;
    a.tries_to_retract(&lot, &others[0]).await?.is_problem(404, "not-found")?;
    a.tries_to_retract(&lot, &elsewhere).await?.is_problem(404, "not-found")?;
    a.tries_to_retract(&lot, &json!({"bid_id": Uuid::now_v7()})).await?.is_problem(404, "not-found")?;
    a.tries_to_retract(&lot, &json!({"bid_id": "x"})).await?.is_problem(404, "not-found")?;
    let [placed, _] = &own;
    world.operator().tries_to_retract(&lot, placed).await?.is_problem(403, "forbidden")?;
    anna.tries_to_retract(&lot, placed).await?.is_problem(403, "forbidden")?;
    let auction = a.auction(&lot).await?;
    ensure!(auction["bid_count"] == 4 && auction["price"] == 2_600, "{auction}");
    Ok(())
}

async fn after_the_end_nothing_can_be_taken_back(world: Arc<World>) -> Result<()> {
    let (anna, a) = (world.seller("anna"), world.bidder("a"));
    let lot = anna.opens(&terms(Duration::from_secs(10))).await?;
    let placed = a.bids(&lot, 1_000).await?;
    a.awaits_auction(&lot, "closed").await?;
    let late = a.tries_to_retract(&lot, &placed).await?;
    late.is_refusal()?;
    ensure!(late.status == 409, "{}", late.text);
    ensure!(a.auction(&lot).await?["result"]["outcome"] == "sold");
    Ok(())
}

async fn a_retraction_may_say_why(world: Arc<World>) -> Result<()> {
    let (anna, a) = (world.seller("anna"), world.bidder("a"));
    let lot = anna.opens(&terms(HOUR)).await?;
    let placed = a.bids(&lot, 100_000).await?;
    let action = format!("bids/{}/retract", text(&placed, "bid_id")?);
    a.does(&lot, &action, &json!({"reason": "one nought too many"})).await?.success()?;
    Ok(())
}
