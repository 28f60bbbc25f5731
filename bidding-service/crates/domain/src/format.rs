//! What a way of selling decides. The auction decides the rest: whether bidding is open, who may bid,
//! when it ends.
//!
//! A new format is one file that implements [`Rules`] and one line in [`formats!`] below.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use crate::{
    bid::{Bid, BidOutcome, Refusal},
    dutch::{Dutch, DutchBook, DutchTerms},
    english::{English, EnglishBook, EnglishTerms},
    ids::{BidId, UserId},
    money::Amount,
    sealed::{FirstPrice, SealedBook, SealedTerms, Vickrey},
    soft_close::SoftClose,
    terms::TermsFault,
    uniform::{Uniform, UniformBook, UniformTerms},
};

/// A bid as a format sees it: who may bid, and when, was settled before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// Which bid.
    pub bid_id: BidId,
    /// Who bids.
    pub bidder: UserId,
    /// The most that the bidder would pay for one unit.
    pub max: Amount,
    /// Units wanted, at least 1.
    pub quantity: u32,
}

/// The rules of a format, applied to the bids of one auction.
pub trait Rules {
    /// Decides a bid and takes it into the book. A refusal MUST leave the book as it was.
    fn place(&mut self, offer: &Offer, phase: Phase) -> Result<Ruling, Refusal>;

    /// Sells at once at [`buy_now_price`](Self::buy_now_price). A refusal MUST leave the book as it was.
    fn buy_now(&mut self, _bidder: &UserId) -> Result<Ruling, Refusal> {
        Err(Refusal::BuyNowGone)
    }

    /// The price at which a buyer may end the auction at once; none when that is not, or no longer, offered.
    fn buy_now_price(&self) -> Option<Amount> {
        None
    }

    /// What everybody may see.
    fn standing(&self, phase: Phase) -> Standing<'_>;

    /// Whether `bidder` would win something now, and may know it.
    fn wins(&self, bidder: &UserId, phase: Phase) -> bool {
        self.standing(phase).leader == Some(bidder)
    }

    /// Accepted bids, those that nobody may see yet included.
    fn bid_count(&self) -> u64;

    /// Units for sale.
    fn quantity(&self) -> u32 {
        1
    }

    /// How late bids extend the auction.
    fn soft_close(&self) -> SoftClose {
        SoftClose::Off
    }

    /// Whether the price moves by time alone, so that every interruption counts.
    fn moves_by_time(&self) -> bool {
        false
    }

    /// Whether bids are a secret until the close.
    fn is_sealed(&self) -> bool {
        false
    }

    /// What the history shows as the price of a bid, once bids may be seen at all.
    fn shown_price(&self, bid: &Bid) -> Option<Amount> {
        bid.price
    }

    /// How the auction ends if it ends now.
    fn outcome(&self) -> Outcome;

    /// Whether the next bidder may be offered the lot at `amount`, the own highest bid, when the winner does not
    /// pay: the lot is one that others have bid for, and the reserve is reached.
    fn contends(&self, _amount: Amount) -> bool {
        false
    }

    /// Seconds after the end in which a winner may decline less than was wanted.
    fn decline_within_s(&self) -> u32 {
        0
    }

    /// Forgets all bids, so that the remaining ones can be placed again after a retraction. MUST keep
    /// what bids have ended for good.
    fn clear(&mut self);

    /// Counts only the bids that remain after a retraction, in their order and each as of its own time. MUST
    /// take them all: each was accepted once, and no minimum of today stands against it.
    fn place_again(&mut self, offers: &[(Offer, Phase)]) {
        self.clear();
        for (offer, phase) in offers {
            let _ = self.place(offer, *phase);
        }
    }
}

/// Where an auction is in its life, as far as prices depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Bidding has been open for so long, pauses left out.
    Open(TimeDelta),
    /// Bidding is over: secrets of the bidding are none any more.
    Over,
}

/// What everybody may see of the bids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing<'a> {
    /// None before the first bid, and of what is sealed.
    pub price: Option<Amount>,
    /// The lowest bid that would be accepted from someone who does not lead.
    pub next_minimum: Amount,
    /// How the price stands to the reserve.
    pub reserve: ReserveStatus,
    /// Who would win now.
    pub leader: Option<&'a UserId>,
    /// Accepted bids; none of what is sealed.
    pub bid_count: Option<u64>,
}

/// What an accepted bid did to the book.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ruling {
    /// What it did for the bidder.
    pub outcome: BidOutcome,
    /// What everybody is told; nothing of a sealed bid.
    pub told: Option<Told>,
    /// Whether leader or price changed: only then a late bid extends the auction.
    pub moved: bool,
}

/// What everybody is told of an accepted bid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The price after it.
    pub price: Amount,
    /// Who leads after it.
    pub leader: UserId,
    /// Who led before and leads no more.
    pub displaced: Option<UserId>,
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
    /// Bidders won units of the lot, at least one.
    SoldUnits {
        /// Of one unit, the same for all.
        price: Amount,
        /// Who won how much, the highest bid first.
        awards: Vec<Award>,
    },
    /// There were bids, none reached the reserve.
    ReserveNotMet {
        /// The last price; none of what was sealed.
        price: Option<Amount>,
    },
    /// Nobody bid.
    NoBids,
}

/// What a bidder won of a lot of many units.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Award {
    /// The buyer.
    pub bidder: UserId,
    /// Units won.
    pub quantity: u32,
    /// Units bid for.
    pub wanted: u32,
    /// Whether the buyer took less than was wanted back.
    pub declined: bool,
}

impl Award {
    /// Whether it is less than was bid for: such a lot may be declined.
    #[must_use]
    pub fn is_partial(&self) -> bool {
        self.quantity < self.wanted
    }
}

/// Makes the three enums of all formats: their terms and books as they are kept, and both together.
macro_rules! formats {
    ($($(#[doc = $doc:literal])+ $name:ident = $kind:literal: $rules:ident of $terms:ident with $book:ident;)+) => {
        /// The terms of a format, as published.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(tag = "kind")]
        pub enum FormatTerms {
            $($(#[doc = $doc])+ #[serde(rename = $kind)] $name($terms),)+
        }

        /// What a format knows of the bids so far: the part of an auction that changes with a bid.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(tag = "kind")]
        pub enum Book {
            $($(#[doc = $doc])+ #[serde(rename = $kind)] $name($book),)+
        }

        /// Terms and book of one format, which belong together.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Format {
            $($(#[doc = $doc])+ $name($rules),)+
        }

        impl FormatTerms {
            /// The format's name.
            #[must_use]
            pub fn kind(&self) -> &'static str {
                match self { $(Self::$name(_) => $kind,)+ }
            }

            pub(crate) fn check(&self) -> Result<(), TermsFault> {
                match self { $(Self::$name(terms) => terms.check(),)+ }
            }
        }

        impl Format {
            /// A format before the first bid.
            #[must_use]
            pub fn new(terms: FormatTerms) -> Self {
                match terms { $(FormatTerms::$name(terms) => Self::$name($rules::new(terms, $book::default())),)+ }
            }

            /// A format as it was saved.
            ///
            /// # Errors
            /// [`Mismatch`] when terms and book are of different formats.
            pub fn restore(terms: FormatTerms, book: Book) -> Result<Self, Mismatch> {
                match (terms, book) {
                    $((FormatTerms::$name(terms), Book::$name(book)) => Ok(Self::$name($rules::new(terms, book))),)+
                    _ => Err(Mismatch),
                }
            }

            /// The terms, as they were given.
            #[must_use]
            pub fn terms(&self) -> FormatTerms {
                match self { $(Self::$name(format) => FormatTerms::$name(format.terms().clone()),)+ }
            }

            /// What is to be saved after a bid.
            #[must_use]
            pub fn book(&self) -> Book {
                match self { $(Self::$name(format) => Book::$name(format.book().clone()),)+ }
            }

            /// The format's name.
            #[must_use]
            pub fn kind(&self) -> &'static str {
                match self { $(Self::$name(_) => $kind,)+ }
            }

            /// The rules, to ask.
            #[must_use]
            pub fn rules(&self) -> &dyn Rules {
                match self { $(Self::$name(format) => format,)+ }
            }

            /// The rules, to place a bid by.
            pub fn rules_mut(&mut self) -> &mut dyn Rules {
                match self { $(Self::$name(format) => format,)+ }
            }
        }
    };
}

/// Terms of one format were kept with the book of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("terms and bids are of different formats")]
pub struct Mismatch;

formats! {
    /// Ascending, with proxy bidding.
    English = "english": English of EnglishTerms with EnglishBook;
    /// Sealed; the highest bid wins and pays itself.
    SealedFirstPrice = "sealed_first_price": FirstPrice of SealedTerms with SealedBook;
    /// Sealed; the highest bid wins and pays the second highest.
    Vickrey = "vickrey": Vickrey of SealedTerms with SealedBook;
    /// The price falls until somebody takes it.
    Dutch = "dutch": Dutch of DutchTerms with DutchBook;
    /// Many units at one price.
    UniformMultiUnit = "uniform_multi_unit": Uniform of UniformTerms with UniformBook;
}
