//! Whether the services agree again: all are ready, nothing waits in an outbox, no consumer lags, nothing is overdue, and
//! listing shows what bidding decided. Databases and broker are asked directly, past the proxies. What has to be alike once
//! a lot is over is said in [`crate::outcome`].

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    metadata::MetadataPartition,
};
use reqwest::Method;
use serde_json::Value;
use sqlx::{PgPool, postgres::PgPoolOptions};
use testcontainers_suite::{
    broker,
    world::{Endpoints, Service, World},
};
use tokio::time::Instant;

const POLL: Duration = Duration::from_millis(50);
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);
/// What keeps them from it is told from then on.
const TOLD_AFTER: Duration = Duration::from_secs(3);
/// What does not agree by then will not.
const GIVES_UP_AFTER: Duration = Duration::from_secs(60);

/// What a service should have done two seconds ago.
const fn overdue(service: Service) -> Option<&'static str> {
    match service {
        Service::Listing => None,
        Service::Bidding => Some("SELECT count(*) FROM auction WHERE due_at < clock_timestamp() - interval '2 s'"),
        Service::Settlement => Some(
            "SELECT (SELECT count(*) FROM settlement WHERE due_at < clock_timestamp() - interval '2 s')
                  + (SELECT count(*) FROM gateway_call WHERE due_at < clock_timestamp() - interval '2 s')",
        ),
    }
}

/// Whose events a service consumes.
pub const fn followed(service: Service) -> [Service; 2] {
    match service {
        Service::Listing => [Service::Bidding, Service::Settlement],
        Service::Bidding => [Service::Listing, Service::Settlement],
        Service::Settlement => [Service::Listing, Service::Bidding],
    }
}

/// Reads the state of databases and broker.
pub struct Witness {
    databases: Mutex<BTreeMap<Service, PgPool>>,
    consumers: Arc<BTreeMap<Service, BaseConsumer>>,
}

impl Witness {
    /// Of a marketplace.
    pub fn of(endpoints: &Endpoints) -> Result<Self> {
        let (mut databases, mut consumers) = (BTreeMap::new(), BTreeMap::new());
        for service in Service::ALL {
            databases.insert(service, pool(&endpoints.postgres[service.context()])?);
            // It reads what the group has committed, and is no member.
            let mut client = broker::client(endpoints, service);
            client.set("group.id", service.name()).set("reconnect.backoff.max.ms", "200");
            consumers.insert(service, client.create()?);
        }
        Ok(Self { databases: Mutex::new(databases), consumers: Arc::new(consumers) })
    }

    /// A service's database is elsewhere now.
    pub fn moved(&self, service: Service, url: &str) -> Result<()> {
        self.databases.lock().unwrap_or_else(PoisonError::into_inner).insert(service, pool(url)?);
        Ok(())
    }

    /// A service's database.
    pub fn database(&self, service: Service) -> PgPool {
        self.databases.lock().unwrap_or_else(PoisonError::into_inner)[&service].clone()
    }

    /// Waits until everything agrees about `lots`; tells how long after `healed` that was.
    pub async fn agreement(&self, world: &World, lots: &[String], healed: Instant) -> Result<Duration> {
        let mut told = String::new();
        loop {
            let Err(fault) = self.agree(world, lots).await else { return Ok(healed.elapsed()) };
            let what = format!("{fault:#}");
            if healed.elapsed() > TOLD_AFTER && what != told {
                println!("   after {:.1} s they do not agree yet: {what}", healed.elapsed().as_secs_f64());
                told = what;
            }
            if healed.elapsed() > GIVES_UP_AFTER {
                return Err(fault.context(format!("the services do not agree after {GIVES_UP_AFTER:?}")));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    async fn agree(&self, world: &World, lots: &[String]) -> Result<()> {
        // At one time, as those who send requests to them ask.
        try_join_all(Service::ALL.map(|service| is_ready(world, service))).await?;
        for service in Service::ALL {
            let waiting = self.count(service, "SELECT count(*) FROM outbox").await?;
            ensure!(waiting == 0, "{waiting} rows wait in the outbox of {service}");
            if let Some(overdue) = overdue(service) {
                let late = self.count(service, overdue).await?;
                ensure!(late == 0, "{service} should have done {late} things before");
            }
            let lag = self.lag(service).await?;
            ensure!(lag == 0, "{service} has not consumed {lag} events");
        }
        for lot in lots {
            listing_shows(world, lot).await?;
        }
        Ok(())
    }

    /// One number of a service's database.
    pub async fn count(&self, service: Service, query: &str) -> Result<i64> {
        Ok(sqlx::query_scalar(query).fetch_one(&self.database(service)).await?)
    }

    /// Dead letters of all services, replayed or not.
    pub async fn dead_letters(&self) -> Result<i64> {
        let consumers = Arc::clone(&self.consumers);
        let count = move || {
            let counts =
                consumers.iter().map(|(service, consumer)| records(consumer, &format!("{}.dlq", service.name())));
            counts.sum::<Result<i64>>()
        };
        tokio::task::spawn_blocking(count).await?
    }

    /// Messages on the topics of all services, whoever sent them.
    pub async fn published(&self) -> Result<i64> {
        let consumers = Arc::clone(&self.consumers);
        let count = move || {
            let counts = consumers.iter().map(|(service, consumer)| records(consumer, &service.topic()));
            counts.sum::<Result<i64>>()
        };
        tokio::task::spawn_blocking(count).await?
    }

    /// Whether the broker answers.
    pub async fn reaches_the_broker(&self) -> Result<()> {
        let consumers = Arc::clone(&self.consumers);
        let asked = move || partitions(&consumers[&Service::Listing], &Service::Listing.topic()).map(|_| ());
        tokio::task::spawn_blocking(asked).await?
    }

    /// Events of others that a service has not consumed.
    async fn lag(&self, service: Service) -> Result<i64> {
        let consumers = Arc::clone(&self.consumers);
        tokio::task::spawn_blocking(move || lag(&consumers[&service], service)).await?
    }
}

async fn is_ready(world: &World, service: Service) -> Result<()> {
    let url = format!("{}/healthz/ready", world.endpoints.api(service));
    let answer = world.ask(world.http.get(url).timeout(ANSWERS_WITHIN)).await?;
    ensure!(answer.status == 200, "{service} is not ready: {}", answer.text);
    Ok(())
}

fn pool(url: &str) -> Result<PgPool> {
    Ok(PgPoolOptions::new().max_connections(4).acquire_timeout(ANSWERS_WITHIN).connect_lazy(url)?)
}

/// The numbers of a topic's partitions.
pub fn partitions(consumer: &BaseConsumer, topic: &str) -> Result<Vec<i32>> {
    let metadata = consumer.fetch_metadata(Some(topic), ANSWERS_WITHIN)?;
    let partitions = metadata.topics().first().context("the topic is missing")?.partitions();
    ensure!(!partitions.is_empty(), "{topic} has no partitions");
    Ok(partitions.iter().map(MetadataPartition::id).collect())
}

fn records(consumer: &BaseConsumer, topic: &str) -> Result<i64> {
    let mut records = 0;
    for partition in partitions(consumer, topic)? {
        let (low, high) = consumer.fetch_watermarks(topic, partition, ANSWERS_WITHIN)?;
        records += high - low;
    }
    Ok(records)
}

fn lag(consumer: &BaseConsumer, service: Service) -> Result<i64> {
    let mut places = TopicPartitionList::new();
    for topic in followed(service).map(Service::topic) {
        for partition in partitions(consumer, &topic)? {
            places.add_partition(&topic, partition);
        }
    }
    let mut lag = 0;
    for place in consumer.committed_offsets(places, ANSWERS_WITHIN)?.elements() {
        let (low, high) = consumer.fetch_watermarks(place.topic(), place.partition(), ANSWERS_WITHIN)?;
        let next = if let Offset::Offset(offset) = place.offset() { offset } else { low };
        lag += high - next;
    }
    Ok(lag)
}

async fn listing_shows(world: &World, lot: &str) -> Result<()> {
    let reader = world.bidder("reader");
    let read = async |service, path: &str| -> Result<Value> {
        let request = reader.request(Method::GET, service, &format!("{path}/{lot}"));
        world.ask(request.timeout(ANSWERS_WITHIN)).await?.success()
    };
    let auction = read(Service::Bidding, "/v1/auctions").await?;
    let listing = read(Service::Listing, "/v1/listings").await?;
    let same = listing["price"] == auction["price"] && listing["bid_count"] == auction["bid_count"];
    ensure!(same, "listing shows {listing}, bidding {auction}");
    Ok(())
}
