//! Many at once on one auction: each bid is decided once, one after the other, and everybody is told the same.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use futures::future::join_all;
use libtest_mimic::Trial;
use serde_json::{Value, json};
use testcontainers_suite::{
    chance::Chance,
    client::{Answer, fresh_key},
    story::{Terms, text},
    trials,
    world::{Service, World},
};

pub fn trials() -> Vec<Trial> {
    trials!("scenarios::contention":
        what_a_hundred_bidders_at_once_are_answered_is_the_history,
        a_hundred_clicks_at_once_are_one_bid,
    )
}

const LONG: Duration = Duration::from_secs(300);
/// The limits of the suite's settings let a bidder come again after a while.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a bid was answered: its number, what it did, and the price after it.
type Told = (u64, String, i64);

fn told(bid: &Value, sequence: &Value, price: &Value) -> Result<(String, Told)> {
    let number = sequence.as_u64().with_context(|| format!("no sequence: {bid}"))?;
    let price = price.as_i64().with_context(|| format!("no price: {bid}"))?;
    Ok((text(bid, "bid_id")?, (number, text(bid, "outcome")?, price)))
}

async fn what_a_hundred_bidders_at_once_are_answered_is_the_history(world: Arc<World>) -> Result<()> {
    const BIDDERS: usize = 100;
    let anna = world.seller("anna");
    let lot = anna.opens(&Terms::from(100).by_steps_of(100).lasting(LONG)).await?;
    let mut bidders: Vec<_> = (1..).map(|rank| (world.bidder("many"), rank * 1_000)).take(BIDDERS).collect();
    Chance::of_seed(4).shuffle(&mut bidders);
    let answers = join_all(bidders.iter().map(|(bidder, max)| bidder.tries_to_bid(&lot, *max))).await;

    let mut answered = BTreeMap::new();
    for answer in answers {
        let answer = answer?;
        if answer.status == 201 {
            let auction = &answer.body["auction"];
            let (bid, told) = told(&answer.body, &auction["sequence"], &auction["price"])?;
            ensure!(answered.insert(bid, told).is_none(), "two bids have one id: {}", answer.text);
        } else {
            answer.is_problem(422, "bid-too-low")?;
        }
    }
    let mut numbers: Vec<u64> = answered.values().map(|(number, ..)| *number).collect();
    numbers.sort_unstable();
    // The first event is the opening; each bid is one more.
    let expected: Vec<u64> = (2..).take(answered.len()).collect();
    ensure!(numbers == expected, "the bids' numbers are {numbers:?}");

    let history = anna.history(&lot).await?;
    let history = history.iter().map(|bid| told(bid, &bid["sequence"], &bid["price"])).collect::<Result<Vec<_>>>()?;
    ensure!(history.windows(2).all(|pair| pair[0].1.0 < pair[1].1.0), "the history is in no order: {history:?}");
    ensure!(history.windows(2).all(|pair| pair[0].1.2 <= pair[1].1.2), "the price falls: {history:?}");
    let history: BTreeMap<_, _> = history.into_iter().collect();
    ensure!(history == answered, "the history is {history:?}, answered was {answered:?}");

    let auction = anna.auction(&lot).await?;
    ensure!(auction["bid_count"] == answered.len(), "{} were accepted: {auction}", answered.len());
    // One increment above the second highest maximum, whatever the order was.
    ensure!(auction["price"] == 99_100, "{auction}");
    Ok(())
}

async fn a_hundred_clicks_at_once_are_one_bid(world: Arc<World>) -> Result<()> {
    let (anna, bert) = (world.seller("anna"), world.bidder("bert").patient(PATIENCE));
    let lot = anna.opens(&Terms::from(100).lasting(LONG)).await?;
    let (path, key, body) = (format!("/v1/auctions/{}/bids", lot.id), fresh_key(), json!({"max_amount": 700}));
    let clicks = (0..100).map(|_| bert.post_with_key(Service::Bidding, &path, &key, &body));
    let answers = join_all(clicks).await.into_iter().collect::<Result<Vec<Answer>>>()?;
    for answer in &answers {
        ensure!(answer.status == 201 && answer.body == answers[0].body, "{} and {}", answers[0].text, answer.text);
    }
    let first = answers.iter().filter(|answer| answer.header("idempotency-replayed").is_none()).count();
    ensure!(first == 1, "{first} of 100 answers say that they are the first");
    let auction = anna.auction(&lot).await?;
    ensure!(auction["bid_count"] == 1 && auction["sequence"] == 2, "{auction}");
    ensure!(anna.history(&lot).await?.len() == 1);
    Ok(())
}
