//! The marketplace under test: one that `outcry up` starts for this process, or one that runs already.

use std::{
    env,
    ffi::OsString,
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    os::unix::{fs::PermissionsExt, process::ExitStatusExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU16, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tempfile::TempDir;

use crate::world::World;

/// Names what to test: `local` (the default) and `containers` start a marketplace, a path to an `endpoints.json` uses the one
/// there.
pub const TARGET: &str = "SUITE_TARGET";
/// Names the `outcry` program; the default is the one next to the tests in the target directory.
pub const PROGRAM: &str = "SUITE_OUTCRY";

/// With this the payment gateway would sign what it tells by itself.
pub const WEBHOOK_SECRET: &str = "what only gateway and suite know";

/// What the tests expect of the services' settings: deadlines that a test can wait for, limits that a test can reach,
/// and events told in the log. A proxy is trusted so that each test can have an address of its own.
pub const SETTINGS: &[(&str, &str)] = &[
    ("OUTCRY_TRUSTED_PROXIES", "127.0.0.1/32"),
    ("OUTCRY_RATE_ADDRESS_PER_S", "5"),
    ("OUTCRY_RATE_ADDRESS_BURST", "100"),
    ("OUTCRY_RATE_PRINCIPAL_PER_S", "5"),
    ("OUTCRY_RATE_PRINCIPAL_BURST", "100"),
    ("OUTCRY_PAYMENT_DUE_S", "30"),
    ("OUTCRY_SHIP_DUE_S", "15"),
    ("OUTCRY_INSPECTION_S", "15"),
    ("OUTCRY_OFFER_DAY_S", "10"),
    ("OUTCRY_WEBHOOK_SECRET", WEBHOOK_SECRET),
    (
        "OUTCRY_LOG",
        "info,rdkafka::client=off,listing_adapter_kafka=debug,bidding_adapter_kafka=debug,settlement_adapter_kafka=debug",
    ),
];

/// As [`SETTINGS`], with deadlines that outlast a broker's restart.
pub const PATIENT_SETTINGS: &[(&str, &str)] = &[
    ("OUTCRY_TRUSTED_PROXIES", "127.0.0.1/32"),
    ("OUTCRY_PAYMENT_DUE_S", "600"),
    ("OUTCRY_SHIP_DUE_S", "600"),
    ("OUTCRY_INSPECTION_S", "600"),
];

/// The first start may have to download PostgreSQL and Kafka.
const STARTS_WITHIN: Duration = Duration::from_secs(300);
const STOPS_WITHIN: Duration = Duration::from_secs(90);
/// Ports that one marketplace takes above its base port.
const PORTS: u16 = 33;
/// Kafka's is this one.
pub const KAFKA_ABOVE_BASE: u16 = 20;
/// One more above it, for whoever collects its traces.
const COLLECTOR: u16 = PORTS + 1;

type Settings = Vec<(&'static str, String)>;

/// What to test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A marketplace that `outcry up` runs for this process.
    Local,
    /// A marketplace in containers of this process.
    Containers,
    /// A marketplace that runs already, by its `endpoints.json`.
    Running(PathBuf),
}

/// What [`TARGET`] names.
pub fn given() -> Result<Target> {
    let named = env::var_os(TARGET).unwrap_or_default();
    match named.to_str() {
        Some("" | "local") => Ok(Target::Local),
        Some("containers") => Ok(Target::Containers),
        _ => {
            let file = PathBuf::from(&named);
            ensure!(
                file.is_file(),
                "{TARGET} is `{}`, and has to be `local`, `containers` or the endpoints.json of a marketplace that runs",
                file.display()
            );
            Ok(Target::Running(file))
        }
    }
}

/// A marketplace that `outcry up` runs for this process.
pub struct Local {
    child: Child,
    /// Removed with everything in it when the marketplace was stopped.
    dir: Option<TempDir>,
    base_port: u16,
    settings: Settings,
    arguments: Vec<OsString>,
}

impl Local {
    /// Starts one on free ports, with a data directory of its own.
    pub fn start(settings: &[(&'static str, &str)]) -> Result<Self> {
        Self::start_in(data_directory()?, free_base_port()?, owned(settings), Vec::new())
    }

    /// The same, and its services send their traces to [`Self::collector`]. Nobody listens there but a test that does.
    pub fn start_traced(settings: &[(&'static str, &str)]) -> Result<Self> {
        let base_port = free_base_port()?;
        let mut settings = owned(settings);
        settings.push(("OUTCRY_OTLP_ENDPOINT", format!("http://{}/v1/traces", collector_of(base_port))));
        Self::start_in(data_directory()?, base_port, settings, Vec::new())
    }

    /// Starts PostgreSQL and Kafka alone in a directory of [`data_directory`], with further `arguments` of `outcry up`.
    pub fn infrastructure(dir: TempDir, mut arguments: Vec<OsString>) -> Result<Self> {
        arguments.push("--infrastructure-only".into());
        Self::start_in(dir, free_base_port()?, Settings::new(), arguments)
    }

    fn start_in(dir: TempDir, base_port: u16, settings: Settings, arguments: Vec<OsString>) -> Result<Self> {
        let child = launch(dir.path(), base_port, &settings, &arguments)?;
        let mut local = Self { child, dir: Some(dir), base_port, settings, arguments };
        local.await_ready()?;
        Ok(local)
    }

    /// All its ports follow from this one.
    #[must_use]
    pub fn base_port(&self) -> u16 {
        self.base_port
    }

    /// Where a marketplace that is traced sends its traces.
    #[must_use]
    pub fn collector(&self) -> SocketAddr {
        collector_of(self.base_port)
    }

    /// What tests know of it.
    pub fn world(&self) -> Result<World> {
        World::of_file(&self.data_dir().join("endpoints.json"))
    }

    /// Its data directory.
    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        self.root().join("data")
    }

    /// Everything that `outcry up` has said.
    pub fn said(&self) -> Result<String> {
        Ok(fs::read_to_string(self.root().join("up.log"))?)
    }

    /// Kills `outcry up` itself, as `kill -9` does: nothing is put in order.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Starts it again on the same data and ports.
    pub fn start_again(&mut self) -> Result<()> {
        let _ = fs::remove_file(self.data_dir().join("endpoints.json"));
        self.child = launch(self.root(), self.base_port, &self.settings, &self.arguments)?;
        self.await_ready()
    }

    /// Stops it as Ctrl-C does and removes its data; `keep` keeps them for whoever looks for the reason of a failure.
    pub fn stop(mut self, keep: bool) -> Result<()> {
        let ended = self.end();
        if let Some(dir) = self.dir.take()
            && keep
        {
            eprintln!("the marketplace's logs are kept in {}", dir.keep().display());
        }
        ended
    }

    fn end(&mut self) -> Result<()> {
        if self.child.try_wait()?.is_some() {
            return Ok(());
        }
        kill(Pid::from_raw(i32::try_from(self.child.id())?), Signal::SIGINT)?;
        let deadline = Instant::now() + STOPS_WITHIN;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                ensure!(status.success(), "`outcry up` ended with {status} on Ctrl-C");
                return Ok(());
            }
            thread::sleep(Duration::from_millis(50));
        }
        self.child.kill()?;
        self.child.wait()?;
        bail!("`outcry up` did not end within {STOPS_WITHIN:?} and was killed")
    }

    fn root(&self) -> &Path {
        self.dir.as_ref().map_or(Path::new(""), TempDir::path)
    }

    fn await_ready(&mut self) -> Result<()> {
        let file = self.data_dir().join("endpoints.json");
        let deadline = Instant::now() + STARTS_WITHIN;
        while !file.exists() {
            if let Some(status) = self.child.try_wait()? {
                let signal = status.signal().map(|signal| format!(" by signal {signal}")).unwrap_or_default();
                bail!("`outcry up` ended{signal} while it started:\n{}", self.said()?);
            }
            ensure!(Instant::now() < deadline, "not ready after {STARTS_WITHIN:?}:\n{}", self.said()?);
            thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        if let Err(fault) = self.end() {
            eprintln!("the marketplace was not stopped in order: {fault:#}");
        }
    }
}

/// A directory that is removed again, and that PostgreSQL's user can get to: it does not run as root.
pub fn data_directory() -> Result<TempDir> {
    let dir = tempfile::Builder::new().prefix("outcry-suite-").tempdir()?;
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o711))?;
    Ok(dir)
}

fn owned(settings: &[(&'static str, &str)]) -> Settings {
    settings.iter().map(|&(name, value)| (name, value.to_owned())).collect()
}

fn collector_of(base_port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, base_port + COLLECTOR).into()
}

fn launch(root: &Path, base_port: u16, settings: &[(&str, String)], further: &[OsString]) -> Result<Child> {
    let program = program()?;
    let said = fs::OpenOptions::new().create(true).append(true).open(root.join("up.log"))?;
    let arguments: [OsString; 5] = [
        "up".into(),
        "--base-port".into(),
        base_port.to_string().into(),
        "--data-dir".into(),
        root.join("data").into(),
    ];
    Command::new(&program)
        .args(arguments)
        .args(further)
        .envs(settings.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(said.try_clone()?)
        .stderr(said)
        .spawn()
        .with_context(|| format!("cannot start {}", program.display()))
}

/// The `outcry` program.
pub fn program() -> Result<PathBuf> {
    env::var_os(PROGRAM).map_or_else(|| built("outcry"), |program| Ok(program.into()))
}

/// A program of the target directory that these tests are in.
pub fn built(name: &str) -> Result<PathBuf> {
    // Tests are in <target>/<profile>/deps.
    let own = env::current_exe()?;
    let program = own.ancestors().nth(2).context("this program is in no target directory")?.join(name);
    ensure!(program.exists(), "{} is missing: `make build` builds it", program.display());
    Ok(program)
}

/// A base port whose ports are all free, below those that the system hands out.
pub fn free_base_port() -> Result<u16> {
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    let first = 12_000 + u16::try_from(std::process::id() % 300)? * 50;
    let free = |base: u16| (1..=COLLECTOR).all(|offset| TcpListener::bind(("127.0.0.1", base + offset)).is_ok());
    let begin = first + TAKEN.fetch_add(1, Ordering::Relaxed) * 50;
    (begin..32_000).step_by(50).find(|&base| free(base)).context("no free ports")
}
