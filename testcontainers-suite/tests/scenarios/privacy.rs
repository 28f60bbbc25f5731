//! What nobody else may see: a maximum, a name, a reserve, another one's draft or settlement.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use libtest_mimic::Trial;
use testcontainers_suite::{
    broker::events_of,
    client::Person,
    sse::EventStream,
    story::{Lot, Terms},
    trials,
    world::{Service, World},
};

pub fn trials() -> Vec<Trial> {
    trials!("scenarios::privacy":
        a_maximum_never_leaves_bidding,
        a_maximum_is_told_in_no_format,
        bidders_have_stable_aliases,
        a_reserve_is_hidden_from_everybody_but_the_seller,
        a_draft_is_its_sellers_alone,
        a_settlement_is_its_parties_alone,
    )
}

async fn a_maximum_never_leaves_bidding(world: Arc<World>) -> Result<()> {
    // A number that comes up nowhere else.
    const MAXIMUM: i64 = 7_358_713;
    let (anna, bert, carla) = (world.seller("anna"), world.bidder("bert"), world.bidder("carla"));
    let lot = anna.opens(&Terms::from(100)).await?;
    let mut stream = EventStream::open(&anna, &lot.id, Some(0)).await?;
    let own = bert.tries_to_bid(&lot, MAXIMUM).await?;
    ensure!(own.status == 201, "{}", own.text);
    let outbid = carla.tries_to_bid(&lot, 50_000).await?;
    let refused = carla.tries_to_bid(&lot, 101).await?;
    let low = bert.tries_to_bid(&lot, 60_000).await?;
    let history = carla.get(Service::Bidding, &format!("/v1/auctions/{}/bids", lot.id)).await?;
    ensure!(history.status == 200, "{}", history.text);
    let auction = anna.get(Service::Bidding, &format!("/v1/auctions/{}", lot.id)).await?;
    stream.rest(Duration::from_secs(40)).await?;
    let listing = anna.get(Service::Listing, &format!("/v1/listings/{}", lot.id)).await?;
    let sale = bert.awaits_sale(&lot).await?;
    let settlement = anna.get(Service::Settlement, &format!("/v1/settlements/{}", sale.id)).await?;
    let seen =
        [&own, &outbid, &refused, &low, &history, &auction, &listing, &settlement].map(|answer| answer.text.clone());
    let events = events_of(&world, &[&lot.id, &sale.id]).await?;
    ensure!(events.len() > 4, "{} events", events.len());
    let events = events.iter().map(|event| event.data.to_string());
    for text in seen.into_iter().chain([stream.transcript.clone()]).chain(events) {
        ensure!(!text.contains(&MAXIMUM.to_string()), "a maximum is told: {text}");
    }
    for service in Service::ALL {
        let told = world.log(service)?.into_iter().find(|line| line.contains(&MAXIMUM.to_string()));
        ensure!(told.is_none(), "a maximum is in {service}'s log: {told:?}");
    }
    Ok(())
}

/// Every format in which somebody pays less than they would, and one where nobody wins: there, too, it is a secret. (A
/// bid at first price is what is paid, and read out.)
async fn a_maximum_is_told_in_no_format(world: Arc<World>) -> Result<()> {
    // A number that comes up nowhere else.
    const MAXIMUM: i64 = 7_558_719;
    let secret = MAXIMUM.to_string();
    let formats = [
        ("english", Terms::from(1_000).with_reserve(9_000_000)),
        ("dutch", Terms::dutch(9_000, 1_000, 250, 600)),
        ("vickrey", Terms::vickrey(1_000).with_reserve(2_000)),
        ("uniform_multi_unit", Terms::units(1_000, 2)),
    ];
    let lots = formats.into_iter().map(|(format, terms)| {
        let (world, secret) = (&world, &secret);
        async move {
            let (anna, bert, carla) = (world.seller("anna"), world.bidder("bert"), world.bidder("carla"));
            let lot = anna.opens(&terms).await?;
            let mut told = vec![carla.tries_to_bid(&lot, 3_000).await?.text];
            let own = bert.tries_to_bid(&lot, MAXIMUM).await?;
            ensure!(own.status == 201, "{format}: {}", own.text);
            told.push(own.text);
            told.push(carla.tries_to_bid(&lot, 3_001).await?.text);
            bert.awaits_auction(&lot, "closed").await?;
            told.extend(everything_told(&[&anna, &bert, &carla, &world.operator()], &lot).await?);
            told.extend(events_of(world, &[&lot.id]).await?.iter().map(|event| event.data.to_string()));
            for text in told {
                ensure!(!text.contains(secret), "{format}: a maximum is told: {text}");
            }
            Ok(())
        }
    });
    try_join_all(lots).await?;
    for service in Service::ALL {
        let told = world.log(service)?.into_iter().find(|line| line.contains(&secret));
        ensure!(told.is_none(), "a maximum is in {service}'s log: {told:?}");
    }
    Ok(())
}

/// All that these people can read of a lot that is over.
async fn everything_told(people: &[&Person<'_>], lot: &Lot) -> Result<Vec<String>> {
    let mut told = Vec::new();
    for person in people {
        for what in ["", "/bids?limit=100", "/receipt"] {
            let answer = person.get(Service::Bidding, &format!("/v1/auctions/{}{what}", lot.id)).await?;
            ensure!(answer.status == 200, "{what}: {}", answer.text);
            told.push(answer.text);
        }
        let mut stream = person.watches(lot).await?;
        stream.rest(Duration::from_secs(20)).await?;
        ensure!(stream.transcript.contains("auction.closed"), "{}", stream.transcript);
        told.push(stream.transcript);
        told.push(person.listing(lot).await?.to_string());
        for sale in person.sales_of(lot).await.context("the settlements")? {
            told.push(sale.to_string());
        }
    }
    Ok(told)
}

async fn bidders_have_stable_aliases(world: Arc<World>) -> Result<()> {
    let (anna, bert, carla) = (world.seller("anna"), world.bidder("bert"), world.bidder("carla"));
    let lot = anna.opens(&Terms::from(100).lasting(Duration::from_secs(300))).await?;
    let first = bert.bids(&lot, 500).await?["auction"]["leader"].clone();
    carla.bids(&lot, 900).await?;
    let again = bert.bids(&lot, 2_000).await?["auction"]["leader"].clone();
    ensure!(first.is_string() && first == again, "{first} and {again}");

    let history = carla.get(Service::Bidding, &format!("/v1/auctions/{}/bids", lot.id)).await?;
    let items = history.body["items"].as_array().cloned().unwrap_or_default();
    ensure!(items.len() == 3, "{}", history.text);
    for person in [&bert, &carla] {
        ensure!(!history.text.contains(&person.sub), "{} is named: {}", person.sub, history.text);
    }
    ensure!(
        items.iter().filter(|bid| bid.to_string().contains(first.as_str().unwrap_or("?"))).count() == 2,
        "{}",
        history.text
    );

    let other = anna.opens(&Terms::from(100).lasting(Duration::from_secs(300))).await?;
    let elsewhere = bert.bids(&other, 500).await?["auction"]["leader"].clone();
    ensure!(elsewhere != first, "the alias is the same in another auction: {first}");
    Ok(())
}

/// One that was not reached. (In a lot that is sold the price may be the reserve.)
async fn a_reserve_is_hidden_from_everybody_but_the_seller(world: Arc<World>) -> Result<()> {
    // A number that comes up nowhere else.
    const RESERVE: i64 = 7_458_717;
    let formats = [
        ("english", Terms::from(100)),
        ("sealed_first_price", Terms::sealed_first_price(100)),
        ("vickrey", Terms::vickrey(100)),
    ];
    let lots = formats.into_iter().map(|(format, terms)| {
        let world = &world;
        async move {
            let (anna, bert, carla) = (world.seller("anna"), world.bidder("bert"), world.bidder("carla"));
            let lot = anna.opens(&terms.with_reserve(RESERVE)).await?;
            let mut told = vec![bert.bids(&lot, 500).await?.to_string()];
            let low = carla.tries_to_bid(&lot, 99).await?;
            low.is_problem(422, "bid-too-low")?;
            let list = bert.get(Service::Listing, &format!("/v1/listings?seller={}", anna.sub)).await?;
            ensure!(list.text.contains(&lot.id), "{}", list.text);
            told.extend([low.text, list.text]);
            told.extend([bert.listing(&lot).await?.to_string(), bert.auction(&lot).await?.to_string()]);
            let own = anna.listing(&lot).await?;
            ensure!(own["format"]["reserve_price"] == RESERVE, "{format}: the seller sees {own}");
            bert.awaits_auction(&lot, "closed").await?;
            told.extend(everything_told(&[&bert, &carla, &world.operator()], &lot).await?);
            for text in told {
                ensure!(!text.contains(&RESERVE.to_string()), "{format}: the reserve is told: {text}");
            }
            Ok(())
        }
    });
    try_join_all(lots).await?;
    Ok(())
}

async fn a_draft_is_its_sellers_alone(world: Arc<World>) -> Result<()> {
    let (anna, dora) = (world.seller("anna"), world.seller("dora"));
    let lot = anna.drafts(&Terms::from(100)).await?;
    dora.get(Service::Listing, &format!("/v1/listings/{}", lot.id)).await?.is_problem(404, "not-found")?;
    dora.publishes(&lot).await?.is_problem(404, "not-found")?;
    dora.cancels(&lot).await?.is_problem(404, "not-found")?;
    let list = dora.get(Service::Listing, &format!("/v1/listings?seller={}&limit=100", anna.sub)).await?;
    ensure!(list.body["items"].as_array().is_some_and(Vec::is_empty), "{}", list.text);
    dora.get(Service::Bidding, &format!("/v1/auctions/{}", lot.id)).await?.is_problem(404, "not-found")?;
    ensure!(anna.listing(&lot).await?["status"] == "draft");
    Ok(())
}

async fn a_settlement_is_its_parties_alone(world: Arc<World>) -> Result<()> {
    let (anna, bert, dora) = (world.seller("anna"), world.bidder("bert"), world.person("dora", &["seller", "bidder"]));
    let lot = anna.opens(&Terms::from(100)).await?;
    bert.bids(&lot, 500).await?;
    let sale = bert.awaits_sale(&lot).await?;
    dora.get(Service::Settlement, &format!("/v1/settlements/{}", sale.id)).await?.is_problem(404, "not-found")?;
    ensure!(dora.sales_of(&lot).await?.is_empty());
    dora.get(Service::Settlement, "/v1/ledger/trial-balance").await?.is_problem(403, "forbidden")?;
    for party in [&anna, &bert, &world.operator()] {
        ensure!(party.sale(&sale).await?["id"] == sale.id);
    }
    Ok(())
}
