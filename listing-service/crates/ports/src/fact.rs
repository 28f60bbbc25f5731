//! What other contexts say comes in through this door.

use async_trait::async_trait;
use listing_domain::{ids::ListingId, listing::Fact};

use crate::inbox::Receipt;

/// A fact, and the listing that it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct News {
    /// About which listing.
    pub listing: ListingId,
    /// What is so now.
    pub fact: Fact,
}

/// What became of a fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handled {
    /// It had its effect now.
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
    async fn handle(&self, receipt: Receipt, news: Option<News>) -> Result<Handled, HandleError>;
}
