//! Servers: the broker and the databases end and are started again.

use std::time::Duration;

use anyhow::{Result, ensure};
use libtest_mimic::Trial;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use sqlx::{Connection, PgConnection};
use testcontainers_suite::{wait::within, world::Service};
use tokio::time::Instant;

use crate::{
    contract::{Contract, Mended},
    extent::Extent,
    round::Round,
    stage::Stage,
    trial,
};

/// What runs them starts them again, with pauses that grow.
const BACK_WITHIN: Duration = Duration::from_secs(90);
/// About how long one is away.
const AWAY: Duration = Duration::from_secs(4);

/// How a server ends.
const ENDS: [(&str, Signal); 2] = [("is killed", Signal::SIGKILL), ("is restarted", Signal::SIGINT)];

pub fn trials(extent: Extent) -> Vec<Trial> {
    if extent == Extent::Short {
        // In `--test resilience` every server is killed at every step of a sale.
        return Vec::new();
    }
    let mut trials = Vec::new();
    for (how, signal) in ENDS {
        trials.push(trial(format!("servers::the_broker_{}", how.replace(' ', "_")), async move |stage| {
            let what = format!("the broker {how}");
            // All follow it and have to find it anew, on a machine that starts it meanwhile.
            Round::of(&what, AWAY, Contract::ALL_SERVE.felt_by_all())
                .run(stage, async |stage| {
                    let since = Instant::now();
                    let proof = ended_and_started(stage, "kafka", signal).await?;
                    within(BACK_WITHIN, "the broker answers", || stage.witness().reaches_the_broker()).await?;
                    Ok(Mended::now(since, proof))
                })
                .await
        }));
        for service in Service::ALL {
            let name = format!("servers::the_database_of_{service}_{}", how.replace(' ', "_"));
            trials.push(trial(name, async move |stage| {
                let what = format!("the database of {service} {how}");
                Round::of(&what, AWAY, Contract::all_serve_but(service))
                    .run(stage, async |stage| {
                        let since = Instant::now();
                        let proof = ended_and_started(stage, &format!("postgres-{service}"), signal).await?;
                        answers(stage, service).await?;
                        Ok(Mended::now(since, proof))
                    })
                    .await
            }));
        }
    }
    trials
}

/// Ends a server, and waits until there is another process in its place. Until that answers the server is away.
pub async fn ended_and_started(stage: &Stage, name: &str, signal: Signal) -> Result<String> {
    let pid = stage.world.pid(name)?;
    kill(Pid::from_raw(pid), signal)?;
    within(BACK_WITHIN, &format!("{name} runs again"), || async {
        let now = stage.world.pid(name)?;
        ensure!(now != pid, "it is the same process");
        Ok(format!("process {now} in place of {pid}"))
    })
    .await
}

/// Waits until a service's database takes sessions.
pub async fn answers(stage: &Stage, service: Service) -> Result<()> {
    let url = &stage.world.endpoints.postgres[service.context()];
    within(BACK_WITHIN, &format!("the database of {service} answers"), || async {
        Ok(PgConnection::connect(url).await?.close().await?)
    })
    .await
}
