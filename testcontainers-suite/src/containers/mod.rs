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
use crate::{harness, needs, whole::Spared};

/// Runs the trials on a marketplace that is started before them and removed after them. Without a Docker daemon there is none.
pub fn run(trials: Vec<Trial>, spared: Spared) -> Result<Option<ExitCode>> {
    if Arguments::from_args().list {
        return Ok(Some(harness::run_as_a_whole(trials, spared)));
    }
    let runtime = Runtime::new()?;
    let Some(docker) = runtime.block_on(docker()) else { return Ok(None) };
    images::build().context("the images cannot be built")?;
    let (fleet, world) = runtime.block_on(Fleet::start(docker))?;
    let trials = needs::met(trials, &world.endpoints);
    let tested = harness::provide(world).map(|()| harness::run_as_a_whole(trials, spared));
    let failed = tested.as_ref().ok() != Some(&ExitCode::SUCCESS);
    let stopped = runtime.block_on(fleet.stop(failed));
    let code = tested?;
    stopped?;
    Ok(Some(code))
}

/// A daemon that answers.
async fn docker() -> Option<Docker> {
    let docker = Docker::connect_with_defaults().ok()?;
    docker.ping().await.ok().map(|_| docker)
}
