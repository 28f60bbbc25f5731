//! What the gateway is like to work with: calls by operation and outcome, how long they take, and the breaker.

use std::sync::LazyLock;

use prometheus::{
    HistogramVec, IntCounterVec, IntGauge, register_histogram_vec, register_int_counter_vec, register_int_gauge,
};

/// Registration fails only for a name that is registered twice: a bug of this file.
#[allow(clippy::expect_used)]
pub(crate) static CALLS: LazyLock<HistogramVec> = LazyLock::new(|| {
    let buckets = vec![0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
    let help = "Contacts with the payment gateway by operation and outcome.";
    register_histogram_vec!("outcry_gateway_call_duration_seconds", help, &["operation", "outcome"], buckets)
        .expect("metric names are unique")
});

#[allow(clippy::expect_used)] // as above
pub(crate) static HELD_BACK: LazyLock<IntCounterVec> = LazyLock::new(|| {
    let help = "Contacts that were not made: the breaker was open, or too many were under way.";
    register_int_counter_vec!("outcry_gateway_held_back_total", help, &["reason"]).expect("metric names are unique")
});

#[allow(clippy::expect_used)] // as above
pub(crate) static BREAKER: LazyLock<IntGauge> = LazyLock::new(|| {
    register_int_gauge!("outcry_gateway_breaker_state", "0 closed, 1 half-open, 2 open: the gateway is left alone.")
        .expect("metric names are unique")
});
