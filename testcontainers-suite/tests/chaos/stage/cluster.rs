//! PostgreSQL as an operator works on it: its process, its superuser, a base backup of its files, and a second server
//! started on such a backup, to which the service is led. What is told of a process comes from `/proc`, so this is for Linux.

use std::{
    ffi::OsString,
    fs,
    os::unix::{
        ffi::OsStringExt,
        fs::{MetadataExt, chown},
    },
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, anyhow, ensure};
use reqwest::Url;
use sqlx::{Connection, PgConnection, Row};
use testcontainers_suite::{wait::within, world::Service};
use tokio::process::{Child, Command};

use super::{Stage, here};

const STARTS_WITHIN: Duration = Duration::from_secs(60);

/// A server of one service's database.
pub struct Cluster {
    service: Service,
    program: PathBuf,
    arguments: Vec<OsString>,
    /// Its files.
    pub data: PathBuf,
    /// Who runs it: user and group.
    owner: (u32, u32),
    port: u16,
    url: String,
    password: String,
    /// The process, when this program started it: it ends with this, as by a power failure.
    _process: Option<Child>,
}

impl Cluster {
    /// The one that `outcry up` runs for a service.
    pub fn of(stage: &Stage, service: Service) -> Result<Self> {
        let process = PathBuf::from(format!("/proc/{}", stage.world.pid(&format!("postgres-{service}"))?));
        let program = fs::read_link(process.join("exe")).context("processes cannot be looked at here")?;
        let line = fs::read(process.join("cmdline"))?;
        let words = line.split(|byte| *byte == 0).filter(|word| !word.is_empty());
        let arguments: Vec<_> = words.skip(1).map(|word| OsString::from_vec(word.to_vec())).collect();
        let after = |flag: &str| {
            let place = arguments.iter().position(|argument| argument == flag);
            place.and_then(|place| arguments.get(place + 1)).with_context(|| format!("no {flag} in {arguments:?}"))
        };
        let (data, port) = (PathBuf::from(after("-D")?), after("-p")?.to_string_lossy().parse()?);
        let about = fs::metadata(&data)?;
        let owner = (about.uid(), about.gid());
        let secret = stage.local().data_dir().join(format!("secrets/postgres-{service}-superuser"));
        let url = stage.world.endpoints.postgres[service.context()].clone();
        let password = fs::read_to_string(secret)?.trim().to_owned();
        Ok(Self { service, program, arguments, data, owner, port, url, password, _process: None })
    }

    /// The service's own URL of this server.
    pub fn url(&self) -> Result<String> {
        self.url_as(self.service.context(), None, self.service.context())
    }

    fn url_as(&self, user: &str, password: Option<&str>, database: &str) -> Result<String> {
        let fault = |()| anyhow!("a database's URL cannot be changed");
        let mut url = Url::parse(&self.url)?;
        url.set_port(Some(self.port)).map_err(fault)?;
        url.set_username(user).map_err(fault)?;
        if let Some(password) = password {
            url.set_password(Some(password)).map_err(fault)?;
        }
        url.set_path(database);
        Ok(url.into())
    }

    /// A session of the superuser.
    pub async fn superuser(&self) -> Result<PgConnection> {
        self.superuser_in("postgres").await
    }

    /// The same in another database.
    pub async fn superuser_in(&self, database: &str) -> Result<PgConnection> {
        Ok(PgConnection::connect(&self.url_as("outcry", Some(&self.password), database)?).await?)
    }

    /// Changes a setting for good; some need a restart.
    pub async fn set(&self, setting: &str, value: &str) -> Result<()> {
        let mut superuser = self.superuser().await?;
        sqlx::query(&format!("ALTER SYSTEM SET {setting} = '{value}'")).execute(&mut superuser).await?;
        sqlx::query("SELECT pg_reload_conf()").execute(&mut superuser).await?;
        Ok(superuser.close().await?)
    }

    /// One value.
    pub async fn ask(&self, query: &str) -> Result<String> {
        let mut superuser = self.superuser().await?;
        let row = sqlx::query(query).fetch_one(&mut superuser).await?;
        let value = row.try_get(0)?;
        superuser.close().await?;
        Ok(value)
    }

    /// Copies the files while the server works, by the low-level API for backups (PostgreSQL's manual, 25.3.4): the
    /// embedded distribution has no `pg_basebackup`.
    pub async fn back_up(&self, to: &Path) -> Result<()> {
        let mut superuser = self.superuser().await?;
        sqlx::query("SELECT pg_backup_start('suite', true)").execute(&mut superuser).await?;
        let (from, copy) = (self.data.clone(), to.to_owned());
        tokio::task::spawn_blocking(move || copy_files(&from, &copy)).await??;
        let stopped = sqlx::query("SELECT labelfile FROM pg_backup_stop(true)").fetch_one(&mut superuser).await?;
        superuser.close().await?;
        let label = to.join("backup_label");
        fs::write(&label, stopped.try_get::<String, _>(0)?)?;
        self.hand_over(&label)
    }

    /// Gives a file to whoever runs PostgreSQL.
    pub fn hand_over(&self, path: &Path) -> Result<()> {
        let (user, group) = self.owner;
        chown(path, Some(user), Some(group)).with_context(|| format!("cannot hand over {}", path.display()))
    }

    /// Adds to a backup's settings, and makes a file that says what it is for.
    pub fn instruct(&self, backup: &Path, settings: &str, signal: &str) -> Result<()> {
        let file = backup.join("postgresql.auto.conf");
        let before = fs::read_to_string(&file)?;
        fs::write(&file, format!("{before}\n{settings}\n"))?;
        let signal = backup.join(signal);
        fs::write(&signal, "")?;
        self.hand_over(&signal)
    }

    /// What a replica has to know to follow this server.
    pub fn conninfo(&self) -> Result<String> {
        let url = self.url_as("outcry", Some(&self.password), "postgres")?;
        Ok(format!("primary_conninfo = '{url}'"))
    }

    /// Starts a server on a backup, with the same settings on another port.
    pub async fn start_on(&self, backup: &Path, port: u16, log: &Path) -> Result<Self> {
        let mut arguments = self.arguments.clone();
        for (flag, value) in [("-D", backup.as_os_str().to_owned()), ("-p", port.to_string().into())] {
            let place = arguments.iter().position(|argument| argument == flag).context("a flag is missing")?;
            arguments[place + 1] = value;
        }
        let log = fs::OpenOptions::new().create(true).append(true).open(log)?;
        let mut command = Command::new(&self.program);
        command.args(&arguments).env("LC_ALL", "C").env("TZ", "UTC").current_dir("/").kill_on_drop(true);
        // A replica looks at home for a certificate to show to its primary, and this home may be closed to it.
        command.env("HOME", backup);
        command.stdin(std::process::Stdio::null()).stdout(log.try_clone()?).stderr(log);
        if nix::unistd::geteuid().is_root() {
            command.uid(self.owner.0).gid(self.owner.1);
        }
        let started = Self {
            service: self.service,
            program: self.program.clone(),
            arguments,
            data: backup.to_owned(),
            owner: self.owner,
            port,
            url: self.url.clone(),
            password: self.password.clone(),
            _process: Some(command.spawn().context("cannot start PostgreSQL")?),
        };
        within(STARTS_WITHIN, "the server answers", || async {
            started.superuser().await?.close().await?;
            Ok(())
        })
        .await?;
        Ok(started)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Stage {
    /// A service's database is this one from now on: new connections lead there.
    pub fn database_is_at(&self, service: Service, cluster: &Cluster) -> Result<()> {
        self.witness().moved(service, &cluster.url()?)?;
        self.links(service).database.leads_to(&[here(cluster.port())]);
        Ok(())
    }
}

/// Copies a cluster without what belongs to the running server alone.
fn copy_files(from: &Path, to: &Path) -> Result<()> {
    const LEFT_OUT: [&str; 3] = ["postmaster.pid", "postmaster.opts", "pg_internal.init"];
    const EMPTY: [&str; 7] =
        ["pg_wal", "pg_replslot", "pg_dynshmem", "pg_notify", "pg_serial", "pg_stat_tmp", "pg_subtrans"];
    let made = fs::metadata(from)?;
    fs::create_dir(to).with_context(|| format!("cannot make {}", to.display()))?;
    fs::set_permissions(to, made.permissions())?;
    chown(to, Some(made.uid()), Some(made.gid()))?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (name, target) = (entry.file_name(), to.join(entry.file_name()));
        if LEFT_OUT.iter().any(|left_out| name == *left_out) {
            continue;
        }
        // A file may go while it is looked at: the log has what became of it.
        let Ok(about) = fs::symlink_metadata(entry.path()) else { continue };
        if about.is_dir() {
            if EMPTY.iter().any(|empty| name == *empty) {
                for empty in
                    [target.clone(), target.join("archive_status")].iter().take(1 + usize::from(name == "pg_wal"))
                {
                    fs::create_dir(empty)?;
                    fs::set_permissions(empty, about.permissions())?;
                    chown(empty, Some(about.uid()), Some(about.gid()))?;
                }
            } else {
                copy_files(&entry.path(), &target)?;
            }
        } else if fs::copy(entry.path(), &target).is_ok() {
            chown(&target, Some(about.uid()), Some(about.gid()))?;
        } else {
            ensure!(!entry.path().exists(), "cannot copy {}", entry.path().display());
        }
    }
    Ok(())
}
