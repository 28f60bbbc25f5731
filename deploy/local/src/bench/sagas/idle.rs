//! What settlement costs while nothing is due: processor time of its process and of its database sessions, and how many rows
//! the timers' indexes give to those who look what is due.

use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;
use sqlx::PgConnection;
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};
use tokio::time::{Instant, sleep};

use crate::endpoints::Endpoints;
use crate::layout::Service;

/// Indexes by which it is found what is due.
const TIMERS: [&str; 4] = ["settlement_due", "gateway_call_due", "settlement_owed", "standing_due"];
/// Tables that only grow or hold what waits.
const TABLES: [&str; 6] = ["settlement", "gateway_call", "payout", "standing", "ledger_transaction", "ledger_posting"];

/// What was seen for a while.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Idle {
    /// What is in the tables, in words.
    pub with: String,
    /// Processor time of the service, per cent of a core.
    pub service_cpu_percent: f64,
    /// Processor time of its sessions at the database, per cent of a core.
    pub sessions_cpu_percent: f64,
    /// Index entries that the timers' indexes gave, a second.
    pub due_rows_read_per_s: f64,
    /// Sequential scans of the large tables.
    pub sequential_scans: i64,
}

/// Counters until a moment.
struct Counters {
    service_ms: u64,
    sessions_ms: u64,
    rows_read: i64,
    sequential_scans: i64,
}

/// Looks on for so long.
pub async fn watch(
    endpoints: &Endpoints,
    connection: &mut PgConnection,
    duration: Duration,
    with: String,
) -> Result<Idle> {
    let sessions = sessions(connection).await?;
    let before = counters(endpoints, connection, &sessions).await?;
    let begun = Instant::now();
    sleep(duration).await;
    let after = counters(endpoints, connection, &sessions).await?;
    let seconds = begun.elapsed().as_secs_f64();
    #[allow(clippy::cast_precision_loss)] // Milliseconds of a short while.
    let percent = |before: u64, after: u64| rounded(after.saturating_sub(before) as f64 / 10.0 / seconds);
    #[allow(clippy::cast_precision_loss)] // as above
    let rows = (after.rows_read - before.rows_read) as f64;
    Ok(Idle {
        with,
        service_cpu_percent: percent(before.service_ms, after.service_ms),
        sessions_cpu_percent: percent(before.sessions_ms, after.sessions_ms),
        due_rows_read_per_s: rounded(rows / seconds),
        sequential_scans: after.sequential_scans - before.sequential_scans,
    })
}

fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// The processes of the service's sessions; empty where the database runs elsewhere, since nobody knows them here.
async fn sessions(connection: &mut PgConnection) -> Result<Vec<Pid>> {
    let pids: Vec<i32> = sqlx::query_scalar(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'settlement-service'",
    )
    .fetch_all(connection)
    .await?;
    Ok(pids.into_iter().map(|pid| Pid::from_u32(pid.unsigned_abs())).collect())
}

async fn counters(endpoints: &Endpoints, connection: &mut PgConnection, sessions: &[Pid]) -> Result<Counters> {
    let pid = endpoints.pids.get(Service::Settlement.context()).context("nobody knows settlement's process")?;
    let service = Pid::from_u32(pid.unsigned_abs());
    let mut system = System::new();
    let all: Vec<Pid> = sessions.iter().copied().chain([service]).collect();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&all), true, ProcessRefreshKind::nothing().with_cpu());
    // What this session did itself is told late, unless it is asked to.
    sqlx::query("SELECT pg_stat_force_next_flush()").execute(&mut *connection).await?;
    let time = |pid: &Pid| system.process(*pid).map_or(0, sysinfo::Process::accumulated_cpu_time);
    let rows_read: i64 = sqlx::query_scalar(
        "SELECT coalesce(sum(idx_tup_read), 0)::bigint FROM pg_stat_user_indexes WHERE indexrelname = ANY($1)",
    )
    .bind(TIMERS.map(str::to_owned).to_vec())
    .fetch_one(&mut *connection)
    .await?;
    let sequential_scans: i64 = sqlx::query_scalar(
        "SELECT coalesce(sum(seq_scan), 0)::bigint FROM pg_stat_user_tables
         WHERE schemaname = current_schema() AND relname = ANY($1)",
    )
    .bind(TABLES.map(str::to_owned).to_vec())
    .fetch_one(connection)
    .await?;
    Ok(Counters {
        service_ms: time(&service),
        sessions_ms: sessions.iter().map(time).sum(),
        rows_read,
        sequential_scans,
    })
}
