//! Processes: each service killed, and started again at once; and all of them together.

use std::time::Duration;

use libtest_mimic::Trial;
use testcontainers_suite::world::Service;
use tokio::time::{Instant, sleep};

use crate::{extent::Extent, faults::DEATH_IS_NOTICED_AFTER, round::Round, stage::Extra, trial};

/// How long one service is killed again and again.
const DYING: Duration = Duration::from_secs(15);
/// Between one start and the next kill.
const LIVES: Duration = Duration::from_millis(300);

pub fn trials(extent: Extent) -> Vec<Trial> {
    let services = Service::ALL.into_iter().filter(move |_| extent == Extent::All);
    let mut trials: Vec<_> = services.map(killed).collect();
    trials.push(all_killed(extent));
    trials
}

/// Killed again and again, as soon as it is ready.
fn killed(service: Service) -> Trial {
    trial(format!("processes::{service}_is_killed_again_and_again"), async move |stage| {
        let what = format!("{service} is killed, and again as soon as it is ready");
        Round::of(&what, DYING + DEATH_IS_NOTICED_AFTER)
            .run(stage, async |stage| {
                let begun = Instant::now();
                while begun.elapsed() < DYING {
                    stage.kill(service, 0).await?;
                    stage.start_instance(service, 0, &Extra::new())?;
                    stage.are_ready().await?;
                    sleep(LIVES).await;
                }
                sleep(DEATH_IS_NOTICED_AFTER).await;
                Ok(Instant::now())
            })
            .await
    })
}

fn all_killed(extent: Extent) -> Trial {
    trial("processes::all_services_are_killed_at_once", async move |stage| {
        let away = extent.lasts(DEATH_IS_NOTICED_AFTER.as_secs(), 10);
        Round::of("all services are killed at once, and started again", away)
            .run(stage, async |stage| {
                for service in Service::ALL {
                    stage.kill(service, 0).await?;
                }
                sleep(away).await;
                for service in Service::ALL {
                    stage.start_instance(service, 0, &Extra::new())?;
                }
                stage.are_ready().await?;
                Ok(Instant::now())
            })
            .await
    })
}
