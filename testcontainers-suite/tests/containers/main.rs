//! The same scenarios and conformance against the services' images beside real Apache Kafka and PostgreSQL containers, and
//! what may be in an image. Without a Docker daemon it says loudly that it was left out, and counts nothing as passed.

#[path = "../conformance/mod.rs"]
mod conformance;
#[path = "../scenarios/mod.rs"]
mod scenarios;

use std::process::ExitCode;

use testcontainers_suite::{containers, harness, whole::Spared};

/// What these tests leave to others.
const SPARED: Spared = Spared {
    operations: &[
        ("pauseAllAuctions 200", "all auctions rest: `--test resilience` plays it where that disturbs nobody"),
        ("resumeAllAuctions 200", "likewise"),
    ],
    events: &[],
};

fn main() -> ExitCode {
    let groups = [containers::trials(), scenarios::trials(), conformance::trials()];
    match containers::run(groups.into_iter().flatten().collect(), SPARED) {
        Ok(Some(code)) => code,
        Ok(None) => {
            println!("LEFT OUT: no Docker daemon answers here, so nothing was tested in containers.");
            harness::run(Vec::new(), None)
        }
        Err(fault) => {
            eprintln!("{fault:#}");
            ExitCode::FAILURE
        }
    }
}
