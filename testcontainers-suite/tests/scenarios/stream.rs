//! The live stream: every event once and in order, from wherever a reader left off.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use futures::future::try_join3;
use libtest_mimic::Trial;
use reqwest::Method;
use testcontainers_suite::{
    chance::Chance,
    client::Person,
    sse::{Event, EventStream},
    story::{Lot, Terms, text},
    trials,
    wait::eventually,
    world::{Service, World},
};
use uuid::Uuid;

const SOON: Duration = Duration::from_secs(20);

pub fn trials() -> Vec<Trial> {
    trials!("scenarios::stream":
        a_reader_sees_every_event_once_and_in_order,
        a_reader_who_comes_back_misses_nothing_and_sees_nothing_twice,
        a_reader_who_is_cut_off_two_hundred_times_ends_with_exactly_what_was_decided,
        two_readers_see_the_same,
        a_stream_of_a_closed_auction_ends_by_itself,
        an_unknown_auction_and_a_bad_last_event_id_are_refused,
        nobody_takes_the_streams_of_all,
    )
}

fn ids(events: &[Event]) -> Vec<u64> {
    events.iter().filter_map(|event| event.id).collect()
}

/// 1, 2, 3 … without a gap.
fn gapless(events: &[Event], first: u64) -> Result<()> {
    let expected: Vec<u64> = (first..).take(events.len()).collect();
    ensure!(ids(events) == expected, "the numbers are {:?}", ids(events));
    Ok(())
}

async fn a_reader_sees_every_event_once_and_in_order(world: Arc<World>) -> Result<()> {
    let (anna, bert, carla) = (world.seller("anna"), world.bidder("bert"), world.bidder("carla"));
    let lot = anna.opens(&Terms::from(100)).await?;
    let mut stream = EventStream::open(&carla, &lot.id, None).await?;
    bert.bids(&lot, 500).await?;
    carla.bids(&lot, 900).await?;
    bert.bids(&lot, 700).await?;
    let events = stream.rest(Duration::from_secs(40)).await?;
    gapless(&events, events.first().and_then(|event| event.id).context("no events")?)?;
    let names: Vec<&str> = events.iter().map(|event| event.name.as_str()).collect();
    ensure!(names.iter().filter(|name| name.contains("bid")).count() == 3, "{names:?}");
    let last = events.last().context("no events")?;
    ensure!(last.name.contains("closed"), "the last event is {last:?}");
    let auction = carla.auction(&lot).await?;
    ensure!(last.id == auction["sequence"].as_u64(), "the last event is {last:?}, the auction {auction}");
    Ok(())
}

async fn a_reader_who_comes_back_misses_nothing_and_sees_nothing_twice(world: Arc<World>) -> Result<()> {
    let (anna, bert, carla) = (world.seller("anna"), world.bidder("bert"), world.bidder("carla"));
    let lot = anna.opens(&Terms::from(100).lasting(Duration::from_secs(10))).await?;
    let mut first = EventStream::open(&carla, &lot.id, Some(0)).await?;
    bert.bids(&lot, 500).await?;
    let mut seen = Vec::new();
    while !seen.iter().any(|event: &Event| event.name.contains("bid")) {
        seen.push(first.next(SOON).await?.context("the stream ended")?);
    }
    drop(first);
    // While nobody reads.
    carla.bids(&lot, 900).await?;
    bert.bids(&lot, 700).await?;

    let last = seen.last().and_then(|event| event.id);
    let mut again = EventStream::open(&carla, &lot.id, last).await?;
    seen.extend(again.rest(Duration::from_secs(40)).await?);
    gapless(&seen, 1)
}

/// So many bids, each above the one before.
const BIDS: usize = 320;

/// Places [`BIDS`] by turns, then the operator ends it. The ids of the bids.
async fn a_long_contest(world: &World, lot: &Lot) -> Result<Vec<String>> {
    let bidders: Vec<_> = (0..8).map(|_| world.bidder("one-of-eight")).collect();
    let mut bids = Vec::new();
    for (bidder, max) in bidders.iter().cycle().zip((1_000..).step_by(10)).take(BIDS) {
        bids.push(text(&bidder.bids(lot, max).await?, "bid_id")?);
    }
    world.operator().takes_back(lot, "the reader has seen enough").await?;
    Ok(bids)
}

/// Reads to the end and is cut off 200 times, each time after a number of events that chance decides. What was on its
/// way then is lost.
async fn cut_off_two_hundred_times(world: &World, lot: &Lot) -> Result<Vec<Event>> {
    const CUTS: usize = 200;
    // One alone would be told to come less often.
    let readers: Vec<_> = (0..4).map(|_| world.bidder("reader")).collect();
    let mut chance = Chance::of_seed(200);
    let mut cuts: Vec<usize> = (0..CUTS).map(|_| chance.below(BIDS)).collect();
    cuts.sort_unstable();
    let mut seen: Vec<Event> = Vec::new();
    let mut stream = opened(&readers[0], lot, &seen).await?;
    for (cut, reader) in cuts.into_iter().zip(readers.iter().cycle()) {
        while seen.len() < cut {
            seen.push(stream.next(SOON).await?.context("it ended too early")?);
        }
        drop(stream);
        stream = opened(reader, lot, &seen).await?;
    }
    seen.extend(stream.rest(SOON).await?);
    Ok(seen)
}

async fn opened<'w>(reader: &Person<'w>, lot: &Lot, seen: &[Event]) -> Result<EventStream<'w>> {
    EventStream::open(reader, &lot.id, seen.last().and_then(|event| event.id)).await
}

async fn a_reader_who_is_cut_off_two_hundred_times_ends_with_exactly_what_was_decided(world: Arc<World>) -> Result<()> {
    let (anna, dora) = (world.seller("anna"), world.bidder("dora"));
    let terms = Terms::from(1_000).by_steps_of(1).lasting(Duration::from_secs(3_600));
    let lot = anna.opens(&terms).await?;
    let mut steady = dora.watches(&lot).await?;
    let (bids, cut_off, uninterrupted) = try_join3(
        a_long_contest(&world, &lot),
        cut_off_two_hundred_times(&world, &lot),
        steady.rest(Duration::from_secs(60)),
    )
    .await?;

    gapless(&cut_off, 1)?;
    let sequence = dora.auction(&lot).await?["sequence"].as_u64();
    ensure!(cut_off.last().and_then(|event| event.id) == sequence, "of {sequence:?} events {} came", cut_off.len());
    let told: Vec<&str> = cut_off.iter().filter_map(|event| event.data["bid_id"].as_str()).collect();
    ensure!(told == bids, "{} bids were told, {} were accepted", told.len(), bids.len());
    let differs = cut_off.iter().zip(&uninterrupted).find(|(one, other)| one != other);
    ensure!(differs.is_none() && cut_off.len() == uninterrupted.len(), "read without a break it is {differs:?}");
    ensure!(dora.sees_to_the_end(&lot).await? == cut_off, "read afterwards it is another story");
    Ok(())
}

async fn two_readers_see_the_same(world: Arc<World>) -> Result<()> {
    let (anna, bert, carla) = (world.seller("anna"), world.bidder("bert"), world.bidder("carla"));
    let lot = anna.opens(&Terms::from(100)).await?;
    let mut one = EventStream::open(&anna, &lot.id, Some(0)).await?;
    let mut two = EventStream::open(&carla, &lot.id, Some(0)).await?;
    bert.bids(&lot, 500).await?;
    let (one, two) = (one.rest(Duration::from_secs(40)).await?, two.rest(Duration::from_secs(40)).await?);
    ensure!(ids(&one) == ids(&two) && !one.is_empty(), "{:?} and {:?}", ids(&one), ids(&two));
    Ok(())
}

async fn a_stream_of_a_closed_auction_ends_by_itself(world: Arc<World>) -> Result<()> {
    let (anna, bert) = (world.seller("anna"), world.bidder("bert"));
    let lot = anna.opens(&Terms::from(100)).await?;
    let closed = bert.awaits_auction(&lot, "closed").await?;
    let mut stream = EventStream::open(&bert, &lot.id, Some(0)).await?;
    let events = stream.rest(SOON).await?;
    gapless(&events, 1)?;
    ensure!(events.len() as u64 == closed["sequence"].as_u64().unwrap_or_default(), "{events:?}");
    Ok(())
}

async fn an_unknown_auction_and_a_bad_last_event_id_are_refused(world: Arc<World>) -> Result<()> {
    let bert = world.bidder("bert");
    let path = format!("/v1/auctions/{}/stream", Uuid::now_v7());
    bert.get(Service::Bidding, &path).await?.is_problem(404, "not-found")?;
    let lot = world.seller("anna").opens(&Terms::from(100).lasting(Duration::from_secs(300))).await?;
    for id in ["x", "-1", "1.5", "99999999999999999999999"] {
        let path = format!("/v1/auctions/{}/stream", lot.id);
        let request = bert.request(Method::GET, Service::Bidding, &path).header("last-event-id", id);
        world.ask(request).await?.is_problem(400, "malformed-header").context(id)?;
    }
    Ok(())
}

async fn nobody_takes_the_streams_of_all(world: Arc<World>) -> Result<()> {
    let (anna, bert, carla) = (world.seller("anna"), world.bidder("bert"), world.bidder("carla"));
    let lot = anna.opens(&Terms::from(100).lasting(Duration::from_secs(300))).await?;
    let mut streams = Vec::new();
    for _ in 0..20 {
        streams.push(bert.watches(&lot).await?);
    }
    let path = format!("/v1/auctions/{}/stream", lot.id);
    let refused = world.ask(bert.request(Method::GET, Service::Bidding, &path)).await?;
    refused.is_problem(429, "too-many-streams")?;
    ensure!(refused.header("retry-after").is_some(), "nothing says when to come again: {refused:?}");
    carla.watches(&lot).await?.next(SOON).await?.context("carla is told nothing")?;
    drop(streams);
    eventually("there is a place again", || async { bert.watches(&lot).await.map(|_| ()) }).await
}
