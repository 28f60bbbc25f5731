//! A transaction: postings that sum to zero in every currency, named by a reference it is posted under once.

use std::collections::BTreeMap;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::Account;
use crate::ids::Subject;
use crate::money::{Currency, Money};

/// Which side of an account a posting is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Left.
    Debit,
    /// Right.
    Credit,
}

/// One line of a transaction; the amount is above zero.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Posting {
    /// On which account.
    pub account: Account,
    /// On which side.
    pub side: Side,
    /// How much.
    pub amount: Money,
}

impl Side {
    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Debit => Self::Credit,
            Self::Credit => Self::Debit,
        }
    }
}

impl Posting {
    /// A line on the left.
    #[must_use]
    pub const fn debit(account: Account, amount: Money) -> Self {
        Self { account, side: Side::Debit, amount }
    }

    /// A line on the right.
    #[must_use]
    pub const fn credit(account: Account, amount: Money) -> Self {
        Self { account, side: Side::Credit, amount }
    }
}

/// What a transaction is about. A settlement or payout has each kind at most once, and each reversal of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryKind {
    /// The buyer's money came in and is in escrow.
    Captured,
    /// Escrow was split between seller and platform.
    Released,
    /// The seller was paid.
    PaidOut,
    /// The buyer's money went back.
    Refunded,
    /// A part of the buyer's money went back.
    PartRefunded,
    /// The buyer's bank took the money and keeps it: no call of ours moved it.
    ChargedBack,
}

impl EntryKind {
    const ALL: [Self; 6] =
        [Self::Captured, Self::Released, Self::PaidOut, Self::Refunded, Self::PartRefunded, Self::ChargedBack];

    /// The name in references and the database.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Captured => "captured",
            Self::Released => "released",
            Self::PaidOut => "paid_out",
            Self::Refunded => "refunded",
            Self::PartRefunded => "part_refunded",
            Self::ChargedBack => "charged_back",
        }
    }
}

/// No entry has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no entry of the ledger is called {0:?}")]
pub struct UnknownEntry(String);

impl FromStr for EntryKind {
    type Err = UnknownEntry;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(|| UnknownEntry(name.to_owned()))
    }
}

/// Which posted transaction is put right by another one, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reversal {
    /// The reference of the transaction that is reversed.
    pub of: String,
    /// Why, for the auditor.
    pub reason: String,
}

/// Postings that balance; however one is made, that is checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Transaction {
    subject: Subject,
    kind: EntryKind,
    reversal: Option<Reversal>,
    at: DateTime<Utc>,
    postings: Vec<Posting>,
}

/// Why postings are not a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// There are none.
    #[error("a transaction has postings")]
    Empty,
    /// A line without an amount.
    #[error("a posting of nothing")]
    ZeroPosting,
    /// The two sides differ.
    #[error("{currency}: debits less credits are {difference}, not 0")]
    Unbalanced {
        /// In this currency.
        currency: Currency,
        /// Minor units.
        difference: i128,
    },
}

impl Transaction {
    /// Builds a transaction if its postings sum to zero in every currency.
    pub fn new(
        subject: impl Into<Subject>,
        kind: EntryKind,
        at: DateTime<Utc>,
        postings: Vec<Posting>,
    ) -> Result<Self, LedgerError> {
        Self::stored(subject.into(), kind, None, at, postings)
    }

    /// Puts one together again that was stored.
    pub fn stored(
        subject: Subject,
        kind: EntryKind,
        reversal: Option<Reversal>,
        at: DateTime<Utc>,
        postings: Vec<Posting>,
    ) -> Result<Self, LedgerError> {
        if postings.is_empty() {
            return Err(LedgerError::Empty);
        }
        let mut sums: BTreeMap<Currency, i128> = BTreeMap::new();
        for posting in &postings {
            if posting.amount.is_zero() {
                return Err(LedgerError::ZeroPosting);
            }
            let amount = i128::from(posting.amount.amount());
            *sums.entry(posting.amount.currency()).or_default() += match posting.side {
                Side::Debit => amount,
                Side::Credit => -amount,
            };
        }
        match sums.into_iter().find(|(_, sum)| *sum != 0) {
            Some((currency, difference)) => Err(LedgerError::Unbalanced { currency, difference }),
            None => Ok(Self { subject, kind, reversal, at, postings }),
        }
    }

    /// The same lines with their sides changed: what puts this one right once it is posted. Its reference follows
    /// from this one's, so it is posted once, too; a reversal is reversed like any other.
    #[must_use]
    pub fn reversed(&self, reason: String, at: DateTime<Utc>) -> Self {
        let turned = |posting: &Posting| Posting { side: posting.side.other(), ..posting.clone() };
        let postings = self.postings.iter().map(turned).collect();
        let reversal = Some(Reversal { of: self.reference(), reason });
        Self { subject: self.subject, kind: self.kind, reversal, at, postings }
    }

    /// The name it is posted under, once and for ever: `<subject>:<kind>`, and `<reference>:reversed` for what
    /// reverses another.
    #[must_use]
    pub fn reference(&self) -> String {
        match &self.reversal {
            Some(reversal) => format!("{}:reversed", reversal.of),
            None => format!("{}:{}", self.subject, self.kind.name()),
        }
    }

    /// What it reverses, if it does.
    #[must_use]
    pub const fn reversal(&self) -> Option<&Reversal> {
        self.reversal.as_ref()
    }

    /// Whose money it moves.
    #[must_use]
    pub const fn subject(&self) -> Subject {
        self.subject
    }

    /// What it is about.
    #[must_use]
    pub const fn kind(&self) -> EntryKind {
        self.kind
    }

    /// When it was decided.
    #[must_use]
    pub const fn at(&self) -> DateTime<Utc> {
        self.at
    }

    /// Its lines.
    #[must_use]
    pub fn postings(&self) -> &[Posting] {
        &self.postings
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn money(amount: i64, code: &str) -> Money {
        Money::new(amount, code.parse().unwrap()).unwrap()
    }

    fn build(postings: Vec<Posting>) -> Result<Transaction, LedgerError> {
        Transaction::new(
            crate::SettlementId::from(uuid::Uuid::nil()),
            EntryKind::Captured,
            DateTime::UNIX_EPOCH,
            postings,
        )
    }

    #[test]
    fn two_sides_of_equal_sums_balance() {
        let (ten, six, four) = (money(10, "USD"), money(6, "USD"), money(4, "USD"));
        let split = vec![
            Posting::debit(Account::Escrow, ten),
            Posting::credit(Account::SellerPayable("seller".parse().unwrap()), six),
            Posting::credit(Account::PlatformRevenue, four),
        ];
        assert!(build(split).is_ok());
    }

    #[test]
    fn a_transaction_that_does_not_balance_cannot_be_built() {
        let postings = vec![
            Posting::debit(Account::Escrow, money(10, "USD")),
            Posting::credit(Account::PlatformRevenue, money(9, "USD")),
        ];
        let usd = "USD".parse().unwrap();
        assert_eq!(build(postings), Err(LedgerError::Unbalanced { currency: usd, difference: 1 }));
    }

    #[test]
    fn a_reversal_undoes_every_line_and_has_a_name_of_its_own() {
        let seller = Account::SellerPayable("seller".parse().unwrap());
        let postings =
            vec![Posting::debit(Account::Escrow, money(10, "USD")), Posting::credit(seller.clone(), money(10, "USD"))];
        let posted = build(postings).unwrap();
        let reversal = posted.reversed("the wrong lot".to_owned(), DateTime::UNIX_EPOCH);
        let turned = [Posting::credit(Account::Escrow, money(10, "USD")), Posting::debit(seller, money(10, "USD"))];
        assert_eq!(reversal.postings(), turned);
        assert_eq!(reversal.reference(), format!("{}:reversed", posted.reference()));
        let again = reversal.reversed("it was the right one".to_owned(), DateTime::UNIX_EPOCH);
        assert_eq!(again.postings(), posted.postings());
        assert_eq!(again.reference(), format!("{}:reversed:reversed", posted.reference()));
    }

    #[test]
    fn every_entry_is_found_by_its_name() {
        for kind in EntryKind::ALL {
            assert_eq!(kind.name().parse(), Ok(kind));
        }
        assert!("petty".parse::<EntryKind>().is_err());
    }

    #[test]
    fn currencies_do_not_make_up_for_each_other() {
        let postings = vec![
            Posting::debit(Account::Escrow, money(10, "USD")),
            Posting::credit(Account::PlatformRevenue, money(10, "EUR")),
        ];
        assert!(matches!(build(postings), Err(LedgerError::Unbalanced { .. })));
    }

    #[test]
    fn a_transaction_of_nothing_cannot_be_built() {
        assert_eq!(build(Vec::new()), Err(LedgerError::Empty));
        let nothing = vec![Posting::debit(Account::Escrow, money(0, "USD"))];
        assert_eq!(build(nothing), Err(LedgerError::ZeroPosting));
    }

    proptest! {
        #[test]
        fn leaving_any_one_posting_out_is_noticed(amounts in prop::collection::vec(1_i64..1_000_000, 1..8), leave_out: prop::sample::Index) {
            let total = amounts.iter().sum();
            let mut postings = vec![Posting::debit(Account::Escrow, money(total, "USD"))];
            postings.extend(amounts.iter().map(|a| Posting::credit(Account::PlatformRevenue, money(*a, "USD"))));
            prop_assert!(build(postings.clone()).is_ok());
            postings.remove(leave_out.index(postings.len()));
            prop_assert!(build(postings).is_err());
        }
    }
}
