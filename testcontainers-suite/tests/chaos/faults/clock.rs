//! The clock of a service is ten minutes off, by a library that is loaded before its own (`clock.c`). Nothing may depend on
//! it: time that matters is the database's. Of settlement's deadlines one passes meanwhile, when it has to.

use std::{env, ffi::OsString, fs, os::unix::fs::PermissionsExt, path::PathBuf, time::Duration};

use anyhow::{Context, Result, ensure};
use chrono::{DateTime, TimeDelta, Utc};
use libtest_mimic::Trial;
use testcontainers_suite::{
    story::Terms,
    wait::within,
    world::{Service, World},
};
use tokio::{
    process::Command,
    time::{Instant, sleep_until},
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
/// When a lot that was shipped counts as received: later than buyers of the load confirm, though all rest before they do.
const INSPECTION: Duration = Duration::from_secs(10);
/// Deadlines are looked for five times a second; the rest is for a machine that does other things as well.
const NOTICED_WITHIN: Duration = Duration::from_secs(3);
/// A call to the gateway may have to be made again.
const STEP_WITHIN: Duration = Duration::from_secs(30);

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
    let mut clock: Extra = clock.map(|(name, value)| (name.to_owned(), value)).into();
    if service == Service::Settlement {
        clock.push(("OUTCRY_INSPECTION_S".to_owned(), INSPECTION.as_secs().to_string()));
    }
    Round::of(&what, LASTS, Contract::ALL_SERVE.selling())
        .run(stage, async |stage| {
            again(stage, service, &clock).await?;
            let since = Instant::now();
            is_off(stage, service, by).await?;
            if service == Service::Settlement {
                silence_is_consent_in_time(&stage.world).await?;
            }
            sleep_until(since + LASTS).await;
            let proof = is_off(stage, service, by).await?;
            Ok(Mended::now(since, proof))
        })
        .await?;
    again(stage, service, &Extra::new()).await?;
    is_off(stage, service, TimeDelta::zero()).await?;
    Ok(())
}

/// A lot that was shipped and not confirmed counts as received at the end of its inspection by the time here: not before, and
/// no later than it takes to notice. Then the seller is paid.
async fn silence_is_consent_in_time(world: &World) -> Result<()> {
    let (anna, bert) = (world.seller("anna"), world.bidder("bert"));
    let lot = anna.opens(&Terms::from(1_000).with_buy_now(2_000).lasting(Duration::from_secs(600))).await?;
    bert.buys_now(&lot).await?;
    let sale = bert.awaits_sale(&lot).await?;
    bert.pays(&sale, "pm_card_visa").await?;
    bert.awaits_sale_status(&sale, "escrowed", STEP_WITHIN).await?;
    let shipped = Instant::now();
    anna.ships(&sale).await?;
    let received = within(INSPECTION + NOTICED_WITHIN, "the lot counts as received", || async {
        let settlement = bert.sale(&sale).await?;
        ensure!(settlement["status"] != "shipped", "it is {settlement}");
        Ok(settlement)
    })
    .await?;
    let passed = shipped.elapsed();
    ensure!(passed >= INSPECTION, "after {passed:?} it is {received}");
    anna.awaits_sale_status(&sale, "completed", STEP_WITHIN).await?;
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
