//! Disputes, and what the operator decides.

use super::run::{Proof, Run};
use super::table::Step::{Receive, Ship};
use super::{Position, SagaError, position};
use crate::gateway::Operation;
use crate::ids::UserId;
use crate::ledger;
use crate::money::Money;
use crate::settlement::FailureReason::{self, CalledOff, DisputeRefunded};
use crate::settlement::{Decision, MAX_EVIDENCE, Owed, Resolution, State, Statement, Undo, Verdict};

impl Run {
    /// A party says something about the dispute.
    pub(super) fn testify(self, who: &UserId, text: Statement) -> Result<Self, SagaError> {
        let settlement = &self.change.settlement;
        let Some(role) = settlement.role_of(who) else { return Err(settlement.refuse("evidence").into()) };
        if settlement.dispute().is_some_and(|dispute| dispute.evidence.len() >= MAX_EVIDENCE) {
            return Err(SagaError::EvidenceFull);
        }
        let now = self.now;
        self.moved(|settlement| settlement.testified(role, text, now))
    }

    /// The operator decides one of [`crate::settlement::Settlement::actions`]. Which those are depends on the chargebacks, so
    /// whether all of them were seen comes first.
    pub(super) fn resolve(mut self, decision: Decision) -> Result<Self, SagaError> {
        let Decision { by, verdict, note, chargebacks_seen } = decision;
        let (settlement, at) = (&self.change.settlement, self.now);
        let noted = settlement.chargebacks().len();
        if let Some(seen) = chargebacks_seen.filter(|seen| *seen < noted) {
            return Err(SagaError::ChargebackUnseen { seen, noted });
        }
        let (allowed, disputed) = (settlement.actions(), matches!(settlement.state(), State::Disputed { .. }));
        if !allowed.contains(&verdict.name()) {
            return Err(SagaError::NotAllowed { verdict: verdict.name(), allowed });
        }
        if note.is_none() && !disputed {
            return Err(SagaError::NoNote);
        }
        let (settlement_id, status) = (settlement.id(), settlement.status());
        self.change.resolutions.push(Resolution { settlement_id, by, verdict, note, status, at });
        self.change.settlement.stop_no_more();
        // Back to where it got stuck, which is no news.
        self.change.settlement = if disputed { self.change.settlement } else { self.change.settlement.unstuck()? };
        let (run, reason) = (self, if disputed { DisputeRefunded } else { CalledOff });
        match verdict {
            Verdict::Refund => run.call_off(reason, Receive),
            Verdict::PartRefund { amount } => run.refund_part(amount),
            Verdict::Release => run.done(Receive, Proof::Word),
            Verdict::Retry => run.again(),
            Verdict::Close => run.close(reason),
        }
    }

    fn refund_part(self, amount: i64) -> Result<Self, SagaError> {
        let settlement = &self.change.settlement;
        let ((share, _), unit) = (settlement.shares(), settlement.quote().unit());
        let part = Money::new(amount, share.currency()).ok();
        let part = part.filter(|part| !part.is_zero() && part.is_multiple_of(unit) && share.minus(*part).is_ok());
        let part = part.ok_or(SagaError::NoPart { most: share.amount(), unit })?;
        let now = self.now;
        let run = self.moved(|settlement| settlement.part_refunding(part))?;
        run.tell(Operation::Refund, now)
    }

    /// The gateway is told nothing more: a hold runs out by itself, and what was in escrow is at the buyer's bank. What was
    /// to be given back ends for the reason that it had.
    fn close(self, reason: FailureReason) -> Result<Self, SagaError> {
        let reason = match self.change.settlement.state() {
            State::Refunding { undo: Undo::Void { .. }, .. } => return self.undone(),
            State::Refunding { reason, .. } => *reason,
            _ => reason,
        };
        let run = self.moved(|settlement| settlement.undoing(Operation::Refund, reason))?;
        let entry = ledger::charged_back(&run.change.settlement, run.now);
        run.posted(entry)?.over(reason)
    }

    /// One more attempt at what the gateway refused; what was stopped goes on.
    fn again(self) -> Result<Self, SagaError> {
        let now = self.now;
        match position(&self.change.settlement) {
            Position::Calling(step) => self.ask(step),
            Position::Undoing(operation) => self.tell(operation, now),
            Position::Owed | Position::Within => {
                self.moved(|settlement| settlement.owed(Owed::Waiting { due_at: now }))
            }
            // Given back, if it was called off meanwhile.
            Position::Waiting(Ship) => self.moved(|settlement| settlement.shipping_anew(now))?.enter(Ship),
            Position::Waiting(_) | Position::Asking(_) | Position::Resting => Ok(self),
        }
    }
}
