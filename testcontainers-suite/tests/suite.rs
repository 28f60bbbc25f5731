//! Everything that a healthy marketplace must do, seen from outside: scenarios, conformance, bad input.

mod bad_input;
mod conformance;
mod scenarios;

use std::process::ExitCode;

use anyhow::{Context, Result};
use testcontainers_suite::{
    containers, harness, needs,
    target::{self, Target},
    whole::Spared,
    world::Endpoints,
};

/// What these tests leave to others.
const SPARED: Spared = Spared {
    operations: &[
        ("pauseAllAuctions 200", "all auctions rest: `--test resilience` plays it where that disturbs nobody"),
        ("resumeAllAuctions 200", "likewise"),
    ],
    events: &[],
};

fn main() -> ExitCode {
    tested().unwrap_or_else(|fault| {
        eprintln!("{fault:#}");
        ExitCode::FAILURE
    })
}

fn tested() -> Result<ExitCode> {
    let groups = [scenarios::trials(), conformance::trials(), bad_input::trials()];
    let trials = groups.into_iter().flatten().collect();
    match target::given()? {
        Target::Containers => containers::run(trials, SPARED)?.context("no Docker daemon answers here"),
        Target::Running(file) => {
            let trials = needs::met(trials, &Endpoints::read(&file)?);
            Ok(harness::run_as_a_whole(trials, SPARED))
        }
        Target::Local => Ok(harness::run_as_a_whole(trials, SPARED)),
    }
}
