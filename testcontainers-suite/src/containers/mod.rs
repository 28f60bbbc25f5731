//! The marketplace in containers: the services' images beside real Apache Kafka and PostgreSQL.

mod fleet;
mod images;

use std::process::ExitCode;

use anyhow::{Context, Result};
use libtest_mimic::{Arguments, Trial};
use testcontainers::bollard::Docker;
use tokio::runtime::Runtime;

use self::fleet::Fleet;
pub use self::images::trials;
use crate::{harness, whole::Spared};

/// Left out: they start the programs of this machine, and ask for a database that can be reached from it.
const OF_THIS_MACHINE: &str = "conformance::startup::";

/// Runs the trials on a marketplace that is started before them and removed after them. Without a Docker daemon there is none.
pub fn run(mut trials: Vec<Trial>, spared: Spared) -> Result<Option<ExitCode>> {
    trials.retain(|trial| !trial.name().contains(OF_THIS_MACHINE));
    if Arguments::from_args().list {
        return Ok(Some(harness::run_as_a_whole(trials, spared)));
    }
    let runtime = Runtime::new()?;
    let Some(docker) = runtime.block_on(docker()) else { return Ok(None) };
    images::build().context("the images cannot be built")?;
    let (fleet, world) = runtime.block_on(Fleet::start(docker))?;
    harness::provide(world)?;
    let code = harness::run_as_a_whole(trials, spared);
    runtime.block_on(fleet.stop(code != ExitCode::SUCCESS))?;
    Ok(Some(code))
}

/// A daemon that answers.
async fn docker() -> Option<Docker> {
    let docker = Docker::connect_with_defaults().ok()?;
    docker.ping().await.ok().map(|_| docker)
}
