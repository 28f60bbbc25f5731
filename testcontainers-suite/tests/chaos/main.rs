//! Chaos: a marketplace under load whose network, servers, disk, clock and messages go wrong, one after the other. After
//! each of them everything has to be right again, and soon. A few of the faults in `make test`; all of them, and longer,
//! with `OUTCRY_CHAOS=all`, which is `make chaos`.

mod aftermath;
mod contract;
mod converge;
mod extent;
mod faults;
mod load;
mod outcome;
mod report;
mod round;
mod stage;

use std::{
    process::ExitCode,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result};
use libtest_mimic::Trial;
use testcontainers_suite::harness::{block_on_within, run};

use crate::{extent::Extent, stage::Stage};

static STAGE: Mutex<Option<Stage>> = Mutex::new(None);
/// No fault takes longer, its load and its check included.
const ENDS_WITHIN: Duration = Duration::from_secs(420);

fn main() -> ExitCode {
    let extent = match Extent::of_environment() {
        Ok(extent) => extent,
        Err(fault) => {
            eprintln!("{fault:#}");
            return ExitCode::FAILURE;
        }
    };
    // One after the other: each needs the marketplace whole at its beginning.
    let code = run(faults::trials(extent), Some(1));
    let ended = block_on_within(ENDS_WITHIN, stopped(false));
    report::print_table();
    match ended {
        Ok(()) => code,
        Err(fault) => {
            eprintln!("after the whole run: {}", fault.message().unwrap_or_default());
            ExitCode::FAILURE
        }
    }
}

/// A test that has the marketplace for itself; after one that failed the next has a new one.
fn trial(name: impl Into<String>, test: impl AsyncFnOnce(&mut Stage) -> Result<()> + Send + 'static) -> Trial {
    Trial::test(name, move || {
        let tested = block_on_within(ENDS_WITHIN, async {
            let mut stage = match taken() {
                Some(stage) => stage,
                None => Stage::start().await.context("there is no marketplace")?,
            };
            let outcome = test(&mut stage).await;
            *STAGE.lock().unwrap_or_else(PoisonError::into_inner) = Some(stage);
            outcome
        });
        if tested.is_err()
            && let Err(fault) = block_on_within(ENDS_WITHIN, stopped(true))
        {
            eprintln!("after it: {}", fault.message().unwrap_or_default());
        }
        tested
    })
}

/// The same, after which the marketplace is not to be used again.
fn last_trial(name: impl Into<String>, test: impl AsyncFnOnce(&mut Stage) -> Result<()> + Send + 'static) -> Trial {
    lone_trial(name, async move || {
        let mut stage = Stage::start().await.context("there is no marketplace")?;
        let outcome = test(&mut stage).await;
        let ended = stage.stop(outcome.is_err()).await;
        outcome.and(ended)
    })
}

/// A test that makes a marketplace of its own.
fn lone_trial(name: impl Into<String>, test: impl AsyncFnOnce() -> Result<()> + Send + 'static) -> Trial {
    Trial::test(name, move || {
        // Two at once would be slow for no reason of theirs.
        block_on_within(ENDS_WITHIN, stopped(false))?;
        block_on_within(ENDS_WITHIN, test())
    })
}

fn taken() -> Option<Stage> {
    STAGE.lock().unwrap_or_else(PoisonError::into_inner).take()
}

async fn stopped(keep: bool) -> Result<()> {
    match taken() {
        Some(stage) => stage.stop(keep).await,
        None => Ok(()),
    }
}
