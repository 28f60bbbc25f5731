//! Sales from the hammer to the seller's money: settlement under load, beside bare SQL that commits as often on the same
//! database, and whether every cent is where it belongs afterwards.

mod cast;
mod check;
mod copies;
mod floor;
mod idle;
mod meters;
mod models;
mod play;
mod report;
mod shapes;
mod steps;
mod unit;
mod yardstick;

use std::collections::HashMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use chrono::Utc;
use sqlx::{Connection, PgConnection};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use self::cast::Cast;
use self::copies::People;
use self::floor::Floor;
use self::idle::Idle;
use self::meters::Meters;
use self::models::Models;
use self::play::{Company, Stage, Until, play};
use self::report::{Due, Report, Sales, Setting};
pub use self::yardstick::clean;
use super::client::{Protocol, Target};
use super::seed::{self, connect};
use super::{Bench, memory, print};
use crate::cli::SagasArgs;
use crate::dev_key::DevKey;
use crate::kafka::reader::Reader;
use crate::kafka::writer;
use crate::layout::Service;
use crate::supervise::poll;

const BROKER_ANSWERS_WITHIN: Duration = Duration::from_secs(30);

/// Runs what `args` say.
pub async fn run(bench: &Bench<'_>, args: &SagasArgs) -> Result<ExitCode> {
    let sagas = Sagas::prepare(bench, args).await?;
    let (report, sound) = sagas.measure().await?;
    print(args.json, &report.json(), &report)?;
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

struct Sagas<'a> {
    bench: &'a Bench<'a>,
    args: &'a SagasArgs,
    connection: PgConnection,
    company: Company,
    models: Models,
    /// Auctions of the sales.
    lots: Vec<Uuid>,
    /// Auctions of what becomes due together.
    due: Vec<Uuid>,
}

impl<'a> Sagas<'a> {
    /// Auctions, people, and two sales to copy.
    async fn prepare(bench: &'a Bench<'a>, args: &'a SagasArgs) -> Result<Self> {
        let Bench { api, endpoints, run, console, .. } = bench;
        let count = args.settlements + args.due + Models::LOTS;
        let mut lots = seed::auctions(api, endpoints, run, count, console).await?.ids;
        let models = lots.split_off(lots.len() - Models::LOTS as usize);
        let due = lots.split_off(args.settlements as usize);
        let cast = Cast::sign(DevKey::load(bench.data_dir)?, run, args.seller_count(), lots.len()).await?;
        let own = [endpoints.settlement.clone()];
        let targets = Target::all(&own, &endpoints.ca_file, Protocol::Http1)?;
        let target = targets.into_iter().next().context("settlement has no address")?;
        let company = Company { target, cast: Arc::new(cast), connections: args.connections.into(), run: run.clone() };
        let models = Models::sell(bench, &models).await?;
        let connection = connect(endpoints, Service::Settlement).await?;
        Ok(Self { bench, args, connection, company, models, lots, due })
    }

    async fn measure(mut self) -> Result<(Report, bool)> {
        let (bench, args) = (self.bench, self.args);
        let idle = self.idle().await?;
        let mut yardstick = None;
        if !args.no_yardstick {
            let each = Duration::from_secs(args.yardstick_duration.into());
            yardstick = Some(yardstick::measure(bench.database(Service::Settlement)?, each, bench.console).await?);
        }
        let (stop, watched) = (CancellationToken::new(), bench.data_dir.clone());
        let memory = tokio::spawn(memory::watch(watched, stop.clone()));
        // A broker may be busy with itself for a moment.
        let opened = poll(BROKER_ANSWERS_WITHIN, || async {
            let mut reader = Reader::open(bench.data_dir, &bench.endpoints, Service::Settlement).await?;
            let next = reader.ends().await?;
            Ok((reader, next))
        });
        let (reader, next) = opened.await.context("cannot find the end of settlement's events")?;
        let (reader, next, sales, mut findings) = self.sales(reader, next).await?;
        let mut due = None;
        if !self.due.is_empty() {
            let (phase, more) = self.due(reader, next).await?;
            findings.extend(more);
            due = Some(phase);
        }
        let spinner = bench.console.spinner("Checking every sale and the ledger");
        let sellers = self.company.cast.seller_names();
        let expected = self.lots.len() + self.due.len();
        let mut checked = check::check(&bench.api, &mut self.connection, &sellers, expected).await?;
        spinner.finish_and_clear();
        checked.findings.extend(findings);
        stop.cancel();
        let setting = Setting {
            settlements: args.settlements,
            sellers: args.seller_count(),
            connections: args.connections,
            at_once: args.at_once,
            due: args.due,
            waiting: args.waiting,
            finished: args.finished,
        };
        let report = Report { setting, yardstick, idle, sales, due, memory: memory.await?, checked };
        let sound = report.is_sound();
        Ok((report, sound))
    }

    /// What settlement costs while nothing is due: as it is, with what waits, and with what is finished.
    async fn idle(&mut self) -> Result<Vec<Idle>> {
        let (waiting, finished) = (self.args.waiting as usize, self.args.finished as usize);
        let mut seen = Vec::new();
        if waiting + finished == 0 {
            return Ok(seen);
        }
        seen.push(self.look("as it is").await?);
        for (count, model, what) in
            [(waiting, self.models.shipped, "waiting"), (finished, self.models.completed, "finished")]
        {
            if count == 0 {
                continue;
            }
            let auctions: Vec<Uuid> = std::iter::repeat_with(Uuid::now_v7).take(count).collect();
            let told = format!("Copying {count} {what} settlements");
            let console = (self.bench.console, told.as_str());
            copies::copy(&mut self.connection, model, &People::others(), &auctions, console).await?;
            seen.push(self.look(&format!("with {count} {what}")).await?);
        }
        Ok(seen)
    }

    async fn look(&mut self, with: &str) -> Result<Idle> {
        let spinner = self.bench.console.spinner(&format!("Watching settlement idle, {with}"));
        let duration = Duration::from_secs(self.args.idle.into());
        let seen = idle::watch(&self.bench.endpoints, &mut self.connection, duration, with.to_owned()).await;
        spinner.finish_and_clear();
        seen
    }

    /// From the hammer to the payout.
    async fn sales(&mut self, reader: Reader, next: Vec<i64>) -> Result<(Reader, Vec<i64>, Sales, Vec<String>)> {
        let bench = self.bench;
        let spinner = bench.console.spinner("Settling sales");
        let before = Meters::read(&bench.endpoints, &mut self.connection).await?;
        let now = Utc::now();
        let events: Vec<_> =
            self.lots.iter().enumerate().map(|(lot, id)| self.company.cast.closed(lot, *id, now)).collect();
        let lots: HashMap<Uuid, usize> = self.lots.iter().enumerate().map(|(lot, id)| (*id, lot)).collect();
        let floor = Floor::of_lots(lots, self.args.at_once as usize)?;
        let stage = Stage { reader, next, floor };
        let begun = Instant::now();
        let publish = writer::publish(bench.data_dir, &bench.endpoints, Service::Bidding, &events);
        let ((), (stage, _)) =
            tokio::try_join!(publish, play(self.company.clone(), stage, Until::Started(self.lots.len())))?;
        let intake = begun.elapsed();
        ensure!(stage.floor.findings.is_empty(), "not all settlements start: {}", stage.floor.findings.join("; "));
        let (stage, settling) = play(self.company.clone(), stage, Until::Completed(self.lots.len())).await?;
        let meters = Meters::read(&bench.endpoints, &mut self.connection).await? - before;
        spinner.finish_and_clear();
        let Stage { reader, next, floor } = stage;
        let sales = Sales {
            intake,
            settling,
            meters,
            pay_to_escrowed: floor.pay_to_escrowed.percentiles(),
            receive_to_completed: floor.receive_to_completed.percentiles(),
            requests: floor.requests.iter().map(|(act, latency)| (*act, latency.percentiles())).collect(),
            errors: floor.errors,
            repeated: floor.repeated,
        };
        Ok((reader, next, sales, floor.findings))
    }

    /// From the inspection's end to the payout, of many lots at once and without anybody's doing.
    async fn due(&mut self, reader: Reader, next: Vec<i64>) -> Result<(Due, Vec<String>)> {
        let bench = self.bench;
        let spinner = bench.console.spinner("Settling what is due together");
        let people = People::of_run(&bench.run, self.company.cast.seller_names());
        let sequence: i64 = sqlx::query_scalar("SELECT sequence FROM settlement WHERE id = $1")
            .bind(self.models.shipped)
            .fetch_one(&mut self.connection)
            .await?;
        let mut transaction = self.connection.begin().await?;
        let ids = copies::make_due(&mut transaction, self.models.shipped, &people, &self.due).await?;
        let floor = Floor::of_settlements(ids, u64::try_from(sequence)?)?;
        let mut meter = connect(&bench.endpoints, Service::Settlement).await?;
        let before = Meters::read(&bench.endpoints, &mut meter).await?;
        let nobody = Company { connections: 0, ..self.company.clone() };
        let stage = Stage { reader, next, floor };
        let begun = Instant::now();
        transaction.commit().await?;
        let (stage, _) = play(nobody, stage, Until::Completed(self.due.len())).await?;
        let took = begun.elapsed();
        let meters = Meters::read(&bench.endpoints, &mut meter).await? - before;
        meter.close().await?;
        spinner.finish_and_clear();
        Ok((Due { took, meters }, stage.floor.findings))
    }
}
