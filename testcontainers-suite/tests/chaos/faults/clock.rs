//! The clock of a service is ten minutes off, by a library that is loaded before its own (`clock.c`). Nothing may depend on
//! it: time that matters is the database's.

use std::{env, ffi::OsString, fs, os::unix::fs::PermissionsExt, path::PathBuf, time::Duration};

use anyhow::{Context, Result, ensure};
use chrono::{DateTime, TimeDelta, Utc};
use libtest_mimic::Trial;
use testcontainers_suite::world::Service;
use tokio::{
    process::Command,
    time::{Instant, sleep},
};

use crate::{
    contract::{Contract, Mended},
    extent::Extent,
    report,
    round::Round,
    stage::{Extra, Stage},
    trial,
};

/// Whoever builds Outcry has a compiler of C; this names it, where it is not `cc`.
const COMPILER: &str = "CC";
const LIBRARY: &str = include_str!("clock.c");
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
    if !cfg!(target_os = "linux") {
        report::leave_out(&what, "the library that puts it off is for Linux");
        return Ok(());
    }
    let library = library(stage).await?;
    let clock = [("LD_PRELOAD", library.display().to_string()), ("CLOCK_OFF_S", by.num_seconds().to_string())];
    let clock: Extra = clock.map(|(name, value)| (name.to_owned(), value)).into();
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

/// Compiles the library, where the stage keeps its data.
async fn library(stage: &Stage) -> Result<PathBuf> {
    let place = stage.local().data_dir();
    let (source, library) = (place.join("clock.c"), place.join("clock.so"));
    fs::write(&source, LIBRARY)?;
    let compiler = env::var_os(COMPILER).unwrap_or_else(|| OsString::from("cc"));
    let made = Command::new(&compiler).args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(&source).output();
    let made = made.await.with_context(|| format!("there is no compiler {}", compiler.display()))?;
    ensure!(made.status.success(), "clock.c: {}", String::from_utf8_lossy(&made.stderr));
    fs::set_permissions(&library, fs::Permissions::from_mode(0o755))?;
    Ok(library)
}
