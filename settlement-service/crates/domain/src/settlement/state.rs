//! Where a settlement can stand. Each state carries what is known there and nothing else.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::Parcel;
use crate::gateway::{Decline, GatewayRef, PaymentMethod};
use crate::money::Money;

/// A state with its data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum State {
    /// The buyer has to pay.
    AwaitingPayment {
        /// Why the last method was refused.
        declined: Option<Decline>,
    },
    /// The gateway was told to hold the money.
    Authorizing {
        /// On which method.
        method: PaymentMethod,
    },
    /// The money is held; the gateway was told to take it.
    Authorized {
        /// The hold.
        hold: GatewayRef,
    },
    /// The money is in escrow; the seller has to ship.
    Escrowed {
        /// The charge.
        charge: GatewayRef,
        /// Until when.
        ship_due_at: DateTime<Utc>,
    },
    /// The lot is on its way; the buyer looks at it.
    Shipped {
        /// The charge.
        charge: GatewayRef,
        /// How and since when.
        delivery: Delivery,
    },
    /// The buyer has the lot; the gateway was told to pay the seller.
    Received {
        /// The charge.
        charge: GatewayRef,
        /// How it came.
        delivery: Delivery,
        /// Who gets what.
        split: Split,
        /// Since when.
        received_at: DateTime<Utc>,
    },
    /// The seller was paid: a good end.
    Completed {
        /// The charge.
        charge: GatewayRef,
        /// How the lot came.
        delivery: Delivery,
        /// Who got what.
        split: Split,
        /// When the buyer had it.
        received_at: DateTime<Utc>,
        /// When the seller was paid.
        completed_at: DateTime<Utc>,
    },
    /// The buyer's money, held or taken, is going back.
    Refunding {
        /// How.
        undo: Undo,
        /// Why.
        reason: FailureReason,
    },
    /// The buyer has the money back.
    Refunded {
        /// Why.
        reason: FailureReason,
        /// When.
        refunded_at: DateTime<Utc>,
    },
    /// Ended without a sale and without money taken.
    Failed {
        /// Why.
        reason: FailureReason,
        /// When.
        failed_at: DateTime<Utc>,
    },
    /// A person has to decide.
    NeedsOperator {
        /// Where it got stuck.
        stuck: Box<State>,
        /// Why, for the operator.
        reason: String,
        /// Since when.
        since: DateTime<Utc>,
    },
}

/// How a lot travels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// Carrier and number.
    pub parcel: Parcel,
    /// When the seller handed it over.
    pub shipped_at: DateTime<Utc>,
    /// It counts as received then.
    pub inspection_ends_at: DateTime<Utc>,
}

/// The hammer price, divided; the two always sum to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Split {
    /// The seller's share.
    pub payout: Money,
    /// The platform's.
    pub commission: Money,
}

/// How the buyer gets the money back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum Undo {
    /// The hold is let go.
    Void {
        /// Which.
        hold: GatewayRef,
    },
    /// The charge is given back.
    Refund {
        /// Which.
        charge: GatewayRef,
    },
}

/// Why a sale did not happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureReason {
    /// No payment in time.
    Unpaid,
    /// Not shipped in time.
    NotShipped,
}

/// The name of a state, as in the API.
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

impl State {
    /// Its name.
    #[must_use]
    pub const fn status(&self) -> Status {
        match self {
            Self::AwaitingPayment { .. } => Status::AwaitingPayment,
            Self::Authorizing { .. } => Status::Authorizing,
            Self::Authorized { .. } => Status::Authorized,
            Self::Escrowed { .. } => Status::Escrowed,
            Self::Shipped { .. } => Status::Shipped,
            Self::Received { .. } => Status::Received,
            Self::Completed { .. } => Status::Completed,
            Self::Refunding { .. } => Status::Refunding,
            Self::Refunded { .. } => Status::Refunded,
            Self::Failed { .. } => Status::Failed,
            Self::NeedsOperator { .. } => Status::NeedsOperator,
        }
    }
}

impl Status {
    /// All of them, in the order of a settlement's life.
    pub const ALL: [Self; 11] = [
        Self::AwaitingPayment,
        Self::Authorizing,
        Self::Authorized,
        Self::Escrowed,
        Self::Shipped,
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
            Self::Received => "received",
            Self::Completed => "completed",
            Self::Refunding => "refunding",
            Self::Refunded => "refunded",
            Self::Failed => "failed",
            Self::NeedsOperator => "needs_operator",
        }
    }

    /// Whether nothing more will happen.
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
