//! Outcry seen from outside: what tests need to use a running marketplace as its clients do.
//!
//! [`target`] starts a marketplace or finds the one that runs, [`world`] is what a test gets to know of it,
//! [`client`] talks HTTPS, [`token`] makes good and forged tokens, [`story`] tells scenarios in the trade's words,
//! [`sse`] reads live streams, [`broker`] reads the published events, [`harness`] runs the tests.

pub mod broker;
pub mod client;
pub mod harness;
pub mod sse;
pub mod story;
pub mod target;
pub mod token;
pub mod wait;
pub mod world;
