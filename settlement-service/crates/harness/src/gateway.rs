//! A payment gateway in memory. It keeps the promises of the port, refuses what a real one would, and lists what it
//! did, so that the ledger can be held against it.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use settlement_domain::settlement::HOLD_DAYS;
use settlement_domain::{Answer, CallKey, Decline, GatewayRef, Instruction, Money, Movement, MovementKind, Operation};
use settlement_ports::{GatewayResult, GatewayStatement, Lookup, PaymentGateway, StatementError, StatementPage};

use crate::{Faults, HandClock};

/// Called with the key of every contact, before it has its effect.
pub type Witness = Box<dyn Fn(&CallKey) + Send + Sync>;

/// The double.
pub struct MemoryGateway {
    faults: Faults,
    witness: Witness,
    clock: HandClock,
    book: Mutex<Book>,
}

#[derive(Default)]
struct Book {
    answers: HashMap<CallKey, (Instruction, Answer)>,
    now: DateTime<Utc>,
    holds: HashMap<GatewayRef, (Money, Hold)>,
    charges: HashMap<GatewayRef, (Money, i64)>,
    disputed: HashSet<GatewayRef>,
    paid_out: i64,
    moved: Vec<Movement>,
    away: bool,
    away_for: Option<Operation>,
    refusing: Option<Operation>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hold {
    Held { until: DateTime<Utc> },
    Captured,
    Voided,
}

/// All that ever went through the gateway, minor units (of whatever currency: a test uses one).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GatewayTotals {
    /// Held and neither captured nor voided.
    pub held: i64,
    /// Taken from buyers.
    pub captured: i64,
    /// Given back to buyers.
    pub refunded: i64,
    /// Paid to sellers.
    pub paid_out: i64,
    /// Of what was captured: taken back by the buyers' banks.
    pub charged_back: i64,
}

impl MemoryGateway {
    /// A gateway nothing has gone through.
    #[must_use]
    pub fn new(faults: Faults, witness: Witness) -> Self {
        Self { faults, witness, clock: HandClock::default(), book: Mutex::default() }
    }

    /// Its holds run out by this clock.
    #[must_use]
    pub fn at(mut self, clock: HandClock) -> Self {
        self.clock = clock;
        self
    }

    /// The book, in which holds that ran out have run out.
    fn book(&self) -> MutexGuard<'_, Book> {
        let mut book = self.book.lock().unwrap();
        book.now = self.clock.now();
        book
    }

    /// Takes no contact any more, or again.
    pub fn goes_away(&self, away: bool) {
        self.book().away = away;
    }

    /// Takes no contact about this operation any more, or about each of them again.
    pub fn goes_away_for(&self, operation: Option<Operation>) {
        self.book().away_for = operation;
    }

    /// Declines this operation from now on, or none.
    pub fn refuses(&self, operation: Option<Operation>) {
        self.book().refusing = operation;
    }

    /// The buyer's bank takes a charge back, if there is one: it is given back by nobody else any more.
    pub fn bank_takes(&self, charge: &GatewayRef) {
        let mut book = self.book();
        if book.charges.contains_key(charge) {
            book.disputed.insert(charge.clone());
        }
    }

    /// Changes what it says it moved, as no call would.
    pub fn tampers(&self, with: impl FnOnce(&mut Vec<Movement>)) {
        with(&mut self.book().moved);
    }

    /// What went through it.
    #[must_use]
    pub fn totals(&self) -> GatewayTotals {
        let book = self.book();
        let held = |hold: &Hold| matches!(hold, Hold::Held { until } if *until > book.now);
        let held = book.holds.values().filter(|(_, hold)| held(hold)).map(|(amount, _)| amount.amount()).sum();
        let captured = book.charges.values().map(|(amount, _)| amount.amount()).sum();
        let refunded = book.charges.values().map(|(_, refunded)| refunded).sum();
        let charged_back = book.disputed.iter().map(|charge| book.charges[charge].0.amount()).sum();
        GatewayTotals { held, captured, refunded, paid_out: book.paid_out, charged_back }
    }
}

#[async_trait]
impl PaymentGateway for MemoryGateway {
    async fn execute(&self, key: &CallKey, instruction: &Instruction) -> GatewayResult {
        (self.witness)(key);
        if self.book().is_away_for(instruction) {
            return GatewayResult::Unavailable;
        }
        let Ok(entered) = self.faults.enter("gateway.execute") else { return GatewayResult::Unknown };
        let answer = self.book().execute(key, instruction);
        entered.done().map_or(GatewayResult::Unknown, |()| GatewayResult::Answered(answer))
    }

    async fn lookup(&self, key: &CallKey, instruction: &Instruction) -> Lookup {
        (self.witness)(key);
        if self.book().is_away_for(instruction) {
            return Lookup::Unavailable;
        }
        let Ok(entered) = self.faults.enter("gateway.lookup") else { return Lookup::Unavailable };
        let known = self.book().answers.get(key).map(|(_, answer)| answer.clone());
        match (entered.done(), known) {
            (Err(_), _) => Lookup::Unavailable,
            (Ok(()), Some(answer)) => Lookup::Answered(answer),
            (Ok(()), None) => Lookup::Absent,
        }
    }
}

/// So few, that a test has more than one page.
const PAGE: usize = 2;

#[async_trait]
impl GatewayStatement for MemoryGateway {
    async fn page(
        &self,
        kind: MovementKind,
        since: DateTime<Utc>,
        after: Option<String>,
    ) -> Result<StatementPage, StatementError> {
        let book = self.book();
        if book.away {
            return Err(StatementError::Unavailable("it is away".to_owned()));
        }
        let begin: usize = after.map_or(0, |after| after.parse().unwrap());
        let of_kind = book.moved.iter().filter(|movement| movement.kind == kind && movement.at >= since);
        let movements: Vec<_> = of_kind.skip(begin).take(PAGE).cloned().collect();
        let next = (movements.len() == PAGE).then(|| (begin + PAGE).to_string());
        Ok(StatementPage { movements, next })
    }

    async fn movement(&self, kind: MovementKind, reference: &GatewayRef) -> Result<Option<Movement>, StatementError> {
        let book = self.book();
        if book.away {
            return Err(StatementError::Unavailable("it is away".to_owned()));
        }
        Ok(book.moved.iter().find(|one| one.kind == kind && one.reference == *reference).cloned())
    }
}

fn decline(code: &str) -> Answer {
    Answer::Declined(Decline { code: code.to_owned(), message: format!("declined: {code}") })
}

impl Book {
    fn is_away_for(&self, instruction: &Instruction) -> bool {
        self.away || self.away_for == Some(instruction.operation())
    }

    fn execute(&mut self, key: &CallKey, instruction: &Instruction) -> Answer {
        if let Some((first, answer)) = self.answers.get(key) {
            return if first == instruction { answer.clone() } else { decline("idempotency_key_reused") };
        }
        let reference = GatewayRef::from(format!("mem_{key}"));
        let outcome = if self.refusing == Some(instruction.operation()) {
            Err("refused")
        } else {
            self.apply(&reference, instruction)
        };
        if outcome.is_ok() {
            self.note(key, &reference, instruction);
        }
        let answer = outcome.map_or_else(decline, |()| Answer::Succeeded { reference });
        self.answers.insert(key.clone(), (instruction.clone(), answer.clone()));
        answer
    }

    /// What moved is on the list.
    fn note(&mut self, key: &CallKey, reference: &GatewayRef, instruction: &Instruction) {
        let Some(kind) = MovementKind::of_operation(instruction.operation()) else { return };
        let (amount, charge) = match instruction {
            Instruction::Capture { amount, .. } | Instruction::PayOut { amount, .. } => (*amount, None),
            Instruction::Refund { amount, charge } => (*amount, Some(charge.clone())),
            Instruction::Authorize { .. } | Instruction::Void { .. } => return,
        };
        let (key, reference) = (Some(key.clone()), reference.clone());
        self.moved.push(Movement { kind, key, reference, charge, amount, at: self.now });
    }

    fn apply(&mut self, reference: &GatewayRef, instruction: &Instruction) -> Result<(), &'static str> {
        match instruction {
            Instruction::Authorize { amount, method } => match method.as_str() {
                "pm_card_visa" => {
                    let until = self.now + TimeDelta::days(HOLD_DAYS);
                    self.holds.insert(reference.clone(), (*amount, Hold::Held { until }));
                    Ok(())
                }
                "pm_card_chargeDeclined" => Err("card_declined"),
                _ => Err("invalid_payment_method"),
            },
            Instruction::Capture { hold, amount } => match self.holds.get_mut(hold) {
                Some((_, Hold::Held { until })) if *until <= self.now => Err(Decline::HOLD_EXPIRED),
                Some((held, state @ Hold::Held { .. })) if held == amount => {
                    *state = Hold::Captured;
                    self.charges.insert(reference.clone(), (*amount, 0));
                    Ok(())
                }
                _ => Err("not_held"),
            },
            Instruction::Void { hold } => match self.holds.get_mut(hold) {
                Some((_, Hold::Held { until })) if *until <= self.now => Err(Decline::HOLD_EXPIRED),
                Some((_, state @ Hold::Held { .. })) => {
                    *state = Hold::Voided;
                    Ok(())
                }
                Some((_, Hold::Voided)) => Ok(()),
                _ => Err("not_held"),
            },
            Instruction::Refund { charge, .. } if self.disputed.contains(charge) => Err("charge_disputed"),
            Instruction::Refund { charge, amount } => match self.charges.get_mut(charge) {
                Some((charged, refunded))
                    if charged.currency() == amount.currency() && *refunded + amount.amount() <= charged.amount() =>
                {
                    *refunded += amount.amount();
                    Ok(())
                }
                _ => Err("not_charged"),
            },
            Instruction::PayOut { amount, .. } => {
                self.paid_out += amount.amount();
                Ok(())
            }
        }
    }
}
