//! The ascending auction with proxy bidding: a bidder names a maximum, and the price rises only as far
//! as the others make it.

mod proxy;

use serde::{Deserialize, Serialize};

use crate::{
    bid::{BidOutcome, Refusal},
    format::{Offer, Outcome, Phase, ReserveStatus, Rules, Ruling, Standing as Seen, Told},
    ids::UserId,
    increments::IncrementTable,
    money::Amount,
    soft_close::SoftClose,
    terms::TermsFault,
};

/// Terms of an ascending auction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnglishTerms {
    /// The first bid must reach it. Positive.
    pub start_price: Amount,
    /// Hidden; below it the lot is not sold. Positive.
    pub reserve_price: Option<Amount>,
    /// At this price a buyer may end the auction at once, until bidding ends the offer.
    pub buy_now_price: Option<Amount>,
    /// By how much a bid must exceed the price.
    pub increments: IncrementTable,
    /// How late bids extend the auction.
    pub soft_close: SoftClose,
}

impl EnglishTerms {
    pub(crate) fn check(&self) -> Result<(), TermsFault> {
        TermsFault::unless_positive(self.start_price, TermsFault::StartPriceNotPositive)?;
        TermsFault::unless_positive(self.reserve_price.unwrap_or(Amount::MAX), TermsFault::ReservePriceNotPositive)?;
        // At least 30 % over the start price: eBay's rule.
        let too_low = |buy_now: Amount| {
            buy_now.minor() * 10 < self.start_price.minor() * 13
                || self.reserve_price.is_some_and(|reserve| buy_now < reserve)
        };
        if self.buy_now_price.is_some_and(too_low) { Err(TermsFault::BuyNowTooLow) } else { Ok(()) }
    }
}

/// The bids so far, as far as they still matter: the price and whose maximum stands behind it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnglishBook {
    /// None before the first bid.
    standing: Option<Standing>,
    /// Bidding has ended the offer to buy now, for good.
    #[serde(default)]
    buy_now_gone: bool,
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
    fn reaches_minimum(&self, order: &Offer) -> Result<(), Refusal> {
        let next_minimum = self.next_minimum();
        if order.max < next_minimum { Err(Refusal::BidTooLow { next_minimum }) } else { Ok(()) }
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

    /// Takes the bids on to `after`, and says what that did.
    fn stand(&mut self, outcome: BidOutcome, after: Standing) -> Ruling {
        let before = self.book.standing.as_ref();
        let displaced = before.map(|before| &before.leader).filter(|leader| **leader != after.leader).cloned();
        let moved = before.is_none_or(|before| before.price != after.price || before.leader != after.leader);
        let told = Told { price: after.price, leader: after.leader.clone(), displaced };
        self.book.standing = Some(after);
        // Gone with the first bid; with a reserve, when the price has reached it.
        self.book.buy_now_gone |= self.reserve() != ReserveStatus::NotMet;
        Ruling { outcome, told: Some(told), moved }
    }

    /// What an acceptable bid makes of the bids so far.
    fn answered(&self, order: &Offer) -> (BidOutcome, Standing) {
        match &self.book.standing {
            None => (BidOutcome::Leading, self.first(order)),
            Some(before) if before.leader == order.bidder => (BidOutcome::MaxRaised, self.raised(before, order)),
            Some(before) => self.contested(before, order),
        }
    }

    fn first(&self, order: &Offer) -> Standing {
        let price = proxy::first_price(order.max, &self.terms);
        Standing { price, leader: order.bidder.clone(), leader_max: order.max, bid_count: 1 }
    }

    fn raised(&self, before: &Standing, order: &Offer) -> Standing {
        let leader_max = before.leader_max.max(order.max);
        let price = proxy::raised_price(before.price, leader_max, &self.terms);
        Standing { price, leader_max, bid_count: before.bid_count + 1, ..before.clone() }
    }

    fn contested(&self, before: &Standing, order: &Offer) -> (BidOutcome, Standing) {
        let price = proxy::contested_price(before.leader_max, order.max, &self.terms);
        let bid_count = before.bid_count + 1;
        // At equal maxima the earlier bid leads.
        if order.max > before.leader_max {
            let leader = order.bidder.clone();
            (BidOutcome::Leading, Standing { price, leader, leader_max: order.max, bid_count })
        } else {
            (BidOutcome::Outbid, Standing { price, bid_count, ..before.clone() })
        }
    }
}

impl Rules for English {
    fn place(&mut self, order: &Offer, _: Phase) -> Result<Ruling, Refusal> {
        if order.quantity != 1 {
            return Err(Refusal::QuantityNotOffered { largest: 1 });
        }
        let largest = self.largest_bid();
        if order.max > largest {
            return Err(Refusal::AmountTooLarge { largest });
        }
        match &self.book.standing {
            Some(before) if before.leader == order.bidder => {
                if order.max <= before.leader_max {
                    return Err(Refusal::MaxNotRaised);
                }
            }
            _ => self.reaches_minimum(order)?,
        }
        let (outcome, after) = self.answered(order);
        Ok(self.stand(outcome, after))
    }

    fn buy_now(&mut self, bidder: &UserId) -> Result<Ruling, Refusal> {
        let price = self.buy_now_price().ok_or(Refusal::BuyNowGone)?;
        let bid_count = self.bid_count() + 1;
        let after = Standing { price, leader: bidder.clone(), leader_max: price, bid_count };
        Ok(Ruling { moved: true, ..self.stand(BidOutcome::Bought, after) })
    }

    fn buy_now_price(&self) -> Option<Amount> {
        self.terms.buy_now_price.filter(|_| !self.book.buy_now_gone)
    }

    fn standing(&self, _: Phase) -> Seen<'_> {
        Seen {
            price: self.price(),
            next_minimum: self.next_minimum(),
            reserve: self.reserve(),
            leader: self.book.standing.as_ref().map(|standing| &standing.leader),
            bid_count: Some(self.bid_count()),
        }
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
                Outcome::ReserveNotMet { price: Some(standing.price) }
            }
            Some(standing) => Outcome::Sold { price: standing.price, winner: standing.leader.clone() },
        }
    }

    fn contends(&self, amount: Amount) -> bool {
        self.terms.reserve_price.is_none_or(|reserve| amount >= reserve)
    }

    fn clear(&mut self) {
        self.book.standing = None;
    }

    fn place_again(&mut self, offers: &[(Offer, Phase)]) {
        self.clear();
        for (offer, _) in offers {
            let (outcome, after) = self.answered(offer);
            self.stand(outcome, after);
        }
    }
}
