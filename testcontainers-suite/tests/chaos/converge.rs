//! Whether the services agree again: all are ready, nothing waits in an outbox, no consumer lags, nothing is overdue, and
//! listing shows what bidding decided. Databases and broker are asked directly, past the proxies. What has to be alike once
//! a lot is over is said in [`crate::outcome`].

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, OnceLock, PoisonError},
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

/// The key and the number of the last event of everything that a service tells of, as its own database has it.
const fn last_events(service: Service) -> &'static str {
    match service {
        Service::Listing => "SELECT id::text, sequence FROM listing WHERE sequence > 0",
        Service::Bidding => {
            "SELECT auction_id::text, max(sequence) FROM decision WHERE sequence > 0 GROUP BY auction_id"
        }
        Service::Settlement => {
            "SELECT id::text, sequence FROM settlement
             UNION ALL SELECT user_id, sequence FROM standing WHERE sequence > 0"
        }
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
    groups: BTreeMap<Service, Arc<Group>>,
}

/// Asks the broker what a service's consumers have committed, and is none of them.
struct Group {
    service: Service,
    client: BaseConsumer,
    /// What they follow: topics and partitions. Nobody adds partitions.
    places: OnceLock<Vec<(String, i32)>>,
}

impl Witness {
    /// Of a marketplace.
    pub fn of(endpoints: &Endpoints) -> Result<Self> {
        let (mut databases, mut groups) = (BTreeMap::new(), BTreeMap::new());
        for service in Service::ALL {
            databases.insert(service, pool(&endpoints.postgres[service.context()])?);
            groups.insert(service, Arc::new(Group::of(endpoints, service)?));
        }
        Ok(Self { databases: Mutex::new(databases), groups })
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
            let looks = Instant::now();
            let Err(fault) = self.agree(world, lots).await else { return Ok(healed.elapsed()) };
            let what = format!("{fault:#}");
            if healed.elapsed() > TOLD_AFTER && what != told {
                let (after, took) = (healed.elapsed().as_secs_f64(), looks.elapsed().as_secs_f64());
                println!("   after {after:.1} s (a look of {took:.1} s) they do not agree yet: {what}");
                told = what;
            }
            if healed.elapsed() > GIVES_UP_AFTER {
                return Err(fault.context(format!("the services do not agree after {GIVES_UP_AFTER:?}")));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    async fn agree(&self, world: &World, lots: &[String]) -> Result<()> {
        // At one time, as those who send requests to them ask; and no service waits for what another takes to answer.
        try_join_all(Service::ALL.map(|service| is_ready(world, service))).await?;
        self.no_event_is_under_way().await?;
        for lot in lots {
            listing_shows(world, lot).await?;
        }
        Ok(())
    }

    /// An event goes on while one looks: out of an outbox that was not yet looked at, to a service that was. But where all
    /// have heard everything and nothing more is sent, nobody gets anything to do, and an outbox that is empty stays so.
    async fn no_event_is_under_way(&self) -> Result<()> {
        let before = try_join_all(Service::ALL.map(|service| self.has_heard_all(service))).await?;
        try_join_all(Service::ALL.map(|service| self.has_done_all(service))).await?;
        let after = try_join_all(Service::ALL.map(|service| self.has_heard_all(service))).await?;
        ensure!(before == after, "events were sent meanwhile");
        Ok(())
    }

    /// Tells how many events of others there are.
    async fn has_heard_all(&self, service: Service) -> Result<i64> {
        let (sent, lag) = self.asks(service, Group::events).await?;
        ensure!(lag == 0, "{service} has not consumed {lag} events");
        Ok(sent)
    }

    async fn has_done_all(&self, service: Service) -> Result<()> {
        let waiting = self.count(service, "SELECT count(*) FROM outbox").await?;
        ensure!(waiting == 0, "{waiting} rows wait in the outbox of {service}");
        if let Some(overdue) = overdue(service) {
            let late = self.count(service, overdue).await?;
            ensure!(late == 0, "{service} should have done {late} things before");
        }
        Ok(())
    }

    /// One number of a service's database.
    pub async fn count(&self, service: Service, query: &str) -> Result<i64> {
        Ok(sqlx::query_scalar(query).fetch_one(&self.database(service)).await?)
    }

    /// The key and the number of the last event of everything that a service tells of, as its own database has it.
    pub async fn last_events(&self, service: Service) -> Result<Vec<(String, i64)>> {
        Ok(sqlx::query_as(last_events(service)).fetch_all(&self.database(service)).await?)
    }

    /// Dead letters of all services, replayed or not.
    pub async fn dead_letters(&self) -> Result<i64> {
        let letters = |service| self.asks(service, |group| group.records(&format!("{}.dlq", group.service.name())));
        Ok(try_join_all(Service::ALL.map(letters)).await?.iter().sum())
    }

    /// Messages on the topics of all services, whoever sent them.
    pub async fn published(&self) -> Result<i64> {
        let messages = |service| self.asks(service, |group| group.records(&group.service.topic()));
        Ok(try_join_all(Service::ALL.map(messages)).await?.iter().sum())
    }

    /// Whether the broker answers.
    pub async fn reaches_the_broker(&self) -> Result<()> {
        self.asks(Service::Listing, |group| partitions(&group.client, &group.service.topic())).await.map(|_| ())
    }

    /// Asks the broker as a service's group; the client waits for answers.
    async fn asks<T: Send + 'static>(
        &self,
        service: Service,
        question: impl FnOnce(&Group) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let group = Arc::clone(&self.groups[&service]);
        tokio::task::spawn_blocking(move || question(&group)).await?
    }
}

impl Group {
    fn of(endpoints: &Endpoints, service: Service) -> Result<Self> {
        let mut client = broker::client(endpoints, service);
        client.set("group.id", service.name()).set("reconnect.backoff.max.ms", "200");
        Ok(Self { service, client: client.create()?, places: OnceLock::new() })
    }

    fn places(&self) -> Result<&[(String, i32)]> {
        if let Some(known) = self.places.get() {
            return Ok(known);
        }
        let mut found = Vec::new();
        for topic in followed(self.service).map(Service::topic) {
            for partition in partitions(&self.client, &topic)? {
                found.push((topic.clone(), partition));
            }
        }
        Ok(self.places.get_or_init(|| found))
    }

    /// Events of others, and how many of them the service has not consumed. Two questions, each about all partitions.
    fn events(&self) -> Result<(i64, i64)> {
        let (mut places, mut ends) = (TopicPartitionList::new(), TopicPartitionList::new());
        for (topic, partition) in self.places()? {
            places.add_partition(topic, *partition);
            ends.add_partition_offset(topic, *partition, Offset::End)?;
        }
        let committed = self.client.committed_offsets(places, ANSWERS_WITHIN)?;
        let (mut sent, mut lag) = (0, 0);
        for end in self.client.offsets_for_times(ends, ANSWERS_WITHIN)?.elements() {
            end.error()?;
            let (topic, partition) = (end.topic(), end.partition());
            let end = end.offset().to_raw().filter(|end| *end >= 0).context("a partition that has no end")?;
            let place = committed.find_partition(topic, partition).context("a partition was not asked for")?;
            place.error()?;
            let next = match place.offset() {
                Offset::Offset(next) => next,
                _ if end == 0 => 0,
                _ => self.client.fetch_watermarks(topic, partition, ANSWERS_WITHIN)?.0,
            };
            sent += end;
            lag += end - next;
        }
        Ok((sent, lag))
    }

    fn records(&self, topic: &str) -> Result<i64> {
        let mut records = 0;
        for partition in partitions(&self.client, topic)? {
            let (low, high) = self.client.fetch_watermarks(topic, partition, ANSWERS_WITHIN)?;
            records += high - low;
        }
        Ok(records)
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
