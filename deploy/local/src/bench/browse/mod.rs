//! `outcry bench browse`: a whole marketplace under people who browse, bid, sell, buy and settle, and think in between.
//!
//! From edge to core: [`crowd`] sends [`user`]s on their way, who do what [`mix`] says with [`goods`]; [`counts`] counts
//! what they met, [`sample`] looks at the services meanwhile and [`aftermath`] afterwards; [`promises`] and [`flat`] judge,
//! and [`report`], [`timeline`] and [`plot`] tell.

mod aftermath;
mod counts;
mod crowd;
mod flat;
mod goods;
mod mix;
mod plot;
mod promises;
mod report;
mod sample;
mod seed;
mod svg;
mod timeline;
mod user;

use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::client::{Protocol, Target, bearer};
use super::pace::Thinking;
use super::{Bench, INTERRUPTED, print};
use crate::cli::BrowseArgs;
use crate::dev_key::DevKey;
use crate::files;
use crate::layout::Service;
use aftermath::Books;
use counts::Counts;
use report::{Report, Setting};

/// Runs the marketplace until the time is over or `stop`, and tells what came of it.
pub async fn run(bench: &Bench<'_>, args: &BrowseArgs, stop: CancellationToken) -> Result<ExitCode> {
    let seconds = |seconds: u32| Duration::from_secs(seconds.into());
    let (warm_up, duration) = (seconds(args.warm_up), seconds(args.duration));
    let people = people(bench, args.users).await?;
    let books = Books::read(bench).await?;
    let opening = async {
        let sellers: Vec<&str> = people.iter().map(|(sub, _)| sub.as_str()).collect();
        seed::lots(bench, &sellers, args.auctions, 2 * (warm_up + duration)).await?;
        seed::opened(bench).await
    };
    tokio::select! {
        opened = opening => opened?,
        () = stop.cancelled() => return Ok(ExitCode::from(INTERRUPTED)),
    }

    let start = Instant::now();
    let (from, until) = (start + warm_up, start + warm_up + duration);
    let counts = Arc::new(Mutex::new(Counts::new(from, until)?));
    let over = CancellationToken::new();
    let looks = tokio::spawn(sample::watch(
        bench.data_dir.clone(),
        Arc::clone(&counts),
        seconds(args.sample),
        warm_up + duration,
        over.clone(),
        bench.console.clone(),
    ));
    let plan = crowd::Plan { thinking: Thinking::new(Duration::from_millis(args.think.into())), until };
    let loaded = crowd::run(targets(bench)?, people, plan, Arc::clone(&counts), stop.clone()).await;
    let ended = Instant::now();
    counts.lock().unwrap_or_else(PoisonError::into_inner).end(ended);
    over.cancel();
    loaded?;

    let spinner = bench.console.spinner("Looking whether everything arrives and adds up");
    let aftermath = aftermath::look(bench, books, ended).await;
    spinner.finish_and_clear();
    let seen = looks.await??;
    let counts = Arc::into_inner(counts).context("a task outlived its run")?;
    let counts = counts.into_inner().unwrap_or_else(PoisonError::into_inner);
    let interrupted = stop.is_cancelled();
    let report = Report { setting: setting(args), interrupted, counts, seen, aftermath };
    // A picture that cannot be written must not cost the figures of an hour.
    print(args.json, &report.json(), &report)?;
    if let Some(file) = &args.svg {
        files::write_public(file, plot::of(&report).as_bytes())?;
        bench.console.say(format!("The curves are in {}.", file.display()));
    }
    Ok(match (interrupted, report.is_sound()) {
        (true, _) => ExitCode::from(INTERRUPTED),
        (false, true) => ExitCode::SUCCESS,
        (false, false) => ExitCode::FAILURE,
    })
}

/// Names and tokens of everybody; each buys and sells.
async fn people(bench: &Bench<'_>, count: u16) -> Result<Vec<(String, hyper::header::HeaderValue)>> {
    let (key, run) = (DevKey::load(bench.data_dir)?, bench.run.clone());
    let sign = move || {
        let person = |number| {
            let sub = format!("bench-{run}-{number}");
            let token = key.token(&sub, &["bidder", "seller"], seed::TOKEN_TTL)?;
            anyhow::Ok((sub, bearer(&token)?))
        };
        (0..count).map(person).collect()
    };
    tokio::task::spawn_blocking(sign).await?
}

fn targets(bench: &Bench<'_>) -> Result<[Target; 3]> {
    let urls = Service::ALL.map(|service| bench.endpoints.api(service).to_owned());
    let targets = Target::all(&urls, &bench.endpoints.ca_file, Protocol::Http2)?;
    targets.try_into().ok().context("one of the services has no address")
}

fn setting(args: &BrowseArgs) -> Setting {
    Setting {
        users: args.users,
        think_ms: args.think,
        auctions: args.auctions,
        warm_up_s: args.warm_up,
        duration_s: args.duration,
        flat: args.flat,
    }
}
