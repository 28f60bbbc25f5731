//! Reconciliation: the command, which prints what it came to, and the job, which tells it by logs and metrics.

mod job;
mod table;

use std::process::ExitCode;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use secrecy::ExposeSecret;
use settlement_adapter_postgres::{
    database,
    store::{PgSettlements, Wakers},
};
use settlement_application::Reconciliation;

pub use self::job::run;
use crate::config::ReconcileConfig;
use crate::gateway;

/// The exit code for differences: neither success nor failure.
const DIFFERENCES: u8 = 3;
/// It asks one thing after the other.
const CONNECTIONS: u32 = 2;

/// Compares the ledger with the gateway's list and prints what it came to.
///
/// # Errors
/// One of the two sides cannot be read.
pub async fn command(config: &ReconcileConfig, since: Option<DateTime<Utc>>, json: bool) -> anyhow::Result<ExitCode> {
    let pool = database::connect(config.database_url.expose_secret(), CONNECTIONS)?;
    database::check(&pool).await?;
    let store = Arc::new(PgSettlements::new(pool, Wakers::default()));
    let report = Reconciliation::new(store, gateway::statement(&config.gateway)?).run(since).await?;
    if json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{}", table::of(&report));
    }
    Ok(if report.agrees() { ExitCode::SUCCESS } else { ExitCode::from(DIFFERENCES) })
}
