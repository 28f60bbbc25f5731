//! What every implementation of a port has to pass. Each check is a function that panics when the promise is broken;
//! an adapter's test calls `all`, or the checks one by one. They share a store with others: ids are new each time.

pub mod gateway;
pub mod outbox;
mod samples;
pub mod store;
pub mod units;
