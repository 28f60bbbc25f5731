//! What is looked at every few seconds while the load runs: memory, sessions, waiting events and tables of each service.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;
use sqlx::PgConnection;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};
use tokio_util::sync::CancellationToken;

use super::counts::{Counts, Interval};
use crate::bench::memory::Memory;
use crate::bench::seed::connect;
use crate::console::Console;
use crate::endpoints::Endpoints;
use crate::kafka::lag::Lag;
use crate::layout::{DataDir, Service};

/// A look that takes longer is given up.
const LOOKS_WITHIN: Duration = Duration::from_secs(10);
/// Without a terminal a line is printed this often at most.
const LINE_EVERY: Duration = Duration::from_secs(30);

/// A table with its indexes, as the database's statistics have it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, sqlx::FromRow)]
pub struct Table {
    /// Name.
    pub name: String,
    /// Rows that count.
    pub rows: i64,
    /// Rows that were changed or removed and still take room.
    pub dead: i64,
    /// Size with indexes, in bytes.
    pub bytes: i64,
    /// Of that, the indexes.
    pub index_bytes: i64,
    /// How often autovacuum has cleaned it.
    pub vacuums: i64,
}

/// One service with its database and its place in Kafka.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Part {
    /// Resident memory, in bytes.
    pub memory: u64,
    /// Sessions with the database.
    pub sessions: i64,
    /// Events that wait for the broker.
    pub outbox: i64,
    /// Events on the broker that the service has not taken in.
    pub lag: u64,
    /// All tables.
    #[serde(skip)]
    pub tables: Vec<Table>,
}

impl Part {
    /// Size of all tables and indexes, in bytes.
    pub fn bytes(&self) -> i64 {
        self.tables.iter().map(|table| table.bytes).sum()
    }

    /// Dead rows of all tables.
    pub fn dead(&self) -> i64 {
        self.tables.iter().map(|table| table.dead).sum()
    }
}

/// One look at everything.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Sample {
    /// Seconds since the load began.
    pub at_s: f64,
    /// The requests since the look before.
    pub requests: Interval,
    /// By context.
    pub parts: BTreeMap<&'static str, Part>,
}

/// Sessions and clients for looking, opened once.
pub struct Looker {
    endpoints: Endpoints,
    data_dir: DataDir,
    memory: Memory,
    watched: Vec<Watched>,
}

struct Watched {
    service: Service,
    database: PgConnection,
    lag: Lag,
}

impl Looker {
    /// Opens what is needed.
    pub async fn open(data_dir: &DataDir, endpoints: &Endpoints) -> Result<Self> {
        let mut watched = Vec::new();
        for service in Service::ALL {
            let database = connect(endpoints, service).await?;
            let lag = Lag::of(data_dir, endpoints, service).await?;
            watched.push(Watched { service, database, lag });
        }
        Ok(Self { endpoints: endpoints.clone(), data_dir: data_dir.clone(), memory: Memory::default(), watched })
    }

    /// Looks at every service.
    pub async fn look(&mut self) -> Result<BTreeMap<&'static str, Part>> {
        // A service that was started again has another process.
        self.endpoints = Endpoints::read(&self.data_dir)?;
        let memory = self.memory.now(&self.endpoints);
        let mut parts = BTreeMap::new();
        for Watched { service, database, lag } in &mut self.watched {
            let name = service.context();
            let (sessions, outbox) = sessions_and_outbox(database, *service).await?;
            let tables = tables(database).await?;
            let memory = memory.get(name).copied().unwrap_or_default();
            parts.insert(name, Part { memory, sessions, outbox, lag: lag.now().await?, tables });
        }
        Ok(parts)
    }

    /// Events that are on their way: they wait for the broker, or to be taken in.
    pub async fn on_their_way(&mut self) -> Result<BTreeMap<&'static str, (i64, u64)>> {
        let mut waiting = BTreeMap::new();
        for Watched { service, database, lag } in &mut self.watched {
            let (_, outbox) = sessions_and_outbox(database, *service).await?;
            waiting.insert(service.context(), (outbox, lag.now().await?));
        }
        Ok(waiting)
    }
}

async fn sessions_and_outbox(database: &mut PgConnection, service: Service) -> Result<(i64, i64)> {
    let found = sqlx::query_as(
        "SELECT (SELECT count(*) FROM pg_stat_activity WHERE application_name = $1), (SELECT count(*) FROM outbox)",
    );
    found.bind(service.name()).fetch_one(database).await.with_context(|| format!("cannot look at {service}'s database"))
}

async fn tables(database: &mut PgConnection) -> Result<Vec<Table>> {
    let found = sqlx::query_as(
        "SELECT relname::text AS name, n_live_tup AS rows, n_dead_tup AS dead, pg_total_relation_size(relid) AS bytes,
                pg_indexes_size(relid) AS index_bytes, autovacuum_count AS vacuums
         FROM pg_stat_user_tables WHERE schemaname = current_schema() ORDER BY relname",
    );
    found.fetch_all(database).await.context("cannot look at the sizes of tables")
}

/// What was seen.
#[derive(Default)]
pub struct Seen {
    /// In the order of time.
    pub samples: Vec<Sample>,
    /// Looks that failed, and why the last one did.
    pub failed: (u32, Option<String>),
}

/// Looks every `every` until `stop`, and says a line for each look on `console`.
pub async fn watch(
    data_dir: DataDir,
    counts: Arc<Mutex<Counts>>,
    every: Duration,
    length: Duration,
    stop: CancellationToken,
    console: Console,
) -> Result<Seen> {
    let start = Instant::now();
    let mut looker = Some(Looker::open(&data_dir, &Endpoints::read(&data_dir)?).await?);
    let mut seen = Seen::default();
    let mut ticks = interval_at(start, every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first look is at the beginning.
    let mut said: Option<Instant> = None;
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = stop.cancelled() => return Ok(seen),
        }
        let now = Instant::now();
        let requests = counts.lock().unwrap_or_else(PoisonError::into_inner).interval(now)?;
        let found = timeout(LOOKS_WITHIN, look(&mut looker, &data_dir)).await;
        match found.context("it takes too long").flatten() {
            Ok(parts) => {
                let sample = Sample { at_s: (now - start).as_secs_f64(), requests, parts };
                if Console::is_terminal() || said.is_none_or(|said| now - said >= LINE_EVERY) {
                    console.say(line(&sample, length));
                    said = Some(now);
                }
                seen.samples.push(sample);
            }
            Err(fault) => {
                looker = None;
                seen.failed = (seen.failed.0 + 1, Some(format!("{fault:#}")));
                console.say(format!("! A look at the marketplace failed: {fault:#}"));
            }
        }
    }
}

async fn look(looker: &mut Option<Looker>, data_dir: &DataDir) -> Result<BTreeMap<&'static str, Part>> {
    if let Some(looker) = looker {
        return looker.look().await;
    }
    looker.insert(Looker::open(data_dir, &Endpoints::read(data_dir)?).await?).look().await
}

/// A sign of life: how far, how fast, how large.
fn line(sample: &Sample, length: Duration) -> String {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Seconds of a run.
    let clock = |seconds: f64| format!("{:>3}:{:02}", seconds as u64 / 60, seconds as u64 % 60);
    let parts = || sample.parts.values();
    let memory: Vec<String> = parts().map(|part| mib(part.memory).to_string()).collect();
    let sessions: Vec<String> = parts().map(|part| part.sessions.to_string()).collect();
    let (outbox, lag) = (parts().map(|part| part.outbox).sum::<i64>(), parts().map(|part| part.lag).sum::<u64>());
    let Interval { requests_per_s, p95_ms, failed } = sample.requests;
    let at = clock(sample.at_s);
    let failed = if failed == 0 { String::new() } else { format!("   FAILED {failed}") };
    format!(
        "{at} of {}   {requests_per_s:>5.0} requests/s   p95 {p95_ms:>6.1} ms   memory {} MiB   sessions {}   outbox {outbox}   lag {lag}{failed}",
        clock(length.as_secs_f64()).trim_start(),
        memory.join("/"),
        sessions.join("/"),
    )
}

/// Bytes in MiB, rounded up.
pub fn mib(bytes: u64) -> u64 {
    bytes.div_ceil(1024 * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_how_far_the_run_is_and_names_failures() {
        let part = Part { memory: 5 << 20, sessions: 7, outbox: 2, lag: 3, tables: Vec::new() };
        let requests = Interval { requests_per_s: 141.4, p95_ms: 12.34, failed: 0 };
        let parts = [("bidding", part.clone()), ("listing", part)].into();
        let mut sample = Sample { at_s: 65.0, requests, parts };
        let told = line(&sample, Duration::from_secs(600));
        assert!(told.starts_with("  1:05 of 10:00     141 requests/s   p95   12.3 ms"), "{told}");
        assert!(told.ends_with("memory 5/5 MiB   sessions 7/7   outbox 4   lag 6"), "{told}");
        sample.requests.failed = 1;
        assert!(line(&sample, Duration::from_secs(600)).ends_with("FAILED 1"));
    }
}
