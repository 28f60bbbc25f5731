//! What other services tell settlement, in settlement's own words.

use async_trait::async_trait;
use settlement_domain::settlement::Sale;
use settlement_domain::{AuctionId, Money, SettlementId, UserId};

use crate::Receipt;

/// Something another service made known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// An auction closed with a winner, or with several of a lot of many units (`auction.closed` with outcome `sold`).
    AuctionSold(Vec<Sale>),
    /// A buyer gave an award up that was smaller than wanted (`award.declined`).
    AwardDeclined {
        /// Where it was won.
        auction_id: AuctionId,
        /// By whom.
        buyer_id: UserId,
    },
    /// The next contender is known (`second_chance.nominated`).
    ContenderNominated {
        /// For which lot.
        auction_id: AuctionId,
        /// The settlement that asked.
        settlement_id: SettlementId,
        /// Who.
        contender: UserId,
        /// What to offer the lot for: the contender's own highest bid.
        price: Money,
    },
    /// There is no further contender (`second_chance.exhausted`).
    ContendersExhausted {
        /// For which lot.
        auction_id: AuctionId,
        /// The settlement that asked.
        settlement_id: SettlementId,
    },
    /// The seller listed the lot again (`listing.published` that names this auction as the one it repeats).
    Relisted {
        /// Which lot.
        auction_id: AuctionId,
    },
}

impl Fact {
    /// Which auction it is about; none for a sale of nothing.
    #[must_use]
    pub fn auction_id(&self) -> Option<AuctionId> {
        match self {
            Self::AuctionSold(sales) => sales.first().map(|sale| sale.auction_id),
            Self::AwardDeclined { auction_id, .. }
            | Self::ContenderNominated { auction_id, .. }
            | Self::ContendersExhausted { auction_id, .. }
            | Self::Relisted { auction_id } => Some(*auction_id),
        }
    }
}

/// An event that came, and what it says.
#[derive(Debug, Clone)]
pub struct Incoming {
    /// Which event.
    pub receipt: Receipt,
    /// What it says.
    pub fact: Fact,
    /// Its effect belongs to this span's trace.
    pub span: tracing::Span,
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
    /// MUST have the effect of each, in order, as if they had come one by one: once, again with the same receipt it is a
    /// duplicate. Answers for each, in order. After a failure some may have had their effect, and are duplicates when they
    /// come again; which is to blame is found by handing them over one by one.
    async fn handle_all(&self, batch: &[Incoming]) -> Result<Vec<Handled>, HandleError>;

    /// Handles one fact.
    async fn handle(&self, receipt: Receipt, fact: Fact) -> Result<Handled, HandleError> {
        let incoming = Incoming { receipt, fact, span: tracing::Span::current() };
        Ok(self.handle_all(&[incoming]).await?.pop().unwrap_or(Handled::Duplicate))
    }
}
