//! The binary edge of listing: the only crate that names every adapter.
//!
//! [`config`] reads the environment, [`serve`] wires and runs, [`certificate`], [`tls`] and [`telemetry`] are what
//! their names say.

mod certificate;
mod config;
mod serve;
mod telemetry;
mod tls;

use std::{process::ExitCode, sync::Arc, time::Duration};

use anyhow::Context;
use clap::{Parser, Subcommand};
use listing_adapter_http::openapi;
use listing_adapter_kafka::dead_letters;
use listing_adapter_postgres::{database, store::PgListings};
use listing_application::Listings;
use secrecy::ExposeSecret;
use tokio::sync::Notify;

use crate::config::Config;

/// What is for sale: drafts, publications and their state, over HTTPS and Kafka.
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
    /// Hands every dead letter to the service's core once more.
    ReplayDeadLetters,
}

fn main() -> ExitCode {
    let command = Cli::parse().command.unwrap_or(Command::Serve);
    let what_ends = if let Command::Serve = command { "the service ends" } else { "the command failed" };
    match run(command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            telemetry::say_fatal(&error, what_ends);
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    // The first provider installed counts; a second attempt is no fault.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    if let Command::Openapi = command {
        println!("{}", openapi::document().to_pretty_json()?);
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let done = runtime.block_on(async {
        match command {
            Command::Serve => serve::run(Config::from_env()?).await,
            Command::Migrate => Ok(database::migrate(Config::from_env()?.database_url.expose_secret()).await?),
            Command::CheckConfig => Config::from_env().map(|_| println!("the configuration is sound")),
            Command::Openapi => Ok(()),
            Command::Health => health().await,
            Command::ReplayDeadLetters => replay(Config::from_env()?).await,
        }
    });
    runtime.shutdown_timeout(Duration::from_secs(2));
    done
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
    let pool = database::connect(config.database_url.expose_secret(), config.database_max_connections)?;
    let store = Arc::new(PgListings::new(pool, Arc::new(Notify::new())));
    let listings = Arc::new(Listings::new(store.clone(), config.limits));
    let replayed = dead_letters::replay(&config.kafka, listings, store).await?;
    println!("{} handled, {} failed again", replayed.handled, replayed.failed);
    anyhow::ensure!(!replayed.stopped, "the replay stopped before its end: begin it again later");
    anyhow::ensure!(replayed.failed == 0, "{} dead letters could not be handled", replayed.failed);
    Ok(())
}
