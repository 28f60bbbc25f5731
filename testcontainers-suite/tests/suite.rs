//! Everything that a healthy marketplace must do, seen from outside: scenarios, conformance, bad input.

mod bad_input;
mod conformance;
mod scenarios;

use std::process::ExitCode;

use testcontainers_suite::harness;

fn main() -> ExitCode {
    let groups = [scenarios::trials(), conformance::trials(), bad_input::trials()];
    harness::run(groups.into_iter().flatten().collect(), None)
}
