//! Settlement's payment gateways: [`StripeGateway`], and [`SimulatedGateway`], whose journal survives any crash of the
//! service. Around any of them stand [`Guarded`], with a circuit breaker, and [`TimeLimited`]. [`Webhooks`] reads what
//! either sends by itself.

mod book;
pub mod breaker;
mod desk;
mod faults;
mod guarded;
mod journal;
mod journal_statement;
mod metrics;
mod posts;
mod simulated;
mod stripe;
mod time_limit;
mod webhook;

pub use faults::{Faults, InvalidFaults};
pub use guarded::Guarded;
pub use journal::JournalError;
pub use journal_statement::JournalStatement;
pub use posts::{Post, Posts};
pub use simulated::{Behaviour, SimulatedGateway};
pub use stripe::{Credentials, STRIPE_VERSION, StripeConfig, StripeGateway};
pub use time_limit::{DEFAULT_LIMIT, TimeLimited};
pub use webhook::{Secret, Webhooks, sign};
