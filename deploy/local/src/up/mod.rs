//! `outcry up`: its life from the locked data directory to the ordered stop. [`start`] says what is started, and how.

mod start;

use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::cli::UpArgs;
use crate::console::Console;
use crate::endpoints::Endpoints;
use crate::layout::{DataDir, Ports, Service};
use crate::process::end_leftovers;
use crate::signals::Signals;
use crate::supervise::{Board, Stack};
use crate::{demo, files, preflight, services, unprivileged};

/// Free space that a start needs, in MiB.
const FIRST_START_MIB: u64 = 1024;
const LATER_START_MIB: u64 = 256;

/// Exit code of a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

/// Runs the marketplace of `data_dir` until a signal.
pub async fn run(args: UpArgs, data_dir: &Path, console: Console) -> Result<ExitCode> {
    let mut signals = Signals::new()?;
    let data_dir = open(data_dir)?;
    let _lock = preflight::lock(&data_dir).await?;
    let board = Board::new(console.clone());
    let up = Up { args, data_dir, console, board, stack: Stack::default(), ports: Ports::new(0) };
    up.run(&mut signals).await
}

/// The data directory at `path`, made if need be.
fn open(path: &Path) -> Result<DataDir> {
    let path = std::path::absolute(path)?;
    let at_first = !path.exists();
    files::create_dir(&path)?;
    let path = path.canonicalize()?;
    let data_dir = DataDir::new(path.clone());
    let empty = fs::read_dir(&path).with_context(|| format!("cannot read {}", path.display()))?.next().is_none();
    ensure!(
        empty || data_dir.lock_file().exists(),
        "{} is not empty and no data directory of outcry: choose another --data-dir",
        path.display()
    );
    if at_first || empty {
        // Others may pass, not look: PostgreSQL's user has to get to its files, and what is secret is so itself.
        files::set_mode(&path, if unprivileged::is_root() { 0o711 } else { 0o700 })?;
    }
    Ok(data_dir)
}

struct Up {
    args: UpArgs,
    data_dir: DataDir,
    console: Console,
    board: Board,
    stack: Stack,
    ports: Ports,
}

impl Up {
    async fn run(mut self, signals: &mut Signals) -> Result<ExitCode> {
        self.ports = Ports::new(self.args.base_port);
        let begun = Instant::now();
        // Not to be interrupted: what an earlier start left running would stay. It takes seconds at most.
        self.clean_up().await?;
        let spinner = self.console.spinner("Starting");
        let started = tokio::select! {
            started = self.start() => started.map(Some),
            () = signals.next() => Ok(None),
        };
        spinner.finish_and_clear();
        let ready = match &started {
            Ok(Some(endpoints)) => {
                self.announce(endpoints, begun.elapsed());
                self.serve(signals).await;
                true
            }
            _ => false,
        };
        if !self.stack.is_empty() {
            self.console.say("Stopping …");
            self.stop(signals).await;
            self.console.say("Stopped. The data is kept in the data directory.");
        }
        started?;
        Ok(if ready { ExitCode::SUCCESS } else { ExitCode::from(INTERRUPTED) })
    }

    async fn serve(&self, signals: &mut Signals) {
        let demo = async {
            if self.args.demo {
                if let Err(fault) = demo::run(&demo::again(), &self.data_dir, &self.console).await {
                    self.console.say(format!("! The demo did not end: {fault:#}"));
                }
                self.console.say("\nThe marketplace stays up. Ctrl-C stops it.");
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = demo => {},
            () = signals.next() => {},
        }
    }

    async fn stop(&self, signals: &mut Signals) {
        let _ = fs::remove_file(self.data_dir.endpoints_file());
        let stopping = self.stack.stop();
        tokio::pin!(stopping);
        tokio::select! {
            () = &mut stopping => return,
            () = signals.next() => self.console.say("Killing what still runs."),
        }
        self.board.kill();
        stopping.await;
    }

    /// Directories, logs of last time, and whatever a killed start left running.
    async fn clean_up(&self) -> Result<()> {
        let dir = &self.data_dir;
        let first = !dir.ca_file().exists();
        preflight::disk(dir.root(), if first { FIRST_START_MIB } else { LATER_START_MIB })?;
        for inner in [dir.secret(""), dir.run_dir(), dir.logs_dir(), dir.replays_dir()] {
            files::create_dir(&inner)?;
        }
        files::set_mode(&dir.secret(""), 0o700)?;
        let _ = fs::remove_file(dir.endpoints_file());
        let leftovers = end_leftovers(&dir.run_dir()).await?;
        if !leftovers.is_empty() {
            self.console.say(format!("Ended what an earlier start had left running: {}.", leftovers.join(", ")));
        }
        for entry in fs::read_dir(dir.logs_dir())? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "log") {
                fs::rename(&path, path.with_extension("log.1"))?;
            }
        }
        Ok(())
    }

    fn announce(&self, endpoints: &Endpoints, took: Duration) {
        let line = |name: &str, what: &str| self.console.say(format!("  {name:<20} {what}"));
        self.console.say(format!("\nReady after {:.1} s.\n", took.as_secs_f64()));
        if !self.args.infrastructure_only {
            for service in Service::ALL {
                line(
                    service.context(),
                    &format!(
                        "{0}   docs {0}/docs   metrics {1}/metrics",
                        endpoints.api(service),
                        endpoints.admin[service.context()]
                    ),
                );
            }
            if endpoints.gateway != services::simulated() {
                let gateway = &endpoints.gateway;
                line(
                    "gateway",
                    &format!("{gateway}, as your {} says: what it moves is moved there", services::GATEWAY),
                );
            }
        }
        line("kafka", &format!("{} (mutual TLS)", endpoints.kafka));
        for service in Service::ALL {
            line(&service.database(), &address_of(&endpoints.postgres[service.context()]));
        }
        line("authority", &endpoints.ca_file.display().to_string());
        line("all of it", &self.data_dir.endpoints_file().display().to_string());
        line("logs", &endpoints.logs_dir.display().to_string());
        if !self.args.infrastructure_only {
            self.console.say("\nTry `outcry demo`, or `outcry token --sub alice --role seller` and the API.");
        }
        self.console.say("\nCtrl-C stops everything.\n");
    }
}

/// A database's URL without what is secret in it.
fn address_of(url: &str) -> String {
    let shown = reqwest::Url::parse(url).ok();
    shown.map_or_else(String::new, |url| {
        format!("{}:{}{}", url.host_str().unwrap_or_default(), url.port().unwrap_or(5432), url.path())
    })
}
