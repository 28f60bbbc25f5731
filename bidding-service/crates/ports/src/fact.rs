//! What other contexts say comes in through this door.

use async_trait::async_trait;
use bidding_domain::{
    ids::{AuctionId, UserId},
    second_chance::Asked,
    terms::Terms,
};

use crate::inbox::Receipt;

/// What another context says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// A lot is for sale on final terms; its auction has the listing's id.
    ListingPublished {
        /// The auction's id.
        auction: AuctionId,
        /// Its terms.
        terms: Terms,
    },
    /// The seller asks to take a lot back.
    ListingCancelled {
        /// Which auction.
        auction: AuctionId,
        /// Who asks.
        seller: UserId,
    },
    /// A bidder may not bid until reinstated.
    BidderSuspended(UserId),
    /// A bidder may bid again.
    BidderReinstated(UserId),
    /// A buyer did not pay: who is next?
    SecondChanceRequested {
        /// For which auction.
        auction: AuctionId,
        /// The question.
        asked: Asked,
    },
}

/// What became of a fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handled {
    /// It had its effect now, which may be none.
    Done,
    /// It had its effect before.
    Duplicate,
    /// It had its effect, and earlier ones of its key never came.
    AfterGap {
        /// The sequence that should have come.
        expected: u64,
    },
}

/// Why a fact had no effect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HandleError {
    /// It may work later.
    #[error("try again: {0}")]
    Retry(String),
    /// It never will: to the dead letters.
    #[error("cannot be handled: {0}")]
    Poison(String),
}

/// Takes facts in.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait FactHandler: Send + Sync {
    /// MUST have its effect at most once per receipt, in one unit of work with the inbox.
    /// `None` is an event that this service does not follow: only its place in the sequence is noted.
    async fn handle(&self, receipt: Receipt, fact: Option<Fact>) -> Result<Handled, HandleError>;
    /// Of each, whether it had its effect before. Changes nothing: what comes again, comes in great numbers.
    async fn known(&self, receipts: &[Receipt]) -> Result<Vec<bool>, HandleError>;
}
