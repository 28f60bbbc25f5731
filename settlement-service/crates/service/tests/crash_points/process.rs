//! The service itself: the real binary, started again and again over the same database.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::process::{Child, Command};
use tokio::sync::Mutex;
use tokio::time::Instant;

const PROGRAM: &str = env!("CARGO_BIN_EXE_settlement-service");
/// How long it has until it answers.
const PATIENCE: Duration = Duration::from_secs(30);
/// A port that was free a moment ago may be taken: so often another one is tried.
const TRIES: usize = 3;
/// Lines of its log that are told when something is wrong.
const LINES: usize = 30;

/// The process that runs, or none.
pub struct Service {
    log: PathBuf,
    variables: OnceLock<BTreeMap<&'static str, String>>,
    running: Mutex<Option<Child>>,
    port: AtomicU16,
}

impl Service {
    /// Not started yet.
    pub fn new(log: PathBuf) -> Self {
        Self { log, variables: OnceLock::new(), running: Mutex::default(), port: AtomicU16::new(0) }
    }

    /// What it is configured with, from now on.
    pub fn configure(&self, variables: BTreeMap<&'static str, String>) {
        assert!(self.variables.set(variables).is_ok(), "it is configured once");
    }

    /// Brings the database's schema up to date.
    pub async fn migrate(&self) -> Result<()> {
        let status = self.command()?.arg("migrate").status().await?;
        anyhow::ensure!(status.success(), "the database cannot be migrated: {}", self.said());
        Ok(())
    }

    /// Starts it; sellers have so long to ship what is sold from now on. Returns when it answers.
    pub async fn start(&self, http: &reqwest::Client, ship_due_s: u32) -> Result<()> {
        let mut running = self.running.lock().await;
        assert!(running.is_none(), "it runs");
        for _ in 0..TRIES {
            let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
            let mut child = self
                .command()?
                .env("OUTCRY_HTTP_ADDR", format!("127.0.0.1:{port}"))
                .env("OUTCRY_ADMIN_ADDR", "127.0.0.1:0")
                .env("OUTCRY_SHIP_DUE_S", ship_due_s.to_string())
                .spawn()?;
            let deadline = Instant::now() + PATIENCE;
            let live = format!("https://127.0.0.1:{port}/healthz/live");
            while child.try_wait()?.is_none() {
                anyhow::ensure!(Instant::now() < deadline, "the service does not answer: {}", self.said());
                if http.get(&live).send().await.is_ok() {
                    self.port.store(port, Ordering::Relaxed);
                    *running = Some(child);
                    return Ok(());
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        bail!("the service does not start: {}", self.said())
    }

    /// SIGKILL; returns when nothing of it is left.
    pub async fn kill(&self) {
        if let Some(mut child) = self.running.lock().await.take() {
            child.kill().await.expect("a child can be killed");
        }
    }

    /// An error if it ended without having been killed.
    pub async fn must_run(&self) -> Result<()> {
        let ended = match self.running.lock().await.as_mut() {
            Some(child) => child.try_wait()?,
            None => None,
        };
        match ended {
            Some(status) => bail!("the service ended by itself, {status}: {}", self.said()),
            None => Ok(()),
        }
    }

    /// Where it answers.
    pub fn url(&self, path: &str) -> String {
        format!("https://127.0.0.1:{}{path}", self.port.load(Ordering::Relaxed))
    }

    /// The end of its log.
    pub fn said(&self) -> String {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = log.lines().rev().take(LINES).collect();
        format!("{} ends:\n{}", self.log.display(), lines.into_iter().rev().collect::<Vec<_>>().join("\n"))
    }

    fn command(&self) -> Result<Command> {
        let log: File = OpenOptions::new().create(true).append(true).open(&self.log)?;
        let mut command = Command::new(PROGRAM);
        command
            .env_clear()
            .envs(self.variables.get().context("it is not configured")?)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true);
        Ok(command)
    }
}
