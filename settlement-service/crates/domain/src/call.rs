//! A call to the gateway that survives crashes. It knows nothing of auctions.
//!
//! | status | means | the worker's next contact |
//! |---|---|---|
//! | ready | no effect so far | send |
//! | in doubt | counted, perhaps sent, answer unknown | ask by the idempotency key |
//! | answered | the gateway's definite answer is stored | none |
//! | dropped | certainly without effect, and wanted no more | none |
//!
//! What is durable when: a contact is counted and the call put in doubt *before* the gateway hears of it, so whoever
//! finds a call in doubt after a crash asks first. Sending again always uses the same key: the gateway hears a call
//! at least once and acts on it at most once. Once in doubt across a contact, a call can no longer be dropped:
//! only an answer ends it.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::gateway::{Answer, CallKey, Instruction, Operation};
use crate::ids::Subject;

/// How long a worker has for one contact before another takes the call up, seconds.
/// The gateway adapter's own time limit must be well below it.
pub const LEASE_S: i64 = 30;

/// The longest wait between two contacts, seconds.
pub const MAX_BACKOFF_S: i64 = 3_600;

/// A planned call and what is known of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatewayCall {
    #[serde(flatten)]
    subject: Subject,
    attempt: u32,
    instruction: Instruction,
    tries: u32,
    doubted: bool,
    status: CallStatus,
    due_at: DateTime<Utc>,
}

/// What is known of a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum CallStatus {
    /// No effect so far.
    Ready,
    /// Perhaps sent.
    InDoubt,
    /// Known.
    Answered(Answer),
    /// Never took effect and never will.
    Dropped,
}

/// One contact with the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contact {
    /// What to do.
    pub way: Way,
    /// The how many-th contact of the call it is, from 1.
    pub number: u32,
}

/// What to do with the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Tell it to carry the instruction out.
    Send,
    /// Ask what became of the key.
    Ask,
}

/// What came of a contact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// A definite answer.
    Answered(Answer),
    /// It may or may not have happened.
    Unknown,
    /// The gateway did not take the contact: a send had no effect, a question no answer.
    Unavailable,
    /// Asked: the gateway has never seen the key.
    Absent,
}

impl GatewayCall {
    /// Plans a call; the attempt (from 1) is part of its key.
    #[must_use]
    pub fn plan(subject: impl Into<Subject>, attempt: u32, instruction: Instruction, due_at: DateTime<Utc>) -> Self {
        Self {
            subject: subject.into(),
            attempt,
            instruction,
            tries: 0,
            doubted: false,
            status: CallStatus::Ready,
            due_at,
        }
    }

    /// For which settlement or payout.
    #[must_use]
    pub const fn subject(&self) -> Subject {
        self.subject
    }

    /// The idempotency key, the same for every contact.
    #[must_use]
    pub fn key(&self) -> CallKey {
        CallKey::new(self.subject, self.operation(), self.attempt)
    }

    /// Which operation.
    #[must_use]
    pub const fn operation(&self) -> Operation {
        self.instruction.operation()
    }

    /// Which attempt at the operation, from 1.
    #[must_use]
    pub const fn attempt(&self) -> u32 {
        self.attempt
    }

    /// What the gateway is to do.
    #[must_use]
    pub const fn instruction(&self) -> &Instruction {
        &self.instruction
    }

    /// Contacts made so far, counted before each.
    #[must_use]
    pub const fn tries(&self) -> u32 {
        self.tries
    }

    /// What is known.
    #[must_use]
    pub const fn status(&self) -> &CallStatus {
        &self.status
    }

    /// When a worker has to take it up; none once it is over.
    #[must_use]
    pub const fn due_at(&self) -> Option<DateTime<Utc>> {
        match self.status {
            CallStatus::Ready | CallStatus::InDoubt => Some(self.due_at),
            CallStatus::Answered(_) | CallStatus::Dropped => None,
        }
    }

    /// Whether nothing more will come of it.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        self.due_at().is_none()
    }

    /// Whether it certainly had no effect and so may be dropped.
    #[must_use]
    pub const fn may_be_dropped(&self) -> bool {
        matches!(self.status, CallStatus::Ready) && !self.doubted
    }

    /// Counts one contact and takes the call for [`LEASE_S`]. To be stored before the contact is made.
    #[must_use]
    pub fn claim(mut self, now: DateTime<Utc>) -> (Self, Contact) {
        let way = match self.status {
            CallStatus::InDoubt => Way::Ask,
            _ => Way::Send,
        };
        self.doubted |= way == Way::Ask;
        self.tries = self.tries.saturating_add(1);
        let contact = Contact { way, number: self.tries };
        self.status = CallStatus::InDoubt;
        self.due_at = now + TimeDelta::seconds(LEASE_S);
        (self, contact)
    }

    /// Takes in what came of the contact that [`GatewayCall::claim`] decided on. A definite answer always counts;
    /// anything less from a worker that was overtaken by another one's contact says nothing about the latter.
    #[must_use]
    pub fn report(mut self, contact: Contact, report: Report, now: DateTime<Utc>) -> Self {
        match (contact.way, report) {
            (_, Report::Answered(answer)) => self.status = CallStatus::Answered(answer),
            _ if contact.number != self.tries => {}
            // Seen by nobody: send it now, by the same key.
            (Way::Ask, Report::Absent) => {
                self.status = CallStatus::Ready;
                self.due_at = now;
            }
            // Had it ever been in doubt, an earlier contact may have had its effect since: ask before sending again.
            (Way::Send, Report::Unavailable) if !self.doubted => {
                self.status = CallStatus::Ready;
                self.due_at = now + backoff(self.tries);
            }
            (_, Report::Unknown | Report::Unavailable | Report::Absent) => {
                self.doubted = true;
                self.due_at = now + backoff(self.tries);
            }
        }
        self
    }

    /// Gives the call up, if it certainly had no effect.
    pub fn dropped(mut self) -> Result<Self, StillInDoubt> {
        if self.may_be_dropped() {
            self.status = CallStatus::Dropped;
            Ok(self)
        } else {
            Err(StillInDoubt(self.key()))
        }
    }
}

/// A call whose effect is not known cannot be given up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the call {0} may have had an effect")]
pub struct StillInDoubt(CallKey);

/// 1 s, 2 s, 4 s … up to [`MAX_BACKOFF_S`] after the given number of contacts.
#[must_use]
pub fn backoff(tries: u32) -> TimeDelta {
    let doublings = tries.saturating_sub(1).min(30);
    TimeDelta::seconds((1_i64 << doublings).min(MAX_BACKOFF_S))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::GatewayRef;

    const NOW: DateTime<Utc> = DateTime::UNIX_EPOCH;

    fn call() -> GatewayCall {
        let hold = GatewayRef::from("hold".to_owned());
        GatewayCall::plan(crate::SettlementId::from(uuid::Uuid::nil()), 1, Instruction::Void { hold }, NOW)
    }

    #[test]
    fn a_contact_is_counted_and_leased_before_it_is_made() {
        let (claimed, contact) = call().claim(NOW);
        assert_eq!((contact, claimed.tries()), (Contact { way: Way::Send, number: 1 }, 1));
        assert_eq!(claimed.due_at(), Some(NOW + TimeDelta::seconds(LEASE_S)));
    }

    #[test]
    fn whoever_finds_a_call_in_doubt_asks_before_sending() {
        let (crashed, _) = call().claim(NOW);
        let (claimed, contact) = crashed.claim(NOW);
        assert_eq!((contact, claimed.tries()), (Contact { way: Way::Ask, number: 2 }, 2));
    }

    #[test]
    fn a_key_the_gateway_never_saw_is_sent_again_by_the_same_key_at_once() {
        let key = call().key();
        let (doubtful, contact) = call().claim(NOW);
        let doubtful = doubtful.report(contact, Report::Unknown, NOW);
        let (asked, contact) = doubtful.claim(NOW);
        let absent = asked.report(contact, Report::Absent, NOW);
        assert_eq!(absent.due_at(), Some(NOW));
        let (again, contact) = absent.claim(NOW);
        assert_eq!((contact.way, again.key()), (Way::Send, key));
    }

    #[test]
    fn a_call_that_was_in_doubt_is_never_dropped() {
        let (call, contact) = call().claim(NOW);
        let (call, contact) = call.report(contact, Report::Unknown, NOW).claim(NOW);
        let absent = call.report(contact, Report::Absent, NOW);
        assert!(absent.clone().dropped().is_err());
        let (sent, contact) = absent.claim(NOW);
        assert!(sent.report(contact, Report::Unavailable, NOW).dropped().is_err());
    }

    #[test]
    fn a_call_the_gateway_did_not_take_may_be_dropped() {
        let (call, contact) = call().claim(NOW);
        assert!(call.report(contact, Report::Unavailable, NOW).dropped().is_ok());
    }

    #[test]
    fn a_call_that_was_ever_in_doubt_is_asked_for_before_it_is_sent_once_more() {
        let (call, contact) = call().claim(NOW);
        let (call, contact) = call.report(contact, Report::Unknown, NOW).claim(NOW);
        let (call, contact) = call.report(contact, Report::Absent, NOW).claim(NOW);
        assert_eq!(contact.way, Way::Send);
        let (_, contact) = call.report(contact, Report::Unavailable, NOW).claim(NOW);
        assert_eq!(contact.way, Way::Ask, "a gateway keeps keys for a while only, and effects for ever");
    }

    #[test]
    fn only_a_definite_answer_counts_from_a_worker_that_was_overtaken() {
        let (slow, first) = call().claim(NOW);
        let (taken_over, _) = slow.claim(NOW);
        let stale = taken_over.clone().report(first, Report::Unavailable, NOW);
        assert_eq!(stale, taken_over, "the other worker's contact is still in doubt");
        let reference = GatewayRef::from("void".to_owned());
        let known = taken_over.report(first, Report::Answered(Answer::Succeeded { reference }), NOW);
        assert!(known.is_over());
    }

    #[test]
    fn an_unanswered_question_leaves_the_doubt() {
        let (call, _) = call().claim(NOW);
        let (call, contact) = call.claim(NOW);
        let call = call.report(contact, Report::Unavailable, NOW);
        assert_eq!(*call.status(), CallStatus::InDoubt);
    }

    #[test]
    fn waits_double_up_to_an_hour() {
        let seconds = |tries| backoff(tries).num_seconds();
        assert_eq!([seconds(1), seconds(2), seconds(5), seconds(13), seconds(u32::MAX)], [1, 2, 16, 3_600, 3_600]);
    }
}
