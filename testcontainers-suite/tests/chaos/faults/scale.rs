//! Two instances of each service on one database and one broker: both work, and they can be replaced one by one while
//! nobody notices.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Result, ensure};
use futures::future::try_join_all;
use libtest_mimic::Trial;
use testcontainers_suite::world::Service;
use tokio::time::{Instant, sleep};

use crate::{
    contract::{Contract, Mended},
    extent::Extent,
    faults::STARTS_WITHIN,
    last_trial,
    round::Round,
    stage::{Extra, Stage},
};

const INSTANCES: [usize; 2] = [0, 1];
/// How long the load is shared.
const SHARED_FOR: Duration = Duration::from_secs(20);

pub fn trials(extent: Extent) -> Vec<Trial> {
    if extent == Extent::Short {
        return Vec::new();
    }
    vec![last_trial("scale::two_instances_share_the_load", async move |stage| {
        doubled(stage).await?;
        let before = figures(stage).await?;
        let what = "nothing is wrong, and there are two instances of each service";
        Round::of(what, SHARED_FOR, Contract::ALL_SERVE.smoothly().selling())
            .run(stage, async |stage| {
                let since = Instant::now();
                sleep(SHARED_FOR).await;
                both_worked(&before, &figures(stage).await?)?;
                Ok(Mended::now(since, "both have worked"))
            })
            .await?;
        rolling(stage).await
    })]
}

async fn doubled(stage: &mut Stage) -> Result<()> {
    for service in Service::ALL {
        stage.start_instance(service, 1, &Extra::new())?;
    }
    stage.are_ready().await
}

/// Each instance is replaced, one after the other. No connection is lost, and somebody may be told to come again.
async fn rolling(stage: &mut Stage) -> Result<()> {
    let what = "every instance of every service is replaced, one after the other";
    let contract = Contract::ALL_SERVE.felt_by_all().smoothly().noticed_within(STARTS_WITHIN);
    Round::of(what, Duration::from_secs(12), contract)
        .run(stage, async |stage| {
            let (since, mut gone) = (Instant::now(), Instant::now());
            for service in Service::ALL {
                for number in INSTANCES {
                    stage.terminate(service, number).await?;
                    stage.start_instance(service, number, &Extra::new())?;
                    gone = Instant::now();
                    stage.are_ready().await?;
                }
            }
            Ok(Mended { gone, ..Mended::now(since, "each has ended in order") })
        })
        .await
}

/// What an instance has done: requests served, events consumed.
type Figures = BTreeMap<(Service, usize), [f64; 2]>;

async fn figures(stage: &Stage) -> Result<Figures> {
    let each = Service::ALL.into_iter().flat_map(|service| INSTANCES.map(|number| (service, number)));
    let figures = each.map(|(service, number)| async move {
        let requests = stage.metric(service, number, "outcry_http_request_duration_seconds_count").await?;
        let consumed = stage.metric(service, number, "outcry_events_consumed_total").await?;
        anyhow::Ok(((service, number), [requests, consumed]))
    });
    Ok(try_join_all(figures).await?.into_iter().collect())
}

fn both_worked(before: &Figures, after: &Figures) -> Result<()> {
    for service in Service::ALL {
        // Events go by partitions, and two hot lots have most of them: whoever has neither still has some.
        for (figure, (what, least)) in [("requests", 0.1), ("events", 0.01)].into_iter().enumerate() {
            let did = INSTANCES.map(|number| after[&(service, number)][figure] - before[&(service, number)][figure]);
            println!("   {service}: of {} {what} the instances took {} and {}", did[0] + did[1], did[0], did[1]);
            let share = did[0].min(did[1]) / (did[0] + did[1]).max(1.0);
            ensure!(share > least, "{service}: the instances took {did:?} {what}");
        }
    }
    Ok(())
}
