//! What a way of selling decides. The auction decides the rest: whether bidding is open, who may bid,
//! when it ends.
//!
//! A new format is one file that implements [`Rules`], and a variant with its arm in each of the
//! three enums here.

use serde::{Deserialize, Serialize};

use crate::{
    bid::{BidOutcome, Order, Refusal},
    english::{English, EnglishBook, EnglishTerms},
    ids::UserId,
    money::Amount,
    soft_close::SoftClose,
};

/// The rules of a format, applied to the bids of one auction.
pub trait Rules {
    /// Decides a bid and takes it into the book. A refusal MUST leave the book as it was.
    fn place(&mut self, order: &Order) -> Result<Ruling, Refusal>;

    /// The price as bidders may see it; none without bids.
    fn price(&self) -> Option<Amount>;

    /// The lowest bid that would be accepted from someone who does not lead.
    fn next_minimum(&self) -> Amount;

    /// How the price stands to the reserve.
    fn reserve(&self) -> ReserveStatus;

    /// Who would win now.
    fn leader(&self) -> Option<&UserId>;

    /// Accepted bids.
    fn bid_count(&self) -> u64;

    /// How late bids extend the auction.
    fn soft_close(&self) -> SoftClose;

    /// How the auction ends if it ends now.
    fn outcome(&self) -> Outcome;
}

/// What an accepted bid did to the book.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ruling {
    /// What it did for the bidder.
    pub outcome: BidOutcome,
    /// The price after it.
    pub price: Amount,
    /// Who leads after it.
    pub leader: UserId,
    /// Who led before and leads no more.
    pub displaced: Option<UserId>,
    /// Whether leader or price changed: only then a late bid extends the auction.
    pub moved: bool,
}

/// How the price stands to the hidden reserve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReserveStatus {
    /// The lot has no reserve.
    None,
    /// The price is below it.
    NotMet,
    /// The price has reached it.
    Met,
}

/// How an auction ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// A bidder won.
    Sold {
        /// The hammer price.
        price: Amount,
        /// The buyer.
        winner: UserId,
    },
    /// There were bids, none reached the reserve.
    ReserveNotMet {
        /// The last price.
        price: Amount,
    },
    /// Nobody bid.
    NoBids,
}

/// The terms of a format, as published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FormatTerms {
    /// Ascending, with proxy bidding.
    English(EnglishTerms),
}

/// What a format knows of the bids so far: the part of an auction that changes with a bid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Book {
    /// Of an ascending auction.
    English(EnglishBook),
}

/// Terms and book of one format, which belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Format {
    /// Ascending, with proxy bidding.
    English(English),
}

impl Format {
    /// A format before the first bid.
    #[must_use]
    pub fn new(terms: FormatTerms) -> Self {
        match terms {
            FormatTerms::English(terms) => Self::English(English::new(terms, EnglishBook::default())),
        }
    }

    /// A format as it was saved.
    #[must_use]
    pub fn restore(terms: FormatTerms, book: Book) -> Self {
        match (terms, book) {
            (FormatTerms::English(terms), Book::English(book)) => Self::English(English::new(terms, book)),
        }
    }

    /// The terms, as they were given.
    #[must_use]
    pub fn terms(&self) -> FormatTerms {
        match self {
            Self::English(english) => FormatTerms::English(english.terms().clone()),
        }
    }

    /// What is to be saved after a bid.
    #[must_use]
    pub fn book(&self) -> Book {
        match self {
            Self::English(english) => Book::English(english.book().clone()),
        }
    }

    /// The rules, to ask.
    #[must_use]
    pub fn rules(&self) -> &dyn Rules {
        match self {
            Self::English(english) => english,
        }
    }

    /// The rules, to place a bid by.
    pub fn rules_mut(&mut self) -> &mut dyn Rules {
        match self {
            Self::English(english) => english,
        }
    }
}
