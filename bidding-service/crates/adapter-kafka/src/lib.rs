//! Bidding's events go out to Kafka and the other contexts' facts come in.
//!
//! [`relay`] empties the outbox, [`consumer`] feeds the facts that [`facts`] understands to the
//! core, [`live`] tells streams what other instances did, [`dead_letters`] takes what cannot be handled and gives it back on command.

mod attempts;
pub mod client;
pub mod consumer;
pub mod dead_letters;
mod facts;
pub mod live;
mod metrics;
mod record;
pub mod relay;
mod trace;
