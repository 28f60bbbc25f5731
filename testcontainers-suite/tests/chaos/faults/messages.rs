//! Messages: duplicated, out of order, all of them once more from the beginning, and some that nobody can read.

use std::time::Duration;

use anyhow::{Context, Result};
use chrono::Utc;
use event_contracts::envelope::Envelope;
use libtest_mimic::Trial;
use rdkafka::{
    Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    message::{Header, OwnedHeaders, OwnedMessage},
    producer::{FutureProducer, FutureRecord},
    util::Timeout,
};
use testcontainers_suite::{
    chance::Chance,
    world::{Endpoints, Service},
};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::{
    converge::{kafka, partitions},
    extent::Extent,
    round::Round,
    trial,
};

const ANSWERS_WITHIN: Duration = Duration::from_secs(10);
/// Most messages of a partition that are sent again.
const AGAIN: i64 = 400;
const PAUSE: Duration = Duration::from_millis(500);
/// Each message that nobody can read is a dead letter of the two services that follow its topic.
const READERS: i64 = 2;

pub fn trials(extent: Extent) -> Vec<Trial> {
    let again = trial("messages::duplicated_reordered_and_replayed", async move |stage| {
        let lasts = extent.lasts(5, 20);
        Round::of("messages come twice, out of order, and all of them once more", lasts)
            .run(stage, async |stage| {
                let begun = Instant::now();
                let mut chance = Chance::of_seed(2);
                while begun.elapsed() < lasts {
                    for service in Service::ALL {
                        let mut messages = latest(&stage.world.endpoints, service).await?;
                        chance.shuffle(&mut messages);
                        messages.truncate(60);
                        send(&stage.world.endpoints, service, messages).await?;
                    }
                    sleep(PAUSE).await;
                }
                for service in Service::ALL {
                    send(&stage.world.endpoints, service, latest(&stage.world.endpoints, service).await?).await?;
                }
                Ok(Instant::now())
            })
            .await
    });
    let poison = trial("messages::that_nobody_can_read", async move |stage| {
        let poisons = i64::try_from(Service::ALL.len() * 2)?;
        Round::of("messages that nobody can read on every topic", Duration::from_secs(3))
            .burying(poisons * READERS)
            .run(stage, async |stage| {
                for service in Service::ALL {
                    poison(&stage.world.endpoints, service).await?;
                }
                Ok(Instant::now())
            })
            .await
    });
    vec![again, poison]
}

/// The last messages of each partition of a service's topic, in the order of their partition.
async fn latest(endpoints: &Endpoints, service: Service) -> Result<Vec<OwnedMessage>> {
    let endpoints = endpoints.clone();
    tokio::task::spawn_blocking(move || {
        let consumer: BaseConsumer =
            kafka(&endpoints, service).set("group.id", format!("{}-replay", service.name())).create()?;
        let (topic, mut places, mut left) = (service.topic(), TopicPartitionList::new(), 0);
        for partition in partitions(&consumer, &topic)? {
            let (low, high) = consumer.fetch_watermarks(&topic, partition, ANSWERS_WITHIN)?;
            let from = low.max(high - AGAIN);
            places.add_partition_offset(&topic, partition, Offset::Offset(from))?;
            left += high - from;
        }
        consumer.assign(&places)?;
        let mut messages = Vec::new();
        for _ in 0..left {
            messages.push(consumer.poll(ANSWERS_WITHIN).context("the broker is silent")??.detach());
        }
        Ok(messages)
    })
    .await?
}

fn producer(endpoints: &Endpoints, service: Service) -> Result<FutureProducer> {
    Ok(kafka(endpoints, service).set("acks", "all").create()?)
}

/// Sends messages again as they were.
async fn send(endpoints: &Endpoints, service: Service, messages: Vec<OwnedMessage>) -> Result<()> {
    let producer = producer(endpoints, service)?;
    let mut sent = Vec::new();
    for message in &messages {
        let mut record = FutureRecord::<[u8], [u8]>::to(message.topic()).partition(message.partition());
        (record.key, record.payload, record.headers) = (message.key(), message.payload(), message.headers().cloned());
        sent.push(producer.send_result(record).map_err(|(fault, _)| fault)?);
    }
    for delivery in sent {
        delivery.await?.map_err(|(fault, _)| fault)?;
    }
    Ok(())
}

/// One without headers, and one whose data are none of its type.
async fn poison(endpoints: &Endpoints, service: Service) -> Result<()> {
    let (producer, topic, key) = (producer(endpoints, service)?, service.topic(), Uuid::now_v7().to_string());
    let bare = FutureRecord::to(&topic).key(&key).payload("neither headers nor JSON");
    producer.send(bare, Timeout::After(ANSWERS_WITHIN)).await.map_err(|(fault, _)| fault)?;

    let event = match service {
        Service::Listing => "outcry.listing.published.v1",
        Service::Bidding => "outcry.bidding.auction.closed.v1",
        Service::Settlement => "outcry.settlement.completed.v1",
    };
    let envelope = Envelope {
        id: Uuid::now_v7(),
        source: format!("/outcry/{}", service.name()),
        event_type: event.to_owned(),
        subject: key.clone(),
        time: Utc::now(),
        sequence: 1,
        traceparent: None,
    };
    let mut headers = OwnedHeaders::new();
    for (name, value) in envelope.to_headers() {
        headers = headers.insert(Header { key: name, value: Some(&value) });
    }
    let record = FutureRecord::to(&topic).key(&key).payload(r#"{"nothing": "that was agreed"}"#).headers(headers);
    producer.send(record, Timeout::After(ANSWERS_WITHIN)).await.map_err(|(fault, _)| fault)?;
    Ok(())
}
