//! The databases' disk is full. It is a small one of its own, in memory, which only root can make.

use std::{
    fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;
use testcontainers_suite::{target::data_directory, world::Service};
use tokio::time::{Instant, sleep};

use crate::{
    contract::{Contract, Mended, Proof},
    extent::Extent,
    faults::servers::answers,
    lone_trial, report,
    round::Round,
    stage::Stage,
};

const WHAT: &str = "the databases' disk is full";
const SIZE: &str = "size=768m,mode=0711";
const LASTS: Duration = Duration::from_secs(20);
const MIB: usize = 1024 * 1024;

pub fn trials(extent: Extent) -> Vec<Trial> {
    if extent == Extent::Short {
        return Vec::new();
    }
    vec![lone_trial("disk::the_databases_disk_is_full", async move || {
        let dir = data_directory()?;
        let postgres = dir.path().join("data/postgres");
        fs::create_dir_all(&postgres)?;
        // So that it is taken for a data directory that was used before.
        fs::write(dir.path().join("data/lock"), "")?;
        fs::set_permissions(dir.path().join("data"), fs::Permissions::from_mode(0o711))?;
        let disk = match Disk::mount(&postgres) {
            Ok(disk) => disk,
            Err(fault) => {
                report::leave_out(WHAT, &format!("{fault:#}"));
                return Ok(());
            }
        };
        let mut stage = Stage::start_in(dir).await?;
        let full = full(&mut stage, &disk).await;
        let ended = stage.stop(full.is_err()).await;
        full.and(ended)
    })]
}

async fn full(stage: &mut Stage, disk: &Disk) -> Result<()> {
    Round::of(WHAT, LASTS, Contract::NONE_SERVES)
        .run(stage, async |stage| {
            let since = Instant::now();
            disk.fill()?;
            sleep(LASTS).await;
            disk.free()?;
            // A server that it ended is away until it was started again.
            for service in Service::ALL {
                answers(stage, service).await?;
            }
            let said = said(stage, "No space left on device")?;
            let proof = if said == 0 { Proof::Felt } else { Proof::Seen(format!("PostgreSQL said so {said} times")) };
            Ok(Mended { since, gone: Instant::now(), proof })
        })
        .await
}

/// How many lines of the databases' logs say this.
fn said(stage: &Stage, what: &str) -> Result<usize> {
    let mut lines = 0;
    for service in Service::ALL {
        let log = fs::read(stage.world.endpoints.logs_dir.join(format!("postgres-{service}.log")))?;
        lines += String::from_utf8_lossy(&log).lines().filter(|line| line.contains(what)).count();
    }
    Ok(lines)
}

/// A mounted disk; dropping it takes it away.
struct Disk(PathBuf);

impl Disk {
    fn mount(at: &Path) -> Result<Self> {
        ensure!(nix::unistd::geteuid().is_root(), "only root can mount a disk");
        let made = Command::new("mount").args(["-t", "tmpfs", "-o", SIZE, "tmpfs"]).arg(at).output();
        let made = made.context("there is no mount")?;
        ensure!(made.status.success(), "a disk cannot be mounted: {}", String::from_utf8_lossy(&made.stderr));
        Ok(Self(at.to_owned()))
    }

    fn ballast(&self) -> PathBuf {
        self.0.join("ballast")
    }

    /// Writes until nothing more goes.
    fn fill(&self) -> Result<()> {
        let mut ballast = fs::File::create(self.ballast())?;
        for size in [MIB, 4096] {
            while ballast.write_all(&vec![1; size]).is_ok() {}
        }
        Ok(())
    }

    fn free(&self) -> Result<()> {
        Ok(fs::remove_file(self.ballast())?)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // What still runs on it keeps it until it ends.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
        // The place it was in, the data directory, and the one around it, unless something is kept there.
        for directory in self.0.ancestors().take(3) {
            let _ = fs::remove_dir(directory);
        }
    }
}
