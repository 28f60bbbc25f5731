//! The marketplace of `deploy/compose`, started container by container: keys, three PostgreSQL, Kafka, topics,
//! migrations, the services, each with the limits that compose gives it.

use std::{
    collections::{BTreeMap, HashMap},
    fs::{self, File},
    io::Write,
    iter,
    net::IpAddr,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use tempfile::TempDir;
use testcontainers::{
    ContainerAsync, ContainerRequest, GenericImage, ImageExt,
    bollard::{Docker, models::PortBinding, query_parameters::RemoveVolumeOptions},
    core::{AccessMode, Host, IntoContainerPort, Mount, WaitFor, logs::LogFrame, wait::ExitWaitStrategy},
    runners::AsyncRunner,
};
use uuid::Uuid;

use super::images::{TAG, named};
use crate::{
    logs,
    secrets::Secrets,
    target::{KAFKA_ABOVE_BASE, SETTINGS, free_base_port},
    token::{self, AUDIENCE, ISSUER, Signer},
    wait::within,
    world::{Endpoints, Service, World},
};

const STARTS_WITHIN: Duration = Duration::from_secs(180);
const API: u16 = 8443;
const ADMIN: u16 = 9443;
/// Where the broker listens for this machine, beside the listener for the other containers.
const BROKER: u16 = 9094;
const MIB: i64 = 1024 * 1024;

/// All containers of one marketplace.
pub struct Fleet {
    run: String,
    docker: Docker,
    containers: Vec<(String, ContainerAsync<GenericImage>)>,
    addresses: HashMap<String, IpAddr>,
    /// The broker's port on this machine: chosen before it starts, because it tells its clients.
    broker: u16,
    /// Laid out as the data directory of `outcry up`.
    directory: TempDir,
}

impl Fleet {
    /// Starts everything, in order.
    pub async fn start(docker: Docker) -> Result<(Self, World)> {
        let run = format!("outcry-suite-{}", &Uuid::now_v7().simple().to_string()[20..]);
        // Keys are in it.
        let directory = tempfile::Builder::new().permissions(fs::Permissions::from_mode(0o700)).tempdir()?;
        let broker = free_base_port()? + KAFKA_ABOVE_BASE;
        let mut fleet = Self { run, docker, containers: Vec::new(), addresses: HashMap::new(), broker, directory };
        match fleet.assemble().await {
            Ok(world) => Ok((fleet, world)),
            Err(fault) => {
                if let Err(besides) = fleet.stop(true).await {
                    eprintln!("{besides:#}");
                }
                Err(fault)
            }
        }
    }

    async fn assemble(&mut self) -> Result<World> {
        let signer = self.bootstrap().await.context("bootstrap")?;
        let databases = Service::ALL.map(|service| (format!("postgres-{service}"), self.postgres(service)));
        for (name, request) in databases {
            self.launch(&name, request).await?;
        }
        let kafka = self.kafka();
        self.launch("kafka", kafka).await?;
        let topics = self.topics();
        self.launch("topics", topics).await?;
        for service in Service::ALL {
            let migration = self.service(service).with_cmd(["migrate"]);
            self.launch(&format!("migrate-{service}"), after_its_end(migration)).await?;
        }
        fs::create_dir(self.file("logs"))?;
        for service in Service::ALL {
            let log = File::create(self.file(&format!("logs/{}.log", service.name())))?;
            let request = self.service(service).with_log_consumer(written_to(log));
            self.launch(&service.name(), request).await?;
        }
        let world = World::new(self.endpoints().await?, signer, Some(self.directory.path().to_owned()))?;
        try_join_all(Service::ALL.map(|service| ready(&world, service))).await?;
        Ok(world)
    }

    /// Ends and removes everything; what the services logged has to be sound. If something failed before, says what they said
    /// last; if anything is wrong, their logs are kept.
    pub async fn stop(mut self, failed: bool) -> Result<()> {
        let mut sound = Ok(());
        while let Some((name, container)) = self.containers.pop() {
            let log = if name.ends_with("-service") { container.stdout_to_vec().await } else { Ok(Vec::new()) };
            let said = String::from_utf8_lossy(log.as_deref().unwrap_or_default()).into_owned();
            let logged = log.map_err(anyhow::Error::from).and_then(|_| logs::are_json(&said));
            let logged = logged.and_then(|()| Secrets::of_any().are_not_in(&said));
            sound = sound.and(logged.with_context(|| format!("the log of {name}")));
            if failed && name.ends_with("-service") {
                let last: Vec<&str> = said.lines().rev().take(15).collect();
                eprintln!("--- {name} said last:");
                last.into_iter().rev().for_each(|line| eprintln!("{line}"));
            }
            let removed = container.rm().await.with_context(|| format!("the container {name} is not removed"));
            sound = sound.and(removed);
        }
        for volume in VOLUMES {
            let name = format!("{}-{volume}", self.run);
            let removed = self.docker.remove_volume(&name, None::<RemoveVolumeOptions>).await;
            sound = sound.and(removed.with_context(|| format!("the volume {name} is not removed")));
        }
        if failed || sound.is_err() {
            eprintln!("the services' logs are kept in {}", self.directory.keep().join("logs").display());
        }
        sound
    }

    async fn launch(&mut self, name: &str, request: ContainerRequest<GenericImage>) -> Result<()> {
        let mut request = request
            .with_container_name(format!("{}-{name}", self.run))
            .with_network(&self.run)
            .with_hostname(name)
            .with_startup_timeout(STARTS_WITHIN);
        for (host, address) in &self.addresses {
            request = request.with_host(host, Host::Addr(*address));
        }
        let container = request.start().await.with_context(|| format!("the container {name}"))?;
        if name == "kafka" || name.starts_with("postgres-") {
            self.addresses.insert(name.to_owned(), container.get_bridge_ip_address().await?);
        }
        self.containers.push((name.to_owned(), container));
        Ok(())
    }

    fn volume(&self, name: &str, at: &str) -> Mount {
        Mount::volume_mount(format!("{}-{name}", self.run), at)
    }

    fn secrets(&self, party: &str) -> Mount {
        self.volume(&format!("secrets-{party}"), "/run/outcry").with_access_mode(AccessMode::ReadOnly)
    }

    /// Makes certificates, passwords and the signing key, and tells those of [`TOLD`].
    async fn bootstrap(&mut self) -> Result<Signer> {
        let files = TOLD.map(|(file, _)| file).join(" ");
        let tells = format!("bootstrap.sh >&2; cd /state; for file in {files}; do cat $file; echo @@@; done");
        let mut request = after_its_end(image("bootstrap").with_cmd(["bash", "-ec", tells.as_str()]));
        request = request.with_cap_drop("ALL");
        for capability in ["CHOWN", "DAC_OVERRIDE", "FOWNER"] {
            request = request.with_cap_add(capability);
        }
        for (volume, party) in [
            ("authority", "authority"),
            ("gateway", "gateway"),
            ("secrets-postgres-listing", "postgres-listing"),
            ("secrets-postgres-bidding", "postgres-bidding"),
            ("secrets-postgres-settlement", "postgres-settlement"),
            ("secrets-listing", "listing-service"),
            ("secrets-bidding", "bidding-service"),
            ("secrets-settlement", "settlement-service"),
            ("secrets-broker", "broker"),
            ("secrets-operator", "operator"),
        ] {
            request = request.with_mount(self.volume(volume, &format!("/state/{party}")));
        }
        self.launch("bootstrap", request).await?;
        // Removed at once: what it says is secret.
        let (_, bootstrap) = self.containers.pop().context("bootstrap")?;
        let told = bootstrap.stdout_to_vec().await?;
        bootstrap.rm().await?;
        let told = String::from_utf8(told)?;
        let contents: Vec<&str> = told.split("@@@").map(str::trim).collect();
        // What follows the last mark is nothing.
        ensure!(contents.len() == TOLD.len() + 1, "told were {} files of {}", contents.len() - 1, TOLD.len());
        fs::create_dir(self.file("tls"))?;
        fs::create_dir(self.file("secrets"))?;
        for ((_, file), content) in TOLD.iter().zip(contents) {
            fs::write(self.file(file), format!("{content}\n"))?;
        }
        Signer::of_data_dir(self.directory.path())
    }

    /// A file or folder of the directory.
    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn postgres(&self, service: Service) -> ContainerRequest<GenericImage> {
        let (name, access) = (service.context(), compose("postgres-access.conf"));
        // While it makes its databases it says so on the other output.
        let ready = WaitFor::message_on_stderr("database system is ready to accept connections");
        let image = GenericImage::new(named("postgres"), TAG.to_owned()).with_wait_for(ready);
        let request = image
            .with_user("999:999")
            .with_env_var("POSTGRES_USER", name)
            .with_env_var("POSTGRES_DB", name)
            .with_env_var("POSTGRES_PASSWORD_FILE", "/run/outcry/password")
            .with_mount(self.secrets(&format!("postgres-{name}")))
            .with_mount(
                Mount::bind_mount(access, "/etc/outcry/postgres-access.conf").with_access_mode(AccessMode::ReadOnly),
            )
            .with_cmd([
                "postgres",
                "-cssl=on",
                "-cssl_cert_file=/run/outcry/cert.pem",
                "-cssl_key_file=/run/outcry/key.pem",
                "-cssl_min_protocol_version=TLSv1.2",
                "-chba_file=/etc/outcry/postgres-access.conf",
                "-cmax_connections=100",
            ]);
        bounded(request, 768, &[])
    }

    /// As compose has it, with a listener more: a client is told the address that belongs to the listener it came by.
    fn kafka(&self) -> ContainerRequest<GenericImage> {
        let settings = [
            format!("listeners=SSL://0.0.0.0:9092,HOST://0.0.0.0:{BROKER},CONTROLLER://127.0.0.1:9093"),
            format!("advertised.listeners=SSL://kafka:9092,HOST://127.0.0.1:{}", self.broker),
            "listener.security.protocol.map=SSL:SSL,HOST:SSL,CONTROLLER:SSL".to_owned(),
        ];
        let settings = settings.into_iter().flat_map(|setting| ["--override".to_owned(), setting]);
        let image = GenericImage::new(named("kafka"), TAG.to_owned()).with_exposed_port(BROKER.tcp());
        let image = image.with_wait_for(WaitFor::message_on_stdout("Kafka Server started")).with_entrypoint("/bin/sh");
        let request = image
            .with_cmd(iter::once("/etc/outcry/start.sh".to_owned()).chain(settings))
            .with_user("1000:1000")
            .with_env_var("KAFKA_HEAP_OPTS", "-Xms384m -Xmx384m")
            .with_env_var("LOG_DIR", "/tmp")
            .with_mount(self.secrets("broker"))
            .with_mount(Mount::bind_mount(compose("kafka"), "/etc/outcry").with_access_mode(AccessMode::ReadOnly));
        bounded(request, 1024, &[(BROKER, Some(self.broker))])
    }

    fn topics(&self) -> ContainerRequest<GenericImage> {
        let image = GenericImage::new(named("kafka"), TAG.to_owned()).with_entrypoint("/bin/sh");
        let request = image
            .with_cmd(["/etc/outcry/topics.sh"])
            .with_user("1000:1000")
            .with_env_var("LOG_DIR", "/tmp")
            .with_mount(self.secrets("operator"))
            .with_mount(Mount::bind_mount(compose("kafka"), "/etc/outcry").with_access_mode(AccessMode::ReadOnly));
        after_its_end(bounded(request, 512, &[]))
    }

    fn service(&self, service: Service) -> ContainerRequest<GenericImage> {
        let name = service.name();
        let mut request = image(&name).with_readonly_rootfs(true).with_mount(self.secrets(service.context()));
        for (variable, value) in [
            ("OUTCRY_ENV", "development"),
            ("OUTCRY_TLS_CERT_FILE", "/run/outcry/cert.pem"),
            ("OUTCRY_TLS_KEY_FILE", "/run/outcry/key.pem"),
            ("OUTCRY_DATABASE_URL_FILE", "/run/outcry/database-url"),
            ("OUTCRY_KAFKA_BROKERS", "kafka:9092"),
            ("OUTCRY_KAFKA_CA_FILE", "/run/outcry/ca.pem"),
            ("OUTCRY_KAFKA_CERT_FILE", "/run/outcry/cert.pem"),
            ("OUTCRY_KAFKA_KEY_FILE", "/run/outcry/key.pem"),
            ("OUTCRY_JWT_ISSUER", ISSUER),
            ("OUTCRY_JWT_AUDIENCE", AUDIENCE),
            ("OUTCRY_JWKS", "/run/outcry/jwks.json"),
        ] {
            request = request.with_env_var(variable, value);
        }
        for (variable, value) in SETTINGS {
            request = request.with_env_var(*variable, *value);
        }
        // Requests come through Docker's own proxy.
        request = request.with_env_var("OUTCRY_TRUSTED_PROXIES", "0.0.0.0/0");
        request = match service {
            Service::Listing => request,
            Service::Bidding => request
                .with_env_var("OUTCRY_ALIAS_SECRET_FILE", "/run/outcry/alias-secret")
                .with_env_var("OUTCRY_RECEIPT_KEY_FILE", "/run/outcry/receipt-key.pem"),
            Service::Settlement => request
                .with_env_var("OUTCRY_GATEWAY", "simulated")
                .with_env_var("OUTCRY_SIMULATED_GATEWAY_FILE", "/var/lib/outcry/gateway.jsonl")
                .with_mount(self.volume("gateway", "/var/lib/outcry")),
        };
        bounded(request.with_mount(Mount::tmpfs_mount("/tmp")), 512, &[(API, None), (ADMIN, None)])
    }

    async fn endpoints(&self) -> Result<Endpoints> {
        let services = &self.containers[self.containers.len() - Service::ALL.len()..];
        let mut urls = BTreeMap::new();
        for (service, (_, container)) in Service::ALL.into_iter().zip(services) {
            for port in [API, ADMIN] {
                let mapped = container.get_host_port_ipv4(port.tcp()).await?;
                urls.insert((service, port), format!("https://127.0.0.1:{mapped}"));
            }
        }
        let url = |service, port| urls.get(&(service, port)).cloned().unwrap_or_default();
        Ok(Endpoints {
            listing: url(Service::Listing, API),
            bidding: url(Service::Bidding, API),
            settlement: url(Service::Settlement, API),
            ca_file: self.file("ca.pem"),
            kafka: format!("127.0.0.1:{}", self.broker),
            postgres: BTreeMap::new(),
            admin: Service::ALL.map(|service| (service.context().to_owned(), url(service, ADMIN))).into(),
            pids: BTreeMap::new(),
            tls_dir: self.file("tls"),
            logs_dir: self.file("logs"),
            token_key_file: None,
            jwks_file: None,
        })
    }
}

/// What tests need of all that bootstrap makes in `/state`, and where it is put.
const TOLD: [(&str, &str); 14] = [
    ("authority/ca.pem", "ca.pem"),
    ("authority/jwks.json", token::JWKS),
    ("authority/signing-key.pem", token::KEY),
    ("postgres-listing/password", "secrets/postgres-listing"),
    ("postgres-bidding/password", "secrets/postgres-bidding"),
    ("postgres-settlement/password", "secrets/postgres-settlement"),
    ("bidding-service/alias-secret", "secrets/alias"),
    ("bidding-service/receipt-key.pem", "secrets/receipt-key.pem"),
    ("listing-service/cert.pem", "tls/listing-service.pem"),
    ("listing-service/key.pem", "tls/listing-service-key.pem"),
    ("bidding-service/cert.pem", "tls/bidding-service.pem"),
    ("bidding-service/key.pem", "tls/bidding-service-key.pem"),
    ("settlement-service/cert.pem", "tls/settlement-service.pem"),
    ("settlement-service/key.pem", "tls/settlement-service-key.pem"),
];

const VOLUMES: [&str; 10] = [
    "authority",
    "gateway",
    "secrets-postgres-listing",
    "secrets-postgres-bidding",
    "secrets-postgres-settlement",
    "secrets-listing",
    "secrets-bidding",
    "secrets-settlement",
    "secrets-broker",
    "secrets-operator",
];

fn image(name: &str) -> ContainerRequest<GenericImage> {
    GenericImage::new(named(name), TAG.to_owned()).into()
}

/// It counts as started when it has ended well.
fn after_its_end(request: ContainerRequest<GenericImage>) -> ContainerRequest<GenericImage> {
    request.with_ready_conditions(vec![WaitFor::Exit(ExitWaitStrategy::new().with_exit_code(0))])
}

/// No capabilities, so much memory, and these ports on this machine only: each at a port of its own choice or any.
fn bounded(
    request: ContainerRequest<GenericImage>,
    mib: i64,
    ports: &[(u16, Option<u16>)],
) -> ContainerRequest<GenericImage> {
    let bindings = ports.iter().map(|(port, here)| {
        let here = here.map(|here| here.to_string());
        let local = PortBinding { host_ip: Some("127.0.0.1".to_owned()), host_port: here };
        (format!("{port}/tcp"), Some(vec![local]))
    });
    let bindings: HashMap<_, _> = bindings.collect();
    request.with_host_config_modifier(move |config| {
        config.cap_drop = Some(vec!["ALL".to_owned()]);
        config.security_opt = Some(vec!["no-new-privileges:true".to_owned()]);
        config.memory = Some(mib * MIB);
        config.pids_limit = Some(512);
        config.publish_all_ports = Some(false);
        config.port_bindings = Some(bindings.clone());
    })
}

/// Puts into a file what a container says.
fn written_to(log: File) -> impl Fn(&LogFrame) + Send + Sync + 'static {
    move |said: &LogFrame| {
        if let Err(fault) = (&log).write_all(said.bytes()) {
            eprintln!("a log cannot be written: {fault}");
        }
    }
}

fn compose(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/compose").join(file);
    path.canonicalize().unwrap_or(path).display().to_string()
}

async fn ready(world: &World, service: Service) -> Result<()> {
    within(Duration::from_secs(120), &format!("{service} is ready"), || async {
        let url = format!("{}/healthz/ready", world.endpoints.api(service));
        let answer = world.ask(world.http.get(url)).await?;
        ensure!(answer.status == 200, "{}", answer.text);
        Ok(())
    })
    .await
}
