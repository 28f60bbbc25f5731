//! The Dutch auction: the price falls by steps until somebody takes the lot.

use serde::{Deserialize, Serialize};

use crate::{
    bid::{BidOutcome, Refusal},
    format::{Offer, Outcome, Phase, ReserveStatus, Rules, Ruling, Standing, Told},
    ids::UserId,
    money::Amount,
    terms::TermsFault,
};

/// Terms of a descending auction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DutchTerms {
    /// The first price.
    pub start_price: Amount,
    /// The last price. Positive, below the first.
    pub floor_price: Amount,
    /// By how much the price falls at once. Positive.
    pub step: Amount,
    /// Seconds from one fall to the next. Positive.
    pub step_every_s: u32,
}

impl DutchTerms {
    pub(crate) fn check(&self) -> Result<(), TermsFault> {
        TermsFault::unless_positive(self.floor_price, TermsFault::FloorPriceNotPositive)?;
        TermsFault::unless_positive(self.step, TermsFault::StepNotPositive)?;
        if self.floor_price >= self.start_price {
            return Err(TermsFault::FloorNotBelowStart);
        }
        if self.step_every_s == 0 {
            return Err(TermsFault::StepNotPositive);
        }
        Ok(())
    }

    /// The price while bidding is open; the floor once it is over.
    fn price(&self, phase: Phase) -> Amount {
        let Phase::Open(open_for) = phase else { return self.floor_price };
        let falls = open_for.num_seconds().max(0) / i64::from(self.step_every_s);
        let fallen = self.step.minor().checked_mul(falls).and_then(|fallen| Amount::new(fallen).ok());
        self.start_price.saturating_sub(fallen.unwrap_or(Amount::MAX)).max(self.floor_price)
    }
}

/// Who took the lot, at which price.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DutchBook {
    taken: Option<Taken>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Taken {
    by: UserId,
    price: Amount,
}

/// A descending auction's terms and its one bid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dutch {
    terms: DutchTerms,
    book: DutchBook,
}

impl Dutch {
    pub(crate) fn new(terms: DutchTerms, book: DutchBook) -> Self {
        Self { terms, book }
    }

    pub(crate) fn terms(&self) -> &DutchTerms {
        &self.terms
    }

    pub(crate) fn book(&self) -> &DutchBook {
        &self.book
    }
}

impl Rules for Dutch {
    fn place(&mut self, offer: &Offer, phase: Phase) -> Result<Ruling, Refusal> {
        if offer.quantity != 1 {
            return Err(Refusal::QuantityNotOffered { largest: 1 });
        }
        let price = self.terms.price(phase);
        if offer.max < price {
            return Err(Refusal::BidTooLow { next_minimum: price });
        }
        self.book.taken = Some(Taken { by: offer.bidder.clone(), price });
        let told = Told { price, leader: offer.bidder.clone(), displaced: None };
        Ok(Ruling { outcome: BidOutcome::Bought, told: Some(told), moved: true })
    }

    fn standing(&self, phase: Phase) -> Standing<'_> {
        let asked = self.terms.price(phase);
        let open = matches!(phase, Phase::Open(_));
        let taken = self.book.taken.as_ref();
        Standing {
            price: taken.map(|taken| taken.price).or(open.then_some(asked)),
            next_minimum: taken.map_or(asked, |taken| taken.price),
            reserve: ReserveStatus::None,
            leader: taken.map(|taken| &taken.by),
            bid_count: Some(self.bid_count()),
        }
    }

    fn moves_by_time(&self) -> bool {
        true
    }

    fn bid_count(&self) -> u64 {
        u64::from(self.book.taken.is_some())
    }

    fn outcome(&self) -> Outcome {
        self.book
            .taken
            .as_ref()
            .map_or(Outcome::NoBids, |taken| Outcome::Sold { price: taken.price, winner: taken.by.clone() })
    }

    fn clear(&mut self) {
        self.book = DutchBook::default();
    }
}
