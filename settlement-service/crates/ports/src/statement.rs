//! The gateway's own list of the money it moved, and ours: the two sides of a reconciliation.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use settlement_domain::call::CallStatus;
use settlement_domain::{CallKey, GatewayRef, Money, Movement, MovementKind};

use crate::StoreError;

/// Most movements of a page.
pub const STATEMENT_PAGE: usize = 250;

/// A part of the gateway's list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StatementPage {
    /// What moved, in no order.
    pub movements: Vec<Movement>,
    /// Where the list goes on; none at its end. A page may be empty and not the last.
    pub next: Option<String>,
}

/// Why the gateway's list cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StatementError {
    /// No answer this time.
    #[error("the payment gateway's list cannot be had: {0}")]
    Unavailable(String),
    /// What it says cannot be understood.
    #[error("the payment gateway's list cannot be read: {0}")]
    Unreadable(String),
}

/// What a gateway moved, as it has it in its own books.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait GatewayStatement: Send + Sync {
    /// What moved in this way since a moment, at most [`STATEMENT_PAGE`] of it, from the beginning or where an earlier page
    /// said that it goes on. All pages together MUST have each movement that began by then and since that moment, once;
    /// they MAY have what began later or a little earlier. What moved and was taken back whole at the gateway (a failed
    /// refund, a reversed transfer) MUST NOT be in it.
    async fn page(
        &self,
        kind: MovementKind,
        since: DateTime<Utc>,
        after: Option<String>,
    ) -> Result<StatementPage, StatementError>;

    /// One movement, however long ago.
    async fn movement(&self, kind: MovementKind, reference: &GatewayRef) -> Result<Option<Movement>, StatementError>;
}

/// A line of the account `gateway_clearing`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Booked {
    /// The ledger's name of the transaction.
    pub entry: String,
    /// The movement that it tells of; none where the buyer's bank took the money.
    pub kind: Option<MovementKind>,
    /// How much.
    pub amount: Money,
    /// When it was decided.
    pub at: DateTime<Utc>,
    /// Whether the line came in (debit) or went out.
    pub came_in: bool,
    /// Whether it puts an earlier line right.
    pub reversal: bool,
    /// Whether, after all reversals until now, nothing is left of it.
    pub reversed: bool,
    /// The call that did it, and what the gateway calls the result; none if no call of ours did.
    pub call: Option<(CallKey, GatewayRef)>,
}

impl Booked {
    /// What it adds to the account, minor units.
    #[must_use]
    pub fn net(&self) -> i128 {
        let amount = i128::from(self.amount.amount());
        if self.came_in { amount } else { -amount }
    }
}

/// A call that was planned here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownCall {
    /// Its key.
    pub key: CallKey,
    /// What is known of it.
    pub status: CallStatus,
    /// What the ledger has of what it moves, without its call; none if nothing.
    pub booked: Option<Booked>,
}

/// A place in the account `gateway_clearing`, which is read by time and reference.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClearingPlace {
    /// When it was decided.
    pub at: DateTime<Utc>,
    /// The ledger's name of the transaction.
    pub entry: String,
}

/// Our side of a reconciliation.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait ClearingReads: Send + Sync {
    /// Which of these calls were planned here, and what the ledger has of each. No order, no call twice.
    async fn known_calls(&self, keys: &[CallKey]) -> Result<Vec<KnownCall>, StoreError>;

    /// The lines of the account from one moment to before another, in order, after a place, at most `limit`. MUST NOT
    /// cost more than what was posted between the two moments.
    async fn clearing(
        &self,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
        after: Option<ClearingPlace>,
        limit: u32,
    ) -> Result<Vec<Booked>, StoreError>;
}
