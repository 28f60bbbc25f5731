//! A marketplace whose every connection to a server goes through a proxy: `outcry up` runs PostgreSQL and Kafka, this
//! program runs the services, as often as it likes, and clients reach them through a front that knows all instances.

mod books;
pub mod cluster;
mod end;
pub mod instance;
mod metrics;
pub mod sessions;
mod settings;

use std::{
    collections::BTreeMap,
    ffi::OsString,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use reqwest::Url;
use tempfile::TempDir;
use testcontainers_suite::{
    proxy::Proxy,
    target::{Local, data_directory},
    token::Signer,
    wait::within,
    watch::Watch,
    world::{Endpoints, Service, World},
};

use self::instance::Instance;
use crate::converge::Witness;

/// A service may take so long until it is ready.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// The way of one service to its servers.
pub struct Links {
    /// To its PostgreSQL.
    pub database: Proxy,
    /// To Kafka.
    pub broker: Proxy,
}

/// The marketplace.
pub struct Stage {
    local: Local,
    /// What clients see of it: the fronts.
    pub world: Arc<World>,
    links: BTreeMap<Service, Links>,
    fronts: BTreeMap<Service, Proxy>,
    instances: BTreeMap<(Service, usize), Instance>,
    witness: Arc<Witness>,
    watch: Watch,
    /// Events that consumers missed, of instances that have ended.
    missed: f64,
    /// What was not to be learnt of instances that have ended.
    silent: Vec<String>,
    /// Services whose events follow one another by their numbers: those that have forgotten none.
    mindful: Vec<Service>,
}

/// What a service is started with besides the usual.
pub type Extra = Vec<(String, String)>;

impl Stage {
    /// Starts everything, one instance of each service.
    pub async fn start() -> Result<Self> {
        Self::start_in(data_directory()?).await
    }

    /// The same in a directory of one's own.
    pub async fn start_in(dir: TempDir) -> Result<Self> {
        let mut brokers = Vec::new();
        for _ in Service::ALL {
            brokers.push(Proxy::before(&[]).await?);
        }
        let ways = brokers.iter().map(|proxy| proxy.address().to_string());
        let arguments: Vec<OsString> =
            ways.flat_map(|way| ["--kafka-via".to_owned(), way]).map(OsString::from).collect();
        let local = tokio::task::spawn_blocking(move || Local::infrastructure(dir, arguments)).await??;
        let mut endpoints = Endpoints::read(&local.data_dir().join("endpoints.json"))?;
        let (mut links, mut fronts) = (BTreeMap::new(), BTreeMap::new());
        for ((service, broker), way) in Service::ALL.into_iter().zip(brokers).zip(22..) {
            broker.leads_to(&[here(local.base_port() + way)]);
            let database = Proxy::before(&[here(port_of(&endpoints.postgres[service.context()])?)]).await?;
            links.insert(service, Links { database, broker });
            let front = Proxy::before(&[]).await?;
            let url = format!("https://{}", front.address());
            match service {
                Service::Listing => endpoints.listing = url,
                Service::Bidding => endpoints.bidding = url,
                Service::Settlement => endpoints.settlement = url,
            }
            fronts.insert(service, front);
        }
        let signer = Signer::of_data_dir(&local.data_dir())?;
        let world = Arc::new(World::new(endpoints, signer, Some(local.data_dir()))?);
        settings::make_secrets(&local.data_dir())?;
        let (witness, watch) = (Arc::new(Witness::of(&world.endpoints)?), Watch::start(&world.endpoints)?);
        let mut stage = Self {
            local,
            world,
            links,
            fronts,
            instances: BTreeMap::new(),
            witness,
            watch,
            missed: 0.0,
            silent: Vec::new(),
            mindful: Service::ALL.to_vec(),
        };
        try_join_all(Service::ALL.map(|service| stage.migrate(service))).await?;
        for service in Service::ALL {
            stage.start_instance(service, 0, &Extra::new())?;
        }
        stage.are_ready().await?;
        Ok(stage)
    }

    /// The way of a service to its servers.
    pub fn links(&self, service: Service) -> &Links {
        &self.links[&service]
    }

    /// All ways to servers.
    pub fn all_links(&self) -> impl Iterator<Item = &Proxy> {
        self.links.values().flat_map(|links| [&links.database, &links.broker])
    }

    /// Reads the state of databases and broker past the proxies.
    pub fn witness(&self) -> &Arc<Witness> {
        &self.witness
    }

    /// Watches every event.
    pub fn watch(&self) -> &Watch {
        &self.watch
    }

    /// What runs PostgreSQL and Kafka.
    pub fn local(&self) -> &Local {
        &self.local
    }

    /// Brings a service's database to its newest form.
    async fn migrate(&self, service: Service) -> Result<()> {
        let mut command = self.command(service, 0, &Extra::new())?;
        let ended = command.arg("migrate").status().await?;
        ensure!(ended.success(), "{service}: `migrate` ended with {ended}");
        Ok(())
    }

    /// Starts an instance and does not wait for it; clients find it as soon as it listens.
    pub fn start_instance(&mut self, service: Service, number: usize, extra: &Extra) -> Result<()> {
        let mut command = self.command(service, number, extra)?;
        command.arg("serve");
        let instance = Instance::start(service, here(self.api_port(service, number)), command)?;
        self.instances.insert((service, number), instance);
        self.lead();
        Ok(())
    }

    fn instance(&mut self, service: Service, number: usize) -> Result<&mut Instance> {
        self.instances.get_mut(&(service, number)).with_context(|| format!("{service} has no instance {number}"))
    }

    /// Kills an instance as `kill -9` does.
    pub async fn kill(&mut self, service: Service, number: usize) -> Result<()> {
        self.keep_missed(service, number).await;
        let killed = self.instance(service, number)?.kill().await;
        self.forget(service, number);
        killed
    }

    /// Ends an instance by SIGTERM. Nobody tells the front before: it goes by who listens.
    pub async fn terminate(&mut self, service: Service, number: usize) -> Result<()> {
        self.keep_missed(service, number).await;
        let ended = self.instance(service, number)?.terminate().await;
        self.forget(service, number);
        ended
    }

    fn forget(&mut self, service: Service, number: usize) {
        self.instances.remove(&(service, number));
        self.lead();
    }

    /// The numbers of a service's instances.
    pub fn instances_of(&self, service: Service) -> Vec<usize> {
        self.instances.keys().filter(|(of, _)| *of == service).map(|(_, number)| *number).collect()
    }

    /// Where a service's instances listen.
    pub fn apis(&self, service: Service) -> Vec<SocketAddr> {
        let instances = self.instances.iter().filter(|((of, _), _)| *of == service);
        instances.map(|(_, instance)| instance.api).collect()
    }

    /// Fronts lead to what runs.
    fn lead(&self) {
        for (service, front) in &self.fronts {
            front.leads_to(&self.apis(*service));
        }
    }

    /// Waits until every instance is ready.
    pub async fn are_ready(&self) -> Result<()> {
        try_join_all(self.instances.values().map(|instance| self.is_ready(instance))).await?;
        Ok(())
    }

    async fn is_ready(&self, instance: &Instance) -> Result<()> {
        within(READY_WITHIN, &format!("{} at {} is ready", instance.service, instance.api), || async {
            let url = format!("https://{}/healthz/ready", instance.api);
            let answer = self.world.ask(self.world.http.get(url)).await?;
            ensure!(answer.status == 200, "{}", answer.text);
            instance.has_said_ready();
            Ok(())
        })
        .await
    }

    fn api_port(&self, service: Service, number: usize) -> u16 {
        self.local.base_port() + nth(service) + 3 * u16::try_from(number).unwrap_or_default()
    }

    fn admin_port(&self, service: Service, number: usize) -> u16 {
        self.api_port(service, number) + 10
    }
}

/// Its place among the ports.
const fn nth(service: Service) -> u16 {
    match service {
        Service::Listing => 1,
        Service::Bidding => 2,
        Service::Settlement => 3,
    }
}

/// An address of this machine.
pub const fn here(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

/// The port of a database's URL.
pub fn port_of(url: &str) -> Result<u16> {
    Url::parse(url)?.port().context("the database's URL names no port")
}
