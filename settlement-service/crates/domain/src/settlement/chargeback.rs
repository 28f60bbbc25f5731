//! What the buyer's bank took back, as the gateway tells of it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Settlement, State};
use crate::gateway::GatewayRef;
use crate::money::Money;

/// Most chargebacks that a settlement notes; a charge has one as a rule.
pub const MAX_CHARGEBACKS: usize = 20;

/// Why a sale is stopped, in words that both parties may read.
pub(super) const STOPPED: &str = "The buyer's bank took the payment back (chargeback).";

/// What the gateway tells of a chargeback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// What the gateway calls it: the same however often, and by whatever event, it is told.
    pub id: GatewayRef,
    /// How much the bank took; none if the gateway names no amount that is one here.
    pub amount: Option<Money>,
    /// Why, in the gateway's words, e.g. `fraudulent`.
    pub reason: Option<String>,
}

/// A chargeback that was noted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chargeback {
    /// What the gateway calls it.
    pub id: GatewayRef,
    /// How much the bank took.
    pub amount: Option<Money>,
    /// Why, in the gateway's words.
    pub reason: Option<String>,
    /// When it was heard of, by the database's clock.
    pub told_at: DateTime<Utc>,
}

impl Settlement {
    /// What the buyer's bank took back, in the order in which it was heard of.
    #[must_use]
    pub fn chargebacks(&self) -> &[Chargeback] {
        &self.chargebacks
    }

    /// Whether it knows of a chargeback.
    #[must_use]
    pub fn knows_of(&self, chargeback: &GatewayRef) -> bool {
        self.chargebacks.iter().any(|known| known.id == *chargeback)
    }

    /// Notes a chargeback. False, and nothing is noted, if it is known or there are [`MAX_CHARGEBACKS`] already.
    pub(crate) fn notes(&mut self, claim: Claim, told_at: DateTime<Utc>) -> bool {
        let is_news = self.chargebacks.len() < MAX_CHARGEBACKS && !self.knows_of(&claim.id);
        if is_news {
            let Claim { id, amount, reason } = claim;
            self.chargebacks.push(Chargeback { id, amount, reason, told_at });
        }
        is_news
    }

    /// Whether the operator has to decide about money in escrow before the lot is shipped.
    pub(crate) fn rests_in_escrow(&self) -> bool {
        match &self.state {
            State::NeedsOperator { stuck, .. } => matches!(**stuck, State::Escrowed { .. }),
            _ => false,
        }
    }

    /// Whether it is stopped as soon as the gateway has done what it is awaited for.
    pub(crate) const fn is_to_be_stopped(&self) -> bool {
        self.to_be_stopped
    }

    pub(crate) fn stop_later(&mut self) {
        self.to_be_stopped = true;
    }

    /// The operator has decided: the chargebacks so far stop nothing any more.
    pub(crate) fn stop_no_more(&mut self) {
        self.to_be_stopped = false;
    }
}
