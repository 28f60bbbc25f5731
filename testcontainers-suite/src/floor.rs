//! What happens on the auction floor besides plain bids: lots are bought at once or by the unit, bids are taken back,
//! partial lots declined, and the operator pauses, resumes and takes back.

use anyhow::{Context, Result, ensure};
use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::{
    client::{Answer, Person},
    sse::{Event, EventStream},
    story::{Lot, text, time},
    wait::{CONVERGES_WITHIN, eventually},
    world::Service,
};

impl<'w> Person<'w> {
    /// Does `action` on an auction, whatever becomes of it.
    pub async fn does(&self, lot: &Lot, action: &str, body: &Value) -> Result<Answer> {
        self.post(Service::Bidding, &format!("/v1/auctions/{}/{action}", lot.id), body).await
    }

    /// Bids at most `max_amount` each for so many units, whatever becomes of it.
    pub async fn tries_to_bid_for(&self, lot: &Lot, quantity: u32, max_amount: i64) -> Result<Answer> {
        self.does(lot, "bids", &json!({"max_amount": max_amount, "quantity": quantity})).await
    }

    /// Bids at most `max_amount` each for so many units and is accepted.
    pub async fn bids_for(&self, lot: &Lot, quantity: u32, max_amount: i64) -> Result<Value> {
        let answer = self.tries_to_bid_for(lot, quantity, max_amount).await?;
        ensure!(answer.status == 201, "{quantity} at {max_amount} was answered {}: {}", answer.status, answer.text);
        Ok(answer.body)
    }

    /// Asks to buy at once, whatever becomes of it.
    pub async fn tries_to_buy_now(&self, lot: &Lot) -> Result<Answer> {
        self.does(lot, "buy-now", &json!({})).await
    }

    /// Buys at once.
    pub async fn buys_now(&self, lot: &Lot) -> Result<Value> {
        let answer = self.tries_to_buy_now(lot).await?;
        ensure!(answer.status == 201, "buying now was answered {}: {}", answer.status, answer.text);
        Ok(answer.body)
    }

    /// Asks to take back the bid that `placed` tells of, whatever becomes of it.
    pub async fn tries_to_retract(&self, lot: &Lot, placed: &Value) -> Result<Answer> {
        self.does(lot, &format!("bids/{}/retract", text(placed, "bid_id")?), &json!({})).await
    }

    /// Takes back the bid that `placed` tells of.
    pub async fn retracts(&self, lot: &Lot, placed: &Value) -> Result<Value> {
        self.tries_to_retract(lot, placed).await?.success().context("retract")
    }

    /// Asks to take nothing instead of less than was wanted.
    pub async fn declines(&self, lot: &Lot) -> Result<Answer> {
        self.does(lot, "decline", &json!({})).await
    }

    /// Pauses an auction.
    pub async fn pauses(&self, lot: &Lot, reason: &str) -> Result<Value> {
        self.does(lot, "pause", &json!({"reason": reason})).await?.success().context("pause")
    }

    /// Lets a paused auction go on.
    pub async fn resumes(&self, lot: &Lot) -> Result<Value> {
        self.does(lot, "resume", &json!({})).await?.success().context("resume")
    }

    /// Takes a lot back as the operator does.
    pub async fn takes_back(&self, lot: &Lot, reason: &str) -> Result<Value> {
        self.does(lot, "cancel", &json!({"reason": reason})).await?.success().context("cancel")
    }

    /// The whole history, the earliest bid first.
    pub async fn history(&self, lot: &Lot) -> Result<Vec<Value>> {
        let (mut bids, mut cursor) = (Vec::new(), String::new());
        loop {
            let path = format!("/v1/auctions/{}/bids?limit=100{cursor}", lot.id);
            let page = self.get(Service::Bidding, &path).await?.success().context("the history")?;
            bids.extend(page["items"].as_array().context("a page has items")?.iter().cloned());
            let Some(next) = page["next_cursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        bids.reverse();
        Ok(bids)
    }

    /// The signed result, or why there is none.
    pub async fn receipt(&self, lot: &Lot) -> Result<Answer> {
        self.get(Service::Bidding, &format!("/v1/auctions/{}/receipt", lot.id)).await
    }

    /// Opens the live stream from the first event on.
    pub async fn watches(&self, lot: &Lot) -> Result<EventStream<'w>> {
        EventStream::open(self, &lot.id, None).await
    }

    /// Every event of an auction that is over or will be soon.
    pub async fn sees_to_the_end(&self, lot: &Lot) -> Result<Vec<Event>> {
        self.watches(lot).await?.rest(CONVERGES_WITHIN).await
    }

    /// Waits until the auction has less than this to go.
    pub async fn awaits_last(&self, lot: &Lot, left: TimeDelta) -> Result<()> {
        eventually("the last seconds have come", || async {
            let auction = self.auction(lot).await?;
            let to_go = time(&auction, "ends_at")? - time(&auction, "server_time")?;
            ensure!(to_go < left && auction["status"] == "open", "{to_go}: {auction}");
            Ok(())
        })
        .await
    }
}

/// Reads on to the next event of this name.
pub async fn next_called(stream: &mut EventStream<'_>, name: &str) -> Result<Event> {
    loop {
        let event = stream.next(CONVERGES_WITHIN).await?.with_context(|| format!("it ends without {name}"))?;
        if event.name == name {
            return Ok(event);
        }
    }
}

/// The names of events in order.
#[must_use]
pub fn names(events: &[Event]) -> Vec<&str> {
    events.iter().map(|event| event.name.as_str()).collect()
}
