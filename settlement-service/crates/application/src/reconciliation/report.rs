//! What a reconciliation came to: sums of both sides, and the differences by name.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use settlement_domain::{Currency, GatewayRef, Money, MovementKind};

use super::difference::{Amount, Difference};

/// Most differences that are named; what is beyond them is counted.
pub const MAX_NAMED: usize = 1_000;

/// How many, and how much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Sum {
    /// How many.
    pub count: u64,
    /// Minor units.
    pub amount: i128,
}

impl Sum {
    fn add(&mut self, money: Money) {
        self.count += 1;
        self.amount += i128::from(money.amount());
    }
}

/// All movements of one kind in one currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// Which movements.
    pub kind: MovementKind,
    /// In which currency.
    pub currency: Currency,
    /// By the ledger.
    pub ledger: Sum,
    /// By the gateway.
    pub gateway: Sum,
}

/// The account `gateway_clearing` in one currency, as far back as the span goes and up to where nothing is posted any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Clearing {
    /// In which currency.
    pub currency: Currency,
    /// What the account came to by the balances, minor units.
    pub account: i128,
    /// What its lines come to.
    pub lines: i128,
}

/// What a reconciliation came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// From when.
    pub since: DateTime<Utc>,
    /// Until when.
    pub until: DateTime<Utc>,
    /// Both sides, by kind and currency.
    pub sums: Vec<Line>,
    /// The account, by currency.
    pub clearing: Vec<Clearing>,
    /// What is still under way, or too young to be told from that.
    pub pending: u64,
    /// Entries that were reversed.
    pub reversed: u64,
    /// Movements without an entry that were made good by others: a charge that was given back whole.
    pub made_good: u64,
    /// All differences, the unnamed ones too.
    pub difference_count: u64,
    /// The first of them.
    pub differences: Vec<Difference>,
}

impl Report {
    /// Whether there are none.
    #[must_use]
    pub const fn agrees(&self) -> bool {
        self.difference_count == 0
    }
}

/// A report in the making; its size does not depend on how much is compared.
#[derive(Default)]
pub(super) struct Draft {
    sums: BTreeMap<(MovementKind, Currency), (Sum, Sum)>,
    clearing: Vec<Clearing>,
    pub pending: u64,
    pub reversed: u64,
    unnamed: u64,
    differences: Vec<Difference>,
}

impl Draft {
    pub fn in_ledger(&mut self, kind: MovementKind, money: Money) {
        self.sums.entry((kind, money.currency())).or_default().0.add(money);
    }

    pub fn at_gateway(&mut self, kind: MovementKind, money: Money) {
        self.sums.entry((kind, money.currency())).or_default().1.add(money);
    }

    pub fn differs(&mut self, difference: Difference) {
        if self.is_full() {
            self.unnamed += 1;
        } else {
            self.differences.push(difference);
        }
    }

    /// Whether no further difference is named.
    pub fn is_full(&self) -> bool {
        self.differences.len() >= MAX_NAMED
    }

    pub fn account(&mut self, currency: Currency, account: i128, lines: i128) {
        self.clearing.push(Clearing { currency, account, lines });
        if account != lines {
            self.differs(Difference::of_account(Amount { amount: account - lines, currency }));
        }
    }

    pub fn report(mut self, since: DateTime<Utc>, until: DateTime<Utc>) -> Report {
        let made_good = self.make_good();
        let line = |((kind, currency), (ledger, gateway))| Line { kind, currency, ledger, gateway };
        Report {
            since,
            until,
            sums: self.sums.into_iter().map(line).collect(),
            clearing: self.clearing,
            pending: self.pending,
            reversed: self.reversed,
            made_good,
            difference_count: self.unnamed + self.differences.len() as u64,
            differences: self.differences,
        }
    }

    /// A charge that the ledger does not have, and refunds of that charge that it does not have either, are none if they
    /// sum to nothing: somebody gave the money back at the gateway.
    fn make_good(&mut self) -> u64 {
        let mut left: BTreeMap<GatewayRef, (i128, usize)> = BTreeMap::new();
        let of_charge = |difference: &Difference| {
            let only_there = difference.ledger.is_none();
            Some((difference.charge.clone().filter(|_| only_there)?, difference.kind?, difference.gateway?.amount))
        };
        for (charge, kind, amount) in self.differences.iter().filter_map(of_charge) {
            let (sum, count) = left.entry(charge).or_default();
            *sum += if kind == MovementKind::Charge { amount } else { -amount };
            *count += 1;
        }
        let before = self.differences.len();
        self.differences.retain(|difference| {
            let made_good = |(charge, ..): (GatewayRef, _, _)| left.get(&charge).is_some_and(|(sum, _)| *sum == 0);
            !of_charge(difference).is_some_and(made_good)
        });
        (before - self.differences.len()) as u64
    }
}
