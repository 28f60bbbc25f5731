//! The binary edge of settlement: the only crate that names every adapter.
//!
//! [`config`] reads the environment and [`fees`] a file, [`serve`] wires and runs, [`work`] drives the saga on,
//! [`reconcile`] holds the ledger against the gateway's list; [`gateway`], [`certificate`], [`tls`] and [`telemetry`] are what
//! their names say.

mod certificate;
mod config;
mod fees;
mod gateway;
mod reconcile;
mod serve;
mod telemetry;
mod tls;
mod work;

use std::{process::ExitCode, sync::Arc, time::Duration};

use anyhow::Context;
use chrono::{DateTime, Utc};
use clap::{Parser, Subcommand};
use secrecy::ExposeSecret;
use settlement_adapter_http::openapi;
use settlement_adapter_kafka::dead_letters;
use settlement_adapter_postgres::{
    database,
    store::{PgSettlements, Wakers},
};
use settlement_application::{Books, Facts};

use crate::config::{Config, ReconcileConfig};

/// Money and goods after the hammer: payment, escrow, shipment and payout, over HTTPS and Kafka.
///
/// Configured by the environment (`OUTCRY_…`, see the README); `check-config` lists what is wrong.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Runs the service (the default).
    Serve,
    /// Brings the database's schema up to date.
    Migrate,
    /// Reads the configuration and names every fault.
    CheckConfig,
    /// Prints the OpenAPI document.
    Openapi,
    /// Asks the running service on this machine whether it is live.
    Health,
    /// Reverses an entry of the ledger; money at the gateway stays where it is.
    Reverse {
        /// The entry's name, as in statements, e.g. `0190…:captured`.
        reference: String,
        /// Why, for the auditor.
        #[arg(long)]
        because: String,
    },
    /// Compares the ledger with the payment gateway's list and names each difference; changes nothing.
    ///
    /// Ends with exit code 0 if they agree and with 3 if they differ.
    Reconcile {
        /// From when, e.g. 2030-01-01T00:00:00Z; eight days ago unless given.
        #[arg(long, value_name = "RFC 3339")]
        since: Option<DateTime<Utc>>,
        /// Prints one JSON object instead of a table.
        #[arg(long)]
        json: bool,
    },
    /// Hands every dead letter to the service's core once more.
    ReplayDeadLetters,
}

fn main() -> ExitCode {
    let command = Cli::parse().command.unwrap_or(Command::Serve);
    let what_ends = if let Command::Serve = command { "the service ends" } else { "the command failed" };
    match run(command) {
        Ok(code) => code,
        Err(error) => {
            telemetry::say_fatal(&error, what_ends);
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    // The first provider installed counts; a second attempt is no fault.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    if let Command::Openapi = command {
        println!("{}", openapi::document().to_pretty_json()?);
        return Ok(ExitCode::SUCCESS);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let done = runtime.block_on(async {
        let done = match command {
            Command::Reconcile { since, json } => {
                return reconcile::command(&ReconcileConfig::from_env()?, since, json).await;
            }
            Command::Serve => serve::run(Config::from_env()?).await,
            Command::Migrate => migrate(&Config::from_env()?).await,
            Command::CheckConfig => Config::from_env().map(|_| println!("the configuration is sound")),
            Command::Openapi => Ok(()),
            Command::Health => health().await,
            Command::Reverse { reference, because } => reverse(&Config::from_env()?, &reference, &because).await,
            Command::ReplayDeadLetters => replay(Config::from_env()?).await,
        };
        done.map(|()| ExitCode::SUCCESS)
    });
    runtime.shutdown_timeout(Duration::from_secs(2));
    done
}

/// Migrates as the schema's owner, then gives the role that serves what it needs, if there is one.
async fn migrate(config: &Config) -> anyhow::Result<()> {
    let url = config.database_url.expose_secret();
    database::migrate(url).await?;
    if let Some(role) = &config.database_service_role {
        database::grant(url, role).await.context("OUTCRY_DATABASE_SERVICE_ROLE could not be given its rights")?;
    }
    Ok(())
}

async fn reverse(config: &Config, reference: &str, because: &str) -> anyhow::Result<()> {
    let store = Arc::new(store(config)?);
    let reversal = Books::new(store.clone(), store).reverse(reference, because).await?;
    println!("{} is posted", reversal.reference());
    Ok(())
}

fn store(config: &Config) -> anyhow::Result<PgSettlements> {
    let pool = database::connect(config.database_url.expose_secret(), config.database_max_connections)?;
    Ok(PgSettlements::new(pool, Wakers::default()))
}

/// Asks the own port; the certificate names the public host, not this one, so it is not checked.
async fn health() -> anyhow::Result<()> {
    let port = Config::http_port()?;
    let client =
        reqwest::Client::builder().danger_accept_invalid_certs(true).timeout(Duration::from_secs(2)).build()?;
    let url = format!("https://127.0.0.1:{port}/healthz/live");
    client.get(url).send().await.context("the service does not answer")?.error_for_status()?;
    Ok(())
}

async fn replay(config: Config) -> anyhow::Result<()> {
    let _telemetry = telemetry::start(&config)?;
    let store = Arc::new(store(&config)?);
    let facts = Arc::new(Facts::new(store.clone(), config.terms(), config.fees.clone()));
    let replayed = dead_letters::replay(&config.kafka, facts, store).await?;
    println!("{} handled, {} failed again", replayed.handled, replayed.failed);
    anyhow::ensure!(!replayed.stopped, "the replay stopped before its end: begin it again later");
    anyhow::ensure!(replayed.failed == 0, "{} dead letters could not be handled", replayed.failed);
    Ok(())
}
