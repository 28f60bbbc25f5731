//! The saga of a settlement: from the hammer to the seller's money, or back to the buyer's.
//!
//! Three tables are what runs. [`SAGA`] has the good path: what a step does, how long it may take, what a refusal leads
//! to and how it is undone. [`DETOURS`] has what people may do besides. [`ENDS`] has what follows when there was no sale.
//! The decisions below read them; how one is carried out is said in `run`, what the operator decides in `resolve`, what the
//! buyer's bank stops in `chargeback`, who gets the lot next in `cascade`, and how sellers are paid for many settlements at
//! once in `payouts`.
//!
//! Captured money has no hold left, so the undo of the last finished step that has one undoes those before it, too.
//! A limit of a step that a person begins is for its beginning: who pays in time has paid in time, however long the
//! gateway takes. A limit of a step that the saga begins is for its end. After an outage a person's limit is later: see
//! [`crate::outage`].

mod cascade;
mod chargeback;
mod payouts;
mod resolve;
mod run;
mod table;
#[cfg(test)]
mod tests;

use chrono::{DateTime, Utc};

pub use self::cascade::{Nomination, award_declined, exhausted, nominated, relisted};
pub use self::chargeback::charged_back;
pub use self::payouts::{PayoutChange, gather, payout_report, waiting};
use self::run::{Proof, Run};
use self::table::Afterwards::{GoesOn, Stays};
use self::table::Deadline::{HoldEnd, InspectionEnd, PaymentDue, ShipDue};
use self::table::Party::{Buyer, BuyerOrOperator, Operator, Parties, Saga, Seller};
use self::table::Step::{Authorize, Capture, PayOut, Receive, Ship};
use self::table::WhenLate::{CallOff, CountAsDone, HoldAgain};
use self::table::WhenRefused::{Abandon, AskAgain, Retry};
pub use self::table::{Afterwards, Deadline, Detour, Does, End, Limit, Party, Row, Step, WhenLate, WhenRefused};
use self::table::{by, detour, end, row, tell, tell_together};
use crate::call::{Contact, GatewayCall, Report, StillInDoubt};
use crate::gateway::{Operation, PaymentMethod};
use crate::ids::UserId;
use crate::ledger::{LedgerError, Transaction};
use crate::money::Unit;
use crate::settlement::FailureReason::{
    Agreed, AwardDeclined, CalledOff, DisputeRefunded, NotShipped, OfferLapsed, OfferWithdrawn, PaymentFailed, Unpaid,
};
use crate::settlement::Status::{AwaitingPayment, Disputed, Escrowed, NeedsOperator, Shipped};
use crate::settlement::{
    Decision, Kind, Owed, Parcel, Refused, Resolution, Role, Settlement, SettlementEvent, State, Statement, Succession,
    Undo,
};
use crate::standing::Strike;

/// The steps, in order. The number in `tell` is [`Does::contacts`].
#[rustfmt::skip]
pub const SAGA: [Row; 5] = [
//      step       begun by  does, and when that is refused                                     until, and when that is missed           undone by
    row(Authorize, Buyer,    Some(tell(Operation::Authorize, AskAgain(PaymentFailed), 8)),      Some(by(PaymentDue, CallOff(Unpaid))),   Some(Operation::Void)),
    row(Capture,   Saga,     Some(tell(Operation::Capture, Abandon(PaymentFailed), UNTIL_LATE)), Some(by(HoldEnd, HoldAgain(5))),        Some(Operation::Refund)),
    row(Ship,      Seller,   None,                                                              Some(by(ShipDue, CallOff(NotShipped))),  None),
    row(Receive,   Buyer,    None,                                                              Some(by(InspectionEnd, CountAsDone)),    None),
    row(PayOut,    Saga,     Some(tell_together(Operation::PayOut, Retry(5), 40)),              None,                                    None),
];

/// What people may do besides beginning a step, and where.
#[rustfmt::skip]
pub const DETOURS: [Detour; 5] = [
//         act         by               in which states                   it leads to
    detour("decline",  Buyer,           &[AwaitingPayment]),           // failed (second chances only)
    detour("dispute",  BuyerOrOperator, &[Shipped]),                   // disputed: no time runs
    detour("evidence", Parties,         &[Disputed]),                  // disputed still
    detour("cancel",   Parties,         &[AwaitingPayment, Escrowed]), // nothing yet; if the other party agrees: failed or refunded
    detour("resolve",  Operator,        &[Disputed, NeedsOperator]),   // what `Settlement::actions` allows
];

/// What follows when there was no sale. A second chance that is not paid lapses instead of being unpaid.
#[rustfmt::skip]
pub const ENDS: [End; 9] = [
//      reason           strike for          the lot
    end(Unpaid,          Some(Role::Buyer),  GoesOn),
    end(PaymentFailed,   None,               GoesOn),
    end(NotShipped,      Some(Role::Seller), Stays),
    end(OfferLapsed,     None,               GoesOn),
    end(OfferWithdrawn,  None,               Stays),
    end(Agreed,          None,               Stays),
    end(AwardDeclined,   None,               Stays),
    end(DisputeRefunded, None,               Stays),
    end(CalledOff,       None,               Stays),
];

/// As [`Does::contacts`]: as often as there is time for.
pub const UNTIL_LATE: u32 = u32::MAX;

/// After so many authorizations, renewed holds included, the buyer may not try to pay any more: each is a call to the
/// gateway, and what they all left there is searched when it is asked what became of one.
pub const MAX_PAYMENTS: u32 = 100;

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
    /// The contender does not want the second chance.
    Decline,
    /// The buyer complains about what came, or did not come; or an operator stops the payout.
    Dispute(UserId, Statement),
    /// A party says something about the dispute.
    Evidence(UserId, Statement),
    /// A party wishes to call the sale off, or agrees to that.
    Cancel(UserId),
    /// The operator decides.
    Resolve(Decision),
}

impl Act {
    /// The step it begins; none for a detour.
    #[must_use]
    pub const fn step(&self) -> Option<Step> {
        match self {
            Self::Pay(_) => Some(Authorize),
            Self::Ship(_) => Some(Ship),
            Self::Receive => Some(Receive),
            Self::Decline | Self::Dispute(..) | Self::Evidence(..) | Self::Cancel(_) | Self::Resolve(_) => None,
        }
    }

    /// Its name in the API.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Pay(_) => "pay",
            Self::Ship(_) => "ship",
            Self::Receive => "receive",
            Self::Decline => "decline",
            Self::Dispute(..) => "dispute",
            Self::Evidence(..) => "evidence",
            Self::Cancel(_) => "cancel",
            Self::Resolve(_) => "resolve",
        }
    }

    /// Whose it is, by the tables.
    #[must_use]
    pub fn by(&self) -> Party {
        let detour = || DETOURS.iter().find(|row| row.act == self.name()).map_or(Saga, |row| row.by);
        self.step().map_or_else(detour, |step| step.row().begun_by)
    }

    fn is_taken_by(&self, settlement: &Settlement) -> bool {
        let detour = || DETOURS.iter().any(|row| row.act == self.name() && row.within.contains(&settlement.status()));
        let second_chance = settlement.kind() == Kind::SecondChance || *self != Self::Decline;
        second_chance && self.step().map_or_else(detour, |step| position(settlement) == Position::Waiting(step))
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
    /// Who gets a strike.
    pub strikes: Vec<(UserId, Strike)>,
    /// What the audit trail gets.
    pub resolutions: Vec<Resolution>,
}

/// What to do about a call that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dispatch {
    /// Store the call as it is here, then contact the gateway.
    Contact(GatewayCall, Contact),
    /// It is not wanted any more: the call is dropped.
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
    /// The buyer has tried to pay as often as one may.
    #[error("a payment is tried {MAX_PAYMENTS} times at most")]
    PaymentsExhausted,
    /// The dispute has as much evidence as it may have.
    #[error("a dispute takes no more evidence than it has")]
    EvidenceFull,
    /// The operator may decide otherwise, and not this.
    #[error("{verdict} is not among the allowed actions {allowed:?}")]
    NotAllowed {
        /// What was decided.
        verdict: &'static str,
        /// What may be.
        allowed: &'static [&'static str],
    },
    /// The part to be given back is not a part of the seller's share.
    #[error("a part refund is a multiple of {unit} minor units and at most {most}")]
    NoPart {
        /// The seller's share, minor units.
        most: i64,
        /// What it has to be a multiple of, minor units.
        unit: Unit,
    },
    /// A decision outside a dispute says why.
    #[error("the decision needs a note")]
    NoNote,
    /// A chargeback has come since the operator looked.
    #[error("{noted} chargebacks are noted, and the operator saw {seen}")]
    ChargebackUnseen {
        /// How many the operator saw.
        seen: usize,
        /// How many are noted.
        noted: usize,
    },
    /// A defect: the postings do not balance.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A defect: a call in doubt was to be dropped.
    #[error(transparent)]
    InDoubt(#[from] StillInDoubt),
}

/// Where a state stands in the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Position {
    /// Waits for the person who begins the step.
    Waiting(Step),
    /// Waits for the gateway to do the step.
    Calling(Step),
    /// Waits for its seller's next payout.
    Owed,
    /// Waits for the payout that it is part of.
    Within,
    /// Waits for the gateway to undo.
    Undoing(Operation),
    /// It is over, and bidding is asked for the next contender until then.
    Asking(DateTime<Utc>),
    /// It is over, or a person has to decide.
    Resting,
}

fn position(settlement: &Settlement) -> Position {
    match settlement.state() {
        State::AwaitingPayment { .. } => Position::Waiting(Authorize),
        State::Authorizing { .. } => Position::Calling(Authorize),
        State::Authorized { .. } => Position::Calling(Capture),
        State::Escrowed { .. } => Position::Waiting(Ship),
        State::Shipped { .. } => Position::Waiting(Receive),
        State::Received { owed: Owed::Waiting { .. }, .. } => Position::Owed,
        State::Received { owed: Owed::Within { .. }, .. } => Position::Within,
        State::Refunding { undo: Undo::Void { .. }, .. } => Position::Undoing(Operation::Void),
        State::Refunding { undo: Undo::Refund { .. } | Undo::PartRefund { .. }, .. } => {
            Position::Undoing(Operation::Refund)
        }
        State::Failed { .. } => match settlement.succession() {
            Succession::Asked(chance) => Position::Asking(chance.until),
            Succession::Nothing | Succession::Relist | Succession::NextContender(_) => Position::Resting,
        },
        State::Completed { .. } | State::Refunded { .. } | State::Disputed { .. } | State::NeedsOperator { .. } => {
            Position::Resting
        }
    }
}

/// When time alone moves the settlement on; none while the gateway is awaited or all is over.
#[must_use]
pub fn due_at(settlement: &Settlement) -> Option<DateTime<Utc>> {
    match position(settlement) {
        Position::Waiting(step) => step.row().limit.and_then(|limit| limit.moment(settlement)),
        Position::Asking(until) => Some(until),
        Position::Owed => settlement.payout_due_at(),
        Position::Within | Position::Calling(_) | Position::Undoing(_) | Position::Resting => None,
    }
}

/// A person acts. Whether it is theirs to do ([`Act::by`]) the caller has seen to.
pub fn begin(settlement: Settlement, act: Act, now: DateTime<Utc>) -> Result<Change, SagaError> {
    let event = act.name();
    if !act.is_taken_by(&settlement) {
        return Err(settlement.refuse(event).into());
    }
    if let Position::Waiting(step) = position(&settlement)
        && let Some(deadline) = step.missed(&settlement, now)
        && act != Act::Receive
    {
        return Err(SagaError::Late { event, deadline });
    }
    if matches!(act, Act::Pay(_)) && settlement.attempts(Operation::Authorize) >= MAX_PAYMENTS {
        return Err(SagaError::PaymentsExhausted);
    }
    let run = Run::of(settlement, now);
    let run = match act {
        Act::Pay(method) => run.moved(|settlement| settlement.authorizing(method))?.ask(Authorize)?,
        Act::Ship(parcel) => run.done(Ship, Proof::Parcel(parcel))?,
        Act::Receive => run.done(Receive, Proof::Word)?,
        Act::Decline => run.call_off(OfferLapsed, Authorize)?,
        Act::Dispute(who, reason) => run.moved(|settlement| settlement.disputed(who, reason, now))?,
        Act::Evidence(who, text) => run.testify(&who, text)?,
        Act::Cancel(who) => run.cancel(&who)?,
        Act::Resolve(decision) => run.resolve(decision)?,
    };
    Ok(run.into())
}

/// Time passed. Changes nothing if no deadline has; what is [`waiting`] to be paid out is for [`gather`].
#[must_use]
pub fn deadline(settlement: Settlement, now: DateTime<Utc>) -> Change {
    let run = Run::of(settlement.clone(), now);
    let run = match position(&settlement) {
        Position::Waiting(step) if step.missed(&settlement, now).is_some() => run.late(step),
        Position::Asking(until) if until <= now => Ok(run.relist()),
        _ => Ok(run),
    };
    run.map_or_else(|error| run::stuck(settlement, None, &error, now), Change::from)
}

/// A call is due: contact the gateway, or drop the call if it is not wanted any more and certainly had no effect.
#[must_use]
pub fn dispatch(settlement: Settlement, call: GatewayCall, now: DateTime<Utc>) -> Dispatch {
    match position(&settlement) {
        Position::Calling(step) if call.may_be_dropped() && step.is_overtaken(&settlement, now) => {
            let run = call.clone().dropped().map_err(SagaError::from);
            let run = run.and_then(|dropped| Run::of(settlement.clone(), now).knowing(dropped).late(step));
            let change = run.map_or_else(|error| run::stuck(settlement, Some(call), &error, now), Change::from);
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
    run.heard(call.clone()).map_or_else(|error| run::stuck(settlement, Some(call), &error, now), Change::from)
}
