//! Servers: the broker and the databases end and are started again.

use std::time::Duration;

use anyhow::{Result, ensure};
use libtest_mimic::Trial;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use testcontainers_suite::{wait::within, world::Service};
use tokio::time::Instant;

use crate::{extent::Extent, round::Round, stage::Stage, trial};

/// What runs them starts them again, with pauses that grow.
const BACK_WITHIN: Duration = Duration::from_secs(90);
/// About how long one is away.
const AWAY: Duration = Duration::from_secs(4);

/// How a server ends.
const ENDS: [(&str, Signal); 2] = [("is killed", Signal::SIGKILL), ("is restarted", Signal::SIGINT)];

pub fn trials(extent: Extent) -> Vec<Trial> {
    if extent == Extent::Some {
        // In `--test resilience` every server is killed at every step of a sale.
        return vec![server("the broker".to_owned(), "kafka".to_owned(), "is killed", Signal::SIGKILL)];
    }
    let mut trials = Vec::new();
    for (how, signal) in ENDS {
        trials.push(server("the broker".to_owned(), "kafka".to_owned(), how, signal));
        for service in Service::ALL {
            let what = format!("the database of {service}");
            trials.push(server(what, format!("postgres-{service}"), how, signal));
        }
    }
    trials
}

fn server(what: String, name: String, how: &'static str, signal: Signal) -> Trial {
    let what = format!("{what} {how}");
    trial(format!("servers::{}", what.replace(' ', "_")), async move |stage| {
        Round::of(&what, AWAY)
            .run(stage, async |stage| {
                end_and_await(stage, &name, signal).await?;
                Ok(Instant::now())
            })
            .await
    })
}

/// Ends a server and waits until it runs again.
pub async fn end_and_await(stage: &Stage, name: &str, signal: Signal) -> Result<()> {
    let pid = stage.world.pid(name)?;
    kill(Pid::from_raw(pid), signal)?;
    within(BACK_WITHIN, &format!("{name} runs again"), || async {
        ensure!(stage.world.pid(name)? != pid, "it is the same process");
        Ok(())
    })
    .await
}
