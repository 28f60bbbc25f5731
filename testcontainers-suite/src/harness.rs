//! Runs tests against one marketplace: started when the first test needs it, stopped when the last has ended.

use std::{
    future::Future,
    process::ExitCode,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use anyhow::{Result, anyhow, bail};
use libtest_mimic::{Arguments, Failed, Trial};
use tokio::runtime::Runtime;

use crate::{
    logs,
    secrets::Secrets,
    target::{self, Local, SETTINGS, Target},
    whole::{self, Spared},
    world::World,
};

/// No test takes longer.
const ENDS_WITHIN: Duration = Duration::from_secs(180);
/// Most tests wait for auctions to end: many at once take hardly longer than one.
const AT_ONCE: usize = 8;

static WORLD: OnceLock<Result<Arc<World>, String>> = OnceLock::new();
static LOCAL: Mutex<Option<Local>> = Mutex::new(None);

/// A test of the shared marketplace.
pub fn trial<T, F>(name: String, test: T) -> Trial
where
    T: FnOnce(Arc<World>) -> F + Send + 'static,
    F: Future<Output = Result<()>>,
{
    Trial::test(name, move || {
        let world = world().map_err(|fault| Failed::from(format!("{fault:#}")))?;
        block_on(test(world))
    })
}

/// Runs one test's future to its end.
pub fn block_on(test: impl Future<Output = Result<()>>) -> Result<(), Failed> {
    block_on_within(ENDS_WITHIN, test)
}

/// The same for a test that may take longer, or has to take less.
pub fn block_on_within(limit: Duration, test: impl Future<Output = Result<()>>) -> Result<(), Failed> {
    static RUNTIME: OnceLock<std::io::Result<Runtime>> = OnceLock::new();
    let runtime = RUNTIME.get_or_init(Runtime::new).as_ref().map_err(|fault| Failed::from(fault.to_string()))?;
    let ended = runtime.block_on(async { tokio::time::timeout(limit, test).await });
    let outcome = ended.unwrap_or_else(|_| Err(anyhow!("the test did not end within {limit:?}")));
    outcome.map_err(|fault| Failed::from(format!("{fault:#}")))
}

/// The main function of a program of tests.
#[must_use]
pub fn run(trials: Vec<Trial>, at_once: Option<usize>) -> ExitCode {
    let conclusion = libtest_mimic::run(&arguments(at_once), trials);
    stopped(conclusion.has_failed())
}

/// The main function of a program whose tests share one marketplace: after them, the run is judged as a whole.
#[must_use]
pub fn run_as_a_whole(trials: Vec<Trial>, spared: Spared) -> ExitCode {
    let mut arguments = arguments(None);
    let mut failed = libtest_mimic::run(&arguments, trials).has_failed();
    if let Some(Ok(world)) = WORLD.get() {
        let complete = arguments.filter.is_none() && arguments.skip.is_empty();
        let afterwards = whole::trials(world, complete, spared);
        (arguments.filter, arguments.skip, arguments.test_threads) = (None, Vec::new(), Some(1));
        failed |= libtest_mimic::run(&arguments, afterwards).has_failed();
    }
    stopped(failed)
}

fn arguments(at_once: Option<usize>) -> Arguments {
    // Another provider can only have been installed by ourselves.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let mut arguments = Arguments::from_args();
    arguments.test_threads = arguments.test_threads.or(Some(at_once.unwrap_or(AT_ONCE)));
    arguments
}

fn stopped(failed: bool) -> ExitCode {
    let local = LOCAL.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(Err(fault)) = local.as_ref().map(its_logs_are_sound) {
        eprintln!("after the whole run: {fault:#}");
        return ExitCode::FAILURE;
    }
    if let Some(Err(fault)) = local.map(|local| local.stop(failed)) {
        eprintln!("{fault:#}");
        return ExitCode::FAILURE;
    }
    if failed { ExitCode::from(101) } else { ExitCode::SUCCESS }
}

/// Whatever the tests did: what the services logged is JSON line by line, and no key, password or token is in any log of the
/// marketplace.
pub fn its_logs_are_sound(local: &Local) -> Result<()> {
    let world = local.world()?;
    logs::of_services_are_json(&world.endpoints.logs_dir)?;
    let secrets = Secrets::of(&world)?;
    secrets.are_in_no_log_of(&world.endpoints.logs_dir)?;
    secrets.are_not_in(&local.said()?)
}

/// Makes `world` the shared marketplace, and watches it; to be called before the first test runs.
pub fn provide(world: World) -> Result<()> {
    whole::begin(&world)?;
    WORLD.set(Ok(Arc::new(world))).map_err(|_| anyhow!("there is a marketplace already"))
}

/// The shared marketplace.
fn world() -> Result<Arc<World>> {
    let started = WORLD.get_or_init(|| start().map(Arc::new).map_err(|fault| format!("{fault:#}")));
    started.clone().map_err(|fault| anyhow!("there is no marketplace: {fault}"))
}

fn start() -> Result<World> {
    let world = match target::given()? {
        Target::Local => {
            let local = Local::start(SETTINGS)?;
            let world = local.world();
            *LOCAL.lock().unwrap_or_else(PoisonError::into_inner) = Some(local);
            world?
        }
        Target::Running(file) => World::of_file(&file)?,
        Target::Containers => bail!("one in containers is started before the tests"),
    };
    whole::begin(&world)?;
    Ok(world)
}

/// Tests by the names of their functions, in a group.
#[macro_export]
macro_rules! trials {
    ($group:literal: $($test:ident),+ $(,)?) => {
        vec![$($crate::harness::trial(format!("{}::{}", $group, stringify!($test)), $test)),+]
    };
}

/// Tests that every service has to pass; each function gets the service as its second argument.
#[macro_export]
macro_rules! trials_of_each_service {
    ($group:literal: $($test:ident),+ $(,)?) => {{
        let mut trials = Vec::new();
        for service in $crate::world::Service::ALL {
            $(trials.push($crate::harness::trial(
                format!("{}::{}::{}", $group, service, stringify!($test)),
                move |world| $test(world, service),
            ));)+
        }
        trials
    }};
}
