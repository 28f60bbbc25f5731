//! What a sale costs its parties: the buyer's premium, tax and the seller's commission.
//!
//! A [`table`] makes a fee of an amount, a [`schedule`] has the tables of a currency from a date on, and a [`quote`] is
//! what they come to for one hammer price. A settlement keeps its quote, so a later schedule does not touch it. Each
//! line is reckoned exactly and rounded once, half to even: to the minor unit, or to the [`Unit`](crate::money::Unit)
//! that is the least the gateway moves. [`source`] is how schedules are written.

mod quote;
mod schedule;
mod source;
mod table;
#[cfg(test)]
mod tests;

pub use quote::{FeeError, Quote};
pub use schedule::{Schedule, ScheduleName, Schedules, Tax, TaxBase};
pub use source::{Fault, ScheduleSource, TableSource, TaxSource, TierSource};
pub use table::{Kind, TierTable};
