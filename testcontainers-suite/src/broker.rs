//! The published events, read from Kafka as listing-service may read them: it is allowed all three topics.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use event_contracts::{bidding::BiddingEvent, envelope::Envelope, listing::ListingEvent, settlement::SettlementEvent};
use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::KafkaResult,
    message::{BorrowedMessage, Headers},
};

use crate::world::{Endpoints, Service, World};

pub(crate) const ANSWERS_WITHIN: Duration = Duration::from_secs(20);

/// One event as it is in its topic.
#[derive(Debug, Clone)]
pub struct Published {
    /// Which service's topic it is in.
    pub service: Service,
    /// The record's key.
    pub key: String,
    /// The attributes.
    pub envelope: Envelope,
    /// The data.
    pub data: serde_json::Value,
}

/// Every event with one of these keys, in the order of its topic. Each has to fit its contract.
pub async fn events_of(world: &World, keys: &[&str]) -> Result<Vec<Published>> {
    let endpoints = world.endpoints.clone();
    let keys: Vec<String> = keys.iter().map(ToString::to_string).collect();
    tokio::task::spawn_blocking(move || {
        let mut events = Vec::new();
        for service in Service::ALL {
            read(&endpoints, service, &keys, &mut events).with_context(|| service.topic())?;
        }
        Ok(events)
    })
    .await?
}

/// Reads one service's topic from its beginning.
pub struct Reader {
    consumer: BaseConsumer,
    topic: String,
    /// The offset after the last record that was read, by partition.
    positions: BTreeMap<i32, i64>,
    /// Where [`Reader::mark_end`] found the topic to end.
    ends: BTreeMap<i32, i64>,
}

impl Reader {
    /// A reader of a service's topic, at its beginning.
    pub fn of(endpoints: &Endpoints, service: Service) -> Result<Self> {
        Self::of_topic(endpoints, Service::Listing, &service.topic())
    }

    /// A reader of a topic that `party` may read, at its beginning.
    pub fn of_topic(endpoints: &Endpoints, party: Service, topic: &str) -> Result<Self> {
        let consumer: BaseConsumer = client(endpoints, party)
            .set("group.id", format!("{}-suite", party.name()))
            .set("enable.auto.commit", "false")
            .set("fetch.wait.max.ms", "100")
            .create()?;
        let metadata = patiently(|| consumer.fetch_metadata(Some(topic), ANSWERS_WITHIN))?;
        let partitions = metadata.topics().first().context("the topic is missing")?.partitions();
        let mut assignment = TopicPartitionList::new();
        let mut positions = BTreeMap::new();
        for partition in partitions {
            let (low, _) = patiently(|| consumer.fetch_watermarks(topic, partition.id(), ANSWERS_WITHIN))?;
            assignment.add_partition_offset(topic, partition.id(), Offset::Offset(low))?;
            positions.insert(partition.id(), low);
        }
        consumer.assign(&assignment)?;
        Ok(Self { consumer, topic: topic.to_owned(), positions, ends: BTreeMap::new() })
    }

    /// The next record, if there is one within so long.
    pub fn next(&mut self, within: Duration) -> Result<Option<BorrowedMessage<'_>>> {
        let Some(message) = self.consumer.poll(within).transpose()? else { return Ok(None) };
        self.positions.insert(message.partition(), message.offset() + 1);
        Ok(Some(message))
    }

    /// Takes note of where the topic ends now. Of all partitions at once: on its connection a question waits until the broker
    /// has answered the fetch before it.
    pub fn mark_end(&mut self) -> Result<()> {
        let mut partitions = TopicPartitionList::new();
        for &partition in self.positions.keys() {
            partitions.add_partition_offset(&self.topic, partition, Offset::End)?;
        }
        for end in patiently(|| self.consumer.offsets_for_times(partitions.clone(), ANSWERS_WITHIN))?.elements() {
            end.error()?;
            let offset = end.offset().to_raw().filter(|offset| *offset >= 0);
            self.ends.insert(end.partition(), offset.context("a topic that has no end")?);
        }
        Ok(())
    }

    /// Whether everything up to the noted end has been read.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.ends.iter().all(|(partition, end)| self.positions.get(partition).is_some_and(|position| position >= end))
    }
}

/// Asks again while the broker is busy with itself, for as long as an answer may take.
fn patiently<T>(ask: impl Fn() -> KafkaResult<T>) -> Result<T> {
    let deadline = Instant::now() + ANSWERS_WITHIN;
    loop {
        match ask() {
            Err(_) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(200)),
            answer => return Ok(answer?),
        }
    }
}

/// A client of Kafka with the certificate of `party`.
#[must_use]
pub fn client(endpoints: &Endpoints, party: Service) -> ClientConfig {
    let file = |name: &str| endpoints.tls_dir.join(name).display().to_string();
    let mut client = ClientConfig::new();
    client
        .set("bootstrap.servers", &endpoints.kafka)
        .set("security.protocol", "ssl")
        .set("ssl.ca.location", endpoints.ca_file.display().to_string())
        .set("ssl.certificate.location", file(&format!("{}.pem", party.name())))
        .set("ssl.key.location", file(&format!("{}-key.pem", party.name())));
    client
}

fn read(endpoints: &Endpoints, service: Service, keys: &[String], events: &mut Vec<Published>) -> Result<()> {
    let mut reader = Reader::of(endpoints, service)?;
    reader.mark_end()?;
    while !reader.has_ended() {
        let message = reader.next(ANSWERS_WITHIN)?.context("the broker is silent")?;
        let key = std::str::from_utf8(message.key().context("an event has a key")?)?.to_owned();
        if keys.contains(&key) {
            events.push(check(service, key, &message)?);
        }
    }
    Ok(())
}

fn check(service: Service, key: String, message: &impl Message) -> Result<Published> {
    let headers = message.headers().context("an event has headers")?;
    let header = |name: &str| {
        let found = headers.iter().find(|header| header.key == name)?;
        std::str::from_utf8(found.value?).ok()
    };
    let envelope = Envelope::from_headers(header)?;
    ensure!(envelope.subject == key && header("ce_partitionkey") == Some(&*key), "key {key}: {envelope:?}");
    ensure!(envelope.source == format!("/outcry/{}", service.name()), "{envelope:?}");
    let payload = message.payload().unwrap_or_default();
    let known = match service {
        Service::Listing => ListingEvent::decode(&envelope.event_type, payload)?.map(|event| event.key()),
        Service::Bidding => BiddingEvent::decode(&envelope.event_type, payload)?.map(|event| event.key()),
        Service::Settlement => SettlementEvent::decode(&envelope.event_type, payload)?.map(|event| event.key()),
    };
    match known {
        Some(own) if own == key => {}
        Some(own) => bail!("{} has the key {key} and is about {own}", envelope.event_type),
        None => bail!("{} is in no contract", envelope.event_type),
    }
    Ok(Published { service, key, envelope, data: serde_json::from_slice(payload)? })
}
