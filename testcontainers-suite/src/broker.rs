//! The published events, read from Kafka as listing-service may read them: it is allowed all three topics.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use event_contracts::{bidding::BiddingEvent, envelope::Envelope, listing::ListingEvent, settlement::SettlementEvent};
use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    message::Headers,
};

use crate::world::{Endpoints, Service, World};

const ANSWERS_WITHIN: Duration = Duration::from_secs(20);

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

fn read(endpoints: &Endpoints, service: Service, keys: &[String], events: &mut Vec<Published>) -> Result<()> {
    let file = |name: &str| endpoints.tls_dir.join(name).display().to_string();
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &endpoints.kafka)
        .set("security.protocol", "ssl")
        .set("ssl.ca.location", endpoints.ca_file.display().to_string())
        .set("ssl.certificate.location", file("listing-service.pem"))
        .set("ssl.key.location", file("listing-service-key.pem"))
        .set("group.id", "listing-service-suite")
        .set("enable.auto.commit", "false")
        .create()?;
    let topic = service.topic();
    let metadata = consumer.fetch_metadata(Some(&topic), ANSWERS_WITHIN)?;
    let partitions = metadata.topics().first().context("the topic is missing")?.partitions();
    let mut assignment = TopicPartitionList::new();
    let mut left = 0;
    for partition in partitions {
        let (low, high) = consumer.fetch_watermarks(&topic, partition.id(), ANSWERS_WITHIN)?;
        assignment.add_partition_offset(&topic, partition.id(), Offset::Offset(low))?;
        left += high - low;
    }
    consumer.assign(&assignment)?;
    while left > 0 {
        let message = consumer.poll(ANSWERS_WITHIN).context("the broker is silent")??;
        left -= 1;
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
