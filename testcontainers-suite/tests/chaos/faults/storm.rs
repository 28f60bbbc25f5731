//! A storm of rebalances: second and third instances of every service come and go.

use std::time::Duration;

use anyhow::{Result, ensure};
use libtest_mimic::Trial;
use testcontainers_suite::{chance::Chance, world::Service};
use tokio::time::{Instant, sleep};

use crate::{
    contract::{Contract, Mended},
    extent::Extent,
    faults::DEATH_IS_NOTICED_AFTER,
    round::Round,
    stage::{Extra, Stage},
    trial,
};

const LASTS: Duration = Duration::from_secs(30);
/// Pause between two comings or goings.
const PAUSE: Duration = Duration::from_millis(700);
/// There are at least so many of them, or it was no storm.
const COME_AND_GO: usize = 10;

pub fn trials(extent: Extent) -> Vec<Trial> {
    if extent == Extent::Short {
        return Vec::new();
    }
    vec![trial("storm::consumers_are_rebalanced_all_the_time", async move |stage| {
        // Whoever is at an instance that is killed loses a connection.
        let contract = Contract::ALL_SERVE.felt_by_all().noticed_within(DEATH_IS_NOTICED_AFTER);
        Round::of("second and third instances of every service come and go", LASTS + DEATH_IS_NOTICED_AFTER, contract)
            .run(stage, async |stage| {
                let (since, mut count) = (Instant::now(), 0);
                let mut chance = Chance::of_seed(1);
                while since.elapsed() < LASTS {
                    let service = Service::ALL[chance.below(3)];
                    let number = 1 + chance.below(2);
                    if !stage.instances_of(service).contains(&number) {
                        stage.start_instance(service, number, &Extra::new())?;
                    } else if chance.below(2) == 0 {
                        stage.kill(service, number).await?;
                    } else {
                        // One that is still starting has nothing to finish.
                        let _ = stage.terminate(service, number).await;
                    }
                    count += 1;
                    sleep(PAUSE).await;
                }
                calm(stage).await?;
                ensure!(count >= COME_AND_GO, "{count} came or went");
                Ok(Mended::now(since, format!("{count} came or went")))
            })
            .await
    })]
}

/// The first instances are left, and have everything.
async fn calm(stage: &mut Stage) -> Result<()> {
    for service in Service::ALL {
        for number in stage.instances_of(service).into_iter().filter(|number| *number > 0) {
            stage.kill(service, number).await?;
        }
    }
    Ok(())
}
