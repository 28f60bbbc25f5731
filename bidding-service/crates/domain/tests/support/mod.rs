//! An auction room for tests: bids by name, in minor units, at times told in seconds.
#![allow(dead_code, reason = "each test file uses its own part")]

use bidding_domain::{
    auction::{Attempt, Auction, Objection, Refused, Transition},
    bid::{Bid, Order, Refusal},
    english::EnglishTerms,
    event::AuctionEvent,
    format::{FormatTerms, Outcome, ReserveStatus},
    ids::{AuctionId, BidId, UserId},
    increments::{IncrementTable, Preset, Tier},
    money::{Amount, Currency},
    soft_close::SoftClose,
    terms::{Sale, Terms},
};
use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

/// The seller of every lot.
pub const SELLER: &str = "sam";
/// Every auction starts at second 0 and ends, by its terms, here.
pub const END_S: i64 = 3_600;

pub fn amount(minor: i64) -> Amount {
    Amount::new(minor).unwrap()
}

pub fn user(name: &str) -> UserId {
    UserId(name.to_owned())
}

pub fn currency(code: &str) -> Currency {
    code.parse().unwrap()
}

/// Seconds after the start.
pub fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_900_000_000, 0).unwrap() + TimeDelta::seconds(second)
}

pub fn preset(preset: Preset) -> IncrementTable {
    IncrementTable::preset(preset, currency("USD")).unwrap()
}

/// One increment at every price.
pub fn flat(increment: i64) -> IncrementTable {
    IncrementTable::own(vec![Tier { from: Amount::ZERO, increment: amount(increment) }]).unwrap()
}

/// Terms of a lot, to be bent.
pub fn lot(start_price: i64, increments: IncrementTable) -> EnglishTerms {
    EnglishTerms { start_price: amount(start_price), reserve_price: None, increments, soft_close: SoftClose::Off }
}

pub fn sale() -> Sale {
    Sale { seller: user(SELLER), currency: currency("USD"), starts_at: at(0), ends_at: at(END_S), second_chance: false }
}

pub fn scheduled(english: EnglishTerms) -> Auction {
    let terms = Terms::new(sale(), FormatTerms::English(english)).unwrap();
    Auction::schedule(AuctionId(Uuid::from_u128(1)), terms)
}

/// An open auction and everything that happened in it.
pub struct Room {
    pub auction: Auction,
    pub events: Vec<AuctionEvent>,
    pub bids: Vec<Bid>,
}

impl Room {
    pub fn open(english: EnglishTerms) -> Self {
        let Transition { auction, events } = scheduled(english).open(at(0)).unwrap();
        Self { auction, events, bids: Vec::new() }
    }

    pub fn bid(&mut self, bidder: &str, max: i64) -> Result<Bid, Refusal> {
        self.bid_at(1, bidder, max)
    }

    pub fn bid_at(&mut self, second: i64, bidder: &str, max: i64) -> Result<Bid, Refusal> {
        self.order(Order { bid_id: self.next_bid(), bidder: user(bidder), max: amount(max), suspended: false }, second)
    }

    pub fn next_bid(&self) -> BidId {
        BidId(Uuid::from_u128(self.bids.len() as u128 + 1))
    }

    pub fn order(&mut self, order: Order, second: i64) -> Result<Bid, Refusal> {
        let decision = self.auction.clone().place_bid(order, at(second));
        self.auction = decision.auction;
        self.events.extend(decision.events);
        self.bids.extend(decision.answer.clone());
        decision.answer
    }

    /// Closes at the end, extensions included.
    pub fn close(&mut self) -> Outcome {
        let Transition { auction, events } = self.auction.clone().close(self.auction.ends_at()).unwrap();
        self.auction = auction;
        self.events.extend(events);
        self.auction.rules().outcome()
    }

    pub fn price(&self) -> i64 {
        self.auction.rules().price().expect("there are bids").minor()
    }

    pub fn next_minimum(&self) -> i64 {
        self.auction.rules().next_minimum().minor()
    }

    pub fn leader(&self) -> &str {
        &self.auction.rules().leader().expect("there are bids").0
    }

    pub fn reserve(&self) -> ReserveStatus {
        self.auction.rules().reserve()
    }

    /// Leader and price, the two that everybody sees.
    pub fn stands(&self) -> (&str, i64) {
        (self.leader(), self.price())
    }
}

/// What a refused transition objected to.
pub fn objection(refused: &Result<Transition, Refused>) -> Option<(Attempt, Objection)> {
    refused.as_ref().err().map(|refused| (refused.attempt, refused.objection))
}

/// The refusal of a bid below `next_minimum`.
pub fn too_low(next_minimum: i64) -> Refusal {
    Refusal::BidTooLow { next_minimum: amount(next_minimum) }
}
