//! What the bidding core needs from the outside. A port is a promise: where its doc says MUST,
//! the port contract tests of `bidding-harness` hold every adapter to it.

pub mod change;
pub mod error;
pub mod fact;
pub mod idempotency;
pub mod inbox;
pub mod outbox;
pub mod retries;
pub mod store;
