//! What other services tell settlement, in settlement's own words.

use async_trait::async_trait;
use settlement_domain::settlement::Sale;

use crate::Receipt;

/// Something another service made known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// An auction closed with a winner, or with several of a lot of many units (`auction.closed` with outcome `sold`).
    AuctionSold(Vec<Sale>),
}

/// How a fact was handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handled {
    /// It took effect.
    Applied,
    /// It had taken effect before.
    Duplicate,
}

/// Why a fact was not handled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HandleError {
    /// Later it may be.
    #[error("to be tried again: {0}")]
    Retry(String),
    /// It never will be: for the dead letters.
    #[error("cannot be handled: {0}")]
    Poison(String),
}

/// Takes facts in; the inbound port, implemented by the application.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait FactHandler: Send + Sync {
    /// Handles a fact once: again with the same receipt it is a duplicate.
    async fn handle(&self, receipt: Receipt, fact: Fact) -> Result<Handled, HandleError>;
}
