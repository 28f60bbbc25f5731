//! The names of the states, as in the API, in events and in the database.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The name of a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// The buyer has to pay.
    AwaitingPayment,
    /// The gateway was told to hold the money.
    Authorizing,
    /// The money is held.
    Authorized,
    /// The money is in escrow.
    Escrowed,
    /// The lot is on its way.
    Shipped,
    /// The buyer, the buyer's bank or an operator complained; the operator decides.
    Disputed,
    /// The buyer has it.
    Received,
    /// The seller was paid.
    Completed,
    /// The money is going back.
    Refunding,
    /// The buyer has the money back.
    Refunded,
    /// Ended without a sale.
    Failed,
    /// A person has to decide.
    NeedsOperator,
}

impl Status {
    /// All of them, in the order of a settlement's life.
    pub const ALL: [Self; 12] = [
        Self::AwaitingPayment,
        Self::Authorizing,
        Self::Authorized,
        Self::Escrowed,
        Self::Shipped,
        Self::Disputed,
        Self::Received,
        Self::Completed,
        Self::Refunding,
        Self::Refunded,
        Self::Failed,
        Self::NeedsOperator,
    ];

    /// The name in the API, in events and in the database.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AwaitingPayment => "awaiting_payment",
            Self::Authorizing => "authorizing",
            Self::Authorized => "authorized",
            Self::Escrowed => "escrowed",
            Self::Shipped => "shipped",
            Self::Disputed => "disputed",
            Self::Received => "received",
            Self::Completed => "completed",
            Self::Refunding => "refunding",
            Self::Refunded => "refunded",
            Self::Failed => "failed",
            Self::NeedsOperator => "needs_operator",
        }
    }

    /// Whether no money moves any more.
    #[must_use]
    pub const fn is_end(self) -> bool {
        matches!(self, Self::Completed | Self::Refunded | Self::Failed)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// No state has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no settlement status is called {0:?}")]
pub struct UnknownStatus(String);

impl FromStr for Status {
    type Err = UnknownStatus;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|status| status.name() == name).ok_or_else(|| UnknownStatus(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_is_found_by_its_name_and_written_by_it() {
        for status in Status::ALL {
            assert_eq!(status.name().parse(), Ok(status));
            assert_eq!(serde_json::to_value(status).unwrap(), status.name());
        }
        assert!("paid".parse::<Status>().is_err());
    }
}
