//! Processes: each service killed, and started again at once.

use std::time::Duration;

use libtest_mimic::Trial;
use testcontainers_suite::world::Service;
use tokio::time::{Instant, sleep};

use crate::{extent::Extent, round::Round, stage::Extra, trial};

pub fn trials(extent: Extent) -> Vec<Trial> {
    let services = Service::ALL.into_iter().filter(move |_| extent == Extent::All);
    let mut trials: Vec<_> = services.map(|service| killed(extent, service)).collect();
    trials.push(all_killed(extent));
    trials
}

/// Killed again and again, as soon as it is ready.
fn killed(extent: Extent, service: Service) -> Trial {
    trial(format!("processes::{service}_is_killed_again_and_again"), async move |stage| {
        let (what, lasts) = (format!("{service} is killed, and again as soon as it is ready"), extent.lasts(5, 15));
        Round::of(&what, lasts)
            .run(stage, async |stage| {
                let begun = Instant::now();
                let mut healed = begun;
                while begun.elapsed() < lasts {
                    stage.kill(service, 0).await?;
                    healed = Instant::now();
                    stage.start_instance(service, 0, &Extra::new())?;
                    stage.are_ready().await?;
                    sleep(Duration::from_millis(300)).await;
                }
                Ok(healed)
            })
            .await
    })
}

fn all_killed(extent: Extent) -> Trial {
    trial("processes::all_services_are_killed_at_once", async move |stage| {
        let lasts = extent.lasts(3, 10);
        Round::of("all services are killed at once, and started again", lasts)
            .run(stage, async |stage| {
                for service in Service::ALL {
                    stage.kill(service, 0).await?;
                }
                sleep(lasts).await;
                let healed = Instant::now();
                for service in Service::ALL {
                    stage.start_instance(service, 0, &Extra::new())?;
                }
                Ok(healed)
            })
            .await
    })
}
