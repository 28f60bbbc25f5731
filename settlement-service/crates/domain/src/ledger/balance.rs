//! The trial balance: every account's sums, which over all accounts of a currency come to zero.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{AccountKind, Side, Transaction};
use crate::money::Currency;

/// One account's sums in one currency, minor units; wider than an amount because they add up many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct AccountBalance {
    /// Which account, all owners together.
    pub account: AccountKind,
    /// In which currency.
    pub currency: Currency,
    /// Sum of the left side.
    pub debits: i128,
    /// Sum of the right side.
    pub credits: i128,
}

impl AccountBalance {
    /// Debits less credits: positive is money we have, negative is money we owe or have earned.
    #[must_use]
    pub const fn balance(&self) -> i128 {
        self.debits - self.credits
    }
}

/// All accounts of one currency together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct CurrencyTotal {
    /// Which currency.
    pub currency: Currency,
    /// Sum of all left sides.
    pub debits: i128,
    /// Sum of all right sides.
    pub credits: i128,
}

impl CurrencyTotal {
    /// Debits less credits; anything but 0 is a defect.
    #[must_use]
    pub const fn balance(&self) -> i128 {
        self.debits - self.credits
    }
}

/// Every account's sums at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct TrialBalance {
    accounts: Vec<AccountBalance>,
}

impl TrialBalance {
    /// From one line an account and currency.
    #[must_use]
    pub fn from_accounts(mut accounts: Vec<AccountBalance>) -> Self {
        accounts.sort_by_key(|line| (line.currency, line.account));
        Self { accounts }
    }

    /// Summed from the transactions themselves.
    pub fn of<'a>(transactions: impl IntoIterator<Item = &'a Transaction>) -> Self {
        let mut sums: BTreeMap<(Currency, AccountKind), (i128, i128)> = BTreeMap::new();
        for posting in transactions.into_iter().flat_map(Transaction::postings) {
            let sum = sums.entry((posting.amount.currency(), posting.account.kind())).or_default();
            match posting.side {
                Side::Debit => sum.0 += i128::from(posting.amount.amount()),
                Side::Credit => sum.1 += i128::from(posting.amount.amount()),
            }
        }
        let line = |((currency, account), (debits, credits))| AccountBalance { account, currency, debits, credits };
        Self { accounts: sums.into_iter().map(line).collect() }
    }

    /// The lines, by currency and account.
    #[must_use]
    pub fn accounts(&self) -> &[AccountBalance] {
        &self.accounts
    }

    /// An account's balance in a currency, minor units; 0 if nothing was ever posted.
    #[must_use]
    pub fn balance(&self, account: AccountKind, currency: Currency) -> i128 {
        self.accounts
            .iter()
            .filter(|line| line.account == account && line.currency == currency)
            .map(AccountBalance::balance)
            .sum()
    }

    /// The totals of each currency.
    #[must_use]
    pub fn currencies(&self) -> Vec<CurrencyTotal> {
        let mut totals: BTreeMap<Currency, (i128, i128)> = BTreeMap::new();
        for line in &self.accounts {
            let total = totals.entry(line.currency).or_default();
            total.0 += line.debits;
            total.1 += line.credits;
        }
        let total = |(currency, (debits, credits))| CurrencyTotal { currency, debits, credits };
        totals.into_iter().map(total).collect()
    }

    /// Whether every currency sums to zero.
    #[must_use]
    pub fn is_balanced(&self) -> bool {
        self.currencies().iter().all(|total| total.balance() == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_side_that_is_missing_shows() {
        let usd = "USD".parse().unwrap();
        let line = |account, debits, credits| AccountBalance { account, currency: usd, debits, credits };
        let whole = vec![line(AccountKind::GatewayClearing, 10, 0), line(AccountKind::Escrow, 0, 10)];
        assert!(TrialBalance::from_accounts(whole.clone()).is_balanced());
        assert!(!TrialBalance::from_accounts(whole[..1].to_vec()).is_balanced());
    }
}
