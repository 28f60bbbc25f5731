//! The same scenarios and conformance against the services' images beside real Apache Kafka and PostgreSQL containers.
//! Without a Docker daemon it says loudly that it was left out, and counts nothing as passed.

#[path = "../conformance/mod.rs"]
mod conformance;
mod fleet;
mod images;
#[path = "../scenarios/mod.rs"]
mod scenarios;

use std::process::ExitCode;

use anyhow::{Context, Result};
use libtest_mimic::{Arguments, Trial};
use testcontainers::bollard::Docker;
use testcontainers_suite::{harness, whole::Spared};
use tokio::runtime::Runtime;

use crate::fleet::Fleet;

/// Left out: they start the programs of this machine, and ask for a database that can be reached from it.
const OF_THIS_MACHINE: &str = "conformance::startup::";
/// What these tests leave to others.
const SPARED: Spared = Spared {
    operations: &[
        ("pauseAllAuctions 200", "all auctions rest: `--test resilience` plays it where that disturbs nobody"),
        ("resumeAllAuctions 200", "likewise"),
    ],
    events: &[],
};

fn main() -> ExitCode {
    let trials = [images::trials(), scenarios::trials(), conformance::trials()].into_iter().flatten();
    let trials = trials.filter(|trial| !trial.name().contains(OF_THIS_MACHINE));
    match tested(trials.collect()) {
        Ok(code) => code,
        Err(fault) => {
            eprintln!("{fault:#}");
            ExitCode::FAILURE
        }
    }
}

fn tested(trials: Vec<Trial>) -> Result<ExitCode> {
    let arguments = Arguments::from_args();
    if arguments.list {
        return Ok(harness::run_as_a_whole(trials, SPARED));
    }
    let runtime = Runtime::new()?;
    let Some(docker) = runtime.block_on(docker()) else {
        println!("LEFT OUT: no Docker daemon answers here, so nothing was tested in containers.");
        return Ok(harness::run(Vec::new(), None));
    };
    images::build().context("the images cannot be built")?;
    let (fleet, world) = runtime.block_on(Fleet::start(docker))?;
    harness::provide(world)?;
    let code = harness::run_as_a_whole(trials, SPARED);
    runtime.block_on(fleet.stop(code != ExitCode::SUCCESS))?;
    Ok(code)
}

/// A daemon that answers.
async fn docker() -> Option<Docker> {
    let docker = Docker::connect_with_defaults().ok()?;
    docker.ping().await.ok().map(|_| docker)
}
