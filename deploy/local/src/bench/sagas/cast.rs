//! Who sells what to whom in a run, and the events that say so: what bidding publishes when an auction ends.

use std::time::Duration;

use anyhow::Result;
use chrono::{DateTime, SecondsFormat, Utc};
use hyper::header::HeaderValue;
use serde_json::json;
use uuid::Uuid;

use crate::bench::client::bearer;
use crate::dev_key::DevKey;
use crate::kafka::writer::Event;
use crate::layout::Service;

const TOKEN_TTL: Duration = Duration::from_secs(24 * 3600);
/// The hammer price of every lot, minor units.
pub const PRICE: i64 = 12_050;
/// Buyers of a run, at most: each of them may buy several lots.
const BUYERS: usize = 5_000;
/// The opening was the first event of the auction.
const CLOSE_SEQUENCE: u64 = 2;

/// Somebody with a token.
#[derive(Debug, Clone)]
pub struct Person {
    /// `sub` of the token.
    pub sub: String,
    /// The header that authenticates.
    pub bearer: HeaderValue,
}

/// The sellers and buyers of a run.
#[derive(Debug, Clone)]
pub struct Cast {
    sellers: Vec<Person>,
    buyers: Vec<Person>,
}

impl Cast {
    /// So many sellers, and buyers for so many lots, all with tokens.
    pub async fn sign(key: DevKey, run: &str, sellers: u32, lots: usize) -> Result<Self> {
        let run = run.to_owned();
        let sign = move || {
            let person = |sub: String, role: &str| {
                let token = key.token(&sub, &[role], TOKEN_TTL)?;
                anyhow::Ok(Person { bearer: bearer(&token)?, sub })
            };
            let sellers = (0..sellers).map(|n| person(format!("bench-{run}-seller-{n}"), "seller"));
            let buyers = (0..lots.clamp(1, BUYERS)).map(|n| person(format!("bench-{run}-buyer-{n}"), "bidder"));
            Ok(Self { sellers: sellers.collect::<Result<_>>()?, buyers: buyers.collect::<Result<_>>()? })
        };
        tokio::task::spawn_blocking(sign).await?
    }

    /// Who sells the lot of that number.
    pub fn seller(&self, lot: usize) -> &Person {
        &self.sellers[lot % self.sellers.len()]
    }

    /// Who buys the lot of that number.
    pub fn buyer(&self, lot: usize) -> &Person {
        &self.buyers[lot % self.buyers.len()]
    }

    /// Names of all sellers.
    pub fn seller_names(&self) -> Vec<String> {
        self.sellers.iter().map(|person| person.sub.clone()).collect()
    }

    /// What bidding tells of the end of an auction that was the lot of that number.
    pub fn closed(&self, lot: usize, auction: Uuid, at: DateTime<Utc>) -> Event {
        closed(auction, &self.seller(lot).sub, &self.buyer(lot).sub, at)
    }
}

/// What bidding tells of the end of an auction.
pub fn closed(auction: Uuid, seller: &str, buyer: &str, at: DateTime<Utc>) -> Event {
    let time = at.to_rfc3339_opts(SecondsFormat::Micros, true);
    let data = json!({
        "auction_id": auction, "seller_id": seller, "currency": "USD", "outcome": "sold", "price": PRICE,
        "winner_id": buyer, "bid_count": 1, "second_chance": false, "ended_at": time, "closed_at": time,
    });
    let headers = vec![
        ("content-type", "application/json".to_owned()),
        ("ce_specversion", "1.0".to_owned()),
        ("ce_id", Uuid::now_v7().to_string()),
        ("ce_source", format!("/outcry/{}", Service::Bidding)),
        ("ce_type", "outcry.bidding.auction.closed.v1".to_owned()),
        ("ce_subject", auction.to_string()),
        ("ce_time", time),
        ("ce_sequence", CLOSE_SEQUENCE.to_string()),
        ("ce_partitionkey", auction.to_string()),
    ];
    Event { key: auction.to_string(), headers, data: data.to_string().into_bytes(), at_ms: at.timestamp_millis() }
}
