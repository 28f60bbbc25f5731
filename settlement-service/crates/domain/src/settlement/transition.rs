//! The moves from state to state. Each consumes the settlement and gives back the moved one, or names the state
//! that refused. Only the saga calls them: whether a move is due is decided by its table, not here.

use chrono::{DateTime, TimeDelta, Utc};

use super::{Delivery, FailureReason, Parcel, Settlement, Split, State, Status, Undo};
use crate::gateway::{Decline, GatewayRef, Instruction, Operation, PaymentMethod};

/// A state does not take an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a settlement that is {status} does not take {event}")]
pub struct Refused {
    /// Where the settlement stands.
    pub status: Status,
    /// What it does not take there.
    pub event: &'static str,
}

type Moved = Result<Settlement, Refused>;

impl Settlement {
    /// The refusal of an event where the settlement stands.
    pub(crate) const fn refuse(&self, event: &'static str) -> Refused {
        Refused { status: self.status(), event }
    }

    fn to(mut self, state: State) -> Self {
        self.state = state;
        self
    }

    /// The buyer named a method.
    pub(crate) fn authorizing(self, method: PaymentMethod) -> Moved {
        match self.state {
            State::AwaitingPayment { .. } => Ok(self.to(State::Authorizing { method })),
            _ => Err(self.refuse("pay")),
        }
    }

    /// The method was refused.
    pub(crate) fn declined(self, decline: Decline) -> Moved {
        match self.state {
            State::Authorizing { .. } => Ok(self.to(State::AwaitingPayment { declined: Some(decline) })),
            _ => Err(self.refuse("declined")),
        }
    }

    /// The money is held.
    pub(crate) fn authorized(self, hold: GatewayRef) -> Moved {
        match self.state {
            State::Authorizing { .. } => Ok(self.to(State::Authorized { hold })),
            _ => Err(self.refuse("authorized")),
        }
    }

    /// The money was taken.
    pub(crate) fn escrowed(self, charge: GatewayRef, now: DateTime<Utc>) -> Moved {
        match self.state {
            State::Authorized { .. } => {
                let ship_due_at = now + TimeDelta::seconds(self.terms.ship_due_s.into());
                Ok(self.to(State::Escrowed { charge, ship_due_at }))
            }
            _ => Err(self.refuse("captured")),
        }
    }

    /// The seller handed the lot over.
    pub(crate) fn shipped(mut self, parcel: Parcel, now: DateTime<Utc>) -> Moved {
        match self.state {
            State::Escrowed { charge, .. } => {
                let inspection_ends_at = now + TimeDelta::seconds(self.terms.inspection_s.into());
                let delivery = Delivery { parcel, shipped_at: now, inspection_ends_at };
                self.state = State::Shipped { charge, delivery };
                Ok(self)
            }
            _ => Err(self.refuse("ship")),
        }
    }

    /// The buyer has the lot: the hammer price is divided.
    pub(crate) fn received(mut self, now: DateTime<Utc>) -> Moved {
        match self.state {
            State::Shipped { charge, delivery } => {
                let split = Split { payout: self.quote.payout(), commission: self.quote.commission() };
                self.state = State::Received { charge, delivery, split, received_at: now };
                Ok(self)
            }
            _ => Err(self.refuse("receive")),
        }
    }

    /// The seller was paid.
    pub(crate) fn completed(mut self, now: DateTime<Utc>) -> Moved {
        match self.state {
            State::Received { charge, delivery, split, received_at } => {
                self.state = State::Completed { charge, delivery, split, received_at, completed_at: now };
                Ok(self)
            }
            _ => Err(self.refuse("paid_out")),
        }
    }

    /// What was done by the gateway is being undone by this operation.
    pub(crate) fn undoing(self, by: Operation, reason: FailureReason) -> Moved {
        let undo = match (&self.state, by) {
            (State::Authorized { hold }, Operation::Void) => Undo::Void { hold: hold.clone() },
            (State::Escrowed { charge, .. }, Operation::Refund) => Undo::Refund { charge: charge.clone() },
            _ => return Err(self.refuse(by.name())),
        };
        Ok(self.to(State::Refunding { undo, reason }))
    }

    /// Nothing (more) is held or taken: the sale is off.
    pub(crate) fn undone(self, reason: FailureReason, now: DateTime<Utc>) -> Moved {
        match &self.state {
            State::AwaitingPayment { .. }
            | State::Authorizing { .. }
            | State::Refunding { undo: Undo::Void { .. }, .. } => Ok(self.to(State::Failed { reason, failed_at: now })),
            State::Refunding { undo: Undo::Refund { .. }, .. } => {
                Ok(self.to(State::Refunded { reason, refunded_at: now }))
            }
            _ => Err(self.refuse("undone")),
        }
    }

    /// A person has to decide.
    pub(crate) fn needs_operator(self, reason: String, now: DateTime<Utc>) -> Moved {
        match self.state {
            State::Completed { .. } | State::Refunded { .. } | State::Failed { .. } | State::NeedsOperator { .. } => {
                Err(self.refuse("needs_operator"))
            }
            _ => {
                let stuck = Box::new(self.state.clone());
                Ok(self.to(State::NeedsOperator { stuck, reason, since: now }))
            }
        }
    }

    /// What the gateway has to be told to carry an operation out from here.
    pub(crate) fn instruction(&self, operation: Operation) -> Result<Instruction, Refused> {
        let amount = self.price();
        match (&self.state, operation) {
            (State::Authorizing { method }, Operation::Authorize) => {
                Ok(Instruction::Authorize { amount, method: method.clone() })
            }
            (State::Authorized { hold }, Operation::Capture) => Ok(Instruction::Capture { hold: hold.clone(), amount }),
            (State::Refunding { undo: Undo::Void { hold }, .. }, Operation::Void) => {
                Ok(Instruction::Void { hold: hold.clone() })
            }
            (State::Refunding { undo: Undo::Refund { charge }, .. }, Operation::Refund) => {
                Ok(Instruction::Refund { charge: charge.clone(), amount })
            }
            (State::Received { split, .. }, Operation::PayOut) => {
                Ok(Instruction::PayOut { seller: self.seller_id.clone(), amount: split.payout })
            }
            _ => Err(self.refuse(operation.name())),
        }
    }
}
