//! Downloads what a lock file pins, from Maven Central into the cache folder, and trusts nothing but its SHA-256.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use backon::{ExponentialBuilder, Retryable};
use futures::{StreamExt, TryStreamExt};
use indicatif::ProgressBar;
use reqwest::StatusCode;
use reqwest::header::RANGE;
use tokio::io::AsyncWriteExt;

use crate::console::Console;
use crate::files;

const CENTRAL: &str = "https://repo1.maven.org/maven2";
const AT_ONCE: usize = 6;

/// One pinned file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    sha256: String,
    group: String,
    name: String,
    version: String,
}

impl Artifact {
    /// The artifact's version.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The artifact's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn path(&self) -> String {
        let (group, name, version) = (self.group.replace('.', "/"), &self.name, &self.version);
        format!("{group}/{name}/{version}/{name}-{version}.jar")
    }
}

/// Reads a lock file: lines of `<sha256>  <group>:<artifact>:<version>`, and comments behind `#`.
///
/// # Errors
/// Names the first line that is neither.
pub fn parse_lock(text: &str) -> Result<Vec<Artifact>> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
    lines
        .map(|(index, line)| {
            let fault =
                || anyhow!("line {} of the lock file is not `<sha256>  <group>:<artifact>:<version>`", index + 1);
            let (sha256, coordinates) = line.split_once("  ").ok_or_else(fault)?;
            let parts: Vec<&str> = coordinates.split(':').collect();
            let [group, name, version] = parts[..] else { return Err(fault()) };
            let plain =
                |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
            ensure!(sha256.len() == 64 && sha256.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f')), fault());
            ensure!([group, name, version].into_iter().all(plain), fault());
            let [sha256, group, name, version] = [sha256, group, name, version].map(str::to_owned);
            Ok(Artifact { sha256, group, name, version })
        })
        .collect()
}

/// The right to write to the cache folder, given back when it is dropped.
pub struct Filling {
    _lock: fs::File,
}

/// The cache folder and where it is filled from.
#[derive(Clone)]
pub struct Cache {
    root: PathBuf,
    central: String,
    console: Console,
}

impl Cache {
    /// The cache at `root`; `OUTCRY_MAVEN_URL` names another mirror of Maven Central.
    pub fn new(root: PathBuf, console: Console) -> Self {
        let central = std::env::var("OUTCRY_MAVEN_URL").ok().filter(|url| !url.is_empty());
        let central = central.as_deref().unwrap_or(CENTRAL).trim_end_matches('/').to_owned();
        Self { root, central, console }
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Whether every artifact is there, unverified.
    pub fn holds(&self, artifacts: &[Artifact]) -> bool {
        artifacts.iter().all(|artifact| self.file(artifact).exists())
    }

    fn file(&self, artifact: &Artifact) -> PathBuf {
        self.root.join("maven").join(artifact.path())
    }

    /// The artifacts as verified files; what is missing is downloaded, showing `what`.
    pub async fn fetch(&self, _filling: &Filling, what: &str, artifacts: &[Artifact]) -> Result<Vec<PathBuf>> {
        let mut missing = Vec::new();
        for artifact in artifacts {
            if !verified(&self.file(artifact), &artifact.sha256).await? {
                missing.push(artifact);
            }
        }
        if !missing.is_empty() {
            let bar = self.console.bytes(&format!("Downloading {what}"));
            let client = reqwest::Client::builder()
                .connect_timeout(Duration::from_secs(15))
                .read_timeout(Duration::from_secs(30))
                .build()?;
            let downloads = missing.into_iter().map(|artifact| self.download(&client, artifact, &bar));
            let done = futures::stream::iter(downloads).buffer_unordered(AT_ONCE).try_collect::<()>().await;
            bar.finish_and_clear();
            done.with_context(|| format!("cannot download {what}; it is needed once, later starts need no network"))?;
        }
        Ok(artifacts.iter().map(|artifact| self.file(artifact)).collect())
    }

    /// Waits until nobody else fills the cache: two starts at once must not write the same file.
    pub async fn fill(&self) -> Result<Filling> {
        files::create_dir(&self.root)?;
        let path = self.root.join("lock");
        let file = fs::File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
        if file.try_lock().is_err() {
            self.console.say("Another outcry is filling the cache folder: waiting for it.");
            while file.try_lock().is_err() {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
        Ok(Filling { _lock: file })
    }

    async fn download(&self, client: &reqwest::Client, artifact: &Artifact, bar: &ProgressBar) -> Result<()> {
        let url = format!("{}/{}", self.central, artifact.path());
        let file = self.file(artifact);
        let part = file.with_extension("jar.part");
        files::create_dir(file.parent().unwrap_or(&self.root))?;
        (|| transfer(client, &url, &part, bar))
            .retry(ExponentialBuilder::default().with_max_times(4))
            .when(|fault| !full(fault))
            .await?;
        if !verified(&part, &artifact.sha256).await? {
            let _ = fs::remove_file(&part);
            bail!(
                "{url} is not the file that outcry was made with (its SHA-256 differs); nothing of it was used, try again"
            );
        }
        fs::rename(&part, &file).with_context(|| format!("cannot write {}", file.display()))
    }
}

fn full(fault: &anyhow::Error) -> bool {
    fault
        .chain()
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .any(|e| e.kind() == std::io::ErrorKind::StorageFull)
}

/// Fetches what `part` does not have yet.
async fn transfer(client: &reqwest::Client, url: &str, part: &Path, bar: &ProgressBar) -> Result<()> {
    let have = fs::metadata(part).map_or(0, |meta| meta.len());
    let response = client.get(url).header(RANGE, format!("bytes={have}-")).send().await?;
    let resumed = response.status() == StatusCode::PARTIAL_CONTENT;
    if response.status() == StatusCode::RANGE_NOT_SATISFIABLE {
        return Ok(());
    }
    let response = response.error_for_status()?;
    bar.inc_length(response.content_length().unwrap_or(0));
    let mut options = tokio::fs::OpenOptions::new();
    let mut file = options.create(true).write(true).append(resumed).truncate(!resumed).open(part).await?;
    let mut body = response.bytes_stream();
    while let Some(chunk) = body.next().await {
        let chunk = chunk?;
        file.write_all(&chunk).await?;
        bar.inc(chunk.len() as u64);
    }
    file.flush().await?;
    Ok(())
}

async fn verified(path: &Path, sha256: &str) -> Result<bool> {
    let path = path.to_owned();
    let digest = tokio::task::spawn_blocking(move || match fs::read(&path) {
        Ok(content) => Ok(Some(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &content))),
        Err(fault) if fault.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(fault) => Err(fault).with_context(|| format!("cannot read {}", path.display())),
    });
    Ok(digest.await??.is_some_and(|digest| hex::encode(digest) == sha256))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_line_names_its_file() {
        let sha = "a".repeat(64);
        let lock = parse_lock(&format!("# why\n\n{sha}  org.apache.kafka:kafka_2.13:4.4.0\n")).unwrap();
        assert_eq!(lock[0].path(), "org/apache/kafka/kafka_2.13/4.4.0/kafka_2.13-4.4.0.jar");
        assert_eq!(lock[0].sha256, sha);
    }

    #[test]
    fn a_damaged_lock_line_is_named() {
        let sha = "a".repeat(64);
        for bad in
            ["nonsense".to_owned(), format!("{sha}  a:b"), format!("{sha}  a:../b:1"), format!("{}  a:b:1", &sha[1..])]
        {
            let fault = parse_lock(&format!("# first\n{bad}\n")).unwrap_err();
            assert!(fault.to_string().contains("line 2"), "{bad}: {fault}");
        }
    }

    #[test]
    fn the_lock_files_of_this_program_are_well_formed() {
        assert!(
            parse_lock(include_str!("../kafka.lock")).unwrap().iter().any(|artifact| artifact.name == "kafka_2.13")
        );
        assert_eq!(parse_lock(include_str!("../postgresql.lock")).unwrap().len(), 4);
    }

    #[tokio::test]
    async fn a_file_with_another_sum_is_not_used() {
        let served = tempfile::tempdir().unwrap();
        let port = serve_once(b"not what was pinned".to_vec()).await;
        let console = Console::new();
        let cache = Cache { root: served.path().to_owned(), central: format!("http://127.0.0.1:{port}"), console };
        let artifacts = parse_lock(&format!("{}  a:b:1\n", "0".repeat(64))).unwrap();

        let fault = cache.fetch(&cache.fill().await.unwrap(), "a test file", &artifacts).await.unwrap_err();

        assert!(format!("{fault:#}").contains("SHA-256 differs"), "{fault:#}");
        assert!(!cache.holds(&artifacts));
    }

    async fn serve_once(body: Vec<u8>) -> u16 {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
            let mut request = [0; 1024];
            let _ = tokio::io::AsyncReadExt::read(&mut stream, &mut request).await;
            stream.write_all(head.as_bytes()).await.unwrap();
            stream.write_all(&body).await.unwrap();
        });
        port
    }
}
