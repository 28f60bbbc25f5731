//! What is asked of a run as a whole, once all its trials are over: that every answer and every event of it was one of the
//! published contracts, and that the run was rich enough to tell: each documented operation was called with success, each
//! type of event was seen.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use anyhow::{Context, Result, anyhow};
use libtest_mimic::{Failed, Trial};

use crate::{
    watch::{Checker, Kind, Watch},
    world::World,
};

/// What a run cannot bring about, each with its reason.
#[derive(Debug, Clone, Copy, Default)]
pub struct Spared {
    /// Successes of operations, e.g. `getListing 304`.
    pub operations: &'static [(&'static str, &'static str)],
    /// Types of events.
    pub events: &'static [(&'static str, &'static str)],
}

static WATCH: Mutex<Option<Watch>> = Mutex::new(None);
static SEEN: OnceLock<Result<Checker, String>> = OnceLock::new();

/// Begins to watch the marketplace's events; one whose broker cannot be reached from here is not watched.
pub(crate) fn begin(world: &World) -> Result<()> {
    if !world.endpoints.kafka.is_empty() {
        let watch = Watch::start(&world.endpoints).context("the events cannot be watched")?;
        *WATCH.lock().unwrap_or_else(PoisonError::into_inner) = Some(watch);
    }
    Ok(())
}

fn seen() -> Result<&'static Checker> {
    let finished = SEEN.get_or_init(|| {
        let watch = WATCH.lock().unwrap_or_else(PoisonError::into_inner).take();
        let watch = watch.ok_or_else(|| "nobody watched".to_owned())?;
        watch.finish().map_err(|fault| format!("{fault:#}"))
    });
    finished.as_ref().map_err(|fault| anyhow!("{fault}"))
}

fn trial(name: &str, holds: impl FnOnce() -> Result<()> + Send + 'static) -> Trial {
    Trial::test(name, move || holds().map_err(|fault| Failed::from(format!("{fault:#}"))))
}

/// The trials that follow all others. A part of the run shows only that nothing in it was wrong.
pub(crate) fn trials(world: &Arc<World>, complete: bool, spared: Spared) -> Vec<Trial> {
    let (answers, called) = (Arc::clone(world), Arc::clone(world));
    let mut trials = vec![trial("whole::every_answer_is_one_that_its_document_tells_of", move || {
        println!("{}", answers.answers.table()?);
        answers.answers.all_fit()
    })];
    if complete {
        trials.push(trial("whole::every_documented_operation_was_called_with_success", move || {
            called.answers.all_operations_were_called(spared.operations)
        }));
    }
    if world.endpoints.kafka.is_empty() {
        println!("LEFT OUT: the events are not watched, because the broker cannot be reached from here.");
        return trials;
    }
    trials.push(trial("whole::every_event_fits_its_schema", || {
        println!("{}", seen()?.table()?);
        seen()?.holds(&[Kind::Schema])
    }));
    trials.push(trial("whole::every_event_is_known_and_has_a_whole_envelope", || {
        seen()?.holds(&[Kind::Unknown, Kind::Envelope])
    }));
    trials.push(trial("whole::the_events_of_a_key_are_numbered_without_a_gap", || {
        seen()?.holds(&[Kind::Sequence, Kind::Again])
    }));
    if complete {
        trials.push(trial("whole::every_type_of_event_was_seen", move || seen()?.every_type_was_seen(spared.events)));
    }
    trials
}
