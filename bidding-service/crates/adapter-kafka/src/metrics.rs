//! Figures of the events' way out and in.

use std::sync::LazyLock;

use prometheus::{
    Gauge, Histogram, IntCounter, IntCounterVec, IntGauge, register_gauge, register_histogram, register_int_counter,
    register_int_counter_vec, register_int_gauge,
};

/// Registration fails only for a name that is registered twice: a bug of this file.
macro_rules! metric {
    ($(#[$doc:meta])* $name:ident: $kind:ty = $register:expr) => {
        $(#[$doc])*
        #[allow(clippy::expect_used)]
        pub(crate) static $name: LazyLock<$kind> = LazyLock::new(|| $register.expect("metric names are unique"));
    };
}

metric!(PUBLISHED: IntCounter = register_int_counter!("outcry_events_published_total", "Events that the broker has acknowledged."));
metric!(RELAY_FAILURES: IntCounter = register_int_counter!("outcry_relay_failures_total", "Failed rounds of the relay."));
metric!(OUTBOX_AGE: Gauge = register_gauge!("outcry_outbox_age_seconds", "How long the oldest unpublished event has waited."));
metric!(CONSUMED: IntCounterVec = register_int_counter_vec!("outcry_events_consumed_total", "Events taken in, by what became of them.", &["result"]));
metric!(DELAY: Histogram = register_histogram!(
    "outcry_event_delay_seconds",
    "From an event's time to its effect here.",
    vec![0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 60.0]
));
metric!(LAG: IntGauge = register_int_gauge!("outcry_consumer_lag_messages", "Events on the broker that are not taken in yet."));
metric!(PARTITIONS: IntGauge = register_int_gauge!("outcry_consumer_partitions", "Partitions that this instance takes events from."));
metric!(DEAD_LETTERS: IntCounter = register_int_counter!("outcry_dead_letters_total", "Events that could not be handled."));

/// Makes every figure visible from the start, at zero: what is missing cannot be alerted on.
pub(crate) fn show() {
    LazyLock::force(&PUBLISHED);
    LazyLock::force(&RELAY_FAILURES);
    LazyLock::force(&OUTBOX_AGE);
    LazyLock::force(&DELAY);
    LazyLock::force(&LAG);
    LazyLock::force(&PARTITIONS);
    LazyLock::force(&DEAD_LETTERS);
    for result in ["done", "duplicate", "buried", "after_gap"] {
        CONSUMED.with_label_values(&[result]);
    }
}
