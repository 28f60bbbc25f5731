//! What every implementation of a port has to pass. Each check is a function that panics when the promise is broken;
//! an adapter's test calls `all`, or the checks one by one. They share a store with others: ids are new each time.

use std::time::Duration;

pub mod clearing;
pub mod deadlines;
pub mod gateway;
pub mod ledger;
pub mod outbox;
pub mod payouts;
pub mod people;
mod samples;
pub mod statement;
pub mod store;
pub mod units;

/// A store undoes a dropped unit at once or a moment later: tries again until `so`.
pub(crate) async fn soon(so: impl AsyncFn() -> bool) {
    for _ in 0..500 {
        if so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("what was dropped is not undone after five seconds");
}
