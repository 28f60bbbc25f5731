//! Bidders on hot lots. They bid a little above or below what they saw last, look now and then, and never stop before
//! their lot is sold.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use testcontainers_suite::{
    client::Answer,
    history::{Ascending, Call, Look, Outcome, Refusal, Told},
    story::text,
    terms::Terms,
    world::Service,
};

use super::client::{Ask, Attempted, Client, Crowd};

/// The terms of hot lots.
pub const TERMS: Ascending = Ascending { start_price: 1_000, increment: 100 };
/// Longest pause of a bidder, ms.
const THINKS_MS: usize = 160;
/// Of ten calls so many are reads.
const LOOKS: usize = 2;

/// Lists a lot whose bidding opens at once; tells its id when bids are taken.
pub async fn opens_lot(crowd: &Arc<Crowd>, lasts: Duration) -> Result<String> {
    let mut anna = Client::new(crowd, "anna", &["seller"])?;
    let terms = Terms::from(TERMS.start_price).by_steps_of(TERMS.increment).lasting(lasts);
    let lot = anna.creates(&Ask::write(Service::Listing, "/v1/listings", terms.body())).await?;
    anna.gets(&Ask::does(Service::Listing, format!("/v1/listings/{lot}/publish"))).await?;
    anna.awaits(&reads(&lot), "the lot is open", |auction| auction["status"] == "open").await?;
    Ok(lot)
}

/// A read of an auction that bidding may not have heard of yet.
pub fn reads(lot: &str) -> Ask {
    Ask::read(Service::Bidding, format!("/v1/auctions/{lot}")).or(&["not-found"])
}

/// Bids on a lot until it is sold.
pub async fn bids(crowd: Arc<Crowd>, lot: String) -> Result<()> {
    let mut bert = Client::new(&crowd, "bert", &["bidder"])?;
    let mut next_minimum = TERMS.start_price;
    loop {
        let pause = Duration::from_millis(bert.below(THINKS_MS) as u64);
        tokio::time::sleep(pause).await;
        let auction = if bert.below(10) < LOOKS {
            looks(&mut bert, &lot).await?
        } else {
            let over = i64::try_from(bert.below(16))? - 3;
            let amount = (next_minimum + over * TERMS.increment / 2).max(1);
            let answer = bids_once(&mut bert, &lot, amount).await?;
            if answer.slug() == "auction-not-open" {
                return Ok(());
            }
            if answer.status == 201 { answer.body["auction"].clone() } else { answer.body }
        };
        if auction["status"] == "closed" {
            return Ok(());
        }
        next_minimum = auction["next_minimum"].as_i64().unwrap_or(next_minimum);
    }
}

async fn looks(client: &mut Client, lot: &str) -> Result<Value> {
    let inside = client.crowd.gate.pass().await;
    let (interval, attempted) = client.attempts(&Ask::read(Service::Bidding, format!("/v1/auctions/{lot}"))).await;
    drop(inside);
    let Attempted::Answered(answer) = attempted else { return Ok(Value::Null) };
    let auction = answer.success().context("a look")?;
    let sequence = auction["sequence"].as_u64().context("sequence")?;
    let bid_count = auction["bid_count"].as_u64().context("bid_count")?;
    client.crowd.record.look(lot, Look { interval, sequence, price: auction["price"].as_i64(), bid_count });
    Ok(auction)
}

async fn bids_once(client: &mut Client, lot: &str, amount: i64) -> Result<Answer> {
    let path = format!("/v1/auctions/{lot}/bids");
    let ask = Ask::write(Service::Bidding, path, json!({"max_amount": amount})).or(&[
        "bid-too-low",
        "max-not-raised",
        "auction-not-open",
    ]);
    let (crowd, bidder) = (Arc::clone(&client.crowd), client.sub.clone());
    let key = ask.key.clone().unwrap_or_default();
    let mut unreadable = None;
    let answer = client
        .insists_and(&ask, |interval, answer| {
            let outcome = answer.map_or(Ok(Outcome::Unknown), outcome).unwrap_or_else(|fault| {
                unreadable = Some(fault);
                Outcome::Unknown
            });
            let (bidder, key) = (bidder.clone(), key.clone());
            crowd.record.bid(lot, Call { bidder, key, amount, interval, outcome });
        })
        .await?;
    unreadable.map_or(Ok(answer), Err)
}

fn outcome(answer: &Answer) -> Result<Outcome> {
    if answer.status != 201 {
        return Ok(Outcome::Refused(match answer.slug() {
            "bid-too-low" => Refusal::TooLow,
            "max-not-raised" => Refusal::NotRaised,
            "auction-not-open" => Refusal::NotOpen,
            other => Refusal::Other(other.to_owned()),
        }));
    }
    let auction = &answer.body["auction"];
    Ok(Outcome::Accepted(Told {
        bid: text(&answer.body, "bid_id")?,
        effect: text(&answer.body, "outcome")?,
        sequence: auction["sequence"].as_u64().context("sequence")?,
        price: auction["price"].as_i64().context("price")?,
        bid_count: auction["bid_count"].as_u64().context("bid_count")?,
    }))
}
