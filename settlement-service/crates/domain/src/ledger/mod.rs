//! The ledger: double entry, append-only. Every transaction balances in every currency, or it cannot be built; what
//! was posted wrongly is reversed by a further one.

mod account;
mod balance;
mod entries;
mod statement;
mod transaction;

pub use account::{Account, AccountKind};
pub use balance::{AccountBalance, CurrencyTotal, TrialBalance};
pub use entries::{captured, charged_back, paid_out, part_refunded, refunded, released};
pub use statement::{Place, StatementLine};
pub use transaction::{EntryKind, LedgerError, Posting, Reversal, Side, Transaction, UnknownEntry};
