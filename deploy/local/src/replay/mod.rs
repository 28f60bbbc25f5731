//! `outcry replay`: auctions of a CSV file, bid by bid through the API, and whether they close at the same prices.

mod auction;
mod journal;
mod progress;
mod report;
mod table;

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use futures::{StreamExt, TryStreamExt};
use tokio::sync::Semaphore;

use crate::api::Api;
use crate::cli::ReplayArgs;
use crate::console::Console;
use crate::layout::DataDir;
use crate::signals::Signals;
use auction::{Pace, Replayer};
use journal::Journal;
use progress::Progress;
use report::Report;

/// A service may be busy or restarting: requests are repeated for this long.
const PATIENCE: Duration = Duration::from_secs(120);
const INTERRUPTED: u8 = 130;

/// Replays the file of `args` on the marketplace in `data_dir`.
pub async fn run(args: &ReplayArgs, data_dir: &DataDir, console: &Console) -> Result<ExitCode> {
    let content = std::fs::read(&args.file).with_context(|| format!("cannot read {}", args.file.display()))?;
    let mut lots = table::read(&content).with_context(|| args.file.display().to_string())?;
    // The longest first: an auction that begins last should not end last by far.
    lots.sort_by_key(|lot| std::cmp::Reverse(lot.bids.len()));
    let bids = lots.iter().map(|lot| lot.bids.len()).sum();
    console.say(format!("{}: {} auctions, {bids} bids.", args.file.display(), lots.len()));

    let (api, journal) = (Api::open(data_dir, PATIENCE)?, Journal::open(data_dir, &content, args.reserve)?);
    if journal.is_begun() {
        console.say("Going on where the last replay of this file stopped.");
    }
    let progress = Progress::new(console, bids, lots.len());
    let bidding = Semaphore::new(usize::from(args.at_once));
    let replayer = Replayer { api, journal, bidding, pace: Pace::new(), reserve: args.reserve, progress: &progress };

    let mut signals = Signals::new()?;
    let all = lots.len();
    let replays = lots.iter().map(|lot| replayer.replay(lot));
    let entries = tokio::select! {
        entries = futures::stream::iter(replays).buffered(all).try_collect::<Vec<_>>() => entries,
        () = signals.next() => {
            progress.clear();
            console.say("Interrupted. The same command goes on where this one stopped.");
            return Ok(ExitCode::from(INTERRUPTED));
        }
    };
    progress.clear();
    let report = Report::new(&lots, entries?, progress.speed());
    // The journal goes whether or not somebody still reads the report.
    let _ = write!(std::io::stdout(), "{report}");
    replayer.journal.finish()?;
    let enough = args.expect.is_none_or(|expected| report.equal() >= expected);
    Ok(if enough { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
