//! A marketplace of its own that is hurt: parts are killed in the midst of a sale, stand still, or are told to stop, all
//! auctions rest, or what is stored is changed.

mod drained;
mod killed;
mod paused;
mod stopped;
mod verified;

use std::{
    process::ExitCode,
    sync::{Mutex, PoisonError},
};

use anyhow::{Context, Result};
use libtest_mimic::{Failed, Trial};
use testcontainers_suite::{
    harness::{block_on, kept_its_secrets, run},
    target::{Local, PATIENT_SETTINGS},
    world::World,
};

static MARKETPLACE: Mutex<Option<Local>> = Mutex::new(None);

fn main() -> ExitCode {
    let groups = [paused::trials(), verified::trials(), stopped::trials(), killed::trials(), drained::trials()];
    let trials = groups.into_iter().flatten().collect();
    // One after the other: each needs the marketplace whole at its beginning.
    let code = run(trials, Some(1));
    let Some(local) = MARKETPLACE.lock().unwrap_or_else(PoisonError::into_inner).take() else { return code };
    let kept = kept_its_secrets(&local);
    if let Err(fault) = kept.and(local.stop(code != ExitCode::SUCCESS)) {
        eprintln!("{fault:#}");
        return ExitCode::FAILURE;
    }
    code
}

/// A test that has the marketplace for itself.
fn trial(name: String, test: impl AsyncFnOnce(&mut Local, &World) -> Result<()> + Send + 'static) -> Trial {
    Trial::test(name, move || {
        let mut marketplace = MARKETPLACE.lock().unwrap_or_else(PoisonError::into_inner);
        let (local, world) = running(&mut marketplace).map_err(|fault| Failed::from(format!("{fault:#}")))?;
        block_on(test(local, &world))
    })
}

fn running(marketplace: &mut Option<Local>) -> Result<(&mut Local, World)> {
    if marketplace.is_none() {
        *marketplace = Some(Local::start(PATIENT_SETTINGS)?);
    }
    let local = marketplace.as_mut().context("the marketplace was started")?;
    let world = local.world()?;
    Ok((local, world))
}
