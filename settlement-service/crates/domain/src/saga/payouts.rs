//! The last step, in batches: what waits for a seller's next payout, the payout, and what its answer does to all of its
//! settlements.

use chrono::{DateTime, Utc};

use super::run::{Proof, Run, stuck};
use super::table::Step::PayOut;
use super::table::{Does, WhenRefused};
use super::{Change, SagaError};
use crate::call::{CallStatus, Contact, GatewayCall, Report, backoff};
use crate::gateway::{Answer, Decline, GatewayRef, Operation};
use crate::ids::PayoutId;
use crate::ledger::{self, Transaction};
use crate::money::Money;
use crate::payout::{Item, MAX_ITEMS, Payout, PayoutRules, PayoutState};
use crate::settlement::{Owed, Settlement, State};

/// Everything one decision about a payout changes, to be stored in one transaction.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PayoutChange {
    /// The payout after it; none if it is not time for one.
    pub payout: Option<Payout>,
    /// Calls newly planned or better known.
    pub calls: Vec<GatewayCall>,
    /// What the ledger gets.
    pub transactions: Vec<Transaction>,
    /// What becomes of the settlements.
    pub settlements: Vec<Change>,
}

/// What a settlement has waiting for its seller's next payout, and since when.
#[must_use]
pub const fn waiting(settlement: &Settlement) -> Option<(Money, DateTime<Utc>)> {
    match settlement.state() {
        State::Received { split, received_at, owed: Owed::Waiting { .. }, .. } => Some((split.payout, *received_at)),
        _ => None,
    }
}

/// Pays what waits for one seller in one currency, if it is time by the rules; else it is looked at again when it is.
/// What is more than [`MAX_ITEMS`] settlements, or than money can be, waits for the payout after this one. A payout that holds
/// no more waits for nothing: those beyond it would be due all the while.
#[must_use]
pub fn gather(owed: Vec<Settlement>, rules: &PayoutRules, now: DateTime<Utc>) -> PayoutChange {
    let mut is_full = owed.len() >= MAX_ITEMS as usize;
    let mut due: Vec<(Settlement, Money, DateTime<Utc>)> = Vec::new();
    let mut sum: Option<Money> = None;
    for settlement in owed.into_iter().take(MAX_ITEMS as usize) {
        let Some((amount, since)) = waiting(&settlement) else { continue };
        let Ok(more) = sum.map_or(Ok(amount), |sum| sum.plus(amount)) else {
            is_full = true;
            break;
        };
        sum = Some(more);
        due.push((settlement, amount, since));
    }
    let (Some(sum), Some(since)) = (sum, due.iter().map(|(_, _, since)| *since).min()) else {
        return PayoutChange::default();
    };
    let due_at = if is_full { now } else { rules.due_at(sum, since) };
    let seller = due[0].0.seller_id().clone();
    let items = due.iter().map(|(settlement, amount, _)| Item { settlement_id: settlement.id(), amount: *amount });
    let made = if due_at <= now { Payout::make(id_of(&due), seller, items.collect(), now) } else { None };
    let next = made.as_ref().map_or(Owed::Waiting { due_at }, |(payout, _)| Owed::Within { payout_id: payout.id() });
    let moved = due.into_iter().map(|(mut settlement, ..)| {
        let stays = settlement.clone();
        if matches!(next, Owed::Within { .. }) {
            settlement.count_attempt(Operation::PayOut);
        }
        let run = Run::of(settlement, now).moved(|settlement| settlement.owed(next));
        run.map_or_else(|error| stuck(stays, None, &error, now), Change::from)
    });
    let settlements = moved.collect();
    let (payout, call) = made.unzip();
    PayoutChange { payout, calls: call.into_iter().collect(), transactions: Vec::new(), settlements }
}

/// In the order of the settlements, whoever found them.
fn id_of(due: &[(Settlement, Money, DateTime<Utc>)]) -> PayoutId {
    let number = |settlement: &Settlement| settlement.attempts(Operation::PayOut) + 1;
    let mut items: Vec<_> = due.iter().map(|(settlement, ..)| (settlement.id(), number(settlement))).collect();
    items.sort_unstable();
    PayoutId::of(&items)
}

/// What came of a contact with the gateway about a payout; its settlements are those of its items. An echo of a call that
/// is over changes nothing.
#[must_use]
pub fn payout_report(
    payout: Payout,
    settlements: Vec<Settlement>,
    call: GatewayCall,
    contact: Contact,
    report: Report,
    now: DateTime<Utc>,
) -> PayoutChange {
    if call.is_over() {
        return PayoutChange::default();
    }
    let call = call.report(contact, report, now);
    let current = *payout.state() == PayoutState::Paying && call.attempt() == payout.attempts();
    let Some(does) = PayOut.row().does.filter(|_| current) else { return only(payout, call) };
    match call.status().clone() {
        CallStatus::Answered(Answer::Succeeded { reference }) => paid(payout, settlements, call, reference, now),
        CallStatus::Answered(Answer::Declined(decline)) => refused(payout, settlements, call, does, decline, now),
        CallStatus::Ready if call.may_be_dropped() && call.tries() >= does.contacts => match call.clone().dropped() {
            Ok(call) => refused(payout, settlements, call, does, Decline::unavailable(), now),
            Err(_) => only(payout, call),
        },
        CallStatus::Ready | CallStatus::InDoubt | CallStatus::Dropped => only(payout, call),
    }
}

fn only(payout: Payout, call: GatewayCall) -> PayoutChange {
    PayoutChange { payout: Some(payout), calls: vec![call], ..PayoutChange::default() }
}

fn paid(
    payout: Payout,
    settlements: Vec<Settlement>,
    call: GatewayCall,
    reference: GatewayRef,
    now: DateTime<Utc>,
) -> PayoutChange {
    let entry = ledger::paid_out(&payout, now).map_err(SagaError::from);
    let payout = payout.paid(reference.clone(), now);
    let done = |settlement: Settlement| {
        let posted = entry.as_ref().map_err(Clone::clone);
        let proof = Proof::Reference(reference.clone());
        let run = posted.and_then(|_| Run::of(settlement.clone(), now).done(PayOut, proof));
        run.map_or_else(|error| stuck(settlement, None, &error, now), Change::from)
    };
    let settlements = settlements.into_iter().map(done).collect();
    PayoutChange { payout: Some(payout), calls: vec![call], transactions: entry.into_iter().collect(), settlements }
}

fn refused(
    payout: Payout,
    settlements: Vec<Settlement>,
    call: GatewayCall,
    does: Does,
    decline: Decline,
    now: DateTime<Utc>,
) -> PayoutChange {
    if let WhenRefused::Retry(limit) = does.when_refused
        && payout.attempts() < limit
    {
        let wait = backoff(payout.attempts());
        let (payout, again) = payout.told(now + wait);
        return PayoutChange { payout: Some(payout), calls: vec![call, again], ..PayoutChange::default() };
    }
    let parked = |settlement: Settlement| {
        let reason = decline.of(Operation::PayOut);
        let run = Run::of(settlement.clone(), now).moved(|settlement| settlement.needs_operator(reason, now));
        run.map_or_else(|error| stuck(settlement, None, &error, now), Change::from)
    };
    let settlements = settlements.into_iter().map(parked).collect();
    let payout = payout.refused(decline, now);
    PayoutChange { payout: Some(payout), calls: vec![call], transactions: Vec::new(), settlements }
}
