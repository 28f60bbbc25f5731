//! Many units at one price: the highest bids take what they want, and all pay the lowest bid that takes
//! anything. A bidder whose bid takes only part of what it wanted may decline it after the close.

use serde::{Deserialize, Serialize};

use crate::{
    bid::{BidOutcome, Refusal},
    format::{Award, Offer, Outcome, Phase, ReserveStatus, Rules, Ruling, Standing, Told},
    ids::UserId,
    increments::IncrementTable,
    money::Amount,
    soft_close::SoftClose,
    terms::TermsFault,
};

/// Most units of a lot: each may have a bidder, and the book keeps them all.
pub const MAX_QUANTITY: u32 = 100;

/// Terms of an auction of many units.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UniformTerms {
    /// Every bid for a unit must reach it. Positive.
    pub start_price: Amount,
    /// Units for sale, 2 to [`MAX_QUANTITY`].
    pub quantity: u32,
    /// By how much a bid must exceed the price once all units are bid for.
    pub increments: IncrementTable,
    /// How late bids extend the auction.
    pub soft_close: SoftClose,
    /// Seconds after the end in which a partial lot may be declined; 0 for never.
    pub decline_within_s: u32,
}

impl UniformTerms {
    pub(crate) fn check(&self) -> Result<(), TermsFault> {
        TermsFault::unless_positive(self.start_price, TermsFault::StartPriceNotPositive)?;
        if (2..=MAX_QUANTITY).contains(&self.quantity) { Ok(()) } else { Err(TermsFault::Quantity) }
    }
}

/// The bids that would take units if the auction ended now, the highest first, the earlier of equals first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UniformBook {
    bid_count: u64,
    taking: Vec<Taking>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Taking {
    bidder: UserId,
    max: Amount,
    wanted: u32,
}

/// An auction of many units: its terms and bids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uniform {
    terms: UniformTerms,
    book: UniformBook,
}

impl Uniform {
    pub(crate) fn new(terms: UniformTerms, book: UniformBook) -> Self {
        Self { terms, book }
    }

    pub(crate) fn terms(&self) -> &UniformTerms {
        &self.terms
    }

    pub(crate) fn book(&self) -> &UniformBook {
        &self.book
    }

    fn demand(&self) -> u32 {
        self.book.taking.iter().map(|taking| taking.wanted).fold(0, u32::saturating_add)
    }

    fn is_taken_up(&self) -> bool {
        self.demand() >= self.terms.quantity
    }

    /// Of one unit: the lowest bid that takes anything, once all units are taken.
    fn price(&self) -> Amount {
        let lowest = self.book.taking.last().filter(|_| self.is_taken_up());
        lowest.map_or(self.terms.start_price, |taking| taking.max)
    }

    fn next_minimum(&self) -> Amount {
        let price = self.price();
        if self.is_taken_up() { price.saturating_add(self.terms.increments.at(price)) } else { price }
    }

    /// The largest bid for a unit: the lot's sum, and the next minimum, must still be amounts.
    fn largest_bid(&self) -> Amount {
        let per_unit = Amount::MAX.minor() / i64::from(self.terms.quantity);
        Amount::new(per_unit).unwrap_or(Amount::ZERO).saturating_sub(self.terms.increments.largest())
    }

    fn refusal(&self, offer: &Offer, own: Option<&Taking>) -> Option<Refusal> {
        let (largest, next_minimum) = (self.largest_bid(), self.next_minimum());
        if !(1..=self.terms.quantity).contains(&offer.quantity) {
            Some(Refusal::QuantityNotOffered { largest: self.terms.quantity })
        } else if offer.max > largest {
            Some(Refusal::AmountTooLarge { largest })
        } else {
            match own {
                Some(own) if offer.max <= own.max || offer.quantity < own.wanted => Some(Refusal::MaxNotRaised),
                // Who only raises the own bid takes nothing from others; who wants more units does.
                Some(own) if offer.quantity == own.wanted => None,
                _ => (offer.max < next_minimum).then_some(Refusal::BidTooLow { next_minimum }),
            }
        }
    }

    /// Units that each bid takes, in the order of the book.
    fn awards(&self) -> Vec<Award> {
        let mut left = self.terms.quantity;
        let award = |taking: &Taking| {
            let quantity = taking.wanted.min(left);
            left -= quantity;
            Award { bidder: taking.bidder.clone(), quantity, wanted: taking.wanted, declined: false }
        };
        self.book.taking.iter().map(award).collect()
    }

    /// Puts a bid in its place, instead of an earlier one of the same bidder.
    fn take(&mut self, offer: &Offer) {
        self.book.taking.retain(|taking| taking.bidder != offer.bidder);
        let place = self.book.taking.partition_point(|taking| taking.max >= offer.max);
        let taking = Taking { bidder: offer.bidder.clone(), max: offer.max, wanted: offer.quantity };
        self.book.taking.insert(place, taking);
    }

    /// Drops the bids that take nothing any more, and gives the first of them.
    fn drop_empty(&mut self) -> Option<UserId> {
        let mut before = 0;
        let full = self.book.taking.iter().position(|taking| {
            let full = before >= self.terms.quantity;
            before += taking.wanted;
            full
        })?;
        self.book.taking.drain(full..).next().map(|taking| taking.bidder)
    }
}

impl Rules for Uniform {
    fn place(&mut self, offer: &Offer, _: Phase) -> Result<Ruling, Refusal> {
        let own = self.book.taking.iter().position(|taking| taking.bidder == offer.bidder);
        if let Some(refusal) = self.refusal(offer, own.map(|own| &self.book.taking[own])) {
            return Err(refusal);
        }
        let price_before = self.price();
        self.take(offer);
        let displaced = self.drop_empty();
        self.book.bid_count += 1;
        let leader = self.book.taking.first().map_or_else(|| offer.bidder.clone(), |first| first.bidder.clone());
        let outcome = if own.is_some() { BidOutcome::MaxRaised } else { BidOutcome::Leading };
        let price = self.price();
        let moved = own.is_none() || price != price_before;
        Ok(Ruling { outcome, told: Some(Told { price, leader, displaced }), moved })
    }

    fn standing(&self, _: Phase) -> Standing<'_> {
        let leader = self.book.taking.first().map(|first| &first.bidder);
        Standing {
            price: leader.map(|_| self.price()),
            next_minimum: self.next_minimum(),
            reserve: ReserveStatus::None,
            leader,
            bid_count: Some(self.book.bid_count),
        }
    }

    fn wins(&self, bidder: &UserId, _: Phase) -> bool {
        self.book.taking.iter().any(|taking| taking.bidder == *bidder)
    }

    fn bid_count(&self) -> u64 {
        self.book.bid_count
    }

    fn quantity(&self) -> u32 {
        self.terms.quantity
    }

    fn soft_close(&self) -> SoftClose {
        self.terms.soft_close
    }

    fn outcome(&self) -> Outcome {
        let awards = self.awards();
        if awards.is_empty() { Outcome::NoBids } else { Outcome::SoldUnits { price: self.price(), awards } }
    }

    fn decline_within_s(&self) -> u32 {
        self.terms.decline_within_s
    }

    fn clear(&mut self) {
        self.book = UniformBook::default();
    }

    /// A bidder's last bid stands for the earlier ones, whichever of them took units in between.
    fn place_again(&mut self, offers: &[(Offer, Phase)]) {
        self.clear();
        for (offer, _) in offers {
            self.take(offer);
        }
        self.drop_empty();
        self.book.bid_count = offers.len() as u64;
    }
}
