//! Whole sales, one after the other: listed, bid on, sold, paid, shipped, received, paid out.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use testcontainers_suite::{client::Answer, history::Interval, story::text, terms::Terms, world::Service};
use tokio::{sync::watch, time::Instant};

use super::{
    bidders,
    client::{Ask, Client, Crowd},
    record::Lot,
};

/// So short that there are many, and a fault outlasts some of them.
const LASTS: Duration = Duration::from_secs(3);
const PRICE: i64 = 10_000;
/// A sale that is looked after is paid out within this time.
const PAID_OUT_WITHIN: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(150);
/// Where settlement may forget, a sale may have moved on since it was looked at, or not be there again yet.
const OVERTAKEN: [&str; 2] = ["settlement-state", "not-found"];

/// Sells until told to stop, and ends what was begun; not before there was one sale. Tells how many were paid out.
pub async fn sells(crowd: Arc<Crowd>, stop: watch::Receiver<bool>) -> Result<usize> {
    let mut sales = 0;
    while sales == 0 || !*stop.borrow() {
        let began = crowd.record.now();
        if let Some(mut sold) = Sold::at_auction(&crowd).await? {
            sold.is_paid_out().await?;
            crowd.record.sale(Interval { began, ended: crowd.record.now() });
            crowd.record.lot(Lot { id: sold.lot, paid_out: true });
            sales += 1;
        }
    }
    Ok(sales)
}

/// The same where settlement may forget: its people do what it asks of them, as often as it asks, and in the end they look
/// at each of their sales once more. Only then is it certain that what was paid stays in the books.
pub async fn sells_again(crowd: Arc<Crowd>, stop: watch::Receiver<bool>) -> Result<usize> {
    let mut sales = Vec::new();
    while sales.is_empty() || !*stop.borrow() {
        let began = crowd.record.now();
        if let Some(mut sold) = Sold::at_auction(&crowd).await? {
            sold.is_looked_after().await?;
            crowd.record.sale(Interval { began, ended: crowd.record.now() });
            sales.push(sold);
        }
    }
    let count = sales.len();
    for mut sold in sales {
        sold.is_looked_after().await?;
        crowd.record.paid();
        let listing = Ask::read(Service::Listing, format!("/v1/listings/{}", sold.lot));
        let told = |listing: &Value| listing["sale_status"] == "completed";
        sold.seller.awaits(&listing, "listing says that it was paid out", told).await?;
        crowd.record.lot(Lot { id: sold.lot, paid_out: true });
    }
    Ok(count)
}

/// A lot whose hammer has fallen.
struct Sold {
    seller: Client,
    winner: Client,
    lot: String,
    price: Value,
    /// The settlement's id, once it is known.
    settlement: Option<String>,
}

/// Whether the lot would have ended before: its times are the seller's, and a request may take as long as a fault.
fn is_too_late(answer: &Answer) -> bool {
    answer.status == 422 && answer.text.contains("/ends_at")
}

/// A new idempotency key each time.
fn act(settlement: &str, action: &str) -> Ask {
    let body = match action {
        "pay" => json!({"payment_method": "pm_card_visa"}),
        "ship" => json!({"carrier": "UPS", "tracking_number": "1Z999AA10123456784"}),
        _ => json!({}),
    };
    Ask::write(Service::Settlement, format!("/v1/settlements/{settlement}/{action}"), body)
}

impl Sold {
    /// From the draft to the hammer; none, when the lot's time was over before anybody could bid.
    async fn at_auction(crowd: &Arc<Crowd>) -> Result<Option<Self>> {
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

        let (mut bert, mut carla) =
            (Client::new(crowd, "bert", &["bidder"])?, Client::new(crowd, "carla", &["bidder"])?);
        let bid = |amount: i64| {
            let body = json!({"max_amount": amount});
            Ask::write(Service::Bidding, format!("/v1/auctions/{lot}/bids"), body).or(&["auction-not-open"])
        };
        let first = bert.insists(&bid(2 * PRICE)).await?;
        let second = carla.insists(&bid(3 * PRICE)).await?;
        let closed = |auction: &Value| auction["status"] == "closed";
        let ended = anna.awaits(&auction, "the hammer has fallen", closed).await?;
        let winner = match (first.status, second.status) {
            (_, 201) => carla,
            (201, _) => bert,
            _ => {
                crowd.record.lot(Lot { id: lot, paid_out: false });
                return Ok(None);
            }
        };
        ensure!(ended["result"]["outcome"] == "sold", "a bid was accepted, and it ended as {ended}");
        Ok(Some(Self { seller: anna, winner, lot, price: ended["result"]["price"].clone(), settlement: None }))
    }

    /// Its only settlement, once there is one; the same one always.
    async fn settlement(&mut self) -> Result<Value> {
        let sales = Ask::read(Service::Settlement, format!("/v1/settlements?auction_id={}", self.lot));
        let there = |page: &Value| page["items"].as_array().is_some_and(|items| !items.is_empty());
        let page = self.winner.awaits(&sales, "settlement hears of the sale", there).await?;
        let items = page["items"].as_array().context("items")?;
        ensure!(items.len() == 1, "one sale, and it is settled as {page}");
        let id = text(&items[0], "id")?;
        let known = self.settlement.get_or_insert_with(|| id.clone());
        ensure!(*known == id, "the settlement of {} was {known}, and now it is {id}", self.lot);
        Ok(items[0].clone())
    }

    /// One step after the other, each of them once.
    async fn is_paid_out(&mut self) -> Result<()> {
        let id = text(&self.settlement().await?, "id")?;
        let read = Ask::read(Service::Settlement, format!("/v1/settlements/{id}"));
        let is = |status: &'static str| move |settlement: &Value| settlement["status"] == status;
        self.winner.gets(&act(&id, "pay")).await?;
        self.winner.awaits(&read, "the money is in escrow", is("escrowed")).await?;
        self.winner.crowd.record.paid();
        self.seller.gets(&act(&id, "ship")).await?;
        self.winner.gets(&act(&id, "receive")).await?;
        let done = self.seller.awaits(&read, "the seller is paid", is("completed")).await?;
        ensure!(done["hammer_price"] == self.price, "it ended at {} and is settled as {done}", self.price);
        Ok(())
    }

    /// Whatever step it stands at is done, until there is none left.
    async fn is_looked_after(&mut self) -> Result<()> {
        let begun = Instant::now();
        while begun.elapsed() < PAID_OUT_WITHIN {
            let settlement = self.settlement().await?;
            let (party, action) = match settlement["status"].as_str() {
                Some("awaiting_payment") => (&mut self.winner, "pay"),
                Some("escrowed") => (&mut self.seller, "ship"),
                Some("shipped") => (&mut self.winner, "receive"),
                Some("completed") => {
                    ensure!(settlement["hammer_price"] == self.price, "sold for {}: {settlement}", self.price);
                    return Ok(());
                }
                Some("authorizing" | "authorized" | "received") => {
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
                _ => bail!("nobody can do anything about {settlement}"),
            };
            let ask = act(&text(&settlement, "id")?, action).or(&OVERTAKEN);
            let answer = party.insists(&ask).await?;
            let is_done = (200..300).contains(&answer.status) || OVERTAKEN.contains(&answer.slug());
            ensure!(is_done, "{action} was answered {}: {}", answer.status, answer.text);
        }
        bail!("the sale of {} was not paid out within {PAID_OUT_WITHIN:?}", self.lot)
    }
}
