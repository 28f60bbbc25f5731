//! A database's write-ahead log, archived as it is written, and a server restored from a base backup and that log: what an
//! operator sets up beforehand, and does when it is needed.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use chrono::{DateTime, Utc};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use testcontainers_suite::{wait::within, world::Service};

use crate::{
    faults::servers::{answers, ended_and_started},
    stage::{Stage, cluster::Cluster},
};

const ARCHIVES_WITHIN: Duration = Duration::from_secs(30);
const ENDS_WITHIN: Duration = Duration::from_secs(10);
const RESTORES_WITHIN: Duration = Duration::from_secs(60);
/// Of the ports of a marketplace: one of those for ways to Kafka that nobody goes.
const PORT: u16 = 29;

/// Where the log of one service's database goes.
pub struct Archive {
    service: Service,
    log: PathBuf,
    backup: PathBuf,
}

impl Archive {
    /// Switches archiving on, for which the server is restarted.
    pub async fn begin(stage: &Stage, service: Service) -> Result<Self> {
        let cluster = Cluster::of(stage, service)?;
        let beside = |what: &str| cluster.data.with_file_name(format!("{service}-{what}"));
        let archive = Self { service, log: beside("archive"), backup: beside("backup") };
        fs::create_dir(&archive.log).with_context(|| format!("cannot make {}", archive.log.display()))?;
        cluster.hand_over(&archive.log)?;
        let to = archive.log.display();
        // A copy that breaks off is none.
        let command = format!(r#"test ! -f "{to}/%f" && cp "%p" "{to}/%f.part" && mv "{to}/%f.part" "{to}/%f""#);
        cluster.set("archive_mode", "on").await?;
        cluster.set("archive_command", &command).await?;
        ended_and_started(stage, &format!("postgres-{service}"), Signal::SIGINT).await?;
        answers(stage, service).await?;
        stage.are_ready().await?;
        Ok(archive)
    }

    /// Takes a base backup while the server works.
    pub async fn takes_a_backup(&self, cluster: &Cluster) -> Result<()> {
        cluster.back_up(&self.backup).await
    }

    /// Waits until the archive has everything that was written up to now.
    pub async fn has_everything(&self, cluster: &Cluster) -> Result<()> {
        let last = self.log.join(cluster.ask("SELECT pg_walfile_name(pg_switch_wal())").await?);
        within(ARCHIVES_WITHIN, "the log is archived", || async {
            ensure!(last.exists(), "{} is missing", last.display());
            Ok(())
        })
        .await
    }

    /// The server dies and its files are gone, but for the end of the log, which was on another disk. Tells what is gone.
    pub async fn survives_the_disk(&self, stage: &Stage, cluster: &Cluster) -> Result<String> {
        // It works on in a directory of another name, and whoever starts it again finds none.
        let gone = cluster.data.with_file_name(format!("{}-gone", self.service));
        fs::rename(&cluster.data, &gone).with_context(|| format!("cannot rename {}", cluster.data.display()))?;
        let pid = stage.world.pid(&format!("postgres-{}", self.service))?;
        kill(Pid::from_raw(pid), Signal::SIGKILL)?;
        let process = PathBuf::from(format!("/proc/{pid}"));
        within(ENDS_WITHIN, "the server has ended", || async {
            ensure!(!process.exists(), "{} is there", process.display());
            Ok(())
        })
        .await?;
        self.adds_the_end_of_the_log(cluster, &gone.join("pg_wal"))?;
        Ok(format!("process {pid} has ended, and its files are gone"))
    }

    fn adds_the_end_of_the_log(&self, cluster: &Cluster, from: &Path) -> Result<()> {
        for entry in fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.len() == 24 && name.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                let to = self.backup.join("pg_wal").join(name);
                fs::copy(entry.path(), &to).with_context(|| format!("cannot write {}", to.display()))?;
                cluster.hand_over(&to)?;
            }
        }
        Ok(())
    }

    /// A server on the backup and the log: all of the log, or as much as was written until a moment.
    pub async fn restored(&self, stage: &Stage, cluster: &Cluster, until: Option<DateTime<Utc>>) -> Result<Cluster> {
        let restore = format!(r#"restore_command = 'cp "{}/%f" "%p"'"#, self.log.display());
        // While it starts it knows no names of time zones, not even Z.
        let until = until.map(|until| until.format("%F %T%.6f+00"));
        let target = until.map(|until| format!("recovery_target_time = '{until}'\nrecovery_target_action = 'promote'"));
        let settings = format!("{restore}\n{}", target.unwrap_or_default());
        cluster.instruct(&self.backup, &settings, "recovery.signal")?;
        let log = stage.world.endpoints.logs_dir.join(format!("postgres-{}-restored.log", self.service));
        let restored = cluster.start_on(&self.backup, stage.local().base_port() + PORT, &log).await?;
        within(RESTORES_WITHIN, "the log is applied", || async {
            let applies = restored.ask("SELECT pg_is_in_recovery()::text").await?;
            ensure!(applies == "false", "it is in recovery still");
            Ok(())
        })
        .await?;
        Ok(restored)
    }
}
