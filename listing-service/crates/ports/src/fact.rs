//! What other contexts say comes in through this door.

use async_trait::async_trait;
use listing_domain::{ids::ListingId, standing::Fact};

use crate::inbox::Receipt;

/// A fact, and the listing that it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct News {
    /// About which listing.
    pub listing: ListingId,
    /// What is so now.
    pub fact: Fact,
}

/// An event that came, and what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incoming {
    /// Which event.
    pub receipt: Receipt,
    /// What it says; `None` for an event that this service does not follow: only its place in the sequence is noted.
    pub news: Option<News>,
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
    /// MUST have the effect of each, in order, as if they had come one by one: at most once per receipt, all in one
    /// unit of work with the inbox. Answers for each, in order. A failure MUST leave no effect of any; which of
    /// several is to blame is found by handing them over one by one.
    async fn handle_all(&self, batch: &[Incoming]) -> Result<Vec<Handled>, HandleError>;
}
