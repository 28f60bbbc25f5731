//! Settlements in PostgreSQL. All SQL of the service stands here.
//!
//! [`store`] opens units of work ([`tx`]) and answers queries ([`browse`], [`books`]); [`settlements`], [`payouts`],
//! [`calls`] and [`ledger`] are parts of a unit of work, [`aside`] keeps what cannot be read out of the way; [`watch`] has
//! the signs of life; [`outbox`] is the relay's side of the events that [`tx`] records; [`database`] connects, migrates and
//! checks, [`start`] waits for it, [`address`] is what its URL has to be like. All of it goes over sessions that answer or
//! are given up ([`session`]).

pub mod address;
mod aside;
mod auctions;
mod audit;
mod books;
mod browse;
mod calls;
mod clearing;
pub mod database;
mod error;
mod events;
mod idempotency;
mod inbox;
pub mod ledger;
mod metrics;
pub mod outbox;
mod payouts;
pub mod reconciliation;
mod row;
pub mod session;
mod settlements;
mod standings;
pub mod start;
pub mod store;
mod traces;
mod tx;
mod watch;
