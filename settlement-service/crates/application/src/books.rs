//! The books: what operators and sellers read of the ledger, and how an operator puts an entry right.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use settlement_domain::ledger::{Place, StatementLine, Transaction, TrialBalance};
use settlement_domain::{Payout, PayoutId, Subject, UserId};
use settlement_ports::{LedgerReads, SettlementStore, StatementQuery, Viewer};

use crate::UseError;
use crate::query::MAX_PAGE;
use crate::retry::on_conflict;

/// The use cases of the ledger.
#[derive(Clone)]
pub struct Books {
    store: Arc<dyn SettlementStore>,
    ledger: Arc<dyn LedgerReads>,
}

/// Part of a seller's statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatementPage {
    /// Whose.
    pub seller: UserId,
    /// The lines, newest first.
    pub lines: Vec<StatementLine>,
    /// Where the next page goes on ([`StatementQuery::before`]); none at the end.
    pub next: Option<Place>,
}

impl Books {
    /// Over a store and its ledger.
    #[must_use]
    pub fn new(store: Arc<dyn SettlementStore>, ledger: Arc<dyn LedgerReads>) -> Self {
        Self { store, ledger }
    }

    /// The sums of all accounts, now or as they stood at a moment; admin only.
    pub async fn trial_balance(&self, viewer: &Viewer, at: Option<DateTime<Utc>>) -> Result<TrialBalance, UseError> {
        if !viewer.admin {
            return Err(UseError::Forbidden("an admin"));
        }
        Ok(self.ledger.trial_balance(at).await?)
    }

    /// A seller's account: one's own, an admin's any; `limit` is held to 1–100.
    pub async fn statement(
        &self,
        viewer: &Viewer,
        query: &StatementQuery,
        limit: u32,
    ) -> Result<StatementPage, UseError> {
        if !viewer.admin && viewer.user != query.seller {
            return Err(UseError::Forbidden("an admin"));
        }
        let limit = limit.clamp(1, MAX_PAGE);
        let mut lines = self.ledger.statement(query, limit + 1).await?;
        let more = lines.len() > limit as usize;
        lines.truncate(limit as usize);
        let next = lines.last().filter(|_| more).map(|line| line.place.clone());
        Ok(StatementPage { seller: query.seller.clone(), lines, next })
    }

    /// A payout: its seller's, an admin's any.
    pub async fn payout(&self, viewer: &Viewer, id: PayoutId) -> Result<Payout, UseError> {
        let found = self.store.payout(id).await?;
        found.filter(|payout| viewer.admin || viewer.user == *payout.seller_id()).ok_or(UseError::NoPayout)
    }

    /// Reverses a posted transaction, once: again it changes nothing. For the operator, who moves the money itself, if
    /// any has to be moved, at the gateway.
    pub async fn reverse(&self, reference: &str, reason: &str) -> Result<Transaction, UseError> {
        on_conflict(|| self.reverse_once(reference, reason)).await
    }

    async fn reverse_once(&self, reference: &str, reason: &str) -> Result<Transaction, UseError> {
        let posted = self.ledger.transaction(reference).await?.ok_or(UseError::NoEntry)?;
        let mut tx = self.store.begin().await?;
        let now = match posted.subject() {
            Subject::Settlement(id) => tx.lock(id).await?.map(|locked| locked.now),
            Subject::Payout(id) => tx.lock_payout(id).await?.map(|locked| locked.now),
        };
        let reversal = posted.reversed(reason.to_owned(), now.ok_or(UseError::NotFound)?);
        tx.post(std::slice::from_ref(&reversal)).await?;
        tx.commit().await?;
        Ok(reversal)
    }
}
