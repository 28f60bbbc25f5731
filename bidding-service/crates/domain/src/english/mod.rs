//! The ascending auction with proxy bidding: a bidder names a maximum, and the price rises only as far
//! as the others make it.

mod proxy;

use serde::{Deserialize, Serialize};

use crate::{
    bid::{BidOutcome, Order, Refusal},
    format::{Outcome, ReserveStatus, Rules, Ruling},
    ids::UserId,
    increments::IncrementTable,
    money::Amount,
    soft_close::SoftClose,
};

/// Terms of an ascending auction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnglishTerms {
    /// The first bid must reach it. Positive.
    pub start_price: Amount,
    /// Hidden; below it the lot is not sold. Positive.
    pub reserve_price: Option<Amount>,
    /// By how much a bid must exceed the price.
    pub increments: IncrementTable,
    /// How late bids extend the auction.
    pub soft_close: SoftClose,
}

/// The bids so far, as far as they still matter: the price and whose maximum stands behind it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnglishBook {
    /// None before the first bid.
    standing: Option<Standing>,
}

/// Price and leader after at least one bid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Standing {
    price: Amount,
    leader: UserId,
    /// Hidden.
    leader_max: Amount,
    bid_count: u64,
}

/// An ascending auction's terms and bids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct English {
    terms: EnglishTerms,
    book: EnglishBook,
}

impl English {
    pub(crate) fn new(terms: EnglishTerms, book: EnglishBook) -> Self {
        Self { terms, book }
    }

    pub(crate) fn terms(&self) -> &EnglishTerms {
        &self.terms
    }

    pub(crate) fn book(&self) -> &EnglishBook {
        &self.book
    }

    /// The largest bid: the next minimum above it must still be an amount.
    fn largest_bid(&self) -> Amount {
        Amount::MAX.saturating_sub(self.terms.increments.largest())
    }

    /// Refuses a bid below the next minimum.
    fn reaches_minimum(&self, order: &Order) -> Result<(), Refusal> {
        let next_minimum = self.next_minimum();
        if order.max < next_minimum { Err(Refusal::BidTooLow { next_minimum }) } else { Ok(()) }
    }

    fn first(&self, order: &Order) -> Result<Standing, Refusal> {
        self.reaches_minimum(order)?;
        let price = proxy::first_price(order.max, &self.terms);
        Ok(Standing { price, leader: order.bidder.clone(), leader_max: order.max, bid_count: 1 })
    }

    fn raised(&self, before: &Standing, order: &Order) -> Result<Standing, Refusal> {
        if order.max <= before.leader_max {
            return Err(Refusal::MaxNotRaised);
        }
        let price = proxy::raised_price(before.price, order.max, &self.terms);
        Ok(Standing { price, leader_max: order.max, bid_count: before.bid_count + 1, ..before.clone() })
    }

    fn contested(&self, before: &Standing, order: &Order) -> Result<(BidOutcome, Standing), Refusal> {
        self.reaches_minimum(order)?;
        let price = proxy::contested_price(before.leader_max, order.max, &self.terms);
        let bid_count = before.bid_count + 1;
        // At equal maxima the earlier bid leads.
        Ok(if order.max > before.leader_max {
            let leader = order.bidder.clone();
            (BidOutcome::Leading, Standing { price, leader, leader_max: order.max, bid_count })
        } else {
            (BidOutcome::Outbid, Standing { price, bid_count, ..before.clone() })
        })
    }
}

impl Rules for English {
    fn place(&mut self, order: &Order) -> Result<Ruling, Refusal> {
        let largest = self.largest_bid();
        if order.max > largest {
            return Err(Refusal::AmountTooLarge { largest });
        }
        let before = self.book.standing.as_ref();
        let (outcome, after) = match before {
            None => (BidOutcome::Leading, self.first(order)?),
            Some(standing) if standing.leader == order.bidder => (BidOutcome::MaxRaised, self.raised(standing, order)?),
            Some(standing) => self.contested(standing, order)?,
        };
        let displaced = before.map(|before| &before.leader).filter(|leader| **leader != after.leader).cloned();
        let moved = before.is_none_or(|before| before.price != after.price || before.leader != after.leader);
        let ruling = Ruling { outcome, price: after.price, leader: after.leader.clone(), displaced, moved };
        self.book.standing = Some(after);
        Ok(ruling)
    }

    fn price(&self) -> Option<Amount> {
        self.book.standing.as_ref().map(|standing| standing.price)
    }

    fn next_minimum(&self) -> Amount {
        let increments = &self.terms.increments;
        self.price().map_or(self.terms.start_price, |price| price.saturating_add(increments.at(price)))
    }

    fn reserve(&self) -> ReserveStatus {
        match (self.terms.reserve_price, self.price()) {
            (None, _) => ReserveStatus::None,
            (Some(reserve), Some(price)) if price >= reserve => ReserveStatus::Met,
            (Some(_), _) => ReserveStatus::NotMet,
        }
    }

    fn leader(&self) -> Option<&UserId> {
        self.book.standing.as_ref().map(|standing| &standing.leader)
    }

    fn bid_count(&self) -> u64 {
        self.book.standing.as_ref().map_or(0, |standing| standing.bid_count)
    }

    fn soft_close(&self) -> SoftClose {
        self.terms.soft_close
    }

    fn outcome(&self) -> Outcome {
        match &self.book.standing {
            None => Outcome::NoBids,
            Some(standing) if self.reserve() == ReserveStatus::NotMet => {
                Outcome::ReserveNotMet { price: standing.price }
            }
            Some(standing) => Outcome::Sold { price: standing.price, winner: standing.leader.clone() },
        }
    }
}
