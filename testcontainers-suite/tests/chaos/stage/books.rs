//! The books against the payment gateway's own list, by the service's own command.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use testcontainers_suite::{wait::within, world::Service};
use tokio::time::timeout;

use super::{Extra, Stage};

/// The command has ended within this time.
const ENDS_WITHIN: Duration = Duration::from_secs(30);
/// Once every sale has ended nothing is under way for longer.
const AGREE_WITHIN: Duration = Duration::from_secs(10);

impl Stage {
    /// Whether ledger and gateway agree to the cent, but for so many movements that are in no books and younger than ten
    /// minutes. What is as young and on one side only the command takes for under way; here every sale has ended, so nothing
    /// else may be.
    pub async fn books_agree_with_the_gateway(&self, unbooked: u64) -> Result<()> {
        within(AGREE_WITHIN, "ledger and gateway agree", || self.reconciled(unbooked)).await
    }

    async fn reconciled(&self, unbooked: u64) -> Result<()> {
        let mut command = self.command(Service::Settlement, 0, &Extra::new())?;
        let ended = timeout(ENDS_WITHIN, command.args(["reconcile", "--json"]).output()).await;
        let ended = ended.context("`reconcile` does not end")?.context("`reconcile` cannot be started")?;
        let told = String::from_utf8_lossy(&ended.stdout);
        let report: Value = serde_json::from_str(&told)
            .with_context(|| format!("`reconcile` ended with {} and said {told}", ended.status))?;
        ensure!(ended.status.success(), "`reconcile` ended with {}: {report}", ended.status);
        let agree = report["pending"] == unbooked && report["difference_count"] == 0;
        ensure!(agree, "they differ, and {unbooked} movements may be missing in the books: {report}");
        let sums = report["sums"].as_array().context("a report has sums")?;
        let moved = |sum: &Value| sum["gateway"]["count"].as_u64().is_some_and(|count| count > 0);
        let alike = sums.iter().all(|sum| sum["gateway"] == sum["ledger"]);
        ensure!(alike && sums.iter().any(moved), "money was paid, and they have {report}");
        Ok(())
    }
}
