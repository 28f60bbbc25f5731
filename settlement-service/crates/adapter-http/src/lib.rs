//! The REST API of settlement.
//!
//! [`settlements`] holds the routes and what they speak; the rest is how any route of the service is
//! reached: [`app`] puts it together, [`auth`] and [`limits`] guard it, [`problem`] is how it says no.

pub mod app;
pub mod auth;
mod deprecation;
pub mod health;
mod idempotency;
mod input;
pub mod jwks;
pub mod limits;
mod metrics;
pub mod openapi;
mod parameters;
pub mod problem;
pub mod settlements;
mod telemetry;
pub mod webhook;
