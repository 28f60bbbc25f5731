//! `outcry bench`: the marketplace under load over its public API, beside the bare database, and whether all is still
//! right afterwards.

mod answer;
mod browse;
mod check;
mod client;
mod compare;
mod driver;
mod events;
mod field;
mod memory;
mod pace;
mod recovery;
mod report;
mod sagas;
mod seed;
mod sse;
mod stream;
mod tally;
mod yardstick;

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio_util::sync::CancellationToken;

use crate::api::Api;
use crate::cli::{BenchCommand, BidsArgs};
use crate::console::Console;
use crate::dev_key::DevKey;
use crate::endpoints::Endpoints;
use crate::files;
use crate::layout::{DataDir, Service};
use crate::signals::Signals;
use client::{Protocol, Target};
use driver::Plan;
use events::Events;
use field::Field;
use pace::Pace;
use report::{Report, Setting};

/// A service may be restarting when the run is prepared or checked.
const PATIENCE: Duration = Duration::from_secs(60);
const INTERRUPTED: u8 = 130;
/// A bid alone, and what the service can do before it is overloaded, are measured so long.
const ALONE: Duration = Duration::from_secs(3);
const CAPACITY: Duration = Duration::from_secs(5);
/// What is no slower than this is normal after an overload, whatever it was before.
const NORMAL: Duration = Duration::from_millis(50);

/// Measures what `command` says on the marketplace in `data_dir`.
pub async fn run(command: &BenchCommand, data_dir: &DataDir, console: &Console) -> Result<ExitCode> {
    let bench = Bench::open(data_dir, console)?;
    let mut signals = Signals::new()?;
    let stop = CancellationToken::new();
    let mut measured = Box::pin(async {
        match command {
            BenchCommand::Bids(args) => bench.bids(args).await,
            BenchCommand::Stream(args) => stream::run(&bench, args).await,
            BenchCommand::Sagas(args) => sagas::run(&bench, args).await,
            BenchCommand::Browse(args) => browse::run(&bench, args, stop.clone()).await,
        }
    });
    tokio::select! {
        outcome = &mut measured => return outcome,
        () = signals.next() => {}
    }
    if matches!(command, BenchCommand::Browse(_)) {
        console.say("Stopping; a second Ctrl-C leaves out what was measured.");
        stop.cancel();
        return tokio::select! {
            outcome = measured => outcome,
            () = signals.next() => Ok(ExitCode::from(INTERRUPTED)),
        };
    }
    // What it holds in a database goes with it, before what it left there is removed.
    drop(measured);
    match command {
        BenchCommand::Bids(_) | BenchCommand::Stream(_) => yardstick::clean(bench.database(Service::Bidding)?).await?,
        BenchCommand::Sagas(_) => sagas::clean(bench.database(Service::Settlement)?).await?,
        BenchCommand::Browse(_) => {}
    }
    Ok(ExitCode::from(INTERRUPTED))
}

/// What every measurement needs.
struct Bench<'a> {
    data_dir: &'a DataDir,
    console: &'a Console,
    endpoints: Endpoints,
    api: Api,
    /// Distinguishes this run's principals and keys from any other's.
    run: String,
}

impl<'a> Bench<'a> {
    fn open(data_dir: &'a DataDir, console: &'a Console) -> Result<Self> {
        let (endpoints, api) = (Endpoints::read(data_dir)?, Api::open(data_dir, PATIENCE)?);
        Ok(Self { data_dir, console, endpoints, api, run: files::random_hex(5)? })
    }

    fn database(&self, service: Service) -> Result<&str> {
        let url = self.endpoints.postgres.get(service.context());
        Ok(url.with_context(|| format!("endpoints.json does not name the database of {service}"))?)
    }

    fn targets(&self, urls: &[String]) -> Result<Vec<Target>> {
        let own = [self.endpoints.bidding.clone()];
        Target::all(if urls.is_empty() { &own } else { urls }, &self.endpoints.ca_file, Protocol::Http1)
    }

    /// Open auctions and bidders with tokens.
    async fn field(&self, auctions: u32, bidders: u32, hot_rising: Option<u8>) -> Result<Field> {
        let seeded = seed::auctions(&self.api, &self.endpoints, &self.run, auctions, self.console).await?;
        let bidders = seed::bidders(DevKey::load(self.data_dir)?, &self.run, bidders).await?;
        Ok(Field::new(&seeded.ids, seeded.next_minimum, bidders, hot_rising, self.run.clone()))
    }

    async fn bids(&self, args: &BidsArgs) -> Result<ExitCode> {
        let targets = self.targets(&args.urls)?;
        let auctions = args.auction_count();
        let mut field = self.field(auctions, args.bidders, args.hot.then_some(args.rising)).await?;
        let events = if args.checks() { Some(Events::from_now(self.data_dir, &self.endpoints).await?) } else { None };
        let (mut yardsticks, mut alone) = (None, None);
        if !args.no_yardstick {
            let each = Duration::from_secs(args.yardstick_duration.into());
            yardsticks =
                Some(yardstick::measure(self.database(Service::Bidding)?, auctions, each, self.console).await?);
            let plan = Plan {
                connections: 1,
                pace: Pace::Closed,
                warm_up: Duration::from_secs(1),
                duration: ALONE,
                normal: None,
            };
            let outcome;
            (field, outcome) = driver::drive(targets.clone(), field, plan, self.console.clone()).await?;
            alone = Some(outcome.tally.accepted_service.percentiles());
        }

        let (stop, watched) = (CancellationToken::new(), self.data_dir.clone());
        let memory = tokio::spawn(memory::watch(watched, stop.clone()));
        let mut plan = plan(args);
        let mut capacity_per_s = None;
        if args.overload {
            let outcome;
            let duration = CAPACITY;
            (field, outcome) =
                driver::drive(targets.clone(), field, Plan { duration, ..plan }, self.console.clone()).await?;
            let tally = &outcome.tally;
            let capacity = tally.per_second(tally.accepted + tally.refusals());
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Bids a second.
            let offered = (capacity * 2.0).ceil().max(1.0) as u32;
            let p95 = Duration::from_secs_f64(tally.decided_latency.percentiles().p95_ms / 1000.0);
            let (connections, warm_up) = (args.overload_connections.into(), Duration::ZERO);
            plan = Plan { connections, pace: Pace::Open(offered), warm_up, normal: Some(NORMAL.max(p95)), ..plan };
            capacity_per_s = Some(capacity);
        }
        let (field, outcome) = driver::drive(targets, field, plan, self.console.clone()).await?;
        let checked = if let Some(events) = events {
            let spinner = self.console.spinner("Comparing receipts, database and history");
            let checked = check::check(self, &field, events, outcome.ended).await;
            spinner.finish_and_clear();
            Some(checked?)
        } else {
            None
        };
        stop.cancel();
        let setting = setting(args, plan);
        let (tally, recovery, memory) = (outcome.tally, outcome.recovery, memory.await?);
        let report = Report { setting, yardsticks, alone, capacity_per_s, tally, recovery, memory, checked };
        print(args.json, &report.json(), &report)?;
        Ok(if report.is_sound() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

fn plan(args: &BidsArgs) -> Plan {
    let thinking = args.think.map(|ms| Pace::Thinking(Duration::from_millis(ms.into())));
    Plan {
        connections: args.connections.into(),
        pace: args.open.map(Pace::Open).or(thinking).unwrap_or(Pace::Closed),
        warm_up: Duration::from_secs(args.warm_up.into()),
        duration: Duration::from_secs(args.duration.into()),
        normal: None,
    }
}

fn setting(args: &BidsArgs, plan: Plan) -> Setting {
    let (pace, offered_per_s) = match plan.pace {
        Pace::Closed => ("closed", None),
        Pace::Thinking(_) => ("thinking", None),
        Pace::Open(rate) => (if args.overload { "overload" } else { "open" }, Some(rate)),
    };
    Setting {
        auctions: args.auction_count(),
        hot: args.hot,
        connections: plan.connections,
        duration_s: args.duration,
        pace,
        offered_per_s,
    }
}

/// One object, or a table.
fn print(json: bool, object: &serde_json::Value, table: &impl std::fmt::Display) -> Result<()> {
    let mut out = std::io::stdout();
    if json { writeln!(out, "{object}") } else { write!(out, "{table}") }.context("cannot print the result")
}

/// Runs what `make` makes on a thread of its own: tasks that never move from one core's cache to another's take least.
async fn on_one_thread<T, F>(make: impl FnOnce() -> F + Send + 'static) -> Result<T>
where
    T: Send + 'static,
    F: Future<Output = Result<T>>,
{
    let work = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(make())
    };
    tokio::task::spawn_blocking(work).await?
}
