//! The moves from state to state. Each consumes the settlement and gives back the moved one, or names the state
//! that refused. Only the saga calls them: whether a move is due is decided by its table, not here.

use chrono::{DateTime, TimeDelta, Utc};

use super::chargeback::STOPPED;
use super::{
    Delivery, Dispute, Evidence, FailureReason, Owed, Parcel, Role, Settlement, Split, State, Statement, Status, Undo,
};
use crate::gateway::{Decline, GatewayRef, Instruction, Operation, PaymentMethod};
use crate::ids::UserId;
use crate::money::Money;
use crate::outage::Grace;

/// A hold on a card lasts this long, days (ACCEPTANCE, Money: customer-initiated).
pub const HOLD_DAYS: i64 = 7;

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

    /// What a person has to do may be done until the end of a grace. So may paying while a payment is under way, because a
    /// refusal leads back to it. This is no move, and what the gateway or another service has to do is due as before.
    #[must_use]
    pub fn given(mut self, grace: Grace) -> Self {
        let seconds = |term: u32| TimeDelta::seconds(term.into());
        let payment_due_at = self.payment_due_at.max(grace.of_term(self.time_to_pay()));
        match &mut self.state {
            State::AwaitingPayment { .. } | State::Authorizing { .. } => self.payment_due_at = payment_due_at,
            State::Escrowed { ship_due_at, .. } => {
                *ship_due_at = (*ship_due_at).max(grace.of_term(seconds(self.terms.ship_due_s)));
            }
            State::Shipped { delivery, .. } => {
                let ends_at = grace.of_term(seconds(self.terms.inspection_s));
                delivery.inspection_ends_at = delivery.inspection_ends_at.max(ends_at);
            }
            _ => {}
        }
        self
    }

    /// The buyer named a method.
    pub(crate) fn authorizing(self, method: PaymentMethod) -> Moved {
        match self.state {
            State::AwaitingPayment { .. } => Ok(self.to(State::Authorizing { method })),
            _ => Err(self.refuse("pay")),
        }
    }

    /// The method was refused, or the hold on it came to nothing too often. The buyer, who had paid in time, has time to
    /// pay anew if nobody refused but the gateway was away.
    pub(crate) fn declined(mut self, decline: Decline, now: DateTime<Utc>) -> Moved {
        let anew = self.time_to_pay_anew(now);
        match self.state {
            State::Authorizing { .. } | State::Authorized { .. } => {
                if decline.is_unavailable() {
                    self.payment_due_at = anew;
                }
                Ok(self.to(State::AwaitingPayment { declined: Some(decline), cancel: None }))
            }
            _ => Err(self.refuse("declined")),
        }
    }

    /// The money is held.
    pub(crate) fn authorized(mut self, hold: GatewayRef, now: DateTime<Utc>) -> Moved {
        match self.state {
            State::Authorizing { method } => {
                self.state = State::Authorized { hold, method, expires_at: now + TimeDelta::days(HOLD_DAYS) };
                Ok(self)
            }
            _ => Err(self.refuse("authorized")),
        }
    }

    /// The hold is gone: the same method is to be held again. The buyer, who had paid in time, has time to pay anew.
    pub(crate) fn reauthorizing(mut self, now: DateTime<Utc>) -> Moved {
        let anew = self.time_to_pay_anew(now);
        match self.state {
            State::Authorized { method, .. } => {
                self.payment_due_at = anew;
                self.state = State::Authorizing { method };
                Ok(self)
            }
            _ => Err(self.refuse("hold_expired")),
        }
    }

    fn time_to_pay_anew(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        self.payment_due_at.max(now + TimeDelta::seconds(self.terms.payment_due_s.into()))
    }

    /// The money was taken.
    pub(crate) fn escrowed(self, charge: GatewayRef, now: DateTime<Utc>) -> Moved {
        match self.state {
            State::Authorized { .. } => {
                let ship_due_at = now + TimeDelta::seconds(self.terms.ship_due_s.into());
                Ok(self.to(State::Escrowed { charge, ship_due_at, cancel: None }))
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

    /// The buyer complains, or somebody else does: an operator.
    pub(crate) fn disputed(mut self, who: UserId, reason: Statement, now: DateTime<Utc>) -> Moved {
        let operator = Some(who).filter(|who| *who != self.buyer_id);
        match self.state {
            State::Shipped { charge, delivery } => {
                self.dispute = Some(Dispute { reason, operator, bank: false, opened_at: now, evidence: Vec::new() });
                self.state = State::Disputed { charge, delivery };
                Ok(self)
            }
            _ => Err(self.refuse("dispute")),
        }
    }

    /// The buyer's bank took the money back before anybody was paid.
    pub(crate) fn stopped(mut self, now: DateTime<Utc>) -> Moved {
        self.to_be_stopped = false;
        match self.state {
            State::Shipped { charge, delivery } => {
                self.dispute = Some(Dispute::of_the_bank(now));
                self.state = State::Disputed { charge, delivery };
                Ok(self)
            }
            State::Escrowed { .. } | State::Received { owed: Owed::Waiting { .. }, .. } => {
                self.needs_operator(STOPPED.to_owned(), now)
            }
            _ => Err(self.refuse("chargeback")),
        }
    }

    /// A party says something about the dispute.
    pub(crate) fn testified(mut self, by: Role, text: Statement, now: DateTime<Utc>) -> Moved {
        match (&self.state, &mut self.dispute) {
            (State::Disputed { .. }, Some(dispute)) => {
                dispute.evidence.push(Evidence { by, at: now, text });
                Ok(self)
            }
            _ => Err(self.refuse("evidence")),
        }
    }

    /// A party wishes to call the sale off.
    pub(crate) fn wished_off(mut self, by: Role) -> Moved {
        match &mut self.state {
            State::AwaitingPayment { cancel, .. } | State::Escrowed { cancel, .. } => {
                *cancel = Some(by);
                Ok(self)
            }
            _ => Err(self.refuse("cancel")),
        }
    }

    /// The buyer has the lot, or it counts as that: the hammer price is divided.
    pub(crate) fn received(mut self, now: DateTime<Utc>) -> Moved {
        let (payout, commission) = self.shares();
        match self.state {
            State::Shipped { charge, delivery }
            | State::Disputed { charge, delivery }
            | State::Refunding { undo: Undo::PartRefund { charge, delivery, .. }, .. } => {
                let split = Split { payout, commission, refunded: None };
                self.state =
                    State::Received { charge, delivery, split, received_at: now, owed: Owed::Waiting { due_at: now } };
                Ok(self)
            }
            _ => Err(self.refuse("receive")),
        }
    }

    /// The buyer got a part of the seller's share back: the rest is divided.
    pub(crate) fn part_refunded(mut self, now: DateTime<Utc>) -> Moved {
        let (share, commission) = self.shares();
        match self.state {
            State::Refunding { undo: Undo::PartRefund { charge, amount, delivery }, .. } => {
                // A part is at most the share it is taken from, so the difference is an amount.
                let payout = share.minus(amount).unwrap_or(share);
                let split = Split { payout, commission, refunded: Some(amount) };
                self.state =
                    State::Received { charge, delivery, split, received_at: now, owed: Owed::Waiting { due_at: now } };
                Ok(self)
            }
            _ => Err(self.refuse("part_refunded")),
        }
    }

    /// The seller's share of the hammer price, and the platform's.
    pub(crate) const fn shares(&self) -> (Money, Money) {
        (self.quote.payout(), self.quote.commission())
    }

    /// It waits for a payout, or is part of one.
    pub(crate) fn owed(mut self, next: Owed) -> Moved {
        match &mut self.state {
            State::Received { owed, .. } => {
                *owed = next;
                Ok(self)
            }
            _ => Err(self.refuse("pay_out")),
        }
    }

    /// The seller was paid.
    pub(crate) fn completed(mut self, now: DateTime<Utc>) -> Moved {
        let payout_id = self.payout_id();
        match self.state {
            State::Received { charge, delivery, split, received_at, .. } => {
                self.state = State::Completed { charge, delivery, split, received_at, completed_at: now, payout_id };
                Ok(self)
            }
            _ => Err(self.refuse("paid_out")),
        }
    }

    /// What was done by the gateway is being undone by this operation. What could not be given back, or not in part, is again.
    pub(crate) fn undoing(self, by: Operation, reason: FailureReason) -> Moved {
        let undo = match (&self.state, by) {
            (State::Authorized { hold, expires_at, .. }, Operation::Void) => {
                Undo::Void { hold: hold.clone(), expires_at: Some(*expires_at) }
            }
            (
                State::Escrowed { charge, .. }
                | State::Shipped { charge, .. }
                | State::Disputed { charge, .. }
                | State::Refunding { undo: Undo::Refund { charge } | Undo::PartRefund { charge, .. }, .. },
                Operation::Refund,
            ) => Undo::Refund { charge: charge.clone() },
            _ => return Err(self.refuse(by.name())),
        };
        Ok(self.to(State::Refunding { undo, reason }))
    }

    /// A part of the seller's share is going back to the buyer.
    pub(crate) fn part_refunding(mut self, amount: Money) -> Moved {
        match self.state {
            State::Disputed { charge, delivery } => {
                let undo = Undo::PartRefund { charge, amount, delivery };
                self.state = State::Refunding { undo, reason: FailureReason::DisputeRefunded };
                Ok(self)
            }
            _ => Err(self.refuse("part_refund")),
        }
    }

    /// The operator sends it back to where it got stuck.
    pub(crate) fn unstuck(mut self) -> Moved {
        match self.state {
            State::NeedsOperator { stuck, .. } => {
                self.state = *stuck;
                Ok(self)
            }
            _ => Err(self.refuse("resolve")),
        }
    }

    /// The sale was stopped and goes on: the seller has the whole time to ship anew.
    pub(crate) fn shipping_anew(mut self, now: DateTime<Utc>) -> Moved {
        let anew = now + TimeDelta::seconds(self.terms.ship_due_s.into());
        match &mut self.state {
            State::Escrowed { ship_due_at, .. } => {
                *ship_due_at = (*ship_due_at).max(anew);
                Ok(self)
            }
            _ => Err(self.refuse("retry")),
        }
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
            (State::Authorized { hold, .. }, Operation::Capture) => {
                Ok(Instruction::Capture { hold: hold.clone(), amount })
            }
            (State::Refunding { undo: Undo::Void { hold, .. }, .. }, Operation::Void) => {
                Ok(Instruction::Void { hold: hold.clone() })
            }
            (State::Refunding { undo: Undo::Refund { charge }, .. }, Operation::Refund) => {
                Ok(Instruction::Refund { charge: charge.clone(), amount })
            }
            (State::Refunding { undo: Undo::PartRefund { charge, amount, .. }, .. }, Operation::Refund) => {
                Ok(Instruction::Refund { charge: charge.clone(), amount: *amount })
            }
            _ => Err(self.refuse(operation.name())),
        }
    }
}
