//! The clock of a service is ten minutes off, by libfaketime. Nothing may depend on it: time that matters is the database's.

use std::{env, path::PathBuf, time::Duration};

use anyhow::Result;
use libtest_mimic::Trial;
use testcontainers_suite::world::Service;
use tokio::time::{Instant, sleep};

use crate::{
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
const LASTS: Duration = Duration::from_secs(15);
const MINUTES: [(&str, &str); 2] = [("ahead", "+600s"), ("behind", "-600s")];

pub fn trials(extent: Extent) -> Vec<Trial> {
    if extent == Extent::Short {
        return Vec::new();
    }
    let mut trials = Vec::new();
    for service in Service::ALL {
        for (way, offset) in MINUTES {
            trials.push(trial(format!("clock::{service}_is_ten_minutes_{way}"), async move |stage| {
                off(stage, service, way, offset).await
            }));
        }
    }
    trials
}

async fn off(stage: &mut Stage, service: Service, way: &str, offset: &str) -> Result<()> {
    let what = format!("the clock of {service} is ten minutes {way}");
    let Some(library) = library() else {
        report::leave_out(&what, "libfaketime is not here (Debian: apt-get install libfaketime)");
        return Ok(());
    };
    let library = library.display().to_string();
    let clock = [("LD_PRELOAD", &*library), ("FAKETIME", offset), ("FAKETIME_DONT_FAKE_MONOTONIC", "1")];
    let clock: Extra = clock.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    Round::of(&what, LASTS)
        .run(stage, async |stage| {
            again(stage, service, &clock).await?;
            sleep(LASTS).await;
            again(stage, service, &Extra::new()).await?;
            Ok(Instant::now())
        })
        .await
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
