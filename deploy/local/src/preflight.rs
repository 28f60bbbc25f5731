//! What must be true before anything starts. Each fault is one sentence that says what to do.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::layout::DataDir;

const JAVA_MIN: u32 = 17;
/// Where brew puts its Java, which it leaves off the search path.
const JAVA_KEGS: [&str; 2] = ["/opt/homebrew/opt/openjdk@17/bin/java", "/usr/local/opt/openjdk@17/bin/java"];
/// A program that was killed a moment ago may still hold its lock.
const GONE_WITHIN: Duration = Duration::from_secs(1);
const MIB: u64 = 1024 * 1024;

/// Takes the data directory for this process; it is free again when the file is dropped, however the process ends.
///
/// # Errors
/// When another `outcry up` runs on it.
pub async fn lock(data_dir: &DataDir) -> Result<File> {
    let path = data_dir.lock_file();
    let mut options = File::options();
    let file = options.read(true).write(true).create(true).truncate(false).open(&path);
    let mut file = file.with_context(|| format!("cannot write {}: choose another --data-dir", path.display()))?;
    let asked = Instant::now();
    let mut free = file.try_lock().is_ok();
    while !free && asked.elapsed() < GONE_WITHIN {
        tokio::time::sleep(Duration::from_millis(50)).await;
        free = file.try_lock().is_ok();
    }
    if !free {
        let mut holder = String::new();
        let _ = file.read_to_string(&mut holder);
        bail!(
            "another `outcry up` (process {}) runs on {}: stop it with Ctrl-C, or choose another --data-dir and --base-port",
            holder.trim(),
            data_dir.root().display()
        );
    }
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    write!(file, "{}", std::process::id())?;
    Ok(file)
}

/// The Java that runs Kafka.
///
/// # Errors
/// When there is none, or an old one.
pub async fn java() -> Result<PathBuf> {
    let home = std::env::var_os("JAVA_HOME").map(|home| PathBuf::from(home).join("bin/java"));
    let kegs = JAVA_KEGS.map(PathBuf::from);
    let advice =
        if cfg!(target_os = "macos") { "brew install openjdk@17" } else { "apt-get install openjdk-17-jre-headless" };
    let mut old = None;
    for java in home.into_iter().chain(["java".into()]).chain(kegs) {
        match version_of(&java).await {
            Some(version) if version >= JAVA_MIN => return Ok(java),
            found => old = old.or(found.map(|version| (java, version))),
        }
    }
    match old {
        Some((java, version)) => {
            bail!("Kafka needs Java {JAVA_MIN} or newer and `{}` is Java {version}: `{advice}`", java.display())
        }
        None => bail!("Kafka needs Java {JAVA_MIN} or newer and there is none: `{advice}`"),
    }
}

async fn version_of(java: &Path) -> Option<u32> {
    let output = tokio::process::Command::new(java).arg("-version").output().await.ok()?;
    java_version(&String::from_utf8_lossy(&output.stderr)).filter(|_| output.status.success())
}

fn java_version(said: &str) -> Option<u32> {
    let (_, quoted) = said.split_once("version \"")?;
    let mut numbers = quoted.split(|c: char| !c.is_ascii_digit());
    match numbers.next()?.parse().ok()? {
        1 => numbers.next()?.parse().ok(),
        version => Some(version),
    }
}

/// Checks that nobody listens on `ports`.
///
/// # Errors
/// Names the first taken port and, if the system tells, who has it.
pub fn ports(ports: impl IntoIterator<Item = (u16, String)>) -> Result<()> {
    for (port, purpose) in ports {
        if let Err(fault) = TcpListener::bind(("127.0.0.1", port)) {
            let holder = listeners::get_process_by_port(port, listeners::Protocol::TCP);
            let who =
                holder.map_or_else(|_| "another program".to_owned(), |p| format!("`{}` (process {})", p.name, p.pid));
            if fault.kind() == std::io::ErrorKind::AddrInUse {
                bail!(
                    "port {port}, meant for {purpose}, is taken by {who}: stop that, or choose other ports with --base-port"
                );
            }
            bail!("port {port}, meant for {purpose}, cannot be opened ({fault}): choose other ports with --base-port");
        }
    }
    Ok(())
}

/// Checks that the disk that holds `path` has `mib` free.
///
/// # Errors
/// Says how much there is and how much is needed.
pub fn disk(path: &Path, mib: u64) -> Result<()> {
    let there = path.ancestors().find(|dir| dir.exists()).unwrap_or(path);
    let stat =
        nix::sys::statvfs::statvfs(there).with_context(|| format!("cannot look at the disk of {}", there.display()))?;
    #[allow(clippy::useless_conversion, reason = "the width of these numbers differs between systems")]
    let free = u64::from(stat.blocks_available()).saturating_mul(u64::from(stat.fragment_size())) / MIB;
    ensure!(
        free >= mib,
        "the disk that holds {} has {free} MiB free and {mib} MiB are needed: free some space, or choose another --data-dir",
        path.display()
    );
    Ok(())
}

/// The services' binaries, next to this one.
///
/// # Errors
/// Names the first that is missing.
pub fn service_binary(name: &str) -> Result<PathBuf> {
    let own = std::env::current_exe().context("cannot tell where this program is")?;
    let binary = own.with_file_name(name);
    ensure!(
        binary.exists(),
        "{} is missing: build it with `make build` (the services are expected next to {})",
        binary.display(),
        own.display()
    );
    Ok(binary)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn java_says_its_version_in_two_ways() {
        assert_eq!(java_version("openjdk version \"17.0.15\" 2025-04-15"), Some(17));
        assert_eq!(java_version("java version \"1.8.0_392\""), Some(8));
        assert_eq!(java_version("openjdk version \"25\" 2025-09-16"), Some(25));
        assert_eq!(java_version("The operation couldn’t be completed."), None);
    }

    #[test]
    fn a_taken_port_is_named_with_its_purpose() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let fault = ports([(port, "Kafka".to_owned())]).unwrap_err().to_string();
        assert!(fault.contains(&format!("port {port}, meant for Kafka, is taken by")), "{fault}");
        assert!(fault.contains("--base-port"), "{fault}");
    }

    #[test]
    fn a_full_disk_is_named_with_what_is_needed() {
        let dir = tempfile::tempdir().unwrap();
        disk(&dir.path().join("not/yet/there"), 0).unwrap();
        let fault = disk(dir.path(), u64::MAX).unwrap_err().to_string();
        assert!(fault.contains("MiB are needed"), "{fault}");
    }

    #[tokio::test]
    async fn a_data_directory_serves_one_marketplace_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let data_dir = DataDir::new(dir.path().to_owned());
        let held = lock(&data_dir).await.unwrap();
        let fault = lock(&data_dir).await.unwrap_err().to_string();
        assert!(fault.contains(&format!("process {}", std::process::id())), "{fault}");
        drop(held);
        lock(&data_dir).await.unwrap();
    }
}
