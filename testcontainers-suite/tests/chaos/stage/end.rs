//! What is asked of a stage: after each round, and at its end.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use testcontainers_suite::{
    harness::its_logs_are_sound,
    target::Local,
    wait::within,
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

/// What was committed is told so soon.
const TOLD_WITHIN: Duration = Duration::from_secs(5);

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

    /// Whatever a service has committed, the broker has every event of it. One that is missing in the midst leaves a gap in the
    /// numbers; of the last about its subject only the service itself knows.
    pub async fn nothing_is_untold(&self) -> Result<()> {
        for service in &self.mindful {
            let committed = self.witness.last_events(*service).await?;
            within(TOLD_WITHIN, &format!("the broker has all events of {service}"), async || {
                block_in_place(|| self.watch.catch_up())?;
                for (key, number) in &committed {
                    let last = self.watch.last(*service, key);
                    let has_it = last.is_some_and(|last| i64::try_from(last).is_ok_and(|last| last >= *number));
                    ensure!(has_it, "{service} has told {number} things of {key}, and the broker's last is {last:?}");
                }
                Ok(())
            })
            .await?;
        }
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
