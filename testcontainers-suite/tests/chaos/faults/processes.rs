//! Processes: each service killed, and started again at once; and all of them together.

use std::time::Duration;

use libtest_mimic::Trial;
use testcontainers_suite::world::Service;
use tokio::time::{Instant, sleep};

use crate::{
    contract::{Contract, Mended},
    extent::Extent,
    faults::{DEATH_IS_NOTICED_AFTER, STARTS_WITHIN},
    round::Round,
    stage::Extra,
    trial,
};

/// How long one service is killed again and again.
const DYING: Duration = Duration::from_secs(15);
/// Between one start and the next kill.
const LIVES: Duration = Duration::from_millis(300);
/// All are away so long: by then it was noticed that they are.
const AWAY: Duration = DEATH_IS_NOTICED_AFTER;

pub fn trials(extent: Extent) -> Vec<Trial> {
    if extent == Extent::Short {
        // In `--test resilience` every service is killed at every step of a sale, and here one while it is cut off.
        return Vec::new();
    }
    let mut trials: Vec<_> = Service::ALL.map(killed).into();
    trials.push(all_killed());
    trials
}

/// Killed again and again, as soon as it is ready.
fn killed(service: Service) -> Trial {
    trial(format!("processes::{service}_is_killed_again_and_again"), async move |stage| {
        let what = format!("{service} is killed, and again as soon as it is ready");
        let contract = Contract::all_serve_but(service).noticed_within(DEATH_IS_NOTICED_AFTER);
        Round::of(&what, DYING + DEATH_IS_NOTICED_AFTER, contract)
            .run(stage, async |stage| {
                let (since, mut gone, mut kills) = (Instant::now(), Instant::now(), 0);
                while since.elapsed() < DYING {
                    stage.kill(service, 0).await?;
                    kills += 1;
                    stage.start_instance(service, 0, &Extra::new())?;
                    gone = Instant::now();
                    stage.are_ready().await?;
                    sleep(LIVES).await;
                }
                Ok(Mended { gone, ..Mended::now(since, format!("killed {kills} times")) })
            })
            .await
    })
}

fn all_killed() -> Trial {
    trial("processes::all_services_are_killed_at_once", async move |stage| {
        let contract = Contract::NONE_SERVES.noticed_within(STARTS_WITHIN);
        Round::of("all services are killed at once, and started again", AWAY, contract)
            .run(stage, async |stage| {
                let since = Instant::now();
                for service in Service::ALL {
                    stage.kill(service, 0).await?;
                }
                sleep(AWAY).await;
                for service in Service::ALL {
                    stage.start_instance(service, 0, &Extra::new())?;
                }
                Ok(Mended::now(since, "each of them lived until then"))
            })
            .await
    })
}
