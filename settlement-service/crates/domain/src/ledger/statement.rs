//! A seller's statement: what was earned and what was paid, line by line, with the balance after each.

use chrono::{DateTime, Utc};

use super::EntryKind;
use crate::ids::Subject;
use crate::money::Money;

/// One line of a seller's account in one currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatementLine {
    /// Where it stands in the statement's order.
    pub place: Place,
    /// For which sale it was earned, or by which payout it was paid.
    pub subject: Subject,
    /// What it is about.
    pub kind: EntryKind,
    /// Whether it puts an earlier line of that kind right.
    pub reversal: bool,
    /// Earned, or nothing.
    pub credit: Money,
    /// Paid out, or nothing.
    pub debit: Money,
    /// What the seller is owed after it, minor units: wider than an amount, and below zero if more was paid than
    /// earned.
    pub balance: i128,
}

/// A line's place: statements are ordered by time, reference and line.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// When it was decided.
    pub at: DateTime<Utc>,
    /// The transaction's reference.
    pub reference: String,
    /// Its line in the transaction, from 1.
    pub line: i16,
}
