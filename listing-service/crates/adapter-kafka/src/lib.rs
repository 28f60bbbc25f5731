//! Listing's events go out to Kafka and the other contexts' facts come in.
//!
//! [`relay`] empties the outbox, [`consumer`] feeds the facts that [`facts`] understands to the
//! core, [`dead_letters`] takes what cannot be handled and gives it back on command.

mod attempts;
pub mod client;
pub mod consumer;
pub mod dead_letters;
mod facts;
mod metrics;
mod record;
pub mod relay;
mod runs;
mod trace;
