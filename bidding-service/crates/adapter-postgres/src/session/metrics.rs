//! How near a pool is to running out of sessions.

use std::sync::LazyLock;

use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, register_int_counter_vec, register_int_gauge_vec};

/// Registration fails only for a name that is registered twice: a bug of this file.
#[allow(clippy::expect_used)]
static IN_USE: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    let help = "Sessions with the database that are in use, being made, or being brought in order after use.";
    register_int_gauge_vec!("outcry_database_sessions_in_use", help, &["pool"]).expect("metric names are unique")
});

#[allow(clippy::expect_used)] // as above
static MAX: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    let help = "Sessions with the database that a pool has at most.";
    register_int_gauge_vec!("outcry_database_sessions_max", help, &["pool"]).expect("metric names are unique")
});

#[allow(clippy::expect_used)] // as above
static REFUSED: LazyLock<IntCounterVec> = LazyLock::new(|| {
    let help = "Requests for a database session that were refused: none was free in time, be the database up or not.";
    register_int_counter_vec!("outcry_database_sessions_refused_total", help, &["pool"])
        .expect("metric names are unique")
});

/// What is told of one pool.
#[derive(Debug)]
pub(super) struct Figures {
    in_use: IntGauge,
    refused: IntCounter,
}

impl Figures {
    /// Those of a pool of at most so many sessions, visible from now on: what is missing cannot be alerted on.
    pub(super) fn of(pool: &str, at_most: usize) -> Self {
        MAX.with_label_values(&[pool]).set(i64::try_from(at_most).unwrap_or(i64::MAX));
        Self { in_use: IN_USE.with_label_values(&[pool]), refused: REFUSED.with_label_values(&[pool]) }
    }

    /// A place is taken for as long as what this gives is kept.
    pub(super) fn taken(&self) -> InUse {
        self.in_use.inc();
        InUse(self.in_use.clone())
    }

    /// No place became free in time. Why, is not known: who holds one may wait for a server that says nothing.
    pub(super) fn refused(&self) {
        self.refused.inc();
    }
}

/// A place that is counted among those in use.
#[derive(Debug)]
pub(super) struct InUse(IntGauge);

impl Drop for InUse {
    fn drop(&mut self) {
        self.0.dec();
    }
}
