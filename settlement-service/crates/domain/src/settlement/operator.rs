//! What the operator decides, where the saga cannot.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Settlement, State, Statement, Status, Undo};
use crate::ids::{SettlementId, UserId};

/// A decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "decision", rename_all = "snake_case")]
pub enum Verdict {
    /// The gateway is asked once more, or a sale that was stopped goes on.
    Retry,
    /// The buyer gets everything back.
    Refund,
    /// The buyer gets a part of the seller's share back, the rest is paid out.
    PartRefund {
        /// How much, minor units.
        amount: i64,
    },
    /// The seller is paid as if the buyer had received.
    Release,
    /// It ends here, and the gateway is told nothing: a hold runs out by itself, and what the buyer's bank took is gone.
    Close,
}

impl Verdict {
    /// The name in the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Refund => "refund",
            Self::PartRefund { .. } => "part_refund",
            Self::Release => "release",
            Self::Close => "close",
        }
    }

    /// The part to be given back, minor units.
    #[must_use]
    pub const fn amount(self) -> Option<i64> {
        match self {
            Self::PartRefund { amount } => Some(amount),
            Self::Retry | Self::Refund | Self::Release | Self::Close => None,
        }
    }
}

/// A decision, who made it and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Which operator.
    pub by: UserId,
    /// What.
    pub verdict: Verdict,
    /// Why; may be left out in a dispute, whose evidence says it.
    pub note: Option<Statement>,
    /// How many chargebacks the operator saw on the settlement; none if that was not said.
    pub chargebacks_seen: Option<usize>,
}

/// A decision that was carried out, for the audit trail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolution {
    /// About which settlement.
    pub settlement_id: SettlementId,
    /// Which operator.
    pub by: UserId,
    /// What.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// Why.
    pub note: Option<Statement>,
    /// Where the settlement stood before.
    pub status: Status,
    /// When, by the database's clock.
    pub at: DateTime<Utc>,
}

impl Settlement {
    /// What the operator may decide here, by its names in the API; nothing where the saga decides.
    ///
    /// | state | may be decided | and after a chargeback |
    /// |---|---|---|
    /// | disputed | refund, part refund, release | close |
    /// | stuck: the hold is not let go | retry, close (it runs out by itself) | |
    /// | stuck: it is not given back | retry | close |
    /// | stuck: a part is not given back | retry, release (all of it) | close |
    /// | stuck: escrowed | retry, refund | close |
    /// | stuck: shipped | refund, release | close |
    /// | stuck: anything else | retry | |
    #[must_use]
    pub fn actions(&self) -> &'static [&'static str] {
        let charged_back = !self.chargebacks().is_empty();
        match self.state() {
            State::Disputed { .. } if charged_back => &["refund", "part_refund", "release", "close"],
            State::Disputed { .. } => &["refund", "part_refund", "release"],
            State::NeedsOperator { stuck, .. } => stuck.actions_where_stuck(charged_back),
            _ => &[],
        }
    }
}

impl State {
    fn actions_where_stuck(&self, charged_back: bool) -> &'static [&'static str] {
        match (self, charged_back) {
            (Self::Refunding { undo: Undo::Void { .. }, .. }, _)
            | (Self::Refunding { undo: Undo::Refund { .. }, .. }, true) => &["retry", "close"],
            (Self::Refunding { undo: Undo::PartRefund { .. }, .. }, true) => &["retry", "release", "close"],
            (Self::Refunding { undo: Undo::PartRefund { .. }, .. }, false) => &["retry", "release"],
            (Self::Escrowed { .. }, true) => &["retry", "refund", "close"],
            (Self::Escrowed { .. }, false) => &["retry", "refund"],
            (Self::Shipped { .. }, true) => &["refund", "release", "close"],
            (Self::Shipped { .. }, false) => &["refund", "release"],
            _ => &["retry"],
        }
    }
}
