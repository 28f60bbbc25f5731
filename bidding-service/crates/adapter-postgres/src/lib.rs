//! Auctions in PostgreSQL. All SQL of the service stands here.
//!
//! [`store`] opens units of work ([`tx`]) and answers queries; [`outbox`] is the relay's side of the
//! events that [`tx`] records; [`database`] connects, migrates and checks.

pub mod database;
mod error;
mod events;
mod idempotency;
mod inbox;
pub mod outbox;
mod row;
pub mod store;
mod tx;
