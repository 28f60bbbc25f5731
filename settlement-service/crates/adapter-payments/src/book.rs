//! What the simulated gateway knows: holds, charges and answers, all of it following from the journal's entries.
//! Which payment methods it knows, and what they do, is told by [`crate::faults`].

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use settlement_domain::{Answer, CallKey, Decline, GatewayRef, Instruction, Money};
use sha2::{Digest as _, Sha256};

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
    Voided,
}

/// What stands for a name or an instruction in memory.
type Digest = [u8; 16];

/// What a key was answered, and for which instruction.
#[derive(Debug)]
struct Said {
    instruction: Digest,
    /// None if it succeeded under the reference that follows from its key, as nearly all do.
    otherwise: Option<Box<Answer>>,
}

/// The gateway's memory. It has to know each call for ever, so it keeps a hundred bytes of it: what a key was used for
/// is compared by digests, and the whole of it is in the journal.
#[derive(Debug, Default)]
pub struct Book {
    answers: HashMap<Digest, Said>,
    lost: HashSet<CallKey>,
    /// Those that were not captured.
    holds: HashMap<Digest, Hold>,
    /// Of holds that were not captured, where the method is one of [`faults`].
    methods: HashMap<Digest, String>,
    /// What is left of each charge after its refunds.
    charges: HashMap<Digest, Money>,
    /// The charges that the buyer's bank took back: nobody else gives them back.
    disputed: HashSet<Digest>,
}

impl Book {
    /// What an instruction under a key came to, if anything did.
    pub fn answer(&self, key: &CallKey, instruction: &Instruction) -> Option<Answer> {
        let said = self.answers.get(&digest(key.as_str()))?;
        if said.instruction != of(instruction) {
            return Some(reused());
        }
        let otherwise = said.otherwise.as_deref().cloned();
        Some(otherwise.unwrap_or_else(|| Answer::Succeeded { reference: reference(key) }))
    }

    /// By which method an instruction is paid: an authorization's own, or that of the hold it is about.
    pub fn method<'a>(&'a self, instruction: &'a Instruction) -> &'a str {
        match instruction {
            Instruction::Authorize { method, .. } => method.as_str(),
            Instruction::Capture { hold, .. } => self.methods.get(&named(hold)).map_or("", String::as_str),
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
        let answer = refusal.unwrap_or_else(|| Answer::Succeeded { reference: reference(key) });
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
                known if faults::is_known(known) => None,
                _ => Some(declined("invalid_payment_method", "The gateway does not know this payment method.")),
            },
            Instruction::Capture { hold, amount } => (self.holds.get(&named(hold)) != Some(&Hold::Held(*amount)))
                .then(|| declined("not_held", "This amount is not held.")),
            Instruction::Void { hold } => {
                (!self.holds.contains_key(&named(hold))).then(|| declined("not_held", "There is no such hold."))
            }
            Instruction::Refund { charge, .. } if self.disputed.contains(&named(charge)) => {
                Some(declined("charge_disputed", "The charge was taken back by the buyer's bank."))
            }
            Instruction::Refund { charge, amount } => {
                let left = self.charges.get(&named(charge)).and_then(|left| left.minus(*amount).ok());
                left.is_none().then(|| declined("not_charged", "This amount was not charged, or was refunded before."))
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
                let said = match answer {
                    Answer::Succeeded { reference: named } => {
                        self.effect(&instruction, &named);
                        (named != reference(&key)).then_some(Answer::Succeeded { reference: named })
                    }
                    declined @ Answer::Declined(_) => Some(declined),
                };
                let said = Said { instruction: of(&instruction), otherwise: said.map(Box::new) };
                self.answers.insert(digest(key.as_str()), said);
            }
        }
    }

    fn effect(&mut self, instruction: &Instruction, reference: &GatewayRef) {
        match instruction {
            Instruction::Authorize { amount, method } => {
                if faults::is_known(method.as_str()) {
                    self.methods.insert(named(reference), method.as_str().to_owned());
                }
                self.holds.insert(named(reference), Hold::Held(*amount));
            }
            Instruction::Capture { hold, amount } => {
                self.holds.remove(&named(hold));
                let method = self.methods.remove(&named(hold));
                if method.is_some_and(|method| faults::is_disputed(&method)) {
                    self.disputed.insert(named(reference));
                }
                self.charges.insert(named(reference), *amount);
            }
            Instruction::Void { hold } => {
                self.holds.insert(named(hold), Hold::Voided);
            }
            Instruction::Refund { charge, amount } => {
                if let Some(left) = self.charges.get_mut(&named(charge)) {
                    *left = left.minus(*amount).unwrap_or_else(|_| Money::zero(left.currency()));
                }
            }
            Instruction::PayOut { .. } => {}
        }
    }
}

/// What a call that succeeds is known by.
fn reference(key: &CallKey) -> GatewayRef {
    GatewayRef::from(format!("sim_{key}"))
}

/// Half of its SHA-256: nobody finds two of the same.
fn digest(text: impl AsRef<[u8]>) -> Digest {
    let whole = Sha256::digest(text);
    std::array::from_fn(|at| whole[at])
}

fn named(reference: &GatewayRef) -> Digest {
    digest(reference.as_str())
}

/// What is no JSON is in no journal either.
fn of(instruction: &Instruction) -> Digest {
    digest(serde_json::to_vec(instruction).unwrap_or_default())
}

fn declined(code: &str, message: &str) -> Answer {
    Answer::Declined(Decline { code: code.to_owned(), message: message.to_owned() })
}

fn reused() -> Answer {
    declined("idempotency_key_reused", "This key was used for another instruction.")
}
