//! Listings in PostgreSQL. All SQL of the service stands here.
//!
//! [`store`] opens units of work ([`tx`]) and answers queries ([`browse`]); [`outbox`] is the
//! relay's side of the events that [`tx`] records; [`database`] connects, migrates and checks,
//! [`start`] waits for it, [`address`] is what its URL has to be like.
//! All of it goes over sessions that answer or are given up ([`session`]).

pub mod address;
mod browse;
pub mod database;
mod error;
mod events;
mod idempotency;
mod inbox;
pub mod outbox;
mod row;
pub mod session;
mod standing;
pub mod start;
pub mod store;
mod tx;
