//! A marketplace of its own that is hurt: parts are killed in the midst of a sale, stand still, or are told to stop, all
//! auctions rest, or what is stored is changed. It sends its traces to a collector that is there in [`traced`] only.

mod drained;
mod killed;
mod paused;
mod stopped;
mod traced;
mod verified;

use std::{
    process::ExitCode,
    sync::{Mutex, PoisonError},
};

use anyhow::{Context, Result};
use libtest_mimic::{Failed, Trial};
use testcontainers_suite::{
    harness::{block_on, its_logs_are_sound, run},
    target::{Local, PATIENT_SETTINGS},
    watch::{Kind, Watch},
    world::World,
};

static MARKETPLACE: Mutex<Option<(Local, Watch)>> = Mutex::new(None);
/// What has to hold of every event. Relays that are killed publish once more what they could not note.
const OF_EVENTS: [Kind; 4] = [Kind::Schema, Kind::Unknown, Kind::Envelope, Kind::Sequence];

fn main() -> ExitCode {
    let groups = [
        paused::trials(),
        verified::trials(),
        stopped::trials(),
        killed::trials(),
        drained::trials(),
        traced::trials(),
    ];
    let trials = groups.into_iter().flatten().collect();
    // One after the other: each needs the marketplace whole at its beginning.
    let code = run(trials, Some(1));
    let Some((local, watch)) = MARKETPLACE.lock().unwrap_or_else(PoisonError::into_inner).take() else { return code };
    let judged = watch.finish().and_then(|events| events.holds(&OF_EVENTS)).context("after the whole run");
    let judged = judged.and_then(|()| its_logs_are_sound(&local));
    let stopped = local.stop(code != ExitCode::SUCCESS || judged.is_err());
    if let Err(fault) = judged.and(stopped) {
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

fn running(marketplace: &mut Option<(Local, Watch)>) -> Result<(&mut Local, World)> {
    if marketplace.is_none() {
        let local = Local::start_traced(PATIENT_SETTINGS)?;
        let watch = Watch::start(&local.world()?.endpoints)?;
        *marketplace = Some((local, watch));
    }
    let (local, _) = marketplace.as_mut().context("the marketplace was started")?;
    let world = local.world()?;
    Ok((local, world))
}
