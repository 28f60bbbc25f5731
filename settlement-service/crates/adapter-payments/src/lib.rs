//! Settlement's payment gateways: [`SimulatedGateway`], whose journal survives any crash of the service, and
//! [`TimeLimited`], the time limit around any gateway.

mod book;
mod journal;
mod simulated;
mod time_limit;

pub use journal::JournalError;
pub use simulated::SimulatedGateway;
pub use time_limit::{DEFAULT_LIMIT, TimeLimited};
