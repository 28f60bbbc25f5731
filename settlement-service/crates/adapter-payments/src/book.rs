//! What the simulated gateway knows: holds, charges and answers, all of it following from the journal's entries.
//!
//! | payment method | what an authorization does |
//! |---|---|
//! | `pm_card_visa`, `pm_card_mastercard` | succeeds |
//! | `pm_card_chargeDeclined` | is declined: `card_declined` |
//! | `pm_card_chargeDeclinedInsufficientFunds` | is declined: `insufficient_funds` |
//! | `pm_outcry_timeoutAfterEffect` | succeeds, and the answer is lost: the result is unknown until it is asked for |
//! | `pm_outcry_timeoutBeforeEffect` | is lost on its way once: unknown, not found when asked for, succeeds when sent again |
//! | anything else | is declined: `invalid_payment_method` |

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};
use settlement_domain::{Answer, CallKey, Decline, GatewayRef, Instruction, Money};

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
    Gone,
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
    charges: HashMap<GatewayRef, Charge>,
}

impl Book {
    /// The answer to a key, if there is one.
    pub fn answer(&self, key: &CallKey) -> Option<&Answer> {
        self.answers.get(key).map(|(_, answer)| answer)
    }

    /// Decides on an instruction and changes nothing: that is [`Book::take_in`]'s, once the entry is on disk.
    pub fn decide(&self, key: &CallKey, instruction: &Instruction) -> Verdict {
        if let Some((first, answer)) = self.answers.get(key) {
            let reused = || declined("idempotency_key_reused", "This key was used for another instruction.");
            return Verdict::Again(if first == instruction { answer.clone() } else { reused() });
        }
        let method = match instruction {
            Instruction::Authorize { method, .. } => method.as_str(),
            _ => "",
        };
        if method == "pm_outcry_timeoutBeforeEffect" && !self.lost.contains(key) {
            return Verdict::New(Entry::Lost { key: key.clone() }, false);
        }
        let answer = match self.refusal(instruction) {
            Some(answer) => answer,
            None => Answer::Succeeded { reference: GatewayRef::from(format!("sim_{key}")) },
        };
        let entry = Entry::Answered { key: key.clone(), instruction: instruction.clone(), answer };
        Verdict::New(entry, method != "pm_outcry_timeoutAfterEffect")
    }

    fn refusal(&self, instruction: &Instruction) -> Option<Answer> {
        match instruction {
            Instruction::Authorize { method, .. } => match method.as_str() {
                "pm_card_visa"
                | "pm_card_mastercard"
                | "pm_outcry_timeoutAfterEffect"
                | "pm_outcry_timeoutBeforeEffect" => None,
                "pm_card_chargeDeclined" => Some(declined("card_declined", "Your card was declined.")),
                "pm_card_chargeDeclinedInsufficientFunds" => {
                    Some(declined("insufficient_funds", "Your card has insufficient funds."))
                }
                _ => Some(declined("invalid_payment_method", "The gateway does not know this payment method.")),
            },
            Instruction::Capture { hold, amount } => (self.holds.get(hold) != Some(&Hold::Held(*amount)))
                .then(|| declined("not_held", "This amount is not held.")),
            Instruction::Void { hold } => (!matches!(self.holds.get(hold), Some(Hold::Held(_))))
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

    /// An entry is on disk: it counts.
    pub fn take_in(&mut self, entry: Entry) {
        match entry {
            Entry::Lost { key } => {
                self.lost.insert(key);
            }
            Entry::Answered { key, instruction, answer } => {
                if let Answer::Succeeded { reference } = &answer {
                    self.effect(&instruction, reference.clone());
                }
                self.answers.insert(key, (instruction, answer));
            }
        }
    }

    fn effect(&mut self, instruction: &Instruction, reference: GatewayRef) {
        match instruction {
            Instruction::Authorize { amount, .. } => {
                self.holds.insert(reference, Hold::Held(*amount));
            }
            Instruction::Capture { hold, amount } => {
                self.holds.insert(hold.clone(), Hold::Gone);
                let charge = Charge { amount: *amount, refunded: Money::zero(amount.currency()) };
                self.charges.insert(reference, charge);
            }
            Instruction::Void { hold } => {
                self.holds.insert(hold.clone(), Hold::Gone);
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
