//! What the simulated gateway knows: holds, charges and answers, all of it following from the journal's entries.
//! Which payment methods it knows, and what they do, is told by [`crate::faults`].

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use settlement_domain::{Answer, CallKey, Decline, GatewayRef, Instruction, Money};

use crate::faults::{self, Fault};

/// One line of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "snake_case")]
pub enum Entry {
    /// An instruction was answered; if it succeeded, it had its effect.
    Answered {
        /// Under which key.
        key: CallKey,
        /// What was to be done.
        instruction: Instruction,
        /// What came of it.
        answer: Answer,
        /// When; none in a journal of before moments were noted.
        #[serde(default)]
        at: Option<DateTime<Utc>>,
    },
    /// An instruction was lost on its way.
    Lost {
        /// Under which key.
        key: CallKey,
    },
}

/// What the caller gets to hear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// An answer that was given before.
    Again(Answer),
    /// Something new: to be journalled first; whether the caller hears of it is the flag.
    New(Entry, bool),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hold {
    Held(Money),
    Captured,
    Voided,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Charge {
    amount: Money,
    refunded: Money,
}

/// The gateway's memory.
#[derive(Debug, Default)]
pub struct Book {
    answers: HashMap<CallKey, (Instruction, Answer)>,
    lost: HashSet<CallKey>,
    holds: HashMap<GatewayRef, Hold>,
    methods: HashMap<GatewayRef, String>,
    charges: HashMap<GatewayRef, Charge>,
}

impl Book {
    /// What an instruction under a key came to, if anything did.
    pub fn answer(&self, key: &CallKey, instruction: &Instruction) -> Option<Answer> {
        let (first, answer) = self.answers.get(key)?;
        Some(if first == instruction { answer.clone() } else { reused() })
    }

    /// By which method an instruction is paid: an authorization's own, or that of the hold it is about.
    pub fn method<'a>(&'a self, instruction: &'a Instruction) -> &'a str {
        match instruction {
            Instruction::Authorize { method, .. } => method.as_str(),
            Instruction::Capture { hold, .. } => self.methods.get(hold).map_or("", String::as_str),
            _ => "",
        }
    }

    /// Decides on an instruction and changes nothing: that is [`Book::take_in`]'s.
    pub fn decide(
        &self,
        key: &CallKey,
        instruction: &Instruction,
        fault: Option<Fault>,
        now: DateTime<Utc>,
    ) -> Verdict {
        if let Some(answer) = self.answer(key, instruction) {
            return Verdict::Again(answer);
        }
        if fault == Some(Fault::Lost) && !self.lost.contains(key) {
            return Verdict::New(Entry::Lost { key: key.clone() }, false);
        }
        let refusal = match fault {
            Some(Fault::Declined) => Some(declined("card_declined", "Declined on demand.")),
            _ => self.refusal(instruction),
        };
        let answer = refusal.unwrap_or_else(|| Answer::Succeeded { reference: GatewayRef::from(format!("sim_{key}")) });
        let entry = Entry::Answered { key: key.clone(), instruction: instruction.clone(), answer, at: Some(now) };
        Verdict::New(entry, fault != Some(Fault::Unheard))
    }

    fn refusal(&self, instruction: &Instruction) -> Option<Answer> {
        match instruction {
            Instruction::Authorize { method, .. } => match method.as_str() {
                "pm_card_visa" | "pm_card_mastercard" => None,
                "pm_card_chargeDeclined" => Some(declined("card_declined", "Your card was declined.")),
                "pm_card_chargeDeclinedInsufficientFunds" => {
                    Some(declined("insufficient_funds", "Your card has insufficient funds."))
                }
                "pm_card_chargeDeclinedExpiredCard" => Some(declined("expired_card", "Your card has expired.")),
                ours if faults::is_known(ours) => None,
                _ => Some(declined("invalid_payment_method", "The gateway does not know this payment method.")),
            },
            Instruction::Capture { hold, amount } => (self.holds.get(hold) != Some(&Hold::Held(*amount)))
                .then(|| declined("not_held", "This amount is not held.")),
            Instruction::Void { hold } => (!matches!(self.holds.get(hold), Some(Hold::Held(_) | Hold::Voided)))
                .then(|| declined("not_held", "There is no such hold.")),
            Instruction::Refund { charge, amount } => {
                let left = self.charges.get(charge).and_then(|charge| charge.amount.minus(charge.refunded).ok());
                left.and_then(|left| left.minus(*amount).ok())
                    .is_none()
                    .then(|| declined("not_charged", "This amount was not charged, or was refunded before."))
            }
            Instruction::PayOut { .. } => None,
        }
    }

    /// An entry counts.
    pub fn take_in(&mut self, entry: Entry) {
        match entry {
            Entry::Lost { key } => {
                self.lost.insert(key);
            }
            Entry::Answered { key, instruction, answer, at: _ } => {
                if let Answer::Succeeded { reference } = &answer {
                    self.effect(&instruction, reference.clone());
                }
                self.answers.insert(key, (instruction, answer));
            }
        }
    }

    fn effect(&mut self, instruction: &Instruction, reference: GatewayRef) {
        match instruction {
            Instruction::Authorize { amount, method } => {
                if method.as_str().starts_with("pm_outcry_") {
                    self.methods.insert(reference.clone(), method.as_str().to_owned());
                }
                self.holds.insert(reference, Hold::Held(*amount));
            }
            Instruction::Capture { hold, amount } => {
                self.holds.insert(hold.clone(), Hold::Captured);
                let charge = Charge { amount: *amount, refunded: Money::zero(amount.currency()) };
                self.charges.insert(reference, charge);
            }
            Instruction::Void { hold } => {
                self.holds.insert(hold.clone(), Hold::Voided);
            }
            Instruction::Refund { charge, amount } => {
                if let Some(charge) = self.charges.get_mut(charge) {
                    charge.refunded = charge.refunded.plus(*amount).unwrap_or(charge.amount);
                }
            }
            Instruction::PayOut { .. } => {}
        }
    }
}

fn declined(code: &str, message: &str) -> Answer {
    Answer::Declined(Decline { code: code.to_owned(), message: message.to_owned() })
}

fn reused() -> Answer {
    declined("idempotency_key_reused", "This key was used for another instruction.")
}
