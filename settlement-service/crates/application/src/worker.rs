//! What moves settlements on without anybody asking: deadlines that passed and calls to the gateway.
//!
//! The worker holds nothing in memory between runs: it may be killed anywhere, and any number may run at once.

use std::collections::{BTreeMap, BTreeSet};
use std::future::pending;
use std::pin::pin;
use std::sync::Arc;

use chrono::TimeDelta;
use futures::future::{Either, select};
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use settlement_domain::payout::MAX_ITEMS;
use settlement_domain::saga::{self, Dispatch};
use settlement_domain::{
    CallKey, Contact, Currency, GatewayCall, Grace, PayoutRules, Report, Settlement, Subject, UserId, Way,
};
use settlement_ports::{
    FreeStandings, GatewayResult, Locked, Lookup, PaymentGateway, SettlementStore, SettlementTx, StoreError,
};

use crate::batch::Batch;
use crate::called;
use crate::retry::on_conflict;

/// Sellers are asked for together what they are owed, so many at once …
const SELLERS: usize = 32;
/// … until so many settlements are to be written: the others wait for the next round.
const MOST: usize = 2_000;
/// A strike for somebody whose standing cannot be read is tried again after so long, as rows are that cannot be read.
const STRIKES_AGAIN_AFTER: TimeDelta = TimeDelta::minutes(5);

/// Drives settlements on; told when to by the service.
#[derive(Clone)]
pub struct Worker {
    store: Arc<dyn SettlementStore>,
    gateway: Arc<dyn PaymentGateway>,
    payouts: Arc<PayoutRules>,
}

/// What one run did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Deadlines of settlements and of suspensions that had passed.
    pub deadlines: usize,
    /// Calls that were taken up.
    pub calls: usize,
}

impl Progress {
    /// Whether nothing was due: there is time to wait.
    #[must_use]
    pub const fn is_idle(&self) -> bool {
        self.deadlines == 0 && self.calls == 0
    }
}

/// A contact that was made.
#[derive(Clone)]
struct Heard {
    call: GatewayCall,
    contact: Contact,
    report: Report,
}

impl Worker {
    /// Over a store and a gateway; sellers are paid by these rules.
    #[must_use]
    pub fn new(store: Arc<dyn SettlementStore>, gateway: Arc<dyn PaymentGateway>, payouts: PayoutRules) -> Self {
        Self { store, gateway, payouts: Arc::new(payouts) }
    }

    /// Takes up at most `limit` passed deadlines, and the calls that are due, at most `limit` of them under way at once.
    /// Trouble with the one does not keep it from the other; what was left undone by an error is due again later.
    pub async fn run_once(&self, limit: u32) -> Result<Progress, StoreError> {
        let (deadlines, calls) = (self.pass_time(limit).await, self.make_calls(limit, pending, || false).await);
        Ok(Progress { deadlines: deadlines?, calls: calls? })
    }

    /// Shows life. After an outage people have time, which is told.
    pub async fn beat(&self) -> Result<(), StoreError> {
        if let Some(Grace { since, until }) = self.store.beat().await? {
            tracing::warn!(%since, %until, "settlement was away: until then no deadline of a person's passes");
        }
        Ok(())
    }

    /// Takes up at most `limit` passed deadlines of settlements, and as many of suspensions. How many there were.
    pub async fn pass_time(&self, limit: u32) -> Result<usize, StoreError> {
        let deadlines = on_conflict(|| self.pass_deadlines(limit)).await;
        let standings = on_conflict(|| self.end_suspensions(limit)).await;
        Ok(deadlines? + standings?)
    }

    async fn pass_deadlines(&self, limit: u32) -> Result<usize, StoreError> {
        let mut tx = self.store.begin().await?;
        let due = tx.lock_due_timers(limit).await?;
        let (mut count, mut batch, mut owed, mut late) = (due.len(), Batch::default(), BTreeSet::new(), Vec::new());
        for locked in due {
            match saga::waiting(&locked.aggregate) {
                Some((amount, _)) => {
                    owed.insert((locked.aggregate.seller_id().clone(), amount.currency()));
                }
                None => late.push(locked),
            }
        }
        count -= act_on(tx.as_mut(), &mut batch, late).await?;
        let owed: Vec<_> = owed.into_iter().collect();
        for sellers in owed.chunks(SELLERS) {
            // Whoever is at the other sellers pays them, or leaves them due; so it is with those beyond a bound.
            let paid = if batch.len() < MOST { self.gather(tx.as_mut(), &mut batch, sellers).await? } else { 0 };
            count -= sellers.len() - paid;
        }
        batch.write(tx.as_mut()).await?;
        // Also when nothing is due: what cannot be read has been put aside.
        tx.commit().await?;
        Ok(count)
    }

    /// Makes the sellers' next payouts where it is time. How many sellers no other worker is at.
    async fn gather(
        &self,
        tx: &mut dyn SettlementTx,
        batch: &mut Batch,
        sellers: &[(UserId, Currency)],
    ) -> Result<usize, StoreError> {
        let owed = tx.lock_owed(sellers, MAX_ITEMS).await?;
        let count = owed.len();
        for Locked { aggregate, now } in owed {
            batch.decide_owed(aggregate, |owed| saga::gather(owed, &self.payouts, now));
        }
        Ok(count)
    }

    async fn end_suspensions(&self, limit: u32) -> Result<usize, StoreError> {
        let mut tx = self.store.begin().await?;
        let due = tx.lock_due_standings(limit).await?;
        let passed = due.into_iter().map(|locked| locked.aggregate.time_passed(locked.now));
        let (standings, events): (Vec<_>, Vec<_>) = passed.unzip();
        if !standings.is_empty() {
            tx.save_standings(&standings).await?;
            tx.record_standings(&events.into_iter().flatten().collect::<Vec<_>>()).await?;
        }
        tx.commit().await?;
        Ok(standings.len())
    }

    /// Takes up due calls, at most `limit` of them under way at once, and what follows from their answers at once; until
    /// nothing is due or under way. A place that becomes free is taken again, and so is one that is free when `more`
    /// resolves: something may have become due meanwhile. Once it `stops` nothing is begun any more, and what is under way
    /// comes to its end. How many were due.
    pub async fn make_calls<F>(
        &self,
        limit: u32,
        more: impl Fn() -> F,
        stops: impl Fn() -> bool,
    ) -> Result<usize, StoreError>
    where
        F: Future<Output = ()>,
    {
        let (mut under_way, mut count, mut trouble) = (FuturesUnordered::new(), 0, Ok(()));
        let mut looks = true;
        loop {
            let free = less(limit, under_way.len());
            if looks && free > 0 && trouble.is_ok() && !stops() {
                match on_conflict(|| self.claim_calls(free)).await {
                    Ok((due, contacts)) => {
                        under_way.extend(contacts.into_iter().map(|(call, contact)| self.contact(call, contact)));
                        count += due;
                        looks = due >= free as usize;
                    }
                    Err(error) => trouble = Err(error),
                }
            }
            // Who has no place for it does not take the word from others.
            let listens = less(limit, under_way.len()) > 0 && trouble.is_ok() && !stops();
            let word = async { if listens { more().await } else { pending().await } };
            let first = match select(under_way.next(), pin!(word)).await {
                Either::Left((Some(first), _)) => first,
                Either::Left((None, _)) => break,
                Either::Right(_) => {
                    looks = true;
                    continue;
                }
            };
            let mut heard = vec![first];
            // What else is there by now is taken in with it.
            while let Some(Some(more)) = under_way.next().now_or_never() {
                heard.push(more);
            }
            let (of_payouts, of_settlements): (Vec<_>, Vec<_>) =
                heard.into_iter().partition(|heard| heard.call.subject().payout_id().is_some());
            for heard in [of_payouts, of_settlements] {
                let (planned, taken_in) = self.take_in(&heard, !stops()).await;
                under_way.extend(planned.into_iter().map(|(call, contact)| self.contact(call, contact)));
                trouble = trouble.and(taken_in);
            }
        }
        trouble.map(|()| count)
    }

    /// What came of contacts is taken in together or, when something about one of them spoils it for all, each for itself.
    /// What is to be contacted next, if it `goes_on`.
    async fn take_in(&self, heard: &[Heard], goes_on: bool) -> (Vec<(GatewayCall, Contact)>, Result<(), StoreError>) {
        if heard.is_empty() {
            return (Vec::new(), Ok(()));
        }
        let error = match on_conflict(|| self.take_in_together(heard, goes_on)).await {
            Ok(planned) => return (planned, Ok(())),
            Err(error) if heard.len() == 1 => return (Vec::new(), Err(error)),
            Err(error) => error,
        };
        tracing::warn!(%error, answers = heard.len(), "answers of the gateway are taken in one by one");
        let (mut planned, mut trouble) = (Vec::new(), Ok(()));
        for one in heard {
            match on_conflict(|| self.take_in_together(std::slice::from_ref(one), goes_on)).await {
                Ok(more) => planned.extend(more),
                Err(error) => trouble = trouble.and(Err(error)),
            }
        }
        (planned, trouble)
    }

    /// First unit of work: the contacts are counted and the calls put in doubt before the gateway hears of them.
    async fn claim_calls(&self, limit: u32) -> Result<(usize, Vec<(GatewayCall, Contact)>), StoreError> {
        let mut tx = self.store.begin().await?;
        let payouts = tx.lock_pending_payouts(limit).await?;
        let due = tx.lock_pending_calls(less(limit, payouts.len())).await?;
        let (count, mut batch, mut contacts) = (due.len() + payouts.len(), Batch::default(), Vec::new());
        // One at a time for each settlement and payout: the others are due the next time, too.
        let mut taken = BTreeSet::new();
        for locked in due.into_iter().filter(|locked| taken.insert(locked.aggregate.call.subject())) {
            match saga::dispatch(locked.aggregate.settlement, locked.aggregate.call, locked.now) {
                Dispatch::Contact(call, contact) => {
                    batch.add_call(call.clone());
                    contacts.push((call, contact));
                }
                Dispatch::Overtaken(change) => batch.decide(change.settlement.clone(), |_| *change),
            }
        }
        for locked in payouts.into_iter().filter(|locked| taken.insert(locked.aggregate.call.subject())) {
            let (call, contact) = locked.aggregate.call.claim(locked.now);
            batch.add_call(call.clone());
            contacts.push((call, contact));
        }
        batch.write(tx.as_mut()).await?;
        tx.commit().await?;
        Ok((count, contacts))
    }

    async fn contact(&self, call: GatewayCall, contact: Contact) -> Heard {
        let report = match contact.way {
            Way::Send => match self.gateway.execute(&call.key(), call.instruction()).await {
                GatewayResult::Answered(answer) => Report::Answered(answer),
                GatewayResult::Unknown => Report::Unknown,
                GatewayResult::Unavailable => Report::Unavailable,
            },
            Way::Ask => match self.gateway.lookup(&call.key(), call.instruction()).await {
                Lookup::Answered(answer) => Report::Answered(answer),
                Lookup::Absent => Report::Absent,
                Lookup::Unavailable => Report::Unavailable,
            },
        };
        Heard { call, contact, report }
    }

    /// Second unit of work: what came of the contacts, all about settlements or all about payouts. What follows from that at
    /// once is taken up with it, as the first unit of work of another round would; or is left due, unless it `goes_on`.
    async fn take_in_together(
        &self,
        heard: &[Heard],
        goes_on: bool,
    ) -> Result<Vec<(GatewayCall, Contact)>, StoreError> {
        let subjects: BTreeSet<Subject> = heard.iter().map(|heard| heard.call.subject()).collect();
        let keys: Vec<CallKey> = heard.iter().map(|heard| heard.call.key()).collect();
        let mut tx = self.store.begin().await?;
        let locked = called::lock(tx.as_mut(), &subjects).await?;
        let calls = tx.calls(&keys).await?;
        let mut calls: BTreeMap<CallKey, GatewayCall> = calls.into_iter().map(|call| (call.key(), call)).collect();
        let mut batch = Batch::default();
        for Heard { call, contact, report } in heard {
            let Some(locked) = locked.get(&call.subject()) else { continue };
            let Some(call) = calls.remove(&call.key()) else { continue };
            batch.report(locked.clone(), call, *contact, report.clone());
        }
        let now = locked.values().map(|locked| locked.now).min().filter(|_| goes_on);
        let planned = now.map(|now| batch.claim_planned(now)).unwrap_or_default();
        batch.write(tx.as_mut()).await?;
        tx.commit().await?;
        Ok(planned)
    }
}

/// Acts on deadlines that have passed. One that leads to a strike for somebody whose standing cannot be had waits, and no
/// other with it: while another unit of work has the standing it stays due, and while that cannot be read the buyer has
/// more time. How many stay due.
async fn act_on(
    tx: &mut dyn SettlementTx,
    batch: &mut Batch,
    late: Vec<Locked<Settlement>>,
) -> Result<usize, StoreError> {
    let mut changes = Vec::with_capacity(late.len());
    for Locked { aggregate, now } in late {
        changes.push((saga::deadline(aggregate.clone(), now), aggregate, now));
    }
    let struck: BTreeSet<UserId> =
        changes.iter().flat_map(|(change, ..)| &change.strikes).map(|(user, _)| user.clone()).collect();
    let free = if struck.is_empty() {
        FreeStandings::default()
    } else {
        tx.lock_free_standings(&struck.into_iter().collect::<Vec<_>>()).await?
    };
    let mut stay_due = 0;
    for (change, read, now) in changes {
        let is_among = |users: &BTreeSet<UserId>| change.strikes.iter().any(|(user, _)| users.contains(user));
        if change.strikes.is_empty() || is_among(&free.locked) {
            batch.decide(read, |_| change);
        } else if is_among(&free.unreadable) {
            let grace = Grace::lasting(STRIKES_AGAIN_AFTER, now);
            batch.decide(read, |it| saga::deadline(it.given(grace), now));
        } else {
            stay_due += 1;
        }
    }
    Ok(stay_due)
}

/// What is left of a limit.
fn less(limit: u32, taken: usize) -> u32 {
    limit.saturating_sub(u32::try_from(taken).unwrap_or(u32::MAX))
}
