//! The operator pauses all auctions: none takes a bid, also none that opens meanwhile, and each gets the time back.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;
use serde_json::{Value, json};
use testcontainers_suite::{
    client::{Answer, Person},
    floor::next_called,
    sse::EventStream,
    story::{Lot, Terms, time},
    world::{Service, World},
};

use crate::trial;

pub fn trials() -> Vec<Trial> {
    vec![trial("paused::all_auctions_rest_and_get_their_time_back".to_owned(), async |_, world| {
        let rested = all_rest(world).await;
        // The tests after this one need auctions that go on.
        let resumed = house(&world.operator(), "resume", &json!({})).await;
        rested.and(resumed.map(|_| ()))
    })]
}

const LONG: Duration = Duration::from_secs(600);

async fn house(person: &Person<'_>, what: &str, body: &Value) -> Result<Answer> {
    person.post(Service::Bidding, &format!("/v1/auctions/{what}"), body).await
}

/// A lot with its live stream, and when it was to end.
struct Watched<'w> {
    lot: Lot,
    stream: EventStream<'w>,
    end: Value,
}

async fn all_rest(world: &World) -> Result<()> {
    let (anna, bert, operator) = (world.seller("anna"), world.bidder("bert"), world.operator());
    let mut lots = Vec::new();
    for _ in 0..3 {
        let lot = anna.opens(&Terms::from(100).lasting(LONG)).await?;
        lots.push(Watched { stream: bert.watches(&lot).await?, end: bert.auction(&lot).await?, lot });
    }
    let (pause, resume) = (json!({"reason": "the network is being mended"}), json!({}));
    for person in [&anna, &bert] {
        house(person, "pause", &pause).await?.is_problem(403, "forbidden")?;
        house(person, "resume", &resume).await?.is_problem(403, "forbidden")?;
    }
    let paused = house(&operator, "pause", &pause).await?.success()?;
    ensure!(paused == json!({"changed": true, "paused": true}), "{paused}");
    let again = house(&operator, "pause", &pause).await?.success()?;
    ensure!(again == json!({"changed": false, "paused": true}), "{again}");

    let late = anna.sells(&Terms::from(100).lasting(LONG)).await?;
    for lot in lots.iter().map(|watched| &watched.lot).chain([&late]) {
        bert.tries_to_bid(lot, 500).await?.is_problem(409, "auction-paused").context("while all rest")?;
        bert.awaits_auction_that(lot, "says that it rests", |auction| !auction["paused_at"].is_null()).await?;
        operator.does(lot, "resume", &resume).await?.is_problem(409, "all-auctions-paused")?;
    }

    let resumed = house(&operator, "resume", &resume).await?.success()?;
    ensure!(resumed == json!({"changed": true, "paused": false}), "{resumed}");
    for Watched { lot, stream, end } in &mut lots {
        bert.bids(lot, 500).await?;
        let paused = next_called(stream, "auction.paused").await?;
        ensure!(paused.data["reason"] == "the network is being mended", "{paused:?}");
        let resumed = next_called(stream, "auction.resumed").await?;
        let given_back = time(&resumed.data, "ends_at")? - time(end, "ends_at")?;
        ensure!(given_back.num_milliseconds() > 0, "no time is given back: {resumed:?}");
        ensure!(resumed.data["paused_for_ms"] == given_back.num_milliseconds(), "{given_back}: {resumed:?}");
        ensure!(bert.auction(lot).await?["ends_at"] == resumed.data["ends_at"], "{resumed:?}");
    }
    bert.bids(&late, 500).await?;
    Ok(())
}
