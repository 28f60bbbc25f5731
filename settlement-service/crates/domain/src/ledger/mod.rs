//! The ledger: double entry, append-only. Every transaction balances in every currency, or it cannot be built.

mod account;
mod balance;
mod entries;
mod transaction;

pub use account::{Account, AccountKind};
pub use balance::{AccountBalance, CurrencyTotal, TrialBalance};
pub use entries::{captured, paid_out, part_refunded, refunded, released};
pub use transaction::{EntryKind, LedgerError, Posting, Side, Transaction};
