//! What other contexts say comes in through this door.

use async_trait::async_trait;
use listing_domain::{ids::ListingId, listing::Fact};

use crate::inbox::Receipt;

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
    async fn handle(&self, receipt: Receipt, listing: ListingId, fact: Fact) -> Result<Handled, HandleError>;
}
