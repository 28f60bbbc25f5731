//! What really moved at the gateway, in its own words: what the ledger is held against.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::gateway::{CallKey, GatewayRef, Operation};
use crate::ledger::EntryKind;
use crate::money::Money;

/// A way in which money moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MovementKind {
    /// A buyer's money came in.
    Charge,
    /// Some of it went back.
    Refund,
    /// A seller was paid.
    Payout,
}

impl MovementKind {
    /// All of them, in the order of a sale.
    pub const ALL: [Self; 3] = [Self::Charge, Self::Refund, Self::Payout];

    /// The name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Charge => "charge",
            Self::Refund => "refund",
            Self::Payout => "payout",
        }
    }

    /// The operation that moves money so.
    #[must_use]
    pub const fn operation(self) -> Operation {
        match self {
            Self::Charge => Operation::Capture,
            Self::Refund => Operation::Refund,
            Self::Payout => Operation::PayOut,
        }
    }

    /// The movement an operation makes; a hold and its end move nothing.
    #[must_use]
    pub const fn of_operation(operation: Operation) -> Option<Self> {
        match operation {
            Operation::Capture => Some(Self::Charge),
            Operation::Refund => Some(Self::Refund),
            Operation::PayOut => Some(Self::Payout),
            Operation::Authorize | Operation::Void => None,
        }
    }

    /// The movement that an entry of the ledger tells of; a release moves nothing at the gateway, and what the buyer's bank
    /// took is not on its list.
    #[must_use]
    pub const fn of_entry(kind: EntryKind) -> Option<Self> {
        match kind {
            EntryKind::Captured => Some(Self::Charge),
            EntryKind::Refunded | EntryKind::PartRefunded => Some(Self::Refund),
            EntryKind::PaidOut => Some(Self::Payout),
            EntryKind::Released | EntryKind::ChargedBack => None,
        }
    }

    /// The entries that tell of it.
    #[must_use]
    pub const fn entries(self) -> &'static [EntryKind] {
        match self {
            Self::Charge => &[EntryKind::Captured],
            Self::Refund => &[EntryKind::Refunded, EntryKind::PartRefunded],
            Self::Payout => &[EntryKind::PaidOut],
        }
    }

    /// The amount as the account `gateway_clearing` has it: above zero what came in.
    #[must_use]
    pub fn signed(self, amount: Money) -> i128 {
        let amount = i128::from(amount.amount());
        if self == Self::Charge { amount } else { -amount }
    }
}

impl fmt::Display for MovementKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Money that moved at the gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Movement {
    /// In which way.
    pub kind: MovementKind,
    /// The key of the call that moved it, or else of the call that made what it was moved from.
    pub key: Option<CallKey>,
    /// What the gateway calls it.
    pub reference: GatewayRef,
    /// Of a refund: the charge that it gives back.
    pub charge: Option<GatewayRef>,
    /// How much.
    pub amount: Money,
    /// When, by the gateway's clock.
    pub at: DateTime<Utc>,
}

impl Movement {
    /// The key of the call that moved it; none if no call of ours did.
    #[must_use]
    pub fn moved_by(&self) -> Option<&CallKey> {
        self.key.as_ref().filter(|key| key.operation() == Some(self.kind.operation()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_movement_its_operation_and_its_entries_belong_together() {
        for kind in MovementKind::ALL {
            assert_eq!(MovementKind::of_operation(kind.operation()), Some(kind));
            assert!(kind.entries().iter().all(|entry| MovementKind::of_entry(*entry) == Some(kind)));
        }
        assert_eq!(MovementKind::of_operation(Operation::Void), None);
        for entry in [EntryKind::Released, EntryKind::ChargedBack] {
            assert_eq!(MovementKind::of_entry(entry), None, "{entry:?}");
        }
    }

    #[test]
    fn a_refund_under_the_key_of_its_charge_was_made_by_nobody_of_ours() {
        let id = crate::SettlementId::from(uuid::Uuid::nil());
        let refund = |operation| Movement {
            kind: MovementKind::Refund,
            key: Some(CallKey::new(id, operation, 1)),
            reference: GatewayRef::from("re_1".to_owned()),
            charge: None,
            amount: Money::new(5, "USD".parse().unwrap()).unwrap(),
            at: DateTime::UNIX_EPOCH,
        };
        assert_eq!(refund(Operation::Capture).moved_by(), None);
        assert!(refund(Operation::Refund).moved_by().is_some());
    }
}
