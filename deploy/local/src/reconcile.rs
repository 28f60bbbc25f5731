//! `outcry reconcile`: settlement's own command, which compares the ledger with the payment gateway's list, for the
//! marketplace of a data directory. What it prints and its exit code are passed on. The gateway is the one with which the
//! marketplace was started; what that needs is found in our own environment.

use std::process::{ExitCode, Stdio};

use anyhow::{Context, Result};

use crate::cli::ReconcileArgs;
use crate::endpoints::Endpoints;
use crate::layout::{DataDir, Service};
use crate::preflight;
use crate::services::GATEWAY;

/// Reconciles; exit code 0 if both agree, 3 if they differ, 1 if a side cannot be read.
pub async fn run(args: &ReconcileArgs, data_dir: &DataDir) -> Result<ExitCode> {
    let endpoints = Endpoints::read(data_dir)?;
    let url = endpoints.postgres.get(Service::Settlement.context()).context("settlement's database is not known")?;
    let status = tokio::process::Command::new(preflight::service_binary(&Service::Settlement.name())?)
        .arg("reconcile")
        .args(args.since.iter().flat_map(|since| ["--since", since]))
        .args(args.json.then_some("--json"))
        .env("OUTCRY_ENV", "development")
        .env_remove("OUTCRY_DATABASE_URL_FILE")
        .env("OUTCRY_DATABASE_URL", url)
        .env(GATEWAY, &endpoints.gateway)
        .env("OUTCRY_SIMULATED_GATEWAY_FILE", data_dir.gateway_file())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .status()
        .await
        .context("settlement's reconcile command cannot be run")?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
}
