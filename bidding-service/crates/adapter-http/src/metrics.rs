//! Rate, errors and duration of every route, and the page that Prometheus reads.

use std::sync::LazyLock;

use axum::{
    http::{StatusCode, header},
    response::IntoResponse,
};
use bidding_application::{Auctions, LaneFigures};
use prometheus::{
    HistogramVec, IntCounter, IntCounterVec, IntGauge, TextEncoder, register_histogram_vec, register_int_counter,
    register_int_counter_vec, register_int_gauge,
};

/// Registration fails only for a name that is registered twice: a bug of this file.
#[allow(clippy::expect_used)]
pub(crate) static REQUESTS: LazyLock<HistogramVec> = LazyLock::new(|| {
    let buckets = vec![0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];
    let help = "Answered requests by route and status.";
    register_histogram_vec!("outcry_http_request_duration_seconds", help, &["method", "route", "status"], buckets)
        .expect("metric names are unique")
});

#[allow(clippy::expect_used)] // as above
pub(crate) static IN_FLIGHT: LazyLock<IntGauge> = LazyLock::new(|| {
    register_int_gauge!("outcry_http_requests_in_flight", "Requests being answered.").expect("metric names are unique")
});

#[allow(clippy::expect_used)] // as above
static WAITING: LazyLock<IntGauge> = LazyLock::new(|| {
    register_int_gauge!("outcry_lane_waiting_bids", "Bids that wait to be decided.").expect("metric names are unique")
});

#[allow(clippy::expect_used)] // as above
static BATCHES: LazyLock<IntCounter> = LazyLock::new(|| {
    register_int_counter!("outcry_lane_batches_total", "Units of work that decided bids.")
        .expect("metric names are unique")
});

#[allow(clippy::expect_used)] // as above
static BATCHED: LazyLock<IntCounter> = LazyLock::new(|| {
    register_int_counter!("outcry_lane_bids_total", "Bids decided in them.").expect("metric names are unique")
});

/// Prometheus' text format 0.0.4.
pub(crate) fn page(auctions: &Auctions) -> impl IntoResponse + use<> {
    let LaneFigures { waiting, batches, bids } = auctions.lane_figures();
    WAITING.set(i64::try_from(waiting).unwrap_or(i64::MAX));
    for (counter, count) in [(&BATCHES, batches), (&BATCHED, bids)] {
        counter.inc_by(count.saturating_sub(counter.get()));
    }
    let text = TextEncoder::new().encode_to_string(&prometheus::gather());
    text.map(|text| ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text))
        .map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}

#[allow(clippy::expect_used)] // as above
pub(crate) static DECISIONS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    register_int_counter_vec!("outcry_bids_total", "Decided bids by result.", &["result"])
        .expect("metric names are unique")
});
