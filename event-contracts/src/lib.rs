//! What Outcry's services say to each other, and nothing else.
//!
//! A service may depend on this crate and on no other part of another service. Every event is a
//! plain serde type with a JSON Schema; `schemas/`, `asyncapi.yaml` and `examples/` are generated
//! from the types here and committed, `published/` keeps every released version.
//!
//! Reading order: [`envelope`] (CloudEvents on Kafka), then one module a context: [`listing`],
//! [`bidding`], [`settlement`]. [`catalogue`] lists all events for generators and consumers;
//! [`generated`] makes the committed files of it and [`compatibility`] judges their changes.

pub mod asyncapi;
pub mod auth;
pub mod bidding;
pub mod catalogue;
pub mod compatibility;
pub mod envelope;
pub mod event;
mod examples;
pub mod generated;
pub mod listing;
pub mod money;
mod open;
pub mod problem;
pub mod settlement;
