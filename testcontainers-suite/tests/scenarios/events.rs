//! What is published: every event fits its contract, and the numbers of each aggregate have no gap.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anyhow::{Result, ensure};
use futures::future::try_join_all;
use libtest_mimic::Trial;
use serde_json::{Value, json};
use testcontainers_suite::{
    broker::events_of,
    story::{Lot, Terms},
    trials,
    wait::{CONVERGES_WITHIN, eventually},
    world::{Service, World},
};

pub fn trials() -> Vec<Trial> {
    trials!("scenarios::events":
        a_whole_sale_is_told_in_events_without_a_gap,
        a_sealed_auction_is_told_by_its_opening_and_its_close,
        buying_at_once_is_told_as_a_bid_and_a_close,
        an_accepted_dutch_price_is_told_as_a_bid_and_a_close,
        units_are_told_as_awards_and_declined_ones_too,
        a_retraction_is_told_with_what_follows_from_it,
        what_the_operator_does_is_told_with_reasons,
        a_reserve_is_in_no_event_but_the_publication,
    )
}

async fn a_whole_sale_is_told_in_events_without_a_gap(world: Arc<World>) -> Result<()> {
    let (anna, bert, carla) = (world.seller("anna"), world.bidder("bert"), world.bidder("carla"));
    let lot = anna.opens(&Terms::from(100)).await?;
    bert.bids(&lot, 500).await?;
    carla.bids(&lot, 900).await?;
    let sale = carla.awaits_sale(&lot).await?;
    carla.pays(&sale, "pm_card_visa").await?;
    carla.awaits_sale_status(&sale, "escrowed", CONVERGES_WITHIN).await?;
    anna.ships(&sale).await?;
    carla.receives(&sale).await?;
    carla.awaits_sale_status(&sale, "completed", CONVERGES_WITHIN).await?;

    let expected = [
        "outcry.listing.published.v1",
        "outcry.bidding.auction.opened.v1",
        "outcry.bidding.bid.placed.v1",
        "outcry.bidding.bid.placed.v1",
        "outcry.bidding.auction.closed.v1",
        "outcry.settlement.started.v1",
        "outcry.settlement.escrowed.v1",
        "outcry.settlement.shipped.v1",
        "outcry.settlement.completed.v1",
    ];
    eventually("all is published", || async {
        let events = events_of(&world, &[&lot.id, &sale.id]).await?;
        let told: Vec<&str> = events.iter().map(|event| event.envelope.event_type.as_str()).collect();
        ensure!(told == expected, "{told:?}");
        let mut last = BTreeMap::new();
        for event in &events {
            let before = last.insert((event.service, event.key.clone()), event.envelope.sequence).unwrap_or_default();
            ensure!(event.envelope.sequence == before + 1, "{} follows {before}: {:?}", event.key, event.envelope);
            // What time alone brings about has no caller whose trace it could be.
            let by_time = event.envelope.event_type == "outcry.bidding.auction.closed.v1";
            ensure!(by_time || event.envelope.traceparent.is_some(), "no traceparent: {:?}", event.envelope);
        }
        Ok(())
    })
    .await
}

const LONG: Duration = Duration::from_secs(300);

/// Waits until bidding has told exactly these events of a lot, numbered without a gap, and gives their data.
async fn told(world: &World, lot: &Lot, expected: &[&str]) -> Result<Vec<Value>> {
    eventually("all is published", || async {
        let events = events_of(world, &[&lot.id]).await?;
        let events: Vec<_> = events.iter().filter(|event| event.service == Service::Bidding).collect();
        let names = events.iter().map(|event| event.envelope.event_type.trim_start_matches("outcry.bidding."));
        let names: Vec<&str> = names.map(|name| name.trim_end_matches(".v1")).collect();
        ensure!(names == expected, "{names:?}");
        for (event, number) in events.iter().zip(1..) {
            ensure!(event.envelope.sequence == number, "it should be number {number}: {:?}", event.envelope);
        }
        Ok(events.iter().map(|event| event.data.clone()).collect())
    })
    .await
}

async fn a_sealed_auction_is_told_by_its_opening_and_its_close(world: Arc<World>) -> Result<()> {
    let (anna, bert, carla) = (world.seller("anna"), world.bidder("bert"), world.bidder("carla"));
    let lot = anna.opens(&Terms::vickrey(1_000)).await?;
    bert.bids(&lot, 5_000).await?;
    carla.bids(&lot, 8_000).await?;
    carla.awaits_auction(&lot, "closed").await?;
    let events = told(&world, &lot, &["auction.opened", "auction.closed"]).await?;
    ensure!(events[0]["format"] == "vickrey", "{events:?}");
    let closed = &events[1];
    ensure!(closed["winner_id"] == carla.sub.as_str() && closed["price"] == 5_000, "{closed}");
    ensure!(closed["bid_count"] == 2 && !closed.to_string().contains("8000"), "{closed}");
    Ok(())
}

async fn buying_at_once_is_told_as_a_bid_and_a_close(world: Arc<World>) -> Result<()> {
    let (anna, bert) = (world.seller("anna"), world.bidder("bert"));
    let lot = anna.opens(&Terms::from(1_000).with_buy_now(3_000).lasting(LONG)).await?;
    bert.buys_now(&lot).await?;
    let events = told(&world, &lot, &["auction.opened", "bid.placed", "auction.closed"]).await?;
    is_bought(&events, &bert.sub, 3_000)
}

async fn an_accepted_dutch_price_is_told_as_a_bid_and_a_close(world: Arc<World>) -> Result<()> {
    let (anna, bert) = (world.seller("anna"), world.bidder("bert"));
    let lot = anna.opens(&Terms::dutch(3_000, 1_000, 250, 600).lasting(LONG)).await?;
    bert.bids(&lot, 8_000).await?;
    let events = told(&world, &lot, &["auction.opened", "bid.placed", "auction.closed"]).await?;
    is_bought(&events, &bert.sub, 3_000)
}

fn is_bought(events: &[Value], buyer: &str, price: i64) -> Result<()> {
    let (bid, closed) = (&events[1], &events[2]);
    ensure!(bid["outcome"] == "bought" && bid["price"] == price && bid["bidder_id"] == buyer, "{bid}");
    ensure!(closed["outcome"] == "sold" && closed["price"] == price && closed["winner_id"] == buyer, "{closed}");
    ensure!(closed["ended_at"] == bid["ends_at"] && closed["ended_at"] == closed["closed_at"], "{bid} {closed}");
    Ok(())
}

async fn units_are_told_as_awards_and_declined_ones_too(world: Arc<World>) -> Result<()> {
    let (anna, a, b) = (world.seller("anna"), world.bidder("a"), world.bidder("b"));
    let lot = anna.opens(&Terms::units(1_000, 5).declinable_within(600)).await?;
    a.bids_for(&lot, 2, 2_000).await?;
    b.bids_for(&lot, 4, 2_100).await?;
    a.awaits_auction(&lot, "closed").await?;
    a.declines(&lot).await?.success()?;
    let expected = ["auction.opened", "bid.placed", "bid.placed", "auction.closed", "award.declined"];
    let events = told(&world, &lot, &expected).await?;
    ensure!(events[1]["quantity"] == 2 && events[2]["quantity"] == 4, "{events:?}");
    let closed = &events[3];
    let awards = json!([
        {"bidder_id": b.sub, "quantity": 4, "wanted": 4, "price": 2_000},
        {"bidder_id": a.sub, "quantity": 1, "wanted": 2, "price": 2_000},
    ]);
    ensure!(closed["awards"] == awards && closed["decline_until"].is_string(), "{closed}");
    ensure!(closed["outcome"] == "sold" && closed["price"] == 2_000 && closed["winner_id"].is_null(), "{closed}");
    ensure!(events[4]["bidder_id"] == a.sub.as_str() && events[4]["quantity"] == 1, "{}", events[4]);
    Ok(())
}

async fn a_retraction_is_told_with_what_follows_from_it(world: Arc<World>) -> Result<()> {
    let (anna, bert, carla) = (world.seller("anna"), world.bidder("bert"), world.bidder("carla"));
    let terms = Terms::from(500).by_steps_of(100).with_reserve(2_000).lasting(LONG);
    let lot = anna.opens(&terms).await?;
    bert.bids(&lot, 1_000).await?;
    let placed = carla.bids(&lot, 2_500).await?;
    ensure!(placed["auction"]["reserve"] == "met", "{placed}");
    carla.retracts(&lot, &placed).await?;
    let events = told(&world, &lot, &["auction.opened", "bid.placed", "bid.placed", "bid.retracted"]).await?;
    let retracted = &events[3];
    ensure!(retracted["bid_ids"] == json!([placed["bid_id"]]), "{retracted}");
    ensure!(retracted["bidder_id"] == carla.sub.as_str() && retracted["leader_id"] == bert.sub.as_str(), "{retracted}");
    for (member, value) in [("price", 500), ("next_minimum", 600), ("bid_count", 1)] {
        ensure!(retracted[member] == value, "{member} should be {value}: {retracted}");
    }
    ensure!(retracted["reserve"] == "not_met", "{retracted}");
    Ok(())
}

async fn what_the_operator_does_is_told_with_reasons(world: Arc<World>) -> Result<()> {
    let (anna, bert, operator) = (world.seller("anna"), world.bidder("bert"), world.operator());
    let lot = anna.opens(&Terms::from(100).lasting(LONG)).await?;
    bert.bids(&lot, 500).await?;
    let paused = operator.pauses(&lot, "the lot is being looked at").await?;
    let resumed = operator.resumes(&lot).await?;
    operator.takes_back(&lot, "it is another watch").await?;
    let expected = ["auction.opened", "bid.placed", "auction.paused", "auction.resumed", "auction.cancelled"];
    let events = told(&world, &lot, &expected).await?;
    let (pause, resume, cancel) = (&events[2], &events[3], &events[4]);
    ensure!(pause["by"] == "operator" && pause["reason"] == "the lot is being looked at", "{pause}");
    ensure!(pause["paused_at"] == paused["paused_at"], "{pause} of {paused}");
    ensure!(resume["ends_at"] == resumed["ends_at"] && resume["paused_for_ms"].is_u64(), "{resume} of {resumed}");
    ensure!(cancel["cancelled_by"] == "operator" && cancel["reason"] == "it is another watch", "{cancel}");
    Ok(())
}

/// The publication is for the services alone: bidding has to know the reserve.
async fn a_reserve_is_in_no_event_but_the_publication(world: Arc<World>) -> Result<()> {
    // A number that comes up nowhere else.
    const RESERVE: i64 = 7_658_723;
    let formats = [Terms::from(100), Terms::sealed_first_price(100), Terms::vickrey(100)];
    let lots = formats.into_iter().map(|terms| {
        let world = &world;
        async move {
            let (anna, bert, carla) = (world.seller("anna"), world.bidder("bert"), world.bidder("carla"));
            let lot = anna.opens(&terms.with_reserve(RESERVE)).await?;
            bert.bids(&lot, 500).await?;
            carla.bids(&lot, 900).await?;
            anna.awaits_auction(&lot, "closed").await?;
            anna.awaits_listing(&lot, "unsold").await?;
            let mut told = Vec::new();
            for event in events_of(world, &[&lot.id]).await? {
                let has_it = event.data.to_string().contains(&RESERVE.to_string());
                let may = event.envelope.event_type == "outcry.listing.published.v1";
                ensure!(has_it == may, "{} is {}", event.envelope.event_type, event.data);
                told.push(event.envelope.event_type);
            }
            ensure!(told.iter().any(|told| told == "outcry.bidding.auction.closed.v1"), "{told:?}");
            Ok(())
        }
    });
    try_join_all(lots).await?;
    Ok(())
}
