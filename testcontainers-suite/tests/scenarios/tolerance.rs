//! Consumers get on with every version of the events: those of each release, those of a later one with whatever it adds.
//! A lot that opens in some weeks is listed for each example, and its life is told by the test in bidding's and
//! settlement's place.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use libtest_mimic::Trial;
use serde_json::{Value, json};
use testcontainers_suite::{
    feed::{Event, Feeder, Golden, golden, opening, versions},
    story::{Lot, Terms},
    trials,
    wait::eventually,
    world::{Service, World},
};
use uuid::Uuid;

pub fn trials() -> Vec<Trial> {
    trials!("scenarios::tolerance":
        every_published_example_of_every_version_is_taken_in,
        members_and_headers_of_a_later_minor_version_are_passed_over,
        types_that_nobody_knows_yet_are_passed_over,
        values_that_later_versions_add_to_open_sets_are_taken_in,
        what_an_event_of_the_first_version_says_is_shown,
        a_lot_of_before_in_amounts_that_nobody_can_pay_is_taken_in,
    )
}

const LATER: Duration = Duration::from_secs(20 * 86_400);

/// A lot of which bidding says nothing for weeks.
async fn scheduled(world: &World) -> Result<Uuid> {
    let terms = Terms::from(100).starting_in(LATER).lasting(Duration::from_secs(3_600));
    Ok(world.seller("anna").sells(&terms).await?.id.parse()?)
}

const PUBLISHED: &str = "outcry.listing.published.v1";
const TAKEN_BACK: &str = "outcry.listing.cancelled.v1";

/// The example about a lot of its own. Listing knows that lot, bidding has opened it, and has heard of it before it hears that it
/// is taken back, where they would ask for it.
async fn told(world: &World, Golden { name, event }: Golden) -> Result<Vec<(String, Event)>> {
    if event.service == Service::Listing {
        let lot = Uuid::now_v7();
        if event.envelope.event_type != TAKEN_BACK {
            return Ok(vec![(name, event.about(lot, 1)?)]);
        }
        let published = newest()?.into_iter().find(|example| example.event.envelope.event_type == PUBLISHED);
        let published = published.context("no publication is among the examples")?.event.about(lot, 1)?;
        return Ok(vec![(format!("the publication before {name}"), published), (name, event.about(lot, 2)?)]);
    }
    let lot = scheduled(world).await?;
    if event.service == Service::Settlement || event.envelope.event_type == opening()?.envelope.event_type {
        return Ok(vec![(name, event.about(lot, 1)?)]);
    }
    Ok(vec![(format!("the opening before {name}"), opening()?.about(lot, 1)?), (name, event.about(lot, 2)?)])
}

async fn all_are_taken_in(world: &World, examples: Vec<Golden>) -> Result<()> {
    let mut feeder = Feeder::new(world)?;
    let mut examples = examples.into_iter();
    loop {
        let some: Vec<Golden> = examples.by_ref().take(8).collect();
        if some.is_empty() {
            return feeder.is_taken_in().await;
        }
        let lives = try_join_all(some.into_iter().map(|example| told(world, example))).await?;
        for (name, event) in lives.into_iter().flatten() {
            feeder.feed(&name, &event).await?;
        }
    }
}

async fn every_published_example_of_every_version_is_taken_in(world: Arc<World>) -> Result<()> {
    let mut examples = Vec::new();
    for version in versions()? {
        examples.extend(golden(&version)?);
    }
    ensure!(examples.len() >= 90, "these are too few: {}", examples.len());
    all_are_taken_in(&world, examples).await
}

fn newest() -> Result<Vec<Golden>> {
    golden(&versions()?.pop().context("nothing was released")?)
}

async fn members_and_headers_of_a_later_minor_version_are_passed_over(world: Arc<World>) -> Result<()> {
    let later = |Golden { name, event }| Golden { name, event: event.of_a_later_minor_version() };
    all_are_taken_in(&world, newest()?.into_iter().map(later).collect()).await
}

async fn types_that_nobody_knows_yet_are_passed_over(world: Arc<World>) -> Result<()> {
    let mut feeder = Feeder::new(&world)?;
    let newest = newest()?;
    for service in Service::ALL {
        let example = newest.iter().find(|golden| golden.event.service == service).context("an example")?;
        let context = service.context();
        for (event_type, data) in [
            (format!("outcry.{context}.lot.photographed.v1"), json!({"photographs": 3})),
            (format!("outcry.{context}.lot.photographed.v1"), json!(["no", "object"])),
            (example.event.envelope.event_type.replace(".v1", ".v2"), json!({"quite": "another shape"})),
        ] {
            let mut event = Event { data, ..example.event.clone() };
            event.envelope.event_type.clone_from(&event_type);
            feeder.feed(&event_type, &event.about(Uuid::now_v7(), 1)?).await?;
        }
    }
    feeder.is_taken_in().await
}

async fn values_that_later_versions_add_to_open_sets_are_taken_in(world: Arc<World>) -> Result<()> {
    let open = [
        ("bidding.bid.placed", "outcome"),
        ("bidding.auction.paused", "by"),
        ("bidding.auction.cancelled", "cancelled_by"),
        ("settlement.started", "status"),
        ("settlement.started", "kind"),
        ("settlement.shipped", "status"),
        ("settlement.failed", "reason"),
        ("settlement.failed", "status"),
    ];
    let newest = newest()?;
    let mut later = Vec::new();
    for (event, member) in open {
        let example = newest.iter().find(|golden| golden.name.ends_with(&format!("outcry.{event}.v1")));
        let Golden { name, mut event } = example.with_context(|| format!("no example of {event}"))?.clone();
        event.data[member] = Value::from("of_a_later_version");
        later.push(Golden { name: format!("{name} with a new {member}"), event });
    }
    all_are_taken_in(&world, later).await
}

async fn what_an_event_of_the_first_version_says_is_shown(world: Arc<World>) -> Result<()> {
    let first = versions()?.first().context("nothing was released")?.clone();
    let example = |event: &str| {
        let found = golden(&first)?.into_iter().find(|golden| golden.name.ends_with(&format!("outcry.{event}.v1")));
        Ok::<Event, anyhow::Error>(found.with_context(|| format!("no example of {event}"))?.event)
    };
    let mut feeder = Feeder::new(&world)?;
    let lot = scheduled(&world).await?;
    for (event, sequence) in [("bidding.auction.opened", 1), ("bidding.bid.placed", 2)] {
        feeder.feed(event, &example(event)?.about(lot, sequence)?).await?;
    }
    let sold = example("settlement.shipped")?.about(lot, 1)?;
    feeder.feed("settlement.shipped", &sold).await?;
    let published = example("listing.published")?.about(Uuid::now_v7(), 1)?;
    feeder.feed("listing.published", &published).await?;
    let bid = example("bidding.bid.placed")?.data;
    let (lot, told) = (Lot { id: lot.to_string() }, Lot { id: published.envelope.subject.clone() });
    let reader = world.bidder("reader");
    eventually("listing shows what it was told", || async {
        let listing = reader.listing(&lot).await?;
        ensure!(listing["status"] == "live" && listing["price"] == bid["price"], "{listing} of {bid}");
        ensure!(listing["sale_status"] == "shipped", "{listing}");
        Ok(())
    })
    .await?;
    reader.awaits_auction(&told, "scheduled").await?;
    feeder.is_taken_in().await
}

/// Listing refuses them now; what it told before still stands, and the least bid on it is one that can be paid.
async fn a_lot_of_before_in_amounts_that_nobody_can_pay_is_taken_in(world: Arc<World>) -> Result<()> {
    let example = newest()?.into_iter().find(|golden| golden.name.ends_with(PUBLISHED)).context("no publication")?;
    let mut feeder = Feeder::new(&world)?;
    let reader = world.bidder("reader");
    for (currency, least) in [("KWD", 10_010), ("MGA", 10_100), ("CLF", 10_005), ("HRK", 10_005)] {
        let mut published = example.event.clone().about(Uuid::now_v7(), 1)?;
        published.data["currency"] = json!(currency);
        published.data["format"]["start_price"] = json!(10_005);
        feeder.feed(currency, &published).await?;
        let lot = Lot { id: published.envelope.subject.clone() };
        let auction = eventually("bidding hears of the lot", || reader.auction(&lot)).await?;
        ensure!(auction["next_minimum"] == least, "{currency}: {auction}");
    }
    feeder.is_taken_in().await
}
