//! The words of the saga's tables.

use chrono::{DateTime, Utc};

use super::{ENDS, SAGA};
use crate::gateway::Operation;
use crate::settlement::{FailureReason, Kind, Role, Settlement, State, Status};

/// A step of the good path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Hold the buyer's money.
    Authorize,
    /// Take it into escrow.
    Capture,
    /// Hand the lot to a carrier.
    Ship,
    /// Take it in, look at it.
    Receive,
    /// Pay the seller and the platform.
    PayOut,
}

/// Who sets a step going, or takes a detour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Party {
    /// Who bought.
    Buyer,
    /// Who sold.
    Seller,
    /// Either of the two.
    Parties,
    /// Who bought, or who runs the marketplace.
    BuyerOrOperator,
    /// Who runs the marketplace.
    Operator,
    /// Nobody: it follows at once.
    Saga,
}

/// What the gateway is told, and what follows when it refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Does {
    /// What it is told.
    pub operation: Operation,
    /// What a refusal leads to.
    pub when_refused: WhenRefused,
    /// So many contacts that the gateway did not take (certainly without effect) count as a refusal.
    pub contacts: u32,
    /// Whether it is told once for many settlements: see `payouts`.
    pub together: bool,
}

/// What a refusal by the gateway leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenRefused {
    /// Back to the person who began the step, who may do it differently until the deadline. What nobody can do, because
    /// the gateway moves no such amount, fails the settlement.
    AskAgain(FailureReason),
    /// The finished steps are undone and the settlement fails.
    Abandon(FailureReason),
    /// A new attempt, up to this many in all; then a person has to decide.
    Retry(u32),
}

/// Until when, and what follows after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Until when.
    pub deadline: Deadline,
    /// What follows after.
    pub when_late: WhenLate,
}

/// A moment every settlement has for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deadline {
    /// The buyer has to have paid.
    PaymentDue,
    /// The money has to have been taken.
    HoldEnd,
    /// The seller has to have shipped.
    ShipDue,
    /// The buyer, or an operator, has to have complained.
    InspectionEnd,
}

/// What a missed deadline leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenLate {
    /// The finished steps are undone and the settlement fails.
    CallOff(FailureReason),
    /// Silence is consent.
    CountAsDone,
    /// The same method is held again, up to this many times; then the buyer is asked for another.
    HoldAgain(u32),
}

/// One line of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// Which step.
    pub step: Step,
    /// Who sets it going.
    pub begun_by: Party,
    /// What the gateway does for it, if anything.
    pub does: Option<Does>,
    /// Until when, if it matters.
    pub limit: Option<Limit>,
    /// What the gateway does to undo it and all before it, if that can be undone.
    pub undone_by: Option<Operation>,
}

/// One line of the table of detours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Detour {
    /// Its name in the API.
    pub act: &'static str,
    /// Who may.
    pub by: Party,
    /// In which states.
    pub within: &'static [Status],
}

/// One line of the table of ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    /// Why there was no sale.
    pub reason: FailureReason,
    /// Who gets a strike for it.
    pub strike: Option<Role>,
    /// What becomes of the lot.
    pub lot: Afterwards,
}

/// What becomes of a lot that was not sold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Afterwards {
    /// To the next contender, or it is listed again: by its [`crate::settlement::Succession`].
    GoesOn,
    /// It is the seller's business.
    Stays,
}

pub(super) const fn detour(act: &'static str, by: Party, within: &'static [Status]) -> Detour {
    Detour { act, by, within }
}

pub(super) const fn end(reason: FailureReason, strike: Option<Role>, lot: Afterwards) -> End {
    End { reason, strike, lot }
}

impl FailureReason {
    /// Its line.
    #[must_use]
    pub const fn row(self) -> &'static End {
        // The table lists the reasons in the order they are declared in; a test holds it to that.
        &ENDS[self as usize]
    }

    /// A second chance that is not paid lapses.
    pub(super) const fn of(self, kind: Kind) -> Self {
        match (self, kind) {
            (Self::Unpaid, Kind::SecondChance) => Self::OfferLapsed,
            _ => self,
        }
    }
}

pub(super) const fn row(
    step: Step,
    begun_by: Party,
    does: Option<Does>,
    limit: Option<Limit>,
    undone_by: Option<Operation>,
) -> Row {
    Row { step, begun_by, does, limit, undone_by }
}

pub(super) const fn tell(operation: Operation, when_refused: WhenRefused, contacts: u32) -> Does {
    Does { operation, when_refused, contacts, together: false }
}

/// As [`tell`], once for all that waits for the same seller.
pub(super) const fn tell_together(operation: Operation, when_refused: WhenRefused, contacts: u32) -> Does {
    Does { operation, when_refused, contacts, together: true }
}

pub(super) const fn by(deadline: Deadline, when_late: WhenLate) -> Limit {
    Limit { deadline, when_late }
}

impl Step {
    /// Its line.
    #[must_use]
    pub const fn row(self) -> &'static Row {
        // The table lists the steps in the order they are declared in; a test holds it to that.
        &SAGA[self as usize]
    }

    /// The step after it.
    #[must_use]
    pub fn next(self) -> Option<Self> {
        SAGA.get(self as usize + 1).map(|row| row.step)
    }

    /// The undo of the last step before this one that has an undo.
    #[must_use]
    pub fn undo_before(self) -> Option<Operation> {
        SAGA[..self as usize].iter().rev().find_map(|row| row.undone_by)
    }

    /// The moment of the step's deadline, if it has one and it has passed: at the very moment it has.
    #[must_use]
    pub fn missed(self, settlement: &Settlement, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.row().limit.and_then(|limit| limit.moment(settlement)).filter(|moment| *moment <= now)
    }

    /// Whether a call for the step is not wanted any more: the sale was called off, or the saga itself is late.
    #[must_use]
    pub fn is_overtaken(self, settlement: &Settlement, now: DateTime<Utc>) -> bool {
        let late = self.row().begun_by == Party::Saga && self.missed(settlement, now).is_some();
        late || settlement.called_off().is_some()
    }

    /// For messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Authorize => "authorize",
            Self::Capture => "capture",
            Self::Ship => "ship",
            Self::Receive => "receive",
            Self::PayOut => "pay_out",
        }
    }
}

impl Limit {
    /// The deadline's moment for a settlement; none where it is not known yet or no more.
    #[must_use]
    pub const fn moment(self, settlement: &Settlement) -> Option<DateTime<Utc>> {
        match (self.deadline, settlement.state()) {
            (Deadline::PaymentDue, _) => Some(settlement.payment_due_at()),
            (Deadline::HoldEnd, State::Authorized { expires_at, .. }) => Some(*expires_at),
            (Deadline::ShipDue, State::Escrowed { ship_due_at, .. }) => Some(*ship_due_at),
            (Deadline::InspectionEnd, State::Shipped { delivery, .. }) => Some(delivery.inspection_ends_at),
            (Deadline::HoldEnd | Deadline::ShipDue | Deadline::InspectionEnd, _) => None,
        }
    }
}
