//! The auctions and bidders of a run, what is known of each auction, and the receipts of every accepted bid.

use anyhow::{Result, ensure};
use bytes::Bytes;
use hyper::header::HeaderValue;
use tokio::time::Instant;
use uuid::Uuid;

use super::answer::{Accepted, Answer};
use super::client::Post;

/// Amounts stay below, with room to the API's limit of 2^53 − 1.
const AMOUNT_MAX: i64 = 1 << 52;
/// A bid exceeds the least that is needed by up to so many increments.
const STEPS_MAX: i64 = 3;

/// What the load knows of an auction.
#[derive(Debug, Clone, Copy)]
struct Lot {
    id: Uuid,
    /// By the last answer.
    next_minimum: i64,
    /// The increment, by the last answer.
    step: i64,
    /// The highest bid ever sent.
    highest: i64,
}

/// Proof of an accepted bid.
#[derive(Debug, Clone, Copy)]
pub struct Receipt {
    /// Which auction, by its place in the field.
    pub lot: u32,
    /// What the service said.
    pub accepted: Accepted,
    /// When it was first sent.
    pub sent: Instant,
    /// When the answer was there.
    pub answered: Instant,
}

/// A bid that was drawn: where it goes and how.
#[derive(Debug, Clone)]
pub struct Draw {
    /// Which auction.
    pub lot: u32,
    /// The request.
    pub post: Post,
}

/// Auctions, bidders, receipts.
pub struct Field {
    lots: Vec<Lot>,
    bidders: Vec<HeaderValue>,
    /// Of a hot auction, how many bids in a hundred exceed all that are under way.
    hot_rising: Option<u8>,
    run: String,
    drawn: u64,
    /// All receipts so far.
    pub receipts: Vec<Receipt>,
    /// Bids whose fate is not known: a refusal for load, or no answer at all.
    pub unknown: u64,
}

impl Field {
    /// Auctions that all begin with `next_minimum`; keys of the run begin with `run`. When hot, only the first gets bids.
    pub fn new(
        ids: &[Uuid],
        next_minimum: i64,
        bidders: Vec<HeaderValue>,
        hot_rising: Option<u8>,
        run: String,
    ) -> Self {
        let lots = ids.iter().map(|&id| Lot { id, next_minimum, step: next_minimum.max(1), highest: 0 }).collect();
        Self { lots, bidders, hot_rising, run, drawn: 0, receipts: Vec::new(), unknown: 0 }
    }

    /// The next bid: of anybody, or of the bidder of that number.
    pub fn draw(&mut self, bidder: Option<usize>) -> Result<Draw> {
        let hot = self.hot_rising.is_some();
        let lot = if hot { 0 } else { fastrand::usize(..self.lots.len()) };
        let rises = self.hot_rising.is_some_and(|percent| fastrand::u8(..100) < percent);
        let max_amount = self.lots[lot].offer(rises);
        ensure!(max_amount < AMOUNT_MAX, "the prices of this run left the range of amounts: make it shorter");
        let bidder = bidder.map_or_else(|| fastrand::usize(..self.bidders.len()), |number| number % self.bidders.len());
        self.drawn += 1;
        let post = Post {
            path: Bytes::from(format!("/v1/auctions/{}/bids", self.lots[lot].id)),
            bearer: self.bidders[bidder].clone(),
            key: HeaderValue::from_maybe_shared(Bytes::from(format!("bench-{}-{}", self.run, self.drawn)))?,
            body: Bytes::from(format!(r#"{{"max_amount":{max_amount}}}"#)),
        };
        Ok(Draw { lot: u32::try_from(lot)?, post })
    }

    /// Learns from the answer to a bid on `lot`, and keeps the receipt.
    pub fn settle(&mut self, lot: u32, sent: Instant, answered: Instant, answer: &Answer) {
        let known = &mut self.lots[lot as usize];
        match *answer {
            Answer::Accepted(accepted) => {
                known.learn(accepted.next_minimum, Some(accepted.price));
                self.receipts.push(Receipt { lot, accepted, sent, answered });
            }
            Answer::Refused { next_minimum, .. } => {
                if let Some(next_minimum) = next_minimum {
                    known.learn(next_minimum, None);
                }
            }
            Answer::Overloaded(_) | Answer::Running | Answer::Fault(_) => self.unknown += 1,
        }
    }

    /// The auction at a place.
    pub fn id(&self, lot: u32) -> Uuid {
        self.lots[lot as usize].id
    }

    /// A header that authenticates the bidder of that number.
    pub fn bearer(&self, bidder: usize) -> &HeaderValue {
        &self.bidders[bidder % self.bidders.len()]
    }
}

impl Lot {
    fn offer(&mut self, rises: bool) -> i64 {
        let least =
            if rises { self.next_minimum.max(self.highest.saturating_add(self.step)) } else { self.next_minimum };
        let offer = least.saturating_add(self.step.saturating_mul(fastrand::i64(0..=STEPS_MAX)));
        self.highest = self.highest.max(offer);
        offer
    }

    /// Answers overtake each other, prices do not fall: what is lower is older.
    fn learn(&mut self, next_minimum: i64, price: Option<i64>) {
        if next_minimum < self.next_minimum {
            return;
        }
        self.next_minimum = next_minimum;
        if let Some(price) = price {
            self.step = (next_minimum - price).max(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(hot_rising: Option<u8>) -> Field {
        let bidders = vec![HeaderValue::from_static("Bearer a"), HeaderValue::from_static("Bearer b")];
        Field::new(&[Uuid::nil()], 100, bidders, hot_rising, "run".to_owned())
    }

    fn amount(draw: &Draw) -> i64 {
        serde_json::from_slice::<serde_json::Value>(&draw.post.body).unwrap()["max_amount"].as_i64().unwrap()
    }

    fn accepted(price: i64, next_minimum: i64) -> Answer {
        Answer::Accepted(Accepted { bid_id: Uuid::nil(), sequence: 2, price, next_minimum, replayed: false })
    }

    #[test]
    fn a_bid_is_at_least_what_the_last_answer_asked_for() {
        let mut field = field(None);
        let now = Instant::now();
        field.settle(0, now, now, &accepted(10_000, 10_250));
        field.settle(0, now, now, &accepted(5_000, 5_100));
        for _ in 0..50 {
            assert!((10_250..=11_000).contains(&amount(&field.draw(None).unwrap())), "an older answer teaches nothing");
        }
        field.settle(0, now, now, &Answer::Refused { slug: "bid-too-low".to_owned(), next_minimum: Some(20_000) });
        assert!(amount(&field.draw(None).unwrap()) >= 20_000);
        assert_eq!(field.receipts.len(), 2);
    }

    #[test]
    fn a_rising_bid_exceeds_every_bid_under_way() {
        let mut field = field(Some(100));
        let amounts: Vec<i64> = (0..50).map(|_| amount(&field.draw(None).unwrap())).collect();
        assert!(amounts.is_sorted_by(|a, b| a < b), "{amounts:?}");
    }

    #[test]
    fn no_two_bids_share_an_idempotency_key() {
        let mut field = field(None);
        let (a, b) = (field.draw(Some(0)).unwrap(), field.draw(Some(3)).unwrap());
        assert_ne!(a.post.key, b.post.key);
        assert_eq!(b.post.bearer, "Bearer b", "a bidder of a number is always the same");
    }

    #[test]
    fn what_was_not_decided_is_unknown() {
        let mut field = field(None);
        let now = Instant::now();
        field.settle(0, now, now, &Answer::Overloaded(503));
        assert_eq!((field.unknown, field.receipts.len()), (1, 0));
    }
}
