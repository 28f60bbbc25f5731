//! A decision in the making: how the saga's tables are carried out.

use chrono::{DateTime, Utc};

use super::table::Afterwards::GoesOn;
use super::table::Party::Saga;
use super::table::Step::{self, Authorize, Capture, PayOut, Receive, Ship};
use super::table::WhenLate::{CallOff, CountAsDone, HoldAgain};
use super::table::WhenRefused::{self, Abandon, AskAgain, Retry};
use super::{Change, Position, SagaError, UNDO_CONTACTS, WHEN_UNDO_REFUSED, position};
use crate::call::{CallStatus, GatewayCall, backoff};
use crate::gateway::{Answer, Decline, GatewayRef, Operation};
use crate::ids::UserId;
use crate::ledger::{self, LedgerError, Transaction};
use crate::settlement::FailureReason::{self, Agreed};
use crate::settlement::{Parcel, Refused, Settlement, State, Undo, What};
use crate::standing::Strike;

/// What cannot be decided here is a person's to decide: never parked in silence.
pub(super) fn stuck(
    settlement: Settlement,
    call: Option<GatewayCall>,
    error: &SagaError,
    now: DateTime<Utc>,
) -> Change {
    let stays = settlement.clone();
    let settlement = settlement.needs_operator(error.to_string(), now).unwrap_or(stays);
    let mut run = Run::of(settlement, now);
    run.change.calls.extend(call);
    run.into()
}

/// By what a step is known to be done.
pub(super) enum Proof {
    /// Somebody said so, or time did.
    Word,
    /// The seller's parcel.
    Parcel(Parcel),
    /// The gateway's reference.
    Reference(GatewayRef),
}

/// A decision in the making.
pub(super) struct Run {
    pub now: DateTime<Utc>,
    pub change: Change,
}

impl From<Run> for Change {
    fn from(run: Run) -> Self {
        run.change
    }
}

impl Run {
    pub(super) const fn of(settlement: Settlement, now: DateTime<Utc>) -> Self {
        let change = Change {
            settlement,
            events: Vec::new(),
            calls: Vec::new(),
            transactions: Vec::new(),
            strikes: Vec::new(),
            resolutions: Vec::new(),
        };
        Self { now, change }
    }

    /// The world is told.
    pub(super) fn told(mut self, what: What) -> Self {
        self.change.events.push(self.change.settlement.happened(what, self.now));
        self
    }

    /// The settlement arrives in another state, and the world is told if that is news.
    pub(super) fn moved(
        mut self,
        how: impl FnOnce(Settlement) -> Result<Settlement, Refused>,
    ) -> Result<Self, SagaError> {
        let before = self.change.settlement.status();
        self.change.settlement = how(self.change.settlement)?;
        let news = if before == self.change.settlement.status() {
            Vec::new()
        } else {
            What::on_arrival(&self.change.settlement)
        };
        Ok(news.into_iter().fold(self, Self::told))
    }

    pub(super) fn posted(mut self, transaction: Result<Transaction, LedgerError>) -> Result<Self, SagaError> {
        self.change.transactions.push(transaction?);
        Ok(self)
    }

    pub(super) fn knowing(mut self, call: GatewayCall) -> Self {
        self.change.calls.push(call);
        self
    }

    /// Plans a new attempt at an operation: counted in the settlement, stored with it.
    pub(super) fn tell(mut self, operation: Operation, due_at: DateTime<Utc>) -> Result<Self, SagaError> {
        let instruction = self.change.settlement.instruction(operation)?;
        let attempt = self.change.settlement.count_attempt(operation);
        let call = GatewayCall::plan(self.change.settlement.id(), attempt, instruction, due_at);
        Ok(self.knowing(call))
    }

    /// A step is done: the settlement moves, the ledger has it, the next step is entered.
    pub(super) fn done(self, step: Step, proof: Proof) -> Result<Self, SagaError> {
        let now = self.now;
        let run = match (step, proof) {
            (Authorize, Proof::Reference(hold)) => self.moved(|settlement| settlement.authorized(hold, now))?,
            (Capture, Proof::Reference(charge)) => {
                let run = self.moved(|settlement| settlement.escrowed(charge, now))?;
                let entry = ledger::captured(&run.change.settlement, now);
                run.posted(entry)?
            }
            (Ship, Proof::Parcel(parcel)) => self.moved(|settlement| settlement.shipped(parcel, now))?,
            (Receive, Proof::Word) => self.moved(|settlement| settlement.received(now))?.released()?,
            // The payout that paid it is posted once for all of its settlements. By word: commission or a refund took it
            // all, and there is nothing to tell the gateway.
            (PayOut, Proof::Reference(_) | Proof::Word) => self.moved(|settlement| settlement.completed(now))?,
            (step, _) => return Err(self.change.settlement.refuse(step.name()).into()),
        };
        match step.next() {
            Some(next) => run.enter(next),
            None => Ok(run),
        }
    }

    /// Escrow is divided, if there is any left.
    fn released(self) -> Result<Self, SagaError> {
        let settlement = &self.change.settlement;
        let back = settlement.split().and_then(|split| split.refunded);
        let left = back != Some(settlement.price());
        let entry = ledger::released(&self.change.settlement, self.now);
        if left { self.posted(entry) } else { Ok(self) }
    }

    /// A step is entered: off, too late or to be stopped, begun at once by the saga, or whenever its party does.
    pub(super) fn enter(self, step: Step) -> Result<Self, SagaError> {
        let settlement = &self.change.settlement;
        if settlement.called_off().is_some() || step.missed(settlement, self.now).is_some() {
            return self.late(step);
        }
        match step.row().begun_by {
            Saga if self.change.settlement.owes_nothing() => self.done(step, Proof::Word),
            _ if self.has_to_be_stopped(step) => self.stopped(),
            Saga => self.ask(step),
            _ => Ok(self),
        }
    }

    /// The gateway is to do a step.
    pub(super) fn ask(self, step: Step) -> Result<Self, SagaError> {
        let now = self.now;
        match step.row().does {
            Some(does) if !does.together => self.tell(does.operation, now),
            // Its turn comes with others: see `payouts`.
            Some(_) | None => Ok(self),
        }
    }

    /// A step's deadline has passed, or the sale was called off while the gateway was awaited.
    pub(super) fn late(self, step: Step) -> Result<Self, SagaError> {
        if let Some(reason) = self.change.settlement.called_off() {
            return self.call_off(reason, step);
        }
        match step.row().limit.map(|limit| limit.when_late) {
            Some(CallOff(reason)) => self.call_off(reason, step),
            Some(CountAsDone) => self.done(step, Proof::Word),
            Some(HoldAgain(times)) => self.hold_again(times),
            None => Ok(self),
        }
    }

    /// The hold is gone: the same method is asked again, but not for ever.
    fn hold_again(self, times: u32) -> Result<Self, SagaError> {
        let now = self.now;
        let run = self.moved(|settlement| settlement.reauthorizing(now))?;
        if run.change.settlement.attempts(Operation::Authorize) <= times {
            return run.ask(Authorize);
        }
        run.moved(|settlement| settlement.declined(Decline::hold_expired(), now))?.enter(Authorize)
    }

    /// The sale is off: what was done before this step is undone.
    pub(super) fn call_off(self, reason: FailureReason, step: Step) -> Result<Self, SagaError> {
        let now = self.now;
        let reason = reason.of(self.change.settlement.kind());
        match step.undo_before() {
            Some(undo) => self.moved(|settlement| settlement.undoing(undo, reason))?.tell(undo, now),
            None => self.over(reason),
        }
    }

    /// There was no sale, and nothing (more) of the buyer's is held or taken: what follows from the reason.
    pub(super) fn over(self, reason: FailureReason) -> Result<Self, SagaError> {
        let now = self.now;
        let mut run = self.moved(|settlement| settlement.undone(reason, now))?;
        let end = reason.row();
        if let Some(role) = end.strike {
            let settlement = &run.change.settlement;
            let strike = Strike { settlement_id: settlement.id(), role, at: now };
            run.change.strikes.push((settlement.party(role).clone(), strike));
        }
        Ok(if end.lot == GoesOn { run.lot_goes_on() } else { run })
    }

    /// A party wishes to call the sale off, or agrees to that.
    pub(super) fn cancel(self, who: &UserId) -> Result<Self, SagaError> {
        let settlement = &self.change.settlement;
        let Some(role) = settlement.role_of(who) else { return Err(settlement.refuse("cancel").into()) };
        match (settlement.cancel_wish(), position(settlement)) {
            (Some(other), Position::Waiting(step)) if other != role => self.call_off(Agreed, step),
            _ => self.moved(|settlement| settlement.wished_off(role)),
        }
    }

    /// The gateway was contacted.
    pub(super) fn heard(self, call: GatewayCall) -> Result<Self, SagaError> {
        let position = position(&self.change.settlement);
        let (operation, refusal, contacts) = match position {
            Position::Calling(step) => match step.row().does {
                Some(does) => (does.operation, does.when_refused, does.contacts),
                None => return Ok(self.knowing(call)),
            },
            Position::Undoing(operation) => (operation, WHEN_UNDO_REFUSED, UNDO_CONTACTS),
            _ => return Ok(self.knowing(call)),
        };
        if (call.operation(), call.attempt()) != (operation, self.change.settlement.attempts(operation)) {
            return Ok(self.knowing(call));
        }
        match call.status().clone() {
            CallStatus::Answered(Answer::Succeeded { reference }) => match position {
                Position::Calling(step) => self.knowing(call).done(step, Proof::Reference(reference)),
                _ => self.knowing(call).undone(),
            },
            CallStatus::Answered(Answer::Declined(decline)) => {
                self.knowing(call).refused(position, refusal, operation, decline)
            }
            CallStatus::Ready if call.may_be_dropped() && call.tries() >= contacts => {
                self.knowing(call.dropped()?).refused(position, refusal, operation, Decline::unavailable())
            }
            CallStatus::Ready | CallStatus::InDoubt | CallStatus::Dropped => Ok(self.knowing(call)),
        }
    }

    /// The gateway refused: what the table says about that. A refusal because it is late is being late.
    fn refused(
        self,
        position: Position,
        refusal: WhenRefused,
        operation: Operation,
        decline: Decline,
    ) -> Result<Self, SagaError> {
        let now = self.now;
        match (refusal, position) {
            (AskAgain(_), Position::Calling(step)) if !decline.is_of_amount() => {
                self.moved(|settlement| settlement.declined(decline, now))?.enter(step)
            }
            (Abandon(_), Position::Calling(step))
                if decline.is_expired_hold() || step.missed(&self.change.settlement, now).is_some() =>
            {
                self.hold_is_gone(step)
            }
            (AskAgain(reason) | Abandon(reason), Position::Calling(step)) => {
                let reason = self.change.settlement.called_off().unwrap_or(reason);
                self.call_off(reason, step)
            }
            (_, Position::Undoing(Operation::Void)) if self.has_run_out(&decline) => self.undone(),
            (Retry(limit), _) if self.change.settlement.attempts(operation) < limit => {
                let wait = backoff(self.change.settlement.attempts(operation));
                self.tell(operation, now + wait)
            }
            _ => {
                let reason = decline.of(operation);
                self.moved(|settlement| settlement.needs_operator(reason, now))
            }
        }
    }

    /// A hold that ran out needs no undo.
    fn hold_is_gone(self, step: Step) -> Result<Self, SagaError> {
        match self.change.settlement.called_off() {
            Some(reason) => {
                let now = self.now;
                self.moved(|settlement| settlement.reauthorizing(now))?.over(reason)
            }
            None => self.late(step),
        }
    }

    /// Whether the hold that is to be let go was gone before.
    fn has_run_out(&self, decline: &Decline) -> bool {
        let gone_at = match self.change.settlement.state() {
            State::Refunding { undo: Undo::Void { expires_at, .. }, .. } => *expires_at,
            _ => None,
        };
        decline.is_expired_hold() || gone_at.is_some_and(|gone_at| gone_at <= self.now)
    }

    /// The gateway has undone what it did.
    pub(super) fn undone(self) -> Result<Self, SagaError> {
        let now = self.now;
        let State::Refunding { undo, reason } = self.change.settlement.state().clone() else {
            return Err(self.change.settlement.refuse("undone").into());
        };
        match undo {
            Undo::Void { .. } => self.over(reason),
            Undo::Refund { .. } => {
                let entry = ledger::refunded(&self.change.settlement, now);
                self.posted(entry)?.over(reason)
            }
            Undo::PartRefund { amount, .. } => {
                let entry = ledger::part_refunded(&self.change.settlement, amount, now);
                let run = self.posted(entry)?.moved(|settlement| settlement.part_refunded(now))?;
                run.released()?.enter(PayOut)
            }
        }
    }
}
