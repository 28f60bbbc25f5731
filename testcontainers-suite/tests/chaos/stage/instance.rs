//! One process of a service.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use testcontainers_suite::world::Service;
use tokio::{
    process::{Child, Command},
    time::Instant,
};

/// Who has not said after so long that it is ready lives all the same.
const STARTS_WITHIN: Duration = Duration::from_secs(10);
/// What was begun is finished and the process has ended within this time.
const ENDS_WITHIN: Duration = Duration::from_secs(30);

/// A running process; dropping it kills it.
pub struct Instance {
    /// Whose.
    pub service: Service,
    /// Where it listens.
    pub api: SocketAddr,
    child: Child,
    started: Instant,
    was_ready: AtomicBool,
}

impl Instance {
    /// Starts it.
    pub fn start(service: Service, api: SocketAddr, mut command: Command) -> Result<Self> {
        let child = command.spawn().with_context(|| format!("cannot start {service}"))?;
        Ok(Self { service, api, child, started: Instant::now(), was_ready: AtomicBool::new(false) })
    }

    /// It said that it is ready.
    pub fn has_said_ready(&self) {
        self.was_ready.store(true, Ordering::Relaxed);
    }

    /// Whether it has started, and has to answer.
    pub fn is_up(&self) -> bool {
        self.was_ready.load(Ordering::Relaxed) || self.started.elapsed() > STARTS_WITHIN
    }

    fn pid(&self) -> Result<Pid> {
        let pid = self.child.id().with_context(|| format!("{} has ended by itself", self.service))?;
        Ok(Pid::from_raw(i32::try_from(pid)?))
    }

    /// Kills it as `kill -9` does.
    pub async fn kill(&mut self) -> Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!("{} has ended by itself with {status}", self.service);
        }
        Ok(self.child.kill().await?)
    }

    /// Ends it by SIGTERM.
    pub async fn terminate(&mut self) -> Result<()> {
        kill(self.pid()?, Signal::SIGTERM)?;
        let ended = tokio::time::timeout(ENDS_WITHIN, self.child.wait()).await;
        let status = ended.with_context(|| format!("{} does not end", self.service))??;
        ensure!(status.success(), "{} ended with {status} on SIGTERM", self.service);
        Ok(())
    }
}
