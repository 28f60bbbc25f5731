//! Whole sales, one after the other: listed, bid on, sold, paid, shipped, received, paid out.

use std::{sync::Arc, time::Duration};

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use testcontainers_suite::{client::Answer, history::Interval, story::text, terms::Terms, world::Service};
use tokio::sync::watch;

use super::{
    bidders,
    client::{Ask, Client, Crowd},
    record::Lot,
};

/// So short that there are many, and a fault outlasts some of them.
const LASTS: Duration = Duration::from_secs(3);
const PRICE: i64 = 10_000;

/// Sells until told to stop, and ends what was begun; not before there was one sale. Tells how many were paid out.
pub async fn sells(crowd: Arc<Crowd>, stop: watch::Receiver<bool>) -> Result<usize> {
    let mut sales = 0;
    while sales == 0 || !*stop.borrow() {
        let began = crowd.record.now();
        if let Some(id) = sale(&crowd).await? {
            crowd.record.sale(Interval { began, ended: crowd.record.now() });
            crowd.record.lot(Lot { id, paid_out: true });
            sales += 1;
        }
    }
    Ok(sales)
}

/// One sale to its end; none, when the lot's time was over before anybody could bid. Tells the lot's id.
async fn sale(crowd: &Arc<Crowd>) -> Result<Option<String>> {
    let mut anna = Client::new(crowd, "anna", &["seller"])?;
    let terms = Terms::from(PRICE).by_steps_of(500).lasting(LASTS);
    let draft = Ask::write(Service::Listing, "/v1/listings", terms.body()).or(&["validation"]);
    let drafted = anna.insists(&draft).await?;
    if is_too_late(&drafted) {
        return Ok(None);
    }
    let lot = text(&drafted.success()?, "id")?;
    // It may be over by the time that the answer to a repetition comes: then it was published by the first.
    let publish = Ask::does(Service::Listing, format!("/v1/listings/{lot}/publish"));
    let published = anna.insists(&publish.or(&["validation", "listing-state"])).await?;
    if is_too_late(&published) {
        return Ok(None);
    }
    ensure!(published.status == 200 || published.slug() == "listing-state", "publish: {}", published.text);
    let auction = bidders::reads(&lot);
    let begun = |auction: &Value| auction["status"] != "scheduled";
    anna.awaits(&auction, "bidding has begun", begun).await?;

    let (mut bert, mut carla) = (Client::new(crowd, "bert", &["bidder"])?, Client::new(crowd, "carla", &["bidder"])?);
    let bid = |amount: i64| {
        let body = json!({"max_amount": amount});
        Ask::write(Service::Bidding, format!("/v1/auctions/{lot}/bids"), body).or(&["auction-not-open"])
    };
    let first = bert.insists(&bid(2 * PRICE)).await?;
    let second = carla.insists(&bid(3 * PRICE)).await?;
    let closed = |auction: &Value| auction["status"] == "closed";
    let ended = anna.awaits(&auction, "the hammer has fallen", closed).await?;
    let winner = match (first.status, second.status) {
        (_, 201) => &mut carla,
        (201, _) => &mut bert,
        _ => {
            crowd.record.lot(Lot { id: lot, paid_out: false });
            return Ok(None);
        }
    };
    ensure!(ended["result"]["outcome"] == "sold", "a bid was accepted, and it ended as {ended}");
    is_paid_out(&mut anna, winner, &lot, &ended).await?;
    Ok(Some(lot))
}

/// Whether the lot would have ended before: its times are the seller's, and a request may take as long as a fault.
fn is_too_late(answer: &Answer) -> bool {
    answer.status == 422 && answer.text.contains("/ends_at")
}

async fn is_paid_out(anna: &mut Client, winner: &mut Client, lot: &str, ended: &Value) -> Result<()> {
    let sales = Ask::read(Service::Settlement, format!("/v1/settlements?auction_id={lot}"));
    let there = |page: &Value| page["items"].as_array().is_some_and(|items| !items.is_empty());
    let page = winner.awaits(&sales, "settlement hears of the sale", there).await?;
    ensure!(page["items"].as_array().is_some_and(|items| items.len() == 1), "one sale, and it is settled as {page}");
    let settlement = format!("/v1/settlements/{}", text(&page["items"][0], "id")?);
    let act = |action: &str, body: Value| Ask::write(Service::Settlement, format!("{settlement}/{action}"), body);
    winner.gets(&act("pay", json!({"payment_method": "pm_card_visa"}))).await?;
    let read = Ask::read(Service::Settlement, settlement.as_str());
    let is = |status: &'static str| move |settlement: &Value| settlement["status"] == status;
    winner.awaits(&read, "the money is in escrow", is("escrowed")).await?;
    winner.crowd.record.paid();
    anna.gets(&act("ship", json!({"carrier": "UPS", "tracking_number": "1Z999AA10123456784"}))).await?;
    winner.gets(&act("receive", json!({}))).await?;
    let done = anna.awaits(&read, "the seller is paid", is("completed")).await?;
    ensure!(done["hammer_price"] == ended["result"]["price"], "it ended as {ended} and is settled as {done}");
    Ok(())
}
