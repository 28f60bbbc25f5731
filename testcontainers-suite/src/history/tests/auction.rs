//! Histories that are right, by chance: an auction decides one bid after the other, each at a moment between its begin
//! and its end, some answers are lost, and some bids are sent again.

use std::time::Duration;

use super::super::{Ascending, Call, Entry, Event, History, Interval, Look, Outcome, Placed, Refusal, Told};
use crate::chance::Chance;

const TERMS: Ascending = Ascending { start_price: 1_000, increment: 100 };
const BIDDERS: usize = 5;
/// How long before and after its moment a call may begin and end, ms: several bids are under way at once.
const SPREAD: usize = 40;

fn ms(time: usize) -> Duration {
    Duration::from_millis(time as u64)
}

/// The auction as its rules decide it.
struct Auction {
    leader: Option<(usize, i64)>,
    price: Option<i64>,
    bid_count: u64,
    log: Vec<Entry>,
    closed: bool,
}

impl Auction {
    fn next_minimum(&self) -> i64 {
        self.price.map_or(TERMS.start_price, |price| price + TERMS.increment)
    }

    fn add(&mut self, event: Event) -> u64 {
        let sequence = self.log.len() as u64 + 1;
        self.log.push(Entry { sequence, event });
        sequence
    }

    fn decide(&mut self, bidder: usize, amount: i64) -> Outcome {
        let (effect, leader, price) = match self.leader {
            _ if self.closed => return Outcome::Refused(Refusal::NotOpen),
            Some((leader, max)) if leader == bidder && amount <= max => return Outcome::Refused(Refusal::NotRaised),
            Some((leader, _)) if leader == bidder => ("max_raised", (bidder, amount), self.price.unwrap()),
            _ if amount < self.next_minimum() => return Outcome::Refused(Refusal::TooLow),
            None => ("leading", (bidder, amount), TERMS.start_price),
            Some((_, max)) if amount > max => ("leading", (bidder, amount), amount.min(max + TERMS.increment)),
            Some((leader, max)) => ("outbid", (leader, max), max.min(amount + TERMS.increment)),
        };
        (self.leader, self.price) = (Some(leader), Some(price));
        self.bid_count += 1;
        let placed = Placed {
            bid: format!("bid-{}", self.bid_count),
            alias: alias(bidder),
            effect: effect.to_owned(),
            price,
            leader: alias(leader.0),
            next_minimum: self.next_minimum(),
            bid_count: self.bid_count,
        };
        let bid = placed.bid.clone();
        let sequence = self.add(Event::Bid(placed));
        Outcome::Accepted(Told { bid, effect: effect.to_owned(), sequence, price, bid_count: self.bid_count })
    }
}

fn alias(bidder: usize) -> String {
    format!("alias-{bidder}")
}

/// A history of so many bids.
pub fn played(seed: u64, bids: usize) -> History {
    let mut chance = Chance::of_seed(seed);
    let mut auction = Auction { leader: None, price: None, bid_count: 0, log: Vec::new(), closed: false };
    auction.add(Event::Opened);
    let (mut calls, mut looks, mut ends) = (Vec::new(), Vec::new(), ms(1_000 + bids * 10));
    for number in 0..bids {
        let moment = 1_000 + number * 10;
        let interval = |chance: &mut Chance| Interval {
            began: ms(moment - chance.below(SPREAD)),
            ended: ms(moment + chance.below(SPREAD)),
        };
        let at = interval(&mut chance);
        if chance.below(4) == 0 {
            let sequence = auction.log.len() as u64;
            looks.push(Look { interval: at, sequence, price: auction.price, bid_count: auction.bid_count });
            continue;
        }
        if number * 10 > bids * 9 && !auction.closed {
            let winner = auction.leader.map(|(bidder, _)| alias(bidder));
            let price = auction.price;
            (auction.closed, ends) = (true, ms(moment));
            auction.add(Event::Closed { price, winner });
        } else if chance.below(30) == 0 && !auction.closed {
            auction.add(Event::Other("auction.resumed".to_owned()));
        }
        let bidder = chance.below(BIDDERS);
        let amount = auction.next_minimum() + 50 * (i64::try_from(chance.below(12)).unwrap() - 2);
        let call = |interval, outcome| Call {
            bidder: format!("bidder-{bidder}"),
            key: format!("key-{number}"),
            amount,
            interval,
            outcome,
        };
        // Lost on its way there, or on its way back.
        match chance.below(12) {
            0 => calls.push(call(at, Outcome::Unknown)),
            1 => {
                auction.decide(bidder, amount);
                calls.push(call(at, Outcome::Unknown));
            }
            2 => {
                let outcome = auction.decide(bidder, amount);
                calls.push(call(at, Outcome::Unknown));
                let again = Interval { began: at.ended + ms(1), ended: at.ended + ms(1 + chance.below(SPREAD)) };
                calls.push(call(again, outcome));
            }
            _ => {
                let outcome = auction.decide(bidder, amount);
                calls.push(call(at, outcome));
            }
        }
    }
    if !auction.closed {
        let (price, winner) = (auction.price, auction.leader.map(|(bidder, _)| alias(bidder)));
        auction.add(Event::Closed { price, winner });
    }
    let ends = Some(Interval { began: ends, ended: ends });
    History { terms: TERMS, calls, looks, log: auction.log, ends }
}
