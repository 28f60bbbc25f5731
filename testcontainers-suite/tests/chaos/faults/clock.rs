//! The clock of a service is ten minutes off, by libfaketime. Nothing may depend on it: time that matters is the database's.

use std::{env, path::PathBuf, time::Duration};

use anyhow::{Context, Result, ensure};
use chrono::{DateTime, TimeDelta, Utc};
use libtest_mimic::Trial;
use testcontainers_suite::world::Service;
use tokio::time::{Instant, sleep};

use crate::{
    contract::{Contract, Mended},
    extent::Extent,
    report,
    round::Round,
    stage::{Extra, Stage},
    trial,
};

/// Names the library, where it is elsewhere.
const LIBRARY: &str = "SUITE_FAKETIME";
/// Where Debian puts it.
const PLACES: [&str; 3] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1",
    "/usr/lib/faketime/libfaketime.so.1",
];
/// So long that whole sales begin and end meanwhile.
const LASTS: Duration = Duration::from_secs(20);
const OFF: [(&str, i64); 2] = [("ahead", 600), ("behind", -600)];
/// A header tells seconds, and its answer was on the way.
const ABOUT: TimeDelta = TimeDelta::seconds(3);

pub fn trials(extent: Extent) -> Vec<Trial> {
    if extent == Extent::Short {
        return Vec::new();
    }
    let mut trials = Vec::new();
    for service in Service::ALL {
        for (way, seconds) in OFF {
            trials.push(trial(format!("clock::{service}_is_ten_minutes_{way}"), async move |stage| {
                off(stage, service, way, TimeDelta::seconds(seconds)).await
            }));
        }
    }
    trials
}

/// The clock goes right again when the round is over: all have to agree, lots and sales to end, while it is off.
async fn off(stage: &mut Stage, service: Service, way: &str, by: TimeDelta) -> Result<()> {
    let what = format!("the clock of {service} is ten minutes {way}");
    let Some(library) = library() else {
        report::leave_out(&what, "libfaketime is not here (Debian: apt-get install libfaketime)");
        return Ok(());
    };
    let (library, offset) = (library.display().to_string(), format!("{:+}s", by.num_seconds()));
    let clock = [("LD_PRELOAD", &*library), ("FAKETIME", &*offset), ("FAKETIME_DONT_FAKE_MONOTONIC", "1")];
    let clock: Extra = clock.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    Round::of(&what, LASTS, Contract::ALL_SERVE.selling())
        .run(stage, async |stage| {
            again(stage, service, &clock).await?;
            let since = Instant::now();
            is_off(stage, service, by).await?;
            sleep(LASTS).await;
            let proof = is_off(stage, service, by).await?;
            Ok(Mended::now(since, proof))
        })
        .await?;
    again(stage, service, &Extra::new()).await?;
    is_off(stage, service, TimeDelta::zero()).await?;
    Ok(())
}

/// Whether the answers of a service are dated so much later than they are given.
async fn is_off(stage: &Stage, service: Service, by: TimeDelta) -> Result<String> {
    let url = format!("{}/healthz/live", stage.world.endpoints.api(service));
    let answer = stage.world.ask(stage.world.http.get(url)).await?;
    let date = answer.header("date").context("an answer has a date")?;
    let date = DateTime::parse_from_rfc2822(date).with_context(|| format!("no date: {date}"))?;
    let off = date.to_utc() - Utc::now();
    ensure!((off - by).abs() < ABOUT, "its clock is off by {} s", off.num_seconds());
    Ok(format!("its answers are dated {} s from now", off.num_seconds()))
}

async fn again(stage: &mut Stage, service: Service, extra: &Extra) -> Result<()> {
    stage.terminate(service, 0).await?;
    stage.start_instance(service, 0, extra)?;
    stage.are_ready().await
}

fn library() -> Option<PathBuf> {
    let named = env::var_os(LIBRARY).map(PathBuf::from);
    named.into_iter().chain(PLACES.map(PathBuf::from)).find(|path| path.exists())
}
