//! Everything that a healthy marketplace must do, seen from outside: scenarios, conformance, bad input.

mod bad_input;
mod conformance;
mod scenarios;

use std::process::ExitCode;

use testcontainers_suite::{harness, whole::Spared};

/// What these tests leave to others.
const SPARED: Spared = Spared {
    operations: &[
        ("pauseAllAuctions 200", "all auctions rest: `--test resilience` plays it where that disturbs nobody"),
        ("resumeAllAuctions 200", "likewise"),
    ],
    events: &[],
};

fn main() -> ExitCode {
    let groups = [scenarios::trials(), conformance::trials(), bad_input::trials()];
    harness::run_as_a_whole(groups.into_iter().flatten().collect(), SPARED)
}
