//! Child processes: each leads a process group of its own, writes to a log file and is noted in `run/`,
//! so that whatever outlives a killed `outcry up` is found and ended by the next one.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};
use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, System, UpdateKind};
use tokio::process::{Child, Command};

use crate::layout::DataDir;
use crate::unprivileged::User;
use crate::{files, preflight};

/// How much of a log's last line a message shows.
const LAST_LINE_MAX_CHARS: usize = 400;
/// With less than this free, in MiB, a full disk is why a process ended.
const FULL_BELOW_MIB: u64 = 16;

/// How a process is asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum StopSignal {
    /// The usual request.
    Term,
    /// PostgreSQL's fast shutdown: it ends sessions instead of waiting for them.
    Int,
}

impl StopSignal {
    const fn signal(self) -> Signal {
        match self {
            Self::Term => Signal::SIGTERM,
            Self::Int => Signal::SIGINT,
        }
    }
}

/// What to run.
#[derive(Debug, Clone)]
pub struct Spec {
    /// Short name, e.g. `postgres-listing`.
    pub name: String,
    /// The executable.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Variables on top of the program's own environment.
    pub env: Vec<(String, OsString)>,
    /// Variables of the program's own environment that it does not get.
    pub without: Vec<&'static str>,
    /// Who runs it, if not the user of this program.
    pub user: Option<User>,
    /// Where it writes to.
    pub log: PathBuf,
    /// How to end it.
    pub stop: StopSignal,
    /// Notes of running processes.
    pub run_dir: PathBuf,
}

impl Spec {
    /// A program of `data_dir` that is ended by SIGTERM.
    pub fn new(data_dir: &DataDir, name: &str, program: impl Into<PathBuf>) -> Self {
        Self {
            name: name.to_owned(),
            program: program.into(),
            args: Vec::new(),
            env: Vec::new(),
            without: Vec::new(),
            user: None,
            log: data_dir.log(name),
            stop: StopSignal::Term,
            run_dir: data_dir.run_dir(),
        }
    }

    /// Adds arguments.
    pub fn args<A: Into<OsString>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Adds a variable.
    pub fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.env.push((name.to_owned(), value.into()));
        self
    }

    fn note(&self) -> PathBuf {
        self.run_dir.join(format!("{}.json", self.name))
    }
}

/// A running process; dropping it kills its whole group.
pub struct Running {
    child: Child,
    pid: Pid,
    stop: StopSignal,
    note: PathBuf,
}

impl Running {
    /// Starts `spec`.
    pub fn start(spec: &Spec) -> Result<Self> {
        let log = fs::OpenOptions::new().create(true).append(true).open(&spec.log);
        let log = log.with_context(|| format!("cannot write {}", spec.log.display()))?;
        let mut command = Command::new(&spec.program);
        command.args(&spec.args).envs(spec.env.iter().map(|(name, value)| (name, value)));
        for variable in &spec.without {
            command.env_remove(variable);
        }
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).process_group(0);
        if let Some(user) = &spec.user {
            command.uid(user.uid).gid(user.gid).env("HOME", &user.home).current_dir("/");
        }
        let child = command.spawn().with_context(|| format!("cannot start {}", spec.program.display()))?;
        let pid = child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw);
        let pid = pid.ok_or_else(|| anyhow!("{} ended while it started", spec.name))?;
        let running = Self { child, pid, stop: spec.stop, note: spec.note() };
        files::write_private(&running.note, &serde_json::to_vec(&Note::of(pid, spec))?)?;
        Ok(running)
    }

    /// The process id.
    pub fn pid(&self) -> i32 {
        self.pid.as_raw()
    }

    /// Waits for the end of the process.
    pub async fn ended(&mut self) -> Result<ExitStatus> {
        Ok(self.child.wait().await?)
    }

    /// Asks the process to end, and kills its group when it has not within `grace`.
    pub async fn stop(mut self, grace: Duration) {
        let _ = kill(self.pid, self.stop.signal());
        let _ = tokio::time::timeout(grace, self.child.wait()).await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = killpg(self.pid, Signal::SIGKILL);
        let _ = fs::remove_file(&self.note);
    }
}

/// Runs `spec` to its end.
///
/// # Errors
/// When it fails, with the last line of its log.
pub async fn run_to_end(spec: &Spec) -> Result<()> {
    let status = Running::start(spec)?.ended().await?;
    if status.success() { Ok(()) } else { Err(failure(spec, status)) }
}

/// Why `spec` ended, in one sentence.
pub fn failure(spec: &Spec, status: ExitStatus) -> anyhow::Error {
    if let Err(full) = preflight::disk(&spec.log, FULL_BELOW_MIB) {
        return full.context(format!("{} ended ({status})", spec.name));
    }
    let log = spec.log.display();
    if status.code().is_none() {
        return anyhow!("{} ended ({status}); its log is {log}", spec.name);
    }
    let written = fs::read_to_string(&spec.log).unwrap_or_default();
    let last = last_word(&written);
    anyhow!("{} ended ({status}); its log is {log}, the last line says: {last}", spec.name)
}

/// What a log says last.
fn last_word(written: &str) -> String {
    let lines: Vec<_> = written.lines().collect();
    // An indented line belongs to a stack trace, and says nothing without its first one.
    let last = lines.iter().rposition(|line| line.starts_with(|c: char| !c.is_whitespace()));
    let Some(last) = last else { return "nothing".to_owned() };
    let mut said = lines[last].to_owned();
    // Below a colon it is what the line is about: the faults of a configuration.
    if said.ends_with(':') {
        let below: Vec<_> = lines[last + 1..].iter().map(|line| line.trim()).collect();
        said = format!("{said} {}", below.join("; "));
    }
    said.chars().take(LAST_LINE_MAX_CHARS).collect()
}

/// What is remembered of a process, enough to know it again.
#[derive(Debug, Serialize, Deserialize)]
struct Note {
    pid: i32,
    started_s: u64,
    command: Vec<OsString>,
    stop: StopSignal,
}

impl Note {
    fn of(pid: Pid, spec: &Spec) -> Self {
        let command = std::iter::once(spec.program.clone().into()).chain(spec.args.iter().cloned()).collect();
        let started_s = look(pid).map_or(0, |(started_s, _)| started_s);
        Self { pid: pid.as_raw(), started_s, command, stop: spec.stop }
    }

    /// Whether the noted process still runs: same number, same start (clocks are adjusted by a second at times), same command.
    fn runs(&self) -> bool {
        look(Pid::from_raw(self.pid))
            .is_some_and(|(started_s, command)| started_s.abs_diff(self.started_s) <= 2 && command == self.command)
    }
}

fn look(pid: Pid) -> Option<(u64, Vec<OsString>)> {
    let pid = sysinfo::Pid::from_u32(pid.as_raw().unsigned_abs());
    let mut system = System::new();
    let what = ProcessRefreshKind::nothing().with_cmd(UpdateKind::Always);
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), true, what);
    let process = system.process(pid)?;
    (process.status() != sysinfo::ProcessStatus::Zombie).then(|| (process.start_time(), process.cmd().to_vec()))
}

/// Ends what an earlier `outcry up` of this directory left running, and returns its names.
///
/// # Errors
/// When a process cannot be ended.
pub async fn end_leftovers(run_dir: &Path) -> Result<Vec<String>> {
    let mut ended = Vec::new();
    for entry in fs::read_dir(run_dir)? {
        let path = entry?.path();
        let note = fs::read(&path).ok().and_then(|content| serde_json::from_slice::<Note>(&content).ok());
        if let Some(note) = note.filter(Note::runs) {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            end(&note).await.with_context(|| format!("cannot end {name} of an earlier start"))?;
            ended.push(name);
        }
        let _ = fs::remove_file(&path);
    }
    Ok(ended)
}

async fn end(note: &Note) -> Result<()> {
    let pid = Pid::from_raw(note.pid);
    kill(pid, note.stop.signal()).with_context(|| format!("process {}", note.pid))?;
    let asked = Instant::now();
    let mut killed = false;
    while note.runs() {
        if !killed && asked.elapsed() > Duration::from_secs(10) {
            let _ = killpg(pid, Signal::SIGKILL);
            killed = true;
        }
        if asked.elapsed() > Duration::from_secs(20) {
            bail!("process {} does not end", note.pid);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sleeper(dir: &Path) -> Spec {
        let data_dir = DataDir::new(dir.to_owned());
        files::create_dir(&data_dir.run_dir()).unwrap();
        files::create_dir(&data_dir.logs_dir()).unwrap();
        Spec::new(&data_dir, "sleeper", "/bin/sleep").args(["600"])
    }

    #[tokio::test]
    async fn what_outlived_a_killed_program_is_ended_by_the_next_start() {
        let dir = tempfile::tempdir().unwrap();
        let spec = sleeper(dir.path());
        let mut running = Running::start(&spec).unwrap();
        // As after `kill -9` of the program: the note stays, nobody kills the group.
        let waiter = tokio::spawn(async move { running.ended().await });

        assert_eq!(end_leftovers(&spec.run_dir).await.unwrap(), ["sleeper"]);

        assert!(!waiter.await.unwrap().unwrap().success());
        assert!(!spec.note().exists());
    }

    #[tokio::test]
    async fn a_process_that_only_has_the_same_number_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let spec = sleeper(dir.path());
        let mut running = Running::start(&spec).unwrap();
        let mut note: Note = serde_json::from_slice(&fs::read(spec.note()).unwrap()).unwrap();
        note.command.push("another".into());
        files::write_private(&spec.note(), &serde_json::to_vec(&note).unwrap()).unwrap();

        assert!(end_leftovers(&spec.run_dir).await.unwrap().is_empty());

        assert!(running.child.try_wait().unwrap().is_none());
    }

    #[tokio::test]
    async fn a_failure_shows_the_last_line_of_the_log() {
        let dir = tempfile::tempdir().unwrap();
        let mut spec = sleeper(dir.path());
        spec.program = "/bin/sh".into();
        spec.args = vec!["-c".into(), "echo out of paper; exit 3".into()];
        let fault = run_to_end(&spec).await.unwrap_err().to_string();
        assert!(fault.contains("out of paper") && fault.contains('3'), "{fault}");
    }

    #[test]
    fn the_last_word_of_a_log_is_a_line_with_what_it_is_about() {
        let faults = "begun\nthe configuration has 2 fault(s):\n  OUTCRY_A is not set\n  OUTCRY_B is \"c\"\n";
        assert_eq!(last_word(faults), "the configuration has 2 fault(s): OUTCRY_A is not set; OUTCRY_B is \"c\"");
        assert_eq!(last_word("begun\njava.lang.Error: no\n\tat Main.main\n"), "java.lang.Error: no");
        assert_eq!(last_word(""), "nothing");
    }
}
