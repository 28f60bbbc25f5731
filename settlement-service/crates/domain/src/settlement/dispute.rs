//! What buyer and seller say when they do not agree.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::chargeback::STOPPED;
use crate::ids::UserId;

/// The longest statement, characters.
pub const MAX_STATEMENT: usize = 4_000;

/// Most pieces of evidence in a dispute, both sides together.
pub const MAX_EVIDENCE: usize = 20;

/// One of the two parties to a sale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Who bought.
    Buyer,
    /// Who sold.
    Seller,
}

impl Role {
    /// The name in the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Buyer => "buyer",
            Self::Seller => "seller",
        }
    }
}

/// What somebody says: 1 to [`MAX_STATEMENT`] characters, trimmed, no control characters but line breaks and tabs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Statement(String);

/// Empty, too long, or with control characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a statement has 1 to {MAX_STATEMENT} characters and no control characters but line breaks and tabs")]
pub struct InvalidStatement;

impl Statement {
    /// The words.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Statement {
    type Error = InvalidStatement;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let text = text.trim();
        let fits = (1..=MAX_STATEMENT).contains(&text.chars().count())
            && !text.chars().any(|character| character.is_control() && !matches!(character, '\n' | '\r' | '\t'));
        if fits { Ok(Self(text.to_owned())) } else { Err(InvalidStatement) }
    }
}

impl From<Statement> for String {
    fn from(statement: Statement) -> Self {
        statement.0
    }
}

/// Something a party adds to a dispute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// Who.
    pub by: Role,
    /// When, by the database's clock.
    pub at: DateTime<Utc>,
    /// What.
    pub text: Statement,
}

/// A complaint and what was said about it. It is kept after the decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dispute {
    /// The complaint.
    pub reason: Statement,
    /// Which operator opened it; none if the buyer did, or the buyer's bank.
    #[serde(default)]
    pub operator: Option<UserId>,
    /// Whether the buyer's bank opened it, by taking the money back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub bank: bool,
    /// Since when.
    pub opened_at: DateTime<Utc>,
    /// What the parties added, in order.
    pub evidence: Vec<Evidence>,
}

impl Dispute {
    /// The buyer's bank opened it by taking the money back.
    pub(super) fn of_the_bank(opened_at: DateTime<Utc>) -> Self {
        Self { reason: Statement(STOPPED.to_owned()), operator: None, bank: true, opened_at, evidence: Vec::new() }
    }

    /// Who opened it, by the name in the API.
    #[must_use]
    pub const fn opened_by(&self) -> &'static str {
        match self.operator {
            _ if self.bank => "bank",
            Some(_) => "operator",
            None => "buyer",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_a_bounded_text() {
        let statement = |text: &str| Statement::try_from(text.to_owned());
        assert!(
            statement(" The glass is broken.\nSee the picture. ").is_ok_and(|text| text.as_str().ends_with("picture."))
        );
        assert!(statement(&"ü".repeat(4_000)).is_ok());
        for bad in ["", " \n ", "nul\u{0}", &"x".repeat(4_001)] {
            assert_eq!(statement(bad), Err(InvalidStatement), "{bad:.10}");
        }
    }
}
