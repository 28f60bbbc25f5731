//! Domain-level test harness: the bidding use cases over in-memory ports, a hand-moved clock and
//! faults at any port call; and the contract tests that every store has to pass.

pub mod contract;
pub mod faults;
pub mod lots;
pub mod memory;
pub mod world;
