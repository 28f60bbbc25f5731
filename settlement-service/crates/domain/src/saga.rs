//! The saga of a settlement: from the hammer to the seller's money, or back to the buyer's.
//!
//! The table is what runs: [`begin`], [`deadline`], [`dispatch`] and [`report`] read from it what a step does, how
//! long it may take, what a refusal leads to and how it is undone. Captured money has no hold left, so the undo of
//! the last finished step that has one undoes those before it, too.

mod table;
#[cfg(test)]
mod tests;

use chrono::{DateTime, Utc};

use self::table::Deadline::{InspectionEnd, PaymentDue, ShipDue};
use self::table::Party::{Buyer, Saga, Seller};
use self::table::Step::{Authorize, Capture, PayOut, Receive, Ship};
use self::table::WhenLate::{CallOff, CountAsDone};
use self::table::WhenRefused::{Abandon, AskAgain, Retry};
pub use self::table::{Deadline, Does, Limit, Party, Row, Step, WhenLate, WhenRefused};
use self::table::{by, row, tell};
use crate::call::{CallStatus, Contact, GatewayCall, Report, StillInDoubt, backoff};
use crate::gateway::{Answer, Decline, GatewayRef, Operation, PaymentMethod};
use crate::ledger::{self, LedgerError, Transaction};
use crate::settlement::FailureReason::{NotShipped, Unpaid};
use crate::settlement::{FailureReason, Parcel, Refused, Settlement, SettlementEvent, State, Undo, What};

/// The steps, in order. The number in `tell` is [`Does::contacts`].
#[rustfmt::skip]
pub const SAGA: [Row; 5] = [
//      step       begun by  does, and when that is refused                        until, and when that is missed           undone by
    row(Authorize, Buyer,    Some(tell(Operation::Authorize, AskAgain, 8)),        Some(by(PaymentDue, CallOff(Unpaid))),   Some(Operation::Void)),
    row(Capture,   Saga,     Some(tell(Operation::Capture, Abandon(Unpaid), 40)),  Some(by(PaymentDue, CallOff(Unpaid))),   Some(Operation::Refund)),
    row(Ship,      Seller,   None,                                                 Some(by(ShipDue, CallOff(NotShipped))),  None),
    row(Receive,   Buyer,    None,                                                 Some(by(InspectionEnd, CountAsDone)),    None),
    row(PayOut,    Saga,     Some(tell(Operation::PayOut, Retry(5), 40)),          None,                                    None),
];

/// An undo has no other way out: it is tried again, then a person has to decide.
pub const WHEN_UNDO_REFUSED: WhenRefused = Retry(5);

/// [`Does::contacts`] of an undo.
pub const UNDO_CONTACTS: u32 = 40;

/// What a person does to move a settlement on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// The buyer names a payment method.
    Pay(PaymentMethod),
    /// The seller hands the lot to a carrier.
    Ship(Parcel),
    /// The buyer has the lot.
    Receive,
}

impl Act {
    /// The step it sets going.
    #[must_use]
    pub const fn step(&self) -> Step {
        match self {
            Self::Pay(_) => Authorize,
            Self::Ship(_) => Ship,
            Self::Receive => Receive,
        }
    }

    /// Its name in the API.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Pay(_) => "pay",
            Self::Ship(_) => "ship",
            Self::Receive => "receive",
        }
    }
}

/// Everything one decision changes, to be stored in one transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The settlement after it.
    pub settlement: Settlement,
    /// What the world is told.
    pub events: Vec<SettlementEvent>,
    /// Calls newly planned or better known.
    pub calls: Vec<GatewayCall>,
    /// What the ledger gets.
    pub transactions: Vec<Transaction>,
}

/// What to do about a call that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dispatch {
    /// Store the call as it is here, then contact the gateway.
    Contact(GatewayCall, Contact),
    /// The deadline came first: the call is dropped.
    Overtaken(Box<Change>),
}

/// Why a decision could not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SagaError {
    /// Not in this state.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// Too late.
    #[error("{event} came after the deadline {deadline}")]
    Late {
        /// What came late.
        event: &'static str,
        /// What it missed.
        deadline: DateTime<Utc>,
    },
    /// A defect: the postings do not balance.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A defect: a call in doubt was to be dropped.
    #[error(transparent)]
    InDoubt(#[from] StillInDoubt),
}

/// Where a state stands in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Position {
    /// Waits for the person who begins the step.
    Waiting(Step),
    /// Waits for the gateway to do the step.
    Calling(Step),
    /// Waits for the gateway to undo.
    Undoing(Operation),
    /// Nothing is awaited.
    Over,
}

fn position(settlement: &Settlement) -> Position {
    match settlement.state() {
        State::AwaitingPayment { .. } => Position::Waiting(Authorize),
        State::Authorizing { .. } => Position::Calling(Authorize),
        State::Authorized { .. } => Position::Calling(Capture),
        State::Escrowed { .. } => Position::Waiting(Ship),
        State::Shipped { .. } => Position::Waiting(Receive),
        State::Received { .. } => Position::Calling(PayOut),
        State::Refunding { undo: Undo::Void { .. }, .. } => Position::Undoing(Operation::Void),
        State::Refunding { undo: Undo::Refund { .. }, .. } => Position::Undoing(Operation::Refund),
        State::Completed { .. } | State::Refunded { .. } | State::Failed { .. } | State::NeedsOperator { .. } => {
            Position::Over
        }
    }
}

/// When time alone moves the settlement on; none while the gateway is awaited or all is over.
#[must_use]
pub fn due_at(settlement: &Settlement) -> Option<DateTime<Utc>> {
    match position(settlement) {
        Position::Waiting(step) => step.row().limit.and_then(|limit| limit.moment(settlement)),
        Position::Calling(_) | Position::Undoing(_) | Position::Over => None,
    }
}

/// A person acts.
pub fn begin(settlement: Settlement, act: Act, now: DateTime<Utc>) -> Result<Change, SagaError> {
    let (step, event) = (act.step(), act.name());
    if position(&settlement) != Position::Waiting(step) {
        return Err(settlement.refuse(event).into());
    }
    if let Some(Limit { when_late: CallOff(_), .. }) = step.row().limit
        && let Some(deadline) = step.missed(&settlement, now)
    {
        return Err(SagaError::Late { event, deadline });
    }
    let run = Run::of(settlement, now);
    let run = match act {
        Act::Pay(method) => run.moved(|settlement| settlement.authorizing(method))?.ask(step)?,
        Act::Ship(parcel) => run.done(step, Proof::Parcel(parcel))?,
        Act::Receive => run.done(step, Proof::Word)?,
    };
    Ok(run.into())
}

/// Time passed. Changes nothing if no deadline has.
#[must_use]
pub fn deadline(settlement: Settlement, now: DateTime<Utc>) -> Change {
    let run = Run::of(settlement.clone(), now);
    let run = match position(&settlement) {
        Position::Waiting(step) if step.missed(&settlement, now).is_some() => run.late(step),
        _ => Ok(run),
    };
    run.map_or_else(|error| stuck(settlement, None, &error, now), Change::from)
}

/// A call is due: contact the gateway, or drop the call if its step's deadline passed before it had any effect.
#[must_use]
pub fn dispatch(settlement: Settlement, call: GatewayCall, now: DateTime<Utc>) -> Dispatch {
    match position(&settlement) {
        Position::Calling(step) if call.may_be_dropped() && step.missed(&settlement, now).is_some() => {
            let run = call.clone().dropped().map_err(SagaError::from);
            let run = run.and_then(|dropped| Run::of(settlement.clone(), now).knowing(dropped).late(step));
            let change = run.map_or_else(|error| stuck(settlement, Some(call), &error, now), Change::from);
            Dispatch::Overtaken(Box::new(change))
        }
        _ => {
            let (call, contact) = call.claim(now);
            Dispatch::Contact(call, contact)
        }
    }
}

/// What came of a contact with the gateway. An echo of a call that is over changes nothing.
#[must_use]
pub fn report(
    settlement: Settlement,
    call: GatewayCall,
    contact: Contact,
    report: Report,
    now: DateTime<Utc>,
) -> Change {
    let run = Run::of(settlement.clone(), now);
    if call.is_over() {
        return run.into();
    }
    let call = call.report(contact, report, now);
    run.heard(call.clone()).map_or_else(|error| stuck(settlement, Some(call), &error, now), Change::from)
}

/// What cannot be decided here is a person's to decide: never parked in silence.
fn stuck(settlement: Settlement, call: Option<GatewayCall>, error: &SagaError, now: DateTime<Utc>) -> Change {
    let stays = settlement.clone();
    let settlement = settlement.needs_operator(error.to_string(), now).unwrap_or(stays);
    Change { settlement, events: Vec::new(), calls: Vec::from_iter(call), transactions: Vec::new() }
}

/// By what a step is known to be done.
enum Proof {
    /// Somebody said so, or time did.
    Word,
    /// The seller's parcel.
    Parcel(Parcel),
    /// The gateway's reference.
    Reference(GatewayRef),
}

/// A decision in the making.
struct Run {
    now: DateTime<Utc>,
    change: Change,
}

impl From<Run> for Change {
    fn from(run: Run) -> Self {
        run.change
    }
}

impl Run {
    const fn of(settlement: Settlement, now: DateTime<Utc>) -> Self {
        let change = Change { settlement, events: Vec::new(), calls: Vec::new(), transactions: Vec::new() };
        Self { now, change }
    }

    /// The settlement arrives in another state, and the world is told if that is news.
    fn moved(mut self, how: impl FnOnce(Settlement) -> Result<Settlement, Refused>) -> Result<Self, SagaError> {
        let mut settlement = how(self.change.settlement)?;
        if let Some(what) = What::on_arrival(&settlement) {
            self.change.events.push(settlement.happened(what, self.now));
        }
        self.change.settlement = settlement;
        Ok(self)
    }

    fn posted(mut self, transaction: Result<Transaction, LedgerError>) -> Result<Self, SagaError> {
        self.change.transactions.push(transaction?);
        Ok(self)
    }

    fn knowing(mut self, call: GatewayCall) -> Self {
        self.change.calls.push(call);
        self
    }

    /// Plans a new attempt at an operation: counted in the settlement, stored with it.
    fn tell(mut self, operation: Operation, due_at: DateTime<Utc>) -> Result<Self, SagaError> {
        let instruction = self.change.settlement.instruction(operation)?;
        let attempt = self.change.settlement.count_attempt(operation);
        let call = GatewayCall::plan(self.change.settlement.id(), attempt, instruction, due_at);
        Ok(self.knowing(call))
    }

    /// A step is done: the settlement moves, the ledger has it, the next step is entered.
    fn done(self, step: Step, proof: Proof) -> Result<Self, SagaError> {
        let now = self.now;
        let run = match (step, proof) {
            (Authorize, Proof::Reference(hold)) => self.moved(|settlement| settlement.authorized(hold))?,
            (Capture, Proof::Reference(charge)) => {
                let run = self.moved(|settlement| settlement.escrowed(charge, now))?;
                let entry = ledger::captured(&run.change.settlement, now);
                run.posted(entry)?
            }
            (Ship, Proof::Parcel(parcel)) => self.moved(|settlement| settlement.shipped(parcel, now))?,
            (Receive, Proof::Word) => {
                let run = self.moved(|settlement| settlement.received(now))?;
                let entry = ledger::released(&run.change.settlement, now);
                run.posted(entry)?
            }
            (PayOut, Proof::Reference(_)) => {
                let entry = ledger::paid_out(&self.change.settlement, now);
                self.posted(entry)?.moved(|settlement| settlement.completed(now))?
            }
            // Commission took it all: there is nothing to tell the gateway.
            (PayOut, Proof::Word) => self.moved(|settlement| settlement.completed(now))?,
            (step, _) => return Err(self.change.settlement.refuse(step.name()).into()),
        };
        match step.next() {
            Some(next) => run.enter(next),
            None => Ok(run),
        }
    }

    /// A step is begun: too late already, at once by the saga, or whenever its party does.
    fn enter(self, step: Step) -> Result<Self, SagaError> {
        if step.missed(&self.change.settlement, self.now).is_some() {
            return self.late(step);
        }
        match step.row().begun_by {
            Saga if self.change.settlement.owes_nothing() => self.done(step, Proof::Word),
            Saga => self.ask(step),
            Buyer | Seller => Ok(self),
        }
    }

    /// The gateway is to do a step.
    fn ask(self, step: Step) -> Result<Self, SagaError> {
        let now = self.now;
        match step.row().does {
            Some(does) => self.tell(does.operation, now),
            None => Ok(self),
        }
    }

    /// A step's deadline has passed.
    fn late(self, step: Step) -> Result<Self, SagaError> {
        match step.row().limit.map(|limit| limit.when_late) {
            Some(CallOff(reason)) => self.call_off(reason, step),
            Some(CountAsDone) => self.done(step, Proof::Word),
            None => Ok(self),
        }
    }

    /// The sale is off: what was done before this step is undone.
    fn call_off(self, reason: FailureReason, step: Step) -> Result<Self, SagaError> {
        let now = self.now;
        match step.undo_before() {
            Some(undo) => self.moved(|settlement| settlement.undoing(undo, reason))?.tell(undo, now),
            None => self.moved(|settlement| settlement.undone(reason, now)),
        }
    }

    /// The gateway was contacted.
    fn heard(self, call: GatewayCall) -> Result<Self, SagaError> {
        let position = position(&self.change.settlement);
        let (operation, refusal, contacts) = match position {
            Position::Calling(step) => match step.row().does {
                Some(does) => (does.operation, does.when_refused, does.contacts),
                None => return Ok(self.knowing(call)),
            },
            Position::Undoing(operation) => (operation, WHEN_UNDO_REFUSED, UNDO_CONTACTS),
            Position::Waiting(_) | Position::Over => return Ok(self.knowing(call)),
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

    /// The gateway refused: what the table says about that.
    fn refused(
        self,
        position: Position,
        refusal: WhenRefused,
        operation: Operation,
        decline: Decline,
    ) -> Result<Self, SagaError> {
        let now = self.now;
        match (refusal, position) {
            (AskAgain, Position::Calling(step)) => self.moved(|settlement| settlement.declined(decline))?.enter(step),
            (Abandon(reason), Position::Calling(step)) => self.call_off(reason, step),
            (Retry(limit), _) if self.change.settlement.attempts(operation) < limit => {
                let wait = backoff(self.change.settlement.attempts(operation));
                self.tell(operation, now + wait)
            }
            _ => {
                let reason = format!("{} was refused: {} ({})", operation.name(), decline.message, decline.code);
                self.moved(|settlement| settlement.needs_operator(reason, now))
            }
        }
    }

    /// The gateway has undone what it did.
    fn undone(self) -> Result<Self, SagaError> {
        let now = self.now;
        let State::Refunding { undo, reason } = self.change.settlement.state().clone() else {
            return Err(self.change.settlement.refuse("undone").into());
        };
        let run = match undo {
            Undo::Void { .. } => self,
            Undo::Refund { .. } => {
                let entry = ledger::refunded(&self.change.settlement, now);
                self.posted(entry)?
            }
        };
        run.moved(|settlement| settlement.undone(reason, now))
    }
}
