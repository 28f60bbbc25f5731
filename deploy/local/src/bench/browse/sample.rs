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
use crate::bench::memory::{Memory, Process};
use crate::bench::seed::connect;
use crate::console::Console;
use crate::endpoints::Endpoints;
use crate::kafka::lag::{Ends, Lag};
use crate::layout::{DataDir, Service};

/// A look that takes longer is given up.
const LOOKS_WITHIN: Duration = Duration::from_secs(10);
/// So many of a hundred looks have to succeed: what was not seen proves nothing.
pub const LOOKS_PERCENT: usize = 90;
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
    /// The process; another one after a restart.
    pub pid: i32,
    /// Its resident memory, in bytes; 0 if it was not there.
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

impl Sample {
    /// Events that wait for the broker, of all services.
    pub fn outbox(&self) -> i64 {
        self.parts.values().map(|part| part.outbox).sum()
    }

    /// Events that were not taken in, of all services.
    pub fn lag(&self) -> u64 {
        self.parts.values().map(|part| part.lag).sum()
    }
}

/// Sessions and clients for looking, opened once. After a look that failed or was given up they are of no use any more.
pub struct Looker {
    endpoints: Endpoints,
    data_dir: DataDir,
    memory: Memory,
    watched: Vec<Watched>,
}

/// The events that there were at a moment. Others come after them for as long as auctions close.
pub struct Mark {
    /// The last one in each outbox.
    written: BTreeMap<&'static str, i64>,
    /// Where what each service reads ended, once the broker had all of these.
    sent: Option<BTreeMap<&'static str, Ends>>,
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
        let processes = self.memory.now(&self.endpoints);
        let mut parts = BTreeMap::new();
        for Watched { service, database, lag } in &mut self.watched {
            let name = service.context();
            let (sessions, outbox) = sessions_and_outbox(database, *service).await?;
            let tables = tables(database).await?;
            let Process { pid, bytes } = processes.get(name).copied().unwrap_or_default();
            let lag = lag.now().await?;
            parts.insert(name, Part { pid, memory: bytes, sessions, outbox, lag, tables });
        }
        Ok(parts)
    }

    /// The events that there are now.
    pub async fn mark(&mut self) -> Result<Mark> {
        let mut mark = Mark { written: BTreeMap::new(), sent: None };
        for Watched { service, database, .. } in &mut self.watched {
            mark.written.insert(service.context(), last_of_outbox(database).await?);
        }
        Ok(mark)
    }

    /// Of these events those that are on their way: they wait for the broker, or to be taken in. Outbox and lag by context.
    pub async fn on_their_way(&mut self, mark: &mut Mark) -> Result<BTreeMap<&'static str, (i64, u64)>> {
        let mut waiting = BTreeMap::new();
        for Watched { service, database, .. } in &mut self.watched {
            let name = service.context();
            waiting.insert(name, (outbox_until(database, mark.written[name]).await?, 0));
        }
        if mark.sent.is_none() && waiting.values().all(|(outbox, _)| *outbox == 0) {
            let mut sent = BTreeMap::new();
            for Watched { service, lag, .. } in &mut self.watched {
                sent.insert(service.context(), lag.ends().await?);
            }
            mark.sent = Some(sent);
        }
        for Watched { service, lag, .. } in &mut self.watched {
            let name = service.context();
            let behind = match &mark.sent {
                Some(ends) => lag.behind(&ends[name]).await?,
                None => lag.now().await?,
            };
            waiting.entry(name).and_modify(|(_, lag)| *lag = behind);
        }
        Ok(waiting)
    }

    /// Completed sales of all sellers whose names begin like this.
    pub async fn completed(&mut self, sellers: &str) -> Result<i64> {
        let settlement = self.watched.iter_mut().find(|watched| watched.service == Service::Settlement);
        let database = &mut settlement.context("settlement is not looked at")?.database;
        let (completed,): (i64,) =
            sqlx::query_as("SELECT count(*) FROM settlement WHERE status = 'completed' AND starts_with(seller_id, $1)")
                .bind(sellers)
                .fetch_one(database)
                .await
                .context("cannot count the completed sales")?;
        Ok(completed)
    }
}

/// What `look` finds, if it does not take too long.
pub async fn in_time<T>(look: impl Future<Output = Result<T>>) -> Result<T> {
    timeout(LOOKS_WITHIN, look).await.context("it takes too long").flatten()
}

async fn sessions_and_outbox(database: &mut PgConnection, service: Service) -> Result<(i64, i64)> {
    let found = sqlx::query_as(
        "SELECT (SELECT count(*) FROM pg_stat_activity WHERE application_name = $1), (SELECT count(*) FROM outbox)",
    );
    found.bind(service.name()).fetch_one(database).await.with_context(|| format!("cannot look at {service}'s database"))
}

async fn last_of_outbox(database: &mut PgConnection) -> Result<i64> {
    let last = sqlx::query_scalar("SELECT coalesce(max(id), 0) FROM outbox");
    last.fetch_one(database).await.context("cannot look at an outbox")
}

async fn outbox_until(database: &mut PgConnection, last: i64) -> Result<i64> {
    let waiting = sqlx::query_scalar("SELECT count(*) FROM outbox WHERE id <= $1");
    waiting.bind(last).fetch_one(database).await.context("cannot look at an outbox")
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
    pub failed: (usize, Option<String>),
}

impl Seen {
    /// Whether enough looks succeeded.
    pub fn is_enough(&self) -> bool {
        let (seen, failed) = (self.samples.len(), self.failed.0);
        seen > 0 && seen * 100 >= (seen + failed) * LOOKS_PERCENT
    }
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
    let mut looker = None;
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
        match in_time(look(&mut looker, &data_dir)).await {
            Ok(parts) => {
                let sample = Sample { at_s: (now - start).as_secs_f64(), requests, parts };
                if said.is_none() {
                    console.say(format!("Memory and sessions are those of {}.", names(&sample)));
                }
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
    let parts = || sample.parts.values();
    let memory: Vec<String> = parts().map(|part| mib(part.memory).to_string()).collect();
    let sessions: Vec<String> = parts().map(|part| part.sessions.to_string()).collect();
    let Interval { requests_per_s, p95_ms, p99_ms, failed, connected } = sample.requests;
    let failed = if failed == 0 { String::new() } else { format!("   FAILED {failed}") };
    format!(
        "{} of {}   {connected} users   {requests_per_s:>5.0} requests/s   p95 {p95_ms:>6.1} ms   p99 {p99_ms:>6.1} ms   memory {} MiB   sessions {}   outbox {}   lag {}{failed}",
        clock(sample.at_s),
        clock(length.as_secs_f64()).trim_start(),
        memory.join("/"),
        sessions.join("/"),
        sample.outbox(),
        sample.lag(),
    )
}

/// The services in the order in which figures of each are told.
pub fn names(sample: &Sample) -> String {
    sample.parts.keys().copied().collect::<Vec<_>>().join("/")
}

/// Minutes and seconds.
pub fn clock(seconds: f64) -> String {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Seconds of a run.
    let seconds = seconds as u64;
    format!("{:>3}:{:02}", seconds / 60, seconds % 60)
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
        let part = Part { memory: 5 << 20, sessions: 7, outbox: 2, lag: 3, ..Part::default() };
        let requests = Interval { requests_per_s: 141.4, p95_ms: 12.34, p99_ms: 56.78, failed: 0, connected: 1_000 };
        let parts = [("bidding", part.clone()), ("listing", part)].into();
        let mut sample = Sample { at_s: 65.0, requests, parts };
        let told = line(&sample, Duration::from_secs(600));
        assert!(
            told.starts_with("  1:05 of 10:00   1000 users     141 requests/s   p95   12.3 ms   p99   56.8 ms"),
            "{told}"
        );
        assert!(told.ends_with("memory 5/5 MiB   sessions 7/7   outbox 4   lag 6"), "{told}");
        sample.requests.failed = 1;
        assert!(line(&sample, Duration::from_secs(600)).ends_with("FAILED 1"));
        assert_eq!(names(&sample), "bidding/listing");
    }

    #[test]
    fn a_run_that_was_hardly_looked_at_is_not_enough() {
        let seen = |samples, failed| Seen { samples: vec![Sample::default(); samples], failed: (failed, None) };
        assert!(seen(9, 1).is_enough() && seen(1, 0).is_enough());
        assert!(!seen(8, 1).is_enough() && !seen(0, 0).is_enough());
    }
}
