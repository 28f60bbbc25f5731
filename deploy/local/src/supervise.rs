//! Keeps processes running: waits until each is ready, starts again what dies (with back-off, and says so),
//! and ends everything in order.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::console::Console;
use crate::process::{Running, Spec, failure};
use crate::ready::Ready;

/// How long a process may take to become ready.
const READY_WITHIN: Duration = Duration::from_secs(90);
/// How long a process may take to end.
const STOP_WITHIN: Duration = Duration::from_secs(30);
const BACK_OFF_MIN: Duration = Duration::from_millis(250);
const BACK_OFF_MAX: Duration = Duration::from_secs(15);
/// Who ran this long is healthy: the next fall starts the back-off anew.
const HEALTHY_AFTER: Duration = Duration::from_secs(30);

/// Called with all process ids whenever one changes.
pub type OnChange = Box<dyn Fn(&BTreeMap<String, i32>) + Send>;

/// The process ids of what runs, for whoever wants to know.
#[derive(Clone)]
pub struct Board {
    inner: Arc<Mutex<Inner>>,
    console: Console,
    kill: CancellationToken,
}

struct Inner {
    pids: BTreeMap<String, i32>,
    on_change: Option<OnChange>,
}

impl Board {
    /// An empty board.
    pub fn new(console: Console) -> Self {
        let inner = Inner { pids: BTreeMap::new(), on_change: None };
        Self { inner: Arc::new(Mutex::new(inner)), console, kill: CancellationToken::new() }
    }

    /// Kills whatever is still ending.
    pub fn kill(&self) {
        self.kill.cancel();
    }

    fn running(&self, name: &str, pid: i32) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.pids.insert(name.to_owned(), pid);
        if let Some(on_change) = &inner.on_change {
            on_change(&inner.pids);
        }
    }

    /// Calls `on_change` now and at every later change.
    pub fn watch(&self, on_change: OnChange) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        on_change(&inner.pids);
        inner.on_change = Some(on_change);
    }
}

/// A process that is kept running.
pub struct Keeper {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Keeper {
    /// Starts `spec`, waits until it is ready, and keeps it running from then on.
    ///
    /// # Errors
    /// When it ends before it is ready, or is not ready in time. Nothing is left running then.
    pub async fn start(spec: Spec, ready: Ready, board: Board) -> Result<Self> {
        let mut running = Running::start(&spec)?;
        wait_until_ready(&mut running, &spec, &ready).await?;
        board.running(&spec.name, running.pid());
        let stop = CancellationToken::new();
        let task = tokio::spawn(keep(running, spec, ready, board, stop.clone()));
        Ok(Self { stop, task })
    }

    /// Ends the process and waits for its end.
    pub async fn stop(self) {
        self.stop.cancel();
        let _ = self.task.await;
    }
}

async fn wait_until_ready(running: &mut Running, spec: &Spec, ready: &Ready) -> Result<()> {
    tokio::select! {
        status = running.ended() => Err(failure(spec, status?)),
        outcome = ready.wait(READY_WITHIN) => {
            outcome.with_context(|| format!("{} is not ready after {READY_WITHIN:?}; its log is {}", spec.name, spec.log.display()))
        }
    }
}

async fn keep(mut running: Running, spec: Spec, ready: Ready, board: Board, stop: CancellationToken) {
    let mut back_off = BACK_OFF_MIN;
    loop {
        let since = Instant::now();
        let why = tokio::select! {
            () = stop.cancelled() => {
                tokio::select! {
                    () = running.stop(STOP_WITHIN) => {},
                    () = board.kill.cancelled() => {},
                }
                return;
            }
            status = running.ended() => status.map_or_else(|fault| fault, |status| failure(&spec, status)),
        };
        drop(running);
        if since.elapsed() > HEALTHY_AFTER {
            back_off = BACK_OFF_MIN;
        }
        board.console.say(format!("! {why:#}\n  Starting {} again.", spec.name));
        let again = tokio::select! {
            () = stop.cancelled() => return,
            again = start_again(&spec, &ready, &board, &mut back_off) => again,
        };
        board.console.say(format!("✓ {} runs again.", spec.name));
        board.running(&spec.name, again.pid());
        running = again;
    }
}

async fn start_again(spec: &Spec, ready: &Ready, board: &Board, back_off: &mut Duration) -> Running {
    loop {
        tokio::time::sleep(*back_off).await;
        *back_off = (*back_off * 2).min(BACK_OFF_MAX);
        match attempt(spec, ready).await {
            Ok(running) => return running,
            Err(fault) => board.console.say(format!("! {fault:#}\n  The next attempt is in {back_off:?}.")),
        }
    }
}

async fn attempt(spec: &Spec, ready: &Ready) -> Result<Running> {
    let mut running = Running::start(spec)?;
    wait_until_ready(&mut running, spec, ready).await?;
    Ok(running)
}

/// Everything that runs, in layers: what starts last ends first.
#[derive(Default)]
pub struct Stack {
    layers: [Mutex<Vec<Keeper>>; 3],
}

/// The layers of a [`Stack`], in the order of their start.
#[derive(Debug, Clone, Copy)]
pub enum Layer {
    /// PostgreSQL.
    Databases,
    /// Kafka.
    Broker,
    /// The three services.
    Services,
}

impl Stack {
    /// Adds a process.
    pub fn add(&self, layer: Layer, keeper: Keeper) {
        self.layers[layer as usize].lock().unwrap_or_else(PoisonError::into_inner).push(keeper);
    }

    /// Whether nothing was started.
    pub fn is_empty(&self) -> bool {
        self.layers.iter().all(|layer| layer.lock().unwrap_or_else(PoisonError::into_inner).is_empty())
    }

    /// Ends everything, layer by layer.
    pub async fn stop(&self) {
        for layer in self.layers.iter().rev() {
            let keepers = std::mem::take(&mut *layer.lock().unwrap_or_else(PoisonError::into_inner));
            futures::future::join_all(keepers.into_iter().map(Keeper::stop)).await;
        }
    }
}

/// Waits until `check` succeeds.
///
/// # Errors
/// The last failure, when `within` has passed.
pub async fn poll<T, F: Future<Output = Result<T>>>(within: Duration, mut check: impl FnMut() -> F) -> Result<T> {
    let deadline = Instant::now() + within;
    loop {
        let fault = match tokio::time::timeout(Duration::from_secs(10), check()).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(fault)) => fault,
            Err(_) => anyhow::anyhow!("no answer within ten seconds"),
        };
        if Instant::now() > deadline {
            bail!(fault);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
