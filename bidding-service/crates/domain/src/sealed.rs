//! Sealed bids: one amount each, secret until the close. The highest wins, the earliest of equals; it pays
//! its own bid (first price) or what would have been enough to win (Vickrey, "Counterspeculation, Auctions,
//! and Competitive Sealed Tenders", 1961).

use serde::{Deserialize, Serialize};

use crate::{
    bid::{Bid, BidOutcome, Refusal},
    format::{Offer, Outcome, Phase, ReserveStatus, Rules, Ruling, Standing},
    ids::UserId,
    money::Amount,
    terms::TermsFault,
};

/// Terms of a sealed auction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedTerms {
    /// Every bid must reach it. Positive.
    pub start_price: Amount,
    /// Hidden; below it the lot is not sold. Positive.
    pub reserve_price: Option<Amount>,
}

impl SealedTerms {
    pub(crate) fn check(&self) -> Result<(), TermsFault> {
        TermsFault::unless_positive(self.start_price, TermsFault::StartPriceNotPositive)?;
        TermsFault::unless_positive(self.reserve_price.unwrap_or(Amount::MAX), TermsFault::ReservePriceNotPositive)
    }
}

/// The bids so far, as far as they decide who pays what.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedBook {
    bid_count: u64,
    best: Option<Best>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Best {
    bidder: UserId,
    amount: Amount,
    /// The highest bid of anybody else.
    second: Option<Amount>,
}

impl SealedBook {
    fn place(&mut self, offer: &Offer, terms: &SealedTerms) -> Result<Ruling, Refusal> {
        if offer.quantity != 1 {
            return Err(Refusal::QuantityNotOffered { largest: 1 });
        }
        if offer.max < terms.start_price {
            return Err(Refusal::BidTooLow { next_minimum: terms.start_price });
        }
        self.best = Some(match self.best.take() {
            None => Best { bidder: offer.bidder.clone(), amount: offer.max, second: None },
            Some(best) if best.bidder == offer.bidder => Best { amount: best.amount.max(offer.max), ..best },
            Some(best) if offer.max > best.amount => {
                Best { bidder: offer.bidder.clone(), amount: offer.max, second: Some(best.amount) }
            }
            Some(best) => Best { second: best.second.max(Some(offer.max)), ..best },
        });
        self.bid_count += 1;
        Ok(Ruling { outcome: BidOutcome::Sealed, told: None, moved: false })
    }

    fn standing(&self, phase: Phase, terms: &SealedTerms, outcome: &Outcome) -> Standing<'_> {
        let hidden_reserve = terms.reserve_price.map_or(ReserveStatus::None, |_| ReserveStatus::NotMet);
        let hidden = Standing {
            price: None,
            next_minimum: terms.start_price,
            reserve: hidden_reserve,
            leader: None,
            bid_count: None,
        };
        match (phase, outcome) {
            (Phase::Open(_), _) => hidden,
            (Phase::Over, Outcome::Sold { price, .. }) => Standing {
                price: Some(*price),
                reserve: terms.reserve_price.map_or(ReserveStatus::None, |_| ReserveStatus::Met),
                leader: self.best.as_ref().map(|best| &best.bidder),
                bid_count: Some(self.bid_count),
                ..hidden
            },
            (Phase::Over, _) => Standing { bid_count: Some(self.bid_count), ..hidden },
        }
    }

    /// `pays` says what the winner pays.
    fn outcome(&self, terms: &SealedTerms, pays: impl Fn(&Best) -> Amount) -> Outcome {
        match &self.best {
            None => Outcome::NoBids,
            Some(best) if terms.reserve_price.is_some_and(|reserve| best.amount < reserve) => {
                Outcome::ReserveNotMet { price: None }
            }
            Some(best) => Outcome::Sold { price: pays(best), winner: best.bidder.clone() },
        }
    }
}

/// The two sealed formats differ in what is paid, and in what may be seen afterwards.
macro_rules! sealed_format {
    ($(#[doc = $doc:literal])+ $name:ident, $pays:expr, $shown:expr) => {
        $(#[doc = $doc])+
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name {
            terms: SealedTerms,
            book: SealedBook,
        }

        impl $name {
            pub(crate) fn new(terms: SealedTerms, book: SealedBook) -> Self {
                Self { terms, book }
            }

            pub(crate) fn terms(&self) -> &SealedTerms {
                &self.terms
            }

            pub(crate) fn book(&self) -> &SealedBook {
                &self.book
            }
        }

        impl Rules for $name {
            fn place(&mut self, offer: &Offer, _: Phase) -> Result<Ruling, Refusal> {
                self.book.place(offer, &self.terms)
            }

            fn standing(&self, phase: Phase) -> Standing<'_> {
                self.book.standing(phase, &self.terms, &self.outcome())
            }

            fn bid_count(&self) -> u64 {
                self.book.bid_count
            }

            fn is_sealed(&self) -> bool {
                true
            }

            fn shown_price(&self, bid: &Bid) -> Option<Amount> {
                $shown(bid)
            }

            fn outcome(&self) -> Outcome {
                self.book.outcome(&self.terms, |best| $pays(best, &self.terms))
            }

            fn contends(&self, amount: Amount) -> bool {
                self.terms.reserve_price.is_none_or(|reserve| amount >= reserve)
            }

            fn clear(&mut self) {
                self.book = SealedBook::default();
            }
        }
    };
}

sealed_format!(
    /// Sealed bids at first price: the winner pays the own bid. After the close the bids are read out.
    FirstPrice,
    |best: &Best, _: &SealedTerms| best.amount,
    |bid: &Bid| Some(bid.max)
);

sealed_format!(
    /// Sealed bids at second price: the winner pays the larger of start price, reserve and the highest bid of
    /// the others. The bids are what the lot is worth to each bidder, and stay secret.
    Vickrey,
    |best: &Best, terms: &SealedTerms| terms.start_price.max(terms.reserve_price.max(best.second).unwrap_or(Amount::ZERO)),
    |_: &Bid| None
);
