//! From nothing to a ready marketplace: databases and broker side by side, then the services.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::{Up, address_of};
use crate::ca::{Authority, Purpose};
use crate::cli::postgres_urls;
use crate::dev_key::DevKey;
use crate::endpoints::Endpoints;
use crate::kafka::admin::Admin;
use crate::kafka::{Broker, OPERATOR, access, wire};
use crate::layout::{KAFKA_WAYS, Service};
use crate::maven::{Cache, parse_lock};
use crate::postgres::{self, Instance};
use crate::process::{Spec, run_to_end};
use crate::ready::Ready;
use crate::services::{self, GATEWAY, Wiring};
use crate::supervise::{Keeper, Layer, poll};
use crate::{api, files, preflight, unprivileged};

/// Free space that the downloads need, in MiB.
const DOWNLOADS_MIB: u64 = 300;
/// How long servers that are not ours may take to answer.
const FOREIGN_ANSWERS_WITHIN: Duration = Duration::from_secs(10);

impl Up {
    /// Starts everything and publishes where it is.
    pub(super) async fn start(&self) -> Result<Endpoints> {
        let urls = postgres_urls(&self.args.postgres_urls)?;
        ensure!(
            self.args.kafka_via.len() <= KAFKA_WAYS,
            "--kafka-via was given {} times: there are ports for {KAFKA_WAYS}",
            self.args.kafka_via.len()
        );
        self.service_binaries()?;
        preflight::ports(self.needed_ports(urls.is_none()))?;
        let authority = Authority::open(&self.data_dir)?;
        DevKey::create(&self.data_dir)?;
        for service in Service::ALL {
            authority.issue(&service.name(), Purpose::Server)?;
            authority.issue(&service.name(), Purpose::Client)?;
        }

        let cache = Cache::new(unprivileged::cache_root()?, self.console.clone());
        let urls = self.infrastructure(urls, &cache, &authority).await?;
        self.services(&urls).await?;
        let endpoints = self.endpoints(&urls);
        let (published, data_dir, console) = (endpoints.clone(), self.data_dir.clone(), self.console.clone());
        self.board.watch(Box::new(move |pids| {
            if let Err(fault) = published.publish(&data_dir, pids) {
                console.say(format!("! {fault:#}"));
            }
        }));
        Ok(endpoints)
    }

    fn service_binaries(&self) -> Result<Vec<(Service, PathBuf)>> {
        if self.args.infrastructure_only {
            return Ok(Vec::new());
        }
        Service::ALL.into_iter().map(|service| Ok((service, preflight::service_binary(&service.name())?))).collect()
    }

    fn needed_ports(&self, own_postgres: bool) -> Vec<(u16, String)> {
        let ports = self.ports;
        let mut needed = Vec::new();
        for service in Service::ALL {
            if !self.args.infrastructure_only {
                needed.push((ports.api(service), service.to_string()));
                needed.push((ports.admin(service), format!("the metrics of {service}")));
            }
            if own_postgres {
                needed.push((ports.postgres(service), format!("PostgreSQL of {service}")));
            }
        }
        if self.args.kafka.is_none() {
            needed.push((ports.kafka(), "Kafka".to_owned()));
            needed.push((ports.kafka_controller(), "Kafka's controller".to_owned()));
            for (way, address) in (0..).zip(&self.args.kafka_via) {
                needed.push((ports.kafka_via(way), format!("Kafka's way through {address}")));
            }
        }
        needed
    }

    /// Databases and broker, side by side; returns the database URLs and the broker's address.
    async fn infrastructure(
        &self,
        urls: Option<[String; 3]>,
        cache: &Cache,
        authority: &Authority,
    ) -> Result<[String; 3]> {
        let jars = parse_lock(include_str!("../../kafka.lock"))?;
        let archive = if urls.is_none() { Some(postgres::archive()?) } else { None };
        let java = if self.args.kafka.is_none() { Some(preflight::java().await?) } else { None };
        let complete = archive.as_ref().is_none_or(|archive| postgres::installed(cache, archive))
            && (java.is_none() || cache.holds(&jars));
        if !complete {
            preflight::disk(cache.root(), DOWNLOADS_MIB)?;
        }
        let filling = cache.fill().await?;
        let home = match &archive {
            Some(archive) => Some(postgres::install(cache, &filling, archive).await?),
            None => None,
        };
        let jars = if java.is_some() { cache.fetch(&filling, "Apache Kafka", &jars).await? } else { Vec::new() };
        drop(filling);

        let databases = async {
            let urls = match (urls, home) {
                (None, Some(home)) => self.databases(home, authority).await?,
                (urls, _) => self.foreign_databases(urls.context("the databases' addresses are missing")?).await?,
            };
            self.migrate(&urls).await?;
            Ok(urls)
        };
        let broker = self.broker(java.map(|java| self.own_broker(java, jars)), authority);
        let (urls, ()) = tokio::try_join!(databases, broker)?;
        Ok(urls)
    }

    async fn foreign_databases(&self, urls: [String; 3]) -> Result<[String; 3]> {
        for (service, url) in Service::ALL.into_iter().zip(&urls) {
            let reached = Ready::Postgres { url: url.clone() }.wait(FOREIGN_ANSWERS_WITHIN).await;
            reached
                .with_context(|| format!("cannot open a session at {}, the database of {service}", address_of(url)))?;
        }
        self.console.say("✓ PostgreSQL: your own");
        Ok(urls)
    }

    async fn databases(&self, home: PathBuf, authority: &Authority) -> Result<[String; 3]> {
        let user = unprivileged::for_postgres(&home, &self.data_dir)?;
        let root = unprivileged::postgres_root(&self.data_dir, user.as_ref())?;
        if let Some(user) = &user {
            self.console.say(format!(
                "PostgreSQL does not run as root: it runs as `{}`, its files are in {}.",
                user.name,
                root.display()
            ));
        }
        let instance =
            |service| Instance::new(service, home.clone(), &root, user.clone(), self.ports, self.data_dir.clone());
        let instances = Service::ALL.map(instance);
        let urls = instances.iter().map(|instance| self.database(instance, authority));
        let urls = futures::future::try_join_all(urls).await?;
        self.console.say("✓ PostgreSQL: one instance for each service");
        urls.try_into().ok().context("one of the databases has no address")
    }

    async fn database(&self, instance: &Instance, authority: &Authority) -> Result<String> {
        instance.prepare(authority).await?;
        let ready = Ready::Postgres { url: instance.superuser_url()? };
        let keeper = Keeper::start(instance.spec(), ready, self.board.clone()).await?;
        self.stack.add(Layer::Databases, keeper);
        instance.create_database().await.context("cannot create the database of a service")?;
        instance.url()
    }

    fn own_broker(&self, java: PathBuf, jars: Vec<PathBuf>) -> Broker {
        Broker::new(java, jars, self.data_dir.clone(), self.ports, self.args.kafka_via.clone())
    }

    async fn broker(&self, own: Option<Broker>, authority: &Authority) -> Result<()> {
        let operator = authority.issue(OPERATOR, Purpose::Client)?;
        let tls = wire::tls(&files::read(&self.kafka_ca())?, &operator)?;
        let address = self.kafka();
        let admin = Admin::new(address.clone(), tls);
        let topics = access::topics();
        if let Some(broker) = own {
            broker.prepare(authority).await?;
            let keeper = Keeper::start(broker.spec(), Ready::Kafka(admin.clone()), self.board.clone()).await?;
            self.stack.add(Layer::Broker, keeper);
            // A fresh node answers a moment before it accepts changes.
            poll(Duration::from_secs(30), || admin.create_topics(&topics, Duration::from_secs(20))).await?;
            admin.create_rules(&access::rules()).await?;
            self.console.say("✓ Apache Kafka: one node, mutual TLS, access rules for each service");
        } else {
            admin.create_topics(&topics, Duration::from_secs(20)).await.with_context(|| {
                format!(
                    "cannot use Kafka at {address}: it must trust {} and allow CN={OPERATOR} to create topics",
                    self.data_dir.ca_file().display()
                )
            })?;
            self.console.say(format!("✓ Kafka at {address}: the topics are there; its access rules are yours to set"));
        }
        Ok(())
    }

    fn kafka(&self) -> String {
        self.args.kafka.clone().unwrap_or_else(|| format!("127.0.0.1:{}", self.ports.kafka()))
    }

    fn kafka_ca(&self) -> PathBuf {
        self.args.kafka_ca.clone().unwrap_or_else(|| self.data_dir.ca_file())
    }

    fn service_specs(&self, urls: &[String; 3]) -> Result<Vec<(Service, Spec)>> {
        let wiring = Wiring {
            data_dir: self.data_dir.clone(),
            ports: self.ports,
            kafka: self.kafka(),
            kafka_ca: std::path::absolute(self.kafka_ca())?,
            rate_limit: !self.args.no_rate_limit,
            quick: self.args.quick,
            gateway: services::gateway(std::env::var_os(GATEWAY)),
        };
        let binaries = self.service_binaries()?.into_iter();
        binaries.map(|(service, binary)| Ok((service, wiring.spec(service, binary, &urls[service.index()])?))).collect()
    }

    /// Brings the databases to the services' schemas; the broker may still be starting.
    async fn migrate(&self, urls: &[String; 3]) -> Result<()> {
        let specs = self.service_specs(urls)?.into_iter().map(|(_, spec)| spec.args(["migrate"]));
        let migrations = specs.map(|spec| async move { run_to_end(&spec).await });
        futures::future::try_join_all(migrations).await.context("cannot bring a database to its newest form")?;
        Ok(())
    }

    async fn services(&self, urls: &[String; 3]) -> Result<()> {
        let client = api::client(&self.data_dir.ca_file())?;
        let starts = self.service_specs(urls)?.into_iter().map(|(service, spec)| {
            let ready = Ready::Service {
                client: client.clone(),
                api: https(self.ports.api(service)),
                admin: https(self.ports.admin(service)),
            };
            async move {
                let keeper = Keeper::start(spec.args(["serve"]), ready, self.board.clone()).await?;
                self.stack.add(Layer::Services, keeper);
                self.console.say(format!("✓ {service}"));
                anyhow::Ok(())
            }
        });
        futures::future::try_join_all(starts).await?;
        Ok(())
    }

    fn endpoints(&self, urls: &[String; 3]) -> Endpoints {
        let by_context =
            |value: &dyn Fn(Service) -> String| Service::ALL.map(|s| (s.context().to_owned(), value(s))).into();
        Endpoints {
            listing: https(self.ports.api(Service::Listing)),
            bidding: https(self.ports.api(Service::Bidding)),
            settlement: https(self.ports.api(Service::Settlement)),
            ca_file: self.data_dir.ca_file(),
            kafka: self.kafka(),
            postgres: by_context(&|s| urls[s.index()].clone()),
            admin: by_context(&|s| https(self.ports.admin(s))),
            pids: BTreeMap::new(),
            tls_dir: self.data_dir.tls_dir(),
            logs_dir: self.data_dir.logs_dir(),
            gateway: services::gateway(std::env::var_os(GATEWAY)),
        }
    }
}

fn https(port: u16) -> String {
    format!("https://127.0.0.1:{port}")
}
