//! Where a settlement can stand. Each state carries what is known there and nothing else.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{FailureReason, Parcel, Role, Status};
use crate::gateway::{Decline, GatewayRef, PaymentMethod};
use crate::ids::PayoutId;
use crate::money::Money;

/// A state with its data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum State {
    /// The buyer has to pay.
    AwaitingPayment {
        /// Why the last method was refused.
        declined: Option<Decline>,
        /// Who wishes to call the sale off.
        #[serde(default)]
        cancel: Option<Role>,
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
        /// On which method.
        method: PaymentMethod,
        /// It is gone from then on.
        expires_at: DateTime<Utc>,
    },
    /// The money is in escrow; the seller has to ship.
    Escrowed {
        /// The charge.
        charge: GatewayRef,
        /// Until when.
        ship_due_at: DateTime<Utc>,
        /// Who wishes to call the sale off.
        #[serde(default)]
        cancel: Option<Role>,
    },
    /// The lot is on its way; the buyer looks at it.
    Shipped {
        /// The charge.
        charge: GatewayRef,
        /// How and since when.
        delivery: Delivery,
    },
    /// Somebody complained, or the buyer's bank did: the operator decides. What was said is in the settlement's dispute.
    Disputed {
        /// The charge.
        charge: GatewayRef,
        /// How it was sent.
        delivery: Delivery,
    },
    /// The buyer has the lot; the seller is to be paid.
    Received {
        /// The charge.
        charge: GatewayRef,
        /// How it came.
        delivery: Delivery,
        /// Who gets what.
        split: Split,
        /// Since when.
        received_at: DateTime<Utc>,
        /// How the seller is going to be paid.
        owed: Owed,
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
        /// By which payout; none if there was nothing left to pay.
        #[serde(default)]
        payout_id: Option<PayoutId>,
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

/// The hammer price, divided; the parts always sum to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Split {
    /// The seller's share.
    pub payout: Money,
    /// The platform's.
    pub commission: Money,
    /// What the buyer got back of the seller's share, by the operator's decision.
    #[serde(default)]
    pub refunded: Option<Money>,
}

/// How a seller's share is going to be paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "in", rename_all = "snake_case")]
pub enum Owed {
    /// With the seller's next payout.
    Waiting {
        /// It is looked then whether it is time for one.
        due_at: DateTime<Utc>,
    },
    /// With this one.
    Within {
        /// Which.
        payout_id: PayoutId,
    },
}

/// How the buyer gets the money back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum Undo {
    /// The hold is let go.
    Void {
        /// Which.
        hold: GatewayRef,
        /// It is gone from then on, let go or not.
        #[serde(default)]
        expires_at: Option<DateTime<Utc>>,
    },
    /// The charge is given back.
    Refund {
        /// Which.
        charge: GatewayRef,
    },
    /// A part of the charge is given back; then the rest is paid out.
    PartRefund {
        /// Which.
        charge: GatewayRef,
        /// How much.
        amount: Money,
        /// How the lot was sent.
        delivery: Delivery,
    },
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
            Self::Disputed { .. } => Status::Disputed,
            Self::Received { .. } => Status::Received,
            Self::Completed { .. } => Status::Completed,
            Self::Refunding { .. } => Status::Refunding,
            Self::Refunded { .. } => Status::Refunded,
            Self::Failed { .. } => Status::Failed,
            Self::NeedsOperator { .. } => Status::NeedsOperator,
        }
    }
}
