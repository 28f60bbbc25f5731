//! Reconciliation: the gateway's own list of what it moved against the ledger, and each difference by name.
//!
//! First the gateway's list is walked, page by page: each movement is looked for in the calls and in the ledger. Then the
//! account `gateway_clearing` is walked: what no movement was found for is asked for at the gateway, one by one. A movement
//! belongs to the span that its entry is in, so that both sides of a sum have the same members wherever a span begins.

mod difference;
mod report;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use settlement_domain::call::CallStatus;
use settlement_domain::ledger::{AccountKind, TrialBalance};
use settlement_domain::{Answer, CallKey, Currency, Movement, MovementKind};
use settlement_ports::{
    Booked, ClearingPlace, ClearingReads, GatewayStatement, KnownCall, LedgerReads, SettlementStore, StatementError,
    StoreError,
};

pub use self::difference::{Amount, Difference, Name};
use self::report::Draft;
pub use self::report::{Clearing, Line, MAX_NAMED, Report, Sum};

/// What is younger is not told from what is under way, minutes.
pub const GRACE_MIN: i64 = 10;
/// How far back it is looked unless told otherwise, days: a hold lasts seven, and a gateway may list a charge under the
/// day of its hold.
pub const LOOK_BACK_DAYS: i64 = 8;
/// Lines of the account that are read at once.
const PAGE: u32 = 250;
/// Lines of so long are looked at together where there are many, …
const BUSY: TimeDelta = TimeDelta::hours(1);
/// … and of so long at most where there are none.
const QUIET: TimeDelta = TimeDelta::days(30);
/// Most movements that are remembered as found. What is beyond them is asked for one by one.
const REMEMBERED: usize = 1_000_000;

/// Why there is no report.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReconcileError {
    /// Our side cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The gateway's side cannot be read.
    #[error(transparent)]
    Gateway(#[from] StatementError),
}

/// Compares the ledger with the gateway's list. Changes nothing.
#[derive(Clone)]
pub struct Reconciliation {
    store: Arc<dyn SettlementStore>,
    ledger: Arc<dyn LedgerReads>,
    clearing: Arc<dyn ClearingReads>,
    statement: Arc<dyn GatewayStatement>,
}

/// One comparison under way.
struct Walk {
    since: DateTime<Utc>,
    until: DateTime<Utc>,
    draft: Draft,
    /// Entries whose movement was found, by a hash that differs from run to run.
    found: HashSet<u64>,
    hasher: RandomState,
    /// What the account's lines come to that are old enough.
    lines: BTreeMap<Currency, i128>,
}

impl Reconciliation {
    /// Over a store with its ledger, and a gateway's list.
    #[must_use]
    pub fn new<S>(store: Arc<S>, statement: Arc<dyn GatewayStatement>) -> Self
    where
        S: SettlementStore + LedgerReads + ClearingReads + 'static,
    {
        Self { store: store.clone(), ledger: store.clone(), clearing: store, statement }
    }

    /// Compares everything from a moment on, or from [`LOOK_BACK_DAYS`] ago.
    pub async fn run(&self, since: Option<DateTime<Utc>>) -> Result<Report, ReconcileError> {
        let until = self.store.begin().await?.now().await?;
        let since = since.unwrap_or(until - TimeDelta::days(LOOK_BACK_DAYS)).min(until);
        let mut walk = Walk::new(since, until);
        for kind in MovementKind::ALL {
            self.walk_statement(kind, &mut walk).await?;
        }
        self.walk_account(&mut walk).await?;
        self.hold_against_balances(&mut walk).await?;
        Ok(walk.draft.report(since, until))
    }

    async fn walk_statement(&self, kind: MovementKind, walk: &mut Walk) -> Result<(), ReconcileError> {
        let mut after = None;
        loop {
            let page = self.statement.page(kind, walk.since, after).await?;
            let keys: Vec<CallKey> = page.movements.iter().filter_map(Movement::moved_by).cloned().collect();
            let known = if keys.is_empty() { Vec::new() } else { self.clearing.known_calls(&keys).await? };
            let known: HashMap<_, _> = known.into_iter().map(|call| (call.key.clone(), call)).collect();
            for movement in &page.movements {
                walk.moved(movement, movement.moved_by().and_then(|key| known.get(key)));
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(()),
            }
        }
    }

    async fn walk_account(&self, walk: &mut Walk) -> Result<(), ReconcileError> {
        let (mut from, mut span, mut after) = (walk.since, BUSY, None);
        while from < walk.until {
            let to = (from + span).min(walk.until);
            let lines = self.clearing.clearing(from, to, after.take(), PAGE).await?;
            for booked in &lines {
                if walk.posted(booked) {
                    self.ask_for(booked, walk).await?;
                }
            }
            span = if lines.is_empty() { (span * 2).min(QUIET) } else { BUSY };
            match lines.last() {
                Some(last) if lines.len() >= PAGE as usize => {
                    from = last.at;
                    after = Some(ClearingPlace { at: last.at, entry: last.entry.clone() });
                }
                _ => from = to,
            }
        }
        Ok(())
    }

    /// No movement of the list belongs to this entry: it is of another time, or there is none.
    async fn ask_for(&self, booked: &Booked, walk: &mut Walk) -> Result<(), ReconcileError> {
        let movement = match (&booked.call, booked.kind) {
            // With so many differences nobody gains by one more being certain.
            (Some((key, reference)), Some(kind)) if !walk.draft.is_full() => {
                let movement = self.statement.movement(kind, reference).await?;
                movement.filter(|movement| movement.moved_by() == Some(key))
            }
            _ => None,
        };
        match movement {
            Some(movement) => walk.pair(&movement, booked),
            None if walk.is_young(booked.at) => walk.draft.pending += 1,
            None => walk.draft.differs(Difference::in_ledger(booked)),
        }
        Ok(())
    }

    async fn hold_against_balances(&self, walk: &mut Walk) -> Result<(), ReconcileError> {
        let balance = |at: DateTime<Utc>| self.ledger.trial_balance(Some(at - TimeDelta::microseconds(1)));
        let (before, after) = (balance(walk.since).await?, balance(walk.settled()).await?);
        let sum = |balance: &TrialBalance, currency| balance.balance(AccountKind::GatewayClearing, currency);
        let mut currencies: Vec<Currency> = after.currencies().iter().map(|total| total.currency).collect();
        currencies.extend(walk.lines.keys());
        currencies.sort_unstable();
        currencies.dedup();
        for currency in currencies {
            let lines = walk.lines.get(&currency).copied().unwrap_or_default();
            walk.draft.account(currency, sum(&after, currency) - sum(&before, currency), lines);
        }
        Ok(())
    }
}

impl Walk {
    fn new(since: DateTime<Utc>, until: DateTime<Utc>) -> Self {
        Self {
            since,
            until,
            draft: Draft::default(),
            found: HashSet::new(),
            hasher: RandomState::new(),
            lines: BTreeMap::new(),
        }
    }

    fn is_young(&self, at: DateTime<Utc>) -> bool {
        at > self.until - TimeDelta::minutes(GRACE_MIN)
    }

    /// Up to when nothing is posted any more.
    fn settled(&self) -> DateTime<Utc> {
        (self.until - TimeDelta::minutes(GRACE_MIN)).max(self.since)
    }

    /// The gateway has moved money; `call` is what is known of the call that did it.
    fn moved(&mut self, movement: &Movement, call: Option<&KnownCall>) {
        let Some(call) = call else { return self.differs(Name::NotOurs, movement, None) };
        match (&call.status, &call.booked) {
            (CallStatus::Ready | CallStatus::InDoubt, _) => self.draft.pending += 1,
            (CallStatus::Answered(Answer::Declined(_)) | CallStatus::Dropped, booked) => {
                self.differs(Name::RefusedAndMoved, movement, booked.as_ref());
            }
            (CallStatus::Answered(Answer::Succeeded { reference }), _) if *reference != movement.reference => {
                self.differs(Name::TwiceUnderOneKey, movement, None);
            }
            (_, None) => self.differs(Name::NotInLedger, movement, None),
            (_, Some(booked)) if booked.reversed => self.differs(Name::ReversedAndMoved, movement, Some(booked)),
            (_, Some(booked)) if booked.at < self.since || booked.at >= self.until => {}
            (_, Some(booked)) => {
                let hash = self.hasher.hash_one(&booked.entry);
                if self.found.contains(&hash) {
                    self.differs(Name::TwiceUnderOneKey, movement, None);
                } else if self.found.len() < REMEMBERED {
                    self.found.insert(hash);
                    self.pair(movement, booked);
                }
            }
        }
    }

    /// The account has a line; true if its movement has to be asked for.
    fn posted(&mut self, booked: &Booked) -> bool {
        if booked.at < self.settled() {
            *self.lines.entry(booked.amount.currency()).or_default() += booked.net();
        }
        if booked.reversal {
            return false;
        }
        if booked.reversed {
            self.draft.reversed += 1;
            return false;
        }
        // What the buyer's bank took is on no list of what the gateway moved.
        let Some(kind) = booked.kind else { return false };
        self.draft.in_ledger(kind, booked.amount);
        !self.found.contains(&self.hasher.hash_one(&booked.entry))
    }

    /// Both sides have it.
    fn pair(&mut self, movement: &Movement, booked: &Booked) {
        self.draft.at_gateway(movement.kind, movement.amount);
        let name = if movement.amount.currency() != booked.amount.currency() {
            Name::CurrenciesDiffer
        } else if movement.amount != booked.amount {
            Name::AmountsDiffer
        } else {
            return;
        };
        self.draft.differs(Difference::at_gateway(name, movement, Some(booked)));
    }

    /// The gateway has what the ledger has not.
    fn differs(&mut self, name: Name, movement: &Movement, booked: Option<&Booked>) {
        if movement.at < self.since {
            return;
        }
        if self.is_young(movement.at) {
            self.draft.pending += 1;
            return;
        }
        self.draft.at_gateway(movement.kind, movement.amount);
        self.draft.differs(Difference::at_gateway(name, movement, booked));
    }
}
