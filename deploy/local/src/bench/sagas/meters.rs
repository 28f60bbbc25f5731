//! What a phase cost: transactions that wrote, and contacts with the payment gateway.

use std::ops::Sub;

use anyhow::{Context, Result, ensure};
use serde::Serialize;
use sqlx::PgConnection;

use crate::api;
use crate::endpoints::Endpoints;
use crate::layout::Service;

/// The gateway's metric in the service's own figures.
const CALLS: &str = "outcry_gateway_call_duration_seconds";

/// What had been done until a moment; the difference of two is what was done between them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Meters {
    /// Transactions of the whole database server that wrote something: each has a number of its own.
    pub writing_transactions: i64,
    /// Contacts with the gateway that were answered.
    pub gateway_calls: u64,
    /// How long they took together.
    pub gateway_seconds: f64,
}

impl Sub for Meters {
    type Output = Self;
    fn sub(self, before: Self) -> Self {
        Self {
            writing_transactions: self.writing_transactions - before.writing_transactions,
            gateway_calls: self.gateway_calls.saturating_sub(before.gateway_calls),
            gateway_seconds: self.gateway_seconds - before.gateway_seconds,
        }
    }
}

impl Meters {
    /// Reads them now.
    pub async fn read(endpoints: &Endpoints, connection: &mut PgConnection) -> Result<Self> {
        let number = sqlx::query_scalar("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint");
        let writing_transactions =
            number.fetch_one(connection).await.context("cannot read the transactions' number")?;
        let url = endpoints.admin.get(Service::Settlement.context());
        let url = url.context("endpoints.json does not name settlement's admin port")?;
        let answer = api::client(&endpoints.ca_file)?.get(format!("{url}/metrics")).send().await?;
        ensure!(answer.status().is_success(), "settlement does not give its metrics: {}", answer.status());
        let (gateway_calls, gateway_seconds) = gateway(&answer.text().await?);
        Ok(Self { writing_transactions, gateway_calls, gateway_seconds })
    }

    /// How long a contact took, milliseconds; none if there was none.
    #[allow(clippy::cast_precision_loss)] // A count of calls is far below 2^53.
    pub fn gateway_mean_ms(&self) -> Option<f64> {
        (self.gateway_calls > 0).then(|| self.gateway_seconds * 1000.0 / self.gateway_calls as f64)
    }
}

/// How many contacts there were, and how long they took together, by the Prometheus text format.
fn gateway(metrics: &str) -> (u64, f64) {
    let values = |suffix: &str| {
        let name = format!("{CALLS}_{suffix}{{");
        let lines = metrics.lines().filter(move |line| line.starts_with(&name));
        lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum::<f64>()
    };
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // A count.
    (values("count").round() as u64, values("sum"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gateways_calls_are_summed_over_operations_and_outcomes() {
        let metrics = "\
# HELP outcry_gateway_call_duration_seconds Contacts.
outcry_gateway_call_duration_seconds_bucket{operation=\"authorize\",outcome=\"succeeded\",le=\"0.005\"} 9
outcry_gateway_call_duration_seconds_sum{operation=\"authorize\",outcome=\"succeeded\"} 0.5
outcry_gateway_call_duration_seconds_count{operation=\"authorize\",outcome=\"succeeded\"} 80
outcry_gateway_call_duration_seconds_sum{operation=\"capture\",outcome=\"succeeded\"} 0.25
outcry_gateway_call_duration_seconds_count{operation=\"capture\",outcome=\"succeeded\"} 20
";
        assert_eq!(gateway(metrics), (100, 0.75));
        assert_eq!(gateway(""), (0, 0.0));
        let meters = Meters { writing_transactions: 5, gateway_calls: 100, gateway_seconds: 0.75 };
        assert_eq!(meters.gateway_mean_ms(), Some(7.5));
        assert_eq!((meters - meters).gateway_mean_ms(), None);
    }
}
