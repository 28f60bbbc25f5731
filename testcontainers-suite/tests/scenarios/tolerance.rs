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
    story::{Lot, Terms, time},
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
        what_an_event_of_any_version_says_is_done,
        what_an_event_of_a_later_minor_version_says_is_done,
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

fn of_every_version() -> Result<Vec<Golden>> {
    let mut examples = Vec::new();
    for version in versions()? {
        examples.extend(golden(&version)?);
    }
    ensure!(examples.len() >= 90, "these are too few: {}", examples.len());
    Ok(examples)
}

fn newest() -> Result<Vec<Golden>> {
    golden(&versions()?.pop().context("nothing was released")?)
}

async fn every_published_example_of_every_version_is_taken_in(world: Arc<World>) -> Result<()> {
    all_are_taken_in(&world, of_every_version()?).await
}

async fn members_and_headers_of_a_later_minor_version_are_passed_over(world: Arc<World>) -> Result<()> {
    let later = |Golden { name, event }| Golden { name, event: event.of_a_later_minor_version() };
    all_are_taken_in(&world, of_every_version()?.into_iter().map(later).collect()).await
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

async fn what_an_event_of_any_version_says_is_done(world: Arc<World>) -> Result<()> {
    all_have_their_effect(&world, |event| event).await
}

async fn what_an_event_of_a_later_minor_version_says_is_done(world: Arc<World>) -> Result<()> {
    all_have_their_effect(&world, Event::of_a_later_minor_version).await
}

/// Whoever passes an event over has taken it in as well: what it says has to be so afterwards. Each example is fed as `told`.
async fn all_have_their_effect(world: &World, told: impl Fn(Event) -> Event) -> Result<()> {
    let mut feeder = Feeder::new(world)?;
    for version in versions()? {
        let examples = golden(&version)?;
        let example = |event: &str| {
            let found = examples.iter().find(|golden| golden.name.ends_with(&format!("outcry.{event}.v1")));
            anyhow::Ok(told(found.with_context(|| format!("no example of {event}"))?.event.clone()))
        };
        bidding_has_what_is_published(world, &mut feeder, example("listing.published")?)
            .await
            .context(version.clone())?;
        what_is_told_of_an_auction_is_shown(world, &mut feeder, example).await.context(version)?;
    }
    feeder.is_taken_in().await
}

async fn bidding_has_what_is_published(world: &World, feeder: &mut Feeder<'_>, example: Event) -> Result<()> {
    let published = example.about(Uuid::now_v7(), 1)?;
    feeder.feed("listing.published", &published).await?;
    let (lot, terms) = (Lot { id: published.envelope.subject }, published.data);
    let auction = world.bidder("reader").awaits_auction(&lot, "scheduled").await?;
    for (member, value) in [
        ("currency", &terms["currency"]),
        ("format", &terms["format"]["kind"]),
        ("next_minimum", &terms["format"]["start_price"]),
    ] {
        ensure!(auction[member] == *value, "{member} should be {value}: {auction}");
    }
    for moment in ["starts_at", "ends_at"] {
        ensure!(time(&auction, moment)? == time(&terms, moment)?, "{moment} should be {}: {auction}", terms[moment]);
    }
    ensure!(auction["reserve"] == "not_met", "{auction} of {terms}");
    Ok(())
}

/// Listing shows where the auction stands, and settlement has a sale.
async fn what_is_told_of_an_auction_is_shown(
    world: &World,
    feeder: &mut Feeder<'_>,
    example: impl Fn(&str) -> Result<Event>,
) -> Result<()> {
    let (id, reader, operator) = (scheduled(world).await?, world.bidder("reader"), world.operator());
    let lot = Lot { id: id.to_string() };
    let bid = example("bidding.bid.placed")?.about(id, 2)?;
    feeder.feed("bidding.auction.opened", &example("bidding.auction.opened")?.about(id, 1)?).await?;
    feeder.feed("bidding.bid.placed", &bid).await?;
    feeder.feed("settlement.shipped", &example("settlement.shipped")?.about(id, 1)?).await?;
    let shows = |listing: &Value, status: &str, told: &Value| {
        listing["status"] == status && ["price", "bid_count"].iter().all(|member| listing[member] == told[member])
    };
    let is_live = |listing: &Value| shows(listing, "live", &bid.data) && listing["sale_status"] == "shipped";
    reader.awaits_listing_that(&lot, "shows the bid", is_live).await?;

    let closed = example("bidding.auction.closed")?.about(id, 3)?;
    feeder.feed("bidding.auction.closed", &closed).await?;
    let is_sold = |listing: &Value| shows(listing, "sold", &closed.data);
    reader.awaits_listing_that(&lot, "shows the close", is_sold).await?;
    eventually("settlement has the sale", || async {
        let found = operator.sales_of(&lot).await?;
        let sale = found.first().context("there is none")?;
        let is_its = sale["hammer_price"] == closed.data["price"] && sale["buyer"] == closed.data["winner_id"];
        ensure!(is_its, "{sale} of {}", closed.data);
        Ok(())
    })
    .await
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
