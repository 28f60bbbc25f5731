//! The ledger's reading side. What is posted never changes, so a moment that has passed reads the same for ever.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use settlement_domain::ledger::{Place, StatementLine, Transaction, TrialBalance};
use settlement_domain::{Currency, UserId};

use crate::StoreError;

/// Whose statement, and from where on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatementQuery {
    /// Whose account.
    pub seller: UserId,
    /// In which currency.
    pub currency: Currency,
    /// As it stood at this moment; none is now.
    pub at: Option<DateTime<Utc>>,
    /// Only lines older than this one: the keyset cursor.
    pub before: Option<Place>,
}

/// Reads of the ledger.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait LedgerReads: Send + Sync {
    /// The sums of all accounts as they stood at a moment (entries of that very moment included), or now. MUST be
    /// read in one snapshot, and MUST NOT cost more the older the ledger is.
    async fn trial_balance(&self, at: Option<DateTime<Utc>>) -> Result<TrialBalance, StoreError>;

    /// A seller's account, the newest line first, at most `limit` lines, each with the balance after it. MUST read only
    /// that seller's lines, in one snapshot.
    async fn statement(&self, query: &StatementQuery, limit: u32) -> Result<Vec<StatementLine>, StoreError>;

    /// A posted transaction.
    async fn transaction(&self, reference: &str) -> Result<Option<Transaction>, StoreError>;
}
