//! Why a sale did not happen.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The reasons; what each of them leads to is the saga's table [`crate::saga::ENDS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureReason {
    /// No payment in time.
    Unpaid,
    /// The money was held and could not be taken, or the gateway moves no such amount.
    PaymentFailed,
    /// Not shipped in time.
    NotShipped,
    /// A second chance was not taken in time, or was declined.
    OfferLapsed,
    /// The seller listed the lot again while a second chance was offered, or paid and not shipped.
    OfferWithdrawn,
    /// Buyer and seller agreed to call the sale off.
    Agreed,
    /// The buyer gave up an award that was smaller than wanted.
    AwardDeclined,
    /// The operator decided a dispute for the buyer.
    DisputeRefunded,
    /// The operator called the sale off.
    CalledOff,
}

impl FailureReason {
    /// All of them, in the order of the saga's table.
    pub const ALL: [Self; 9] = [
        Self::Unpaid,
        Self::PaymentFailed,
        Self::NotShipped,
        Self::OfferLapsed,
        Self::OfferWithdrawn,
        Self::Agreed,
        Self::AwardDeclined,
        Self::DisputeRefunded,
        Self::CalledOff,
    ];

    /// The name in the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unpaid => "unpaid",
            Self::PaymentFailed => "payment_failed",
            Self::NotShipped => "not_shipped",
            Self::OfferLapsed => "offer_lapsed",
            Self::OfferWithdrawn => "offer_withdrawn",
            Self::Agreed => "agreed",
            Self::AwardDeclined => "award_declined",
            Self::DisputeRefunded => "dispute_refunded",
            Self::CalledOff => "called_off",
        }
    }
}

impl fmt::Display for FailureReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_written_by_its_name() {
        for reason in FailureReason::ALL {
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.name());
        }
    }
}
