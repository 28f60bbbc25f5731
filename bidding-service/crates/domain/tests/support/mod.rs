//! An auction room for tests: bids by name, in minor units, at times told in seconds.
#![allow(dead_code, reason = "each test file uses its own part")]

pub mod play;
pub mod story;
pub mod terms;

use bidding_domain::{
    alias::Aliases,
    auction::{Attempt, Auction, Objection, PausedBy, Refused, Status, Transition},
    bid::{Ask, Bid, Order, Refusal},
    event::{AuctionEvent, Happening},
    format::{Outcome, ReserveStatus, Standing},
    halt::Halt,
    ids::{AuctionId, BidId, UserId},
    log::{Entry, StandingBids},
    money::{Amount, Currency},
    terms::{Sale, Terms},
    views::AuctionView,
};
use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

pub use self::terms::*;

/// The seller of every lot.
pub const SELLER: &str = "sam";
/// Every auction starts at second 0 and ends, by its terms, here, unless a test says otherwise.
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

pub fn aliases() -> Aliases {
    Aliases::new(&[7; 32]).unwrap()
}

pub fn sale() -> Sale {
    Sale {
        seller: user(SELLER),
        currency: currency("USD"),
        starts_at: at(0),
        ends_at: at(END_S),
        second_chance: false,
        second_chance_days: None,
        unit: None,
    }
}

pub fn scheduled(format: impl IntoFormat) -> Auction {
    scheduled_until(END_S, format)
}

pub fn scheduled_until(end_s: i64, format: impl IntoFormat) -> Auction {
    let terms = Terms::new(Sale { ends_at: at(end_s), ..sale() }, format.into_format()).unwrap();
    Auction::schedule(AuctionId(Uuid::from_u128(1)), terms)
}

/// An auction and its log.
#[derive(Debug, Clone)]
pub struct Room {
    pub auction: Auction,
    pub log: Vec<Entry>,
    /// The last second that something was tried at.
    pub second: i64,
}

impl From<Auction> for Room {
    fn from(auction: Auction) -> Self {
        Self { auction, log: Vec::new(), second: 0 }
    }
}

impl Room {
    pub fn open(format: impl IntoFormat) -> Self {
        Self::open_until(END_S, format)
    }

    pub fn open_until(end_s: i64, format: impl IntoFormat) -> Self {
        let mut room = Self::from(scheduled_until(end_s, format));
        room.apply(0, Auction::open).unwrap();
        room
    }

    pub fn bid(&mut self, bidder: &str, max: i64) -> Result<Bid, Refusal> {
        self.bid_at(1, bidder, max)
    }

    pub fn bid_at(&mut self, second: i64, bidder: &str, max: i64) -> Result<Bid, Refusal> {
        self.bid_units_at(second, bidder, max, 1)
    }

    pub fn bid_units(&mut self, bidder: &str, max: i64, quantity: u32) -> Result<Bid, Refusal> {
        self.bid_units_at(1, bidder, max, quantity)
    }

    pub fn bid_units_at(&mut self, second: i64, bidder: &str, max: i64, quantity: u32) -> Result<Bid, Refusal> {
        self.ask_at(second, bidder, Ask::Bid { max: amount(max), quantity })
    }

    pub fn buy_now_at(&mut self, second: i64, bidder: &str) -> Result<Bid, Refusal> {
        self.ask_at(second, bidder, Ask::BuyNow)
    }

    pub fn ask_at(&mut self, second: i64, bidder: &str, ask: Ask) -> Result<Bid, Refusal> {
        let order = Order { bid_id: self.next_bid(), bidder: user(bidder), ask, suspended: false };
        self.order(&order, second)
    }

    /// An id that no bid has yet.
    pub fn next_bid(&self) -> BidId {
        BidId(Uuid::from_u128(self.log.len() as u128 + 1))
    }

    pub fn order(&mut self, order: &Order, second: i64) -> Result<Bid, Refusal> {
        self.second = second;
        let decision = self.auction.clone().place_bid(order, at(second));
        self.auction = decision.auction;
        self.log.extend(decision.entry);
        decision.answer
    }

    /// Tries a transition at `second`.
    pub fn apply(
        &mut self,
        second: i64,
        transition: impl FnOnce(Auction, DateTime<Utc>) -> Result<Transition, Refused>,
    ) -> Result<(), (Attempt, Objection)> {
        self.second = second;
        let result = transition(self.auction.clone(), at(second));
        let Transition { auction, entries } = result.map_err(|refused| (refused.attempt, refused.objection))?;
        self.auction = auction;
        self.log.extend(entries);
        Ok(())
    }

    pub fn retract_at(&mut self, second: i64, bidder: &str, bid: BidId) -> Result<(), (Attempt, Objection)> {
        let bids = self.bids();
        self.apply(second, |auction, now| auction.retract(bid, &user(bidder), None, &bids, now))
    }

    pub fn pause_at(&mut self, second: i64) -> Result<(), (Attempt, Objection)> {
        self.apply(second, |auction, now| auction.pause("a fire drill", now))
    }

    pub fn resume_at(&mut self, second: i64) -> Result<(), (Attempt, Objection)> {
        self.apply(second, Auction::resume)
    }

    pub fn catch_up_at(&mut self, second: i64, halts: &[Halt]) {
        self.apply(second, |auction, now| Ok(auction.catch_up(halts, now))).unwrap();
    }

    pub fn close_at(&mut self, second: i64) -> Result<(), (Attempt, Objection)> {
        self.apply(second, Auction::close)
    }

    pub fn decline_at(&mut self, second: i64, bidder: &str) -> Result<(), (Attempt, Objection)> {
        self.apply(second, |auction, now| auction.decline(&user(bidder), now))
    }

    /// Closes at the end, extensions included.
    pub fn close(&mut self) -> Outcome {
        let second = self.ends_s();
        self.close_at(second).unwrap();
        self.auction.rules().outcome()
    }

    /// The bids that were accepted and not taken back.
    pub fn bids(&self) -> Vec<Bid> {
        self.log.iter().collect::<StandingBids>().into_vec()
    }

    pub fn events(&self) -> Vec<AuctionEvent> {
        self.log.iter().flat_map(Entry::events).collect()
    }

    pub fn happenings(&self) -> Vec<Happening> {
        self.events().into_iter().map(|event| event.what).collect()
    }

    /// What everybody may see at the last second that something was tried at.
    pub fn standing(&self) -> Standing<'_> {
        self.auction.standing(at(self.second))
    }

    pub fn price(&self) -> i64 {
        self.standing().price.expect("there is a price").minor()
    }

    pub fn price_at(&self, second: i64) -> i64 {
        self.auction.standing(at(second)).price.expect("there is a price").minor()
    }

    pub fn next_minimum(&self) -> i64 {
        self.standing().next_minimum.minor()
    }

    pub fn leader(&self) -> String {
        self.standing().leader.expect("there are bids").0.clone()
    }

    pub fn reserve(&self) -> ReserveStatus {
        self.standing().reserve
    }

    pub fn bid_count(&self) -> u64 {
        self.auction.rules().bid_count()
    }

    /// The end, extensions included, in seconds after the start.
    pub fn ends_s(&self) -> i64 {
        (self.auction.ends_at() - at(0)).num_seconds()
    }

    /// Leader and price, the two that everybody sees.
    #[track_caller]
    pub fn assert_stands(&self, leader: &str, price: i64) {
        assert_eq!((self.leader().as_str(), self.price()), (leader, price));
    }

    #[track_caller]
    pub fn assert_ends(&self, second: i64) {
        assert_eq!(self.auction.ends_at(), at(second), "it ends at {}", self.ends_s());
    }

    /// What `viewer` sees at the last second that something was tried at.
    pub fn view(&self, viewer: &str) -> AuctionView {
        AuctionView::of(&self.auction, at(self.second), &user(viewer), &aliases())
    }
}

/// A pause of all auctions by the operator.
pub fn halt(number: u64, since_s: i64, until_s: Option<i64>) -> Halt {
    let (since, until) = (at(since_s), until_s.map(at));
    Halt { number, by: PausedBy::Operator, reason: "the venue is on fire".to_owned(), since, until }
}

/// A time in which the service was down.
pub fn downtime(number: u64, since_s: i64, until_s: i64) -> Halt {
    Halt { by: PausedBy::Downtime, ..halt(number, since_s, Some(until_s)) }
}

/// What a refused transition objected to.
pub fn objection(refused: &Result<Transition, Refused>) -> Option<(Attempt, Objection)> {
    refused.as_ref().err().map(|refused| (refused.attempt, refused.objection))
}

/// The refusal of a bid below `next_minimum`.
pub fn too_low(next_minimum: i64) -> Refusal {
    Refusal::BidTooLow { next_minimum: amount(next_minimum) }
}

/// The refusal of a bid after the end.
pub const LATE: Refusal = Refusal::NotOpen { status: Status::Closed };

/// A lot sold whole.
pub fn sold(winner: &str, price: i64) -> Outcome {
    Outcome::Sold { price: amount(price), winner: user(winner) }
}
