//! Auctions in PostgreSQL. All SQL of the service stands here.
//!
//! [`store`] opens units of work ([`tx`], with the statements of a [`batch`] of bids) and answers queries;
//! [`house`] concerns all auctions at once; [`outbox`] is the relay's side of what the logs tell; [`database`] connects, migrates and checks,
//! [`start`] waits for it, [`address`] is what its URL has to be like.
//! All of it goes over sessions that answer or are given up ([`session`]).

pub mod address;
mod batch;
pub mod database;
mod error;
mod events;
mod house;
mod inbox;
pub mod outbox;
mod row;
pub mod session;
pub mod start;
pub mod store;
mod tx;
