//! What is asked of a stage: after each round, and at its end.

use anyhow::{Context, Result, ensure};
use testcontainers_suite::{
    harness::its_logs_are_sound,
    target::Local,
    watch::{Checker, Kind},
    world::{Service, World},
};
use tokio::task::block_in_place;

use super::Stage;

/// What has to hold of every event.
const OF_ALL: [Kind; 3] = [Kind::Schema, Kind::Unknown, Kind::Envelope];
/// And of those of a service that has forgotten none: relays that are killed publish once more what they could not note, and
/// no more.
const OF_THE_MINDFUL: [Kind; 1] = [Kind::Sequence];

impl Stage {
    /// From now on nobody asks how a service's events are numbered: it is going to forget some that it has published, gives
    /// their numbers to others, and then goes on with higher ones.
    pub fn forgets_events(&mut self, service: Service) {
        self.mindful.retain(|mindful| *mindful != service);
    }

    /// Reads all events that were published up to now, and tells what is wrong with those that nobody was told of.
    pub fn events_hold(&self) -> Result<()> {
        block_in_place(|| self.watch.catch_up())?;
        let mut faults = self.watch.faults(&OF_ALL, &Service::ALL);
        faults.extend(self.watch.faults(&OF_THE_MINDFUL, &self.mindful));
        ensure!(faults.is_empty(), "{} faults of events, first {}", faults.len(), faults[0]);
        Ok(())
    }

    /// Whatever was done: logs are JSON, and no key, password or token is in any of them.
    pub fn logs_are_sound(&self) -> Result<()> {
        block_in_place(|| its_logs_are_sound(&self.local))
    }

    /// Ends the services and stops the rest; `keep` keeps data and logs. If it is not kept, everything that it said, answered
    /// and published is judged as a whole.
    pub async fn stop(self, keep: bool) -> Result<()> {
        let Self { local, world, instances, watch, mindful, .. } = self;
        let mut ended = Ok(());
        for mut instance in instances.into_values() {
            ended = ended.and(instance.kill().await);
        }
        tokio::task::spawn_blocking(move || {
            // It ends before the broker does.
            let events = watch.finish();
            let judged = if keep { ended } else { ended.and_then(|()| is_right(&local, &world, events, &mindful)) };
            let stopped = local.stop(keep || judged.is_err());
            judged.and(stopped)
        })
        .await?
    }
}

/// What has to hold of a run as a whole: what each fault brings about was looked at before.
fn is_right(local: &Local, world: &World, events: Result<Checker>, mindful: &[Service]) -> Result<()> {
    let events = events.context("the events were not watched to their end")?;
    println!("{}\n{}", world.answers.table()?, events.table()?);
    world.answers.all_fit()?;
    events.holds(&OF_ALL)?;
    events.holds_of(&OF_THE_MINDFUL, mindful)?;
    its_logs_are_sound(local)
}
