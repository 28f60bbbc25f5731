//! Settlement's test harness: ports in memory, a clock moved by hand, faults at any port call, scenes to play, and
//! the contracts that every implementation of a port has to pass. Needs no runtime, no database and no broker.

// This crate is test code: what does not hold panics, and panicking is its interface.
#![allow(clippy::missing_panics_doc, clippy::unwrap_used, clippy::expect_used)]

pub mod bank;
pub mod contract;

mod audit;
mod clock;
mod faults;
mod gateway;
mod memory;
mod neighbours;
mod notices;
mod scene;
pub mod seeds;

pub use bank::Day;
pub use clock::HandClock;
pub use faults::{Faults, When};
pub use gateway::{GatewayTotals, MemoryGateway};
pub use memory::MemoryStore;
pub use notices::Believed;
pub use scene::{Scene, fees, terms};
