//! Rate, errors and duration of every route, and the page that Prometheus reads.

use std::sync::LazyLock;

use axum::http::{StatusCode, header};
use prometheus::{HistogramVec, IntGauge, TextEncoder, register_histogram_vec, register_int_gauge};

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

/// Prometheus' text format 0.0.4.
pub(crate) async fn page() -> Result<([(header::HeaderName, &'static str); 1], String), StatusCode> {
    let text = TextEncoder::new().encode_to_string(&prometheus::gather());
    let text = text.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text))
}
