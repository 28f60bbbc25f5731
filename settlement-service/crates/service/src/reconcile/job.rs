//! The scheduled reconciliation: one instance at a time, told by the log and by metrics that all instances show alike.

use std::{sync::LazyLock, time::Duration};

use prometheus::{IntGauge, register_int_gauge};
use settlement_adapter_postgres::{
    reconciliation::{self, Last},
    session::Sessions,
};
use settlement_application::{Reconciliation, Report};
use tokio_util::sync::CancellationToken;

/// So often it is looked whose turn it is, and what the last one came to, at most.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// Registration fails only for a name that is registered twice: a bug of this file.
#[allow(clippy::expect_used)]
static DIFFERENCES: LazyLock<IntGauge> = LazyLock::new(|| {
    let help = "Differences between the ledger and the gateway's list that the last reconciliation found.";
    register_int_gauge!("outcry_reconciliation_differences", help).expect("metric names are unique")
});

#[allow(clippy::expect_used)] // as above
static LAST_SUCCESS: LazyLock<IntGauge> = LazyLock::new(|| {
    let help = "When the last reconciliation was finished, whatever it found, seconds since 1970.";
    register_int_gauge!("outcry_reconciliation_last_success_timestamp_seconds", help).expect("metric names are unique")
});

/// Reconciles every so often until `stop`; never, if that is zero.
pub async fn run(reconciliation: Reconciliation, pool: Sessions, every: Duration, stop: CancellationToken) {
    if every.is_zero() {
        return stop.cancelled().await;
    }
    let mut looks = tokio::time::interval(every.min(LOOK_EVERY));
    let looking = async {
        loop {
            looks.tick().await;
            if let Err(error) = look(&reconciliation, &pool, every).await {
                tracing::warn!(reason = format!("{error:#}"), "the ledger could not be reconciled with the gateway");
            }
        }
    };
    // It only reads, so it may be left anywhere; the turn passes when its time is over.
    stop.run_until_cancelled(looking).await;
}

async fn look(reconciliation: &Reconciliation, pool: &Sessions, every: Duration) -> anyhow::Result<()> {
    if reconciliation::claim(pool, every).await? {
        let report = reconciliation.run(None).await?;
        tell(&report);
        reconciliation::finish(pool, i64::try_from(report.difference_count)?).await?;
    }
    if let Some(Last { finished_at, differences }) = reconciliation::last(pool).await? {
        DIFFERENCES.set(differences);
        LAST_SUCCESS.set(finished_at.timestamp());
    }
    Ok(())
}

fn tell(report: &Report) {
    for difference in &report.differences {
        let name = difference.name.name();
        tracing::warn!(difference = name, "the ledger and the gateway differ: {difference}");
    }
    let Report { difference_count, pending, reversed, made_good, .. } = report;
    let compared: u64 = report.sums.iter().map(|line| line.ledger.count).sum();
    tracing::info!(compared, difference_count, pending, reversed, made_good, "the ledger was reconciled");
}
