//! Messages: duplicated, out of order, replayed, and some that nobody can read.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anyhow::{Context, Result, bail, ensure};
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
    broker,
    chance::Chance,
    watch,
    world::{Endpoints, Service},
};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::{
    contract::{Contract, Mended},
    converge::partitions,
    extent::Extent,
    faults::story,
    round::Round,
    stage::Stage,
    trial,
};

const ANSWERS_WITHIN: Duration = Duration::from_secs(10);
/// Most messages of a partition that are sent again.
const AGAIN: i64 = 60;
/// Until everything that was sent again is read.
const READ_WITHIN: Duration = Duration::from_secs(3);
const PAUSE: Duration = Duration::from_millis(500);
/// Of those by chance so many are sent at once.
const AT_ONCE: usize = 60;
/// Messages on each topic that nobody can read.
const POISONS: i64 = 2;
/// Each of them is a dead letter of the two services that follow its topic.
const READERS: i64 = 2;
/// Between the poisons of two topics.
const POISONS_EVERY: Duration = Duration::from_secs(1);
/// How often it is tried to find a moment in which nobody publishes anything.
const MOMENTS: usize = 5;

pub fn trials(extent: Extent) -> Vec<Trial> {
    let mut trials = vec![again(extent)];
    if extent == Extent::All {
        trials.push(nobody_can_read());
    }
    trials
}

fn again(extent: Extent) -> Trial {
    trial("messages::duplicated_reordered_and_replayed", async move |stage| {
        let lasts = extent.lasts(5, 20);
        // Settlement does what it is told of this, whether there is anything to do or not, and so it counts as done.
        let listed_again = tokio::spawn(story::lists_again(Arc::clone(&stage.world)));
        let contract = Contract::ALL_SERVE.noticed_within(READ_WITHIN);
        let round = Round::of("messages come twice, out of order, and are replayed", lasts, contract)
            .run(stage, async |stage| {
                let (since, mut sent) = (Instant::now(), 0);
                let mut chance = Chance::of_seed(2);
                while since.elapsed() < lasts {
                    for service in Service::ALL {
                        let mut messages = latest(&stage.world.endpoints, service).await?;
                        chance.shuffle(&mut messages);
                        messages.truncate(AT_ONCE);
                        sent += messages.len();
                        send(&stage.world.endpoints, service, messages).await?;
                    }
                    sleep(PAUSE).await;
                }
                sent += replay(stage).await?.values().sum::<usize>();
                Ok(Mended::now(since, format!("{sent} messages came again")))
            })
            .await;
        listed_again.await??;
        // Doing things twice takes time as well: both are told.
        match (round, nothing_is_done_twice(stage).await) {
            (Err(round), Err(twice)) => bail!("{round:#}\n- {twice:#}"),
            (round, twice) => round.and(twice),
        }
    })
}

/// Sends the last messages of all services once more; how many.
async fn replay(stage: &Stage) -> Result<BTreeMap<Service, usize>> {
    let mut sent = BTreeMap::new();
    for service in Service::ALL {
        let messages = latest(&stage.world.endpoints, service).await?;
        sent.insert(service, messages.len());
        send(&stage.world.endpoints, service, messages).await?;
    }
    Ok(sent)
}

/// Whether services know all that comes again for what it is. Most of it would change nothing if they did it once more, and
/// nobody would see: but they would count it as done.
async fn nothing_is_done_twice(stage: &Stage) -> Result<()> {
    for _ in 0..MOMENTS {
        let (before, published) = (consumed(stage).await?, stage.witness().published().await?);
        let sent = replay(stage).await?;
        let after = consumed(stage).await?;
        let new = stage.witness().published().await? - published - i64::try_from(sent.values().sum::<usize>())?;
        // Somebody's time was over in this moment.
        if new > 0 {
            continue;
        }
        for service in Service::ALL {
            let [done, duplicates] = [0, 1].map(|figure| after[&service][figure] - before[&service][figure]);
            ensure!(done <= 0.0, "{service} did {done} things again that it had done, of {sent:?} messages");
            ensure!(duplicates > 0.0, "{service} found nothing that it had done among {sent:?} messages");
        }
        return Ok(());
    }
    bail!("in {MOMENTS} moments somebody published something");
}

/// What each service has done of what it consumed, and what it took for duplicates, once it has consumed everything.
async fn consumed(stage: &Stage) -> Result<BTreeMap<Service, [f64; 2]>> {
    stage.witness().agreement(&stage.world, &[], Instant::now()).await?;
    let mut consumed = BTreeMap::new();
    for service in Service::ALL {
        let done = stage.metric(service, 0, r#"outcry_events_consumed_total{result="done"}"#).await?;
        let duplicates = stage.metric(service, 0, r#"outcry_events_consumed_total{result="duplicate"}"#).await?;
        consumed.insert(service, [done, duplicates]);
    }
    Ok(consumed)
}

fn nobody_can_read() -> Trial {
    trial("messages::that_nobody_can_read", async move |stage| {
        let poisons = POISONS * i64::try_from(Service::ALL.len())?;
        let contract = Contract::ALL_SERVE.burying(poisons * READERS);
        Round::of("messages that nobody can read on every topic", Duration::from_secs(3), contract)
            .run(stage, async |stage| {
                let (since, mut gone) = (Instant::now(), Instant::now());
                for service in Service::ALL {
                    poison(&stage.world.endpoints, service).await?;
                    gone = Instant::now();
                    sleep(POISONS_EVERY).await;
                }
                Ok(Mended { gone, ..Mended::now(since, format!("{poisons} of them were sent")) })
            })
            .await
    })
}

/// The last messages of each partition of a service's topic, in the order of their partition.
async fn latest(endpoints: &Endpoints, service: Service) -> Result<Vec<OwnedMessage>> {
    let endpoints = endpoints.clone();
    tokio::task::spawn_blocking(move || {
        let consumer: BaseConsumer =
            broker::client(&endpoints, service).set("group.id", format!("{}-replay", service.name())).create()?;
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
    Ok(broker::client(endpoints, service).set("acks", "all").create()?)
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

/// One that has an id and nothing else, and one whose data break off.
async fn poison(endpoints: &Endpoints, service: Service) -> Result<()> {
    let (producer, topic, key) = (producer(endpoints, service)?, service.topic(), Uuid::now_v7().to_string());
    let (bare, broken) = (Uuid::now_v7(), Uuid::now_v7());
    for id in [bare, broken] {
        watch::planted(id);
    }
    let headers = OwnedHeaders::new().insert(Header { key: "ce_id", value: Some(&bare.to_string()) });
    let record = FutureRecord::to(&topic).key(&key).payload("neither an envelope nor JSON").headers(headers);
    producer.send(record, Timeout::After(ANSWERS_WITHIN)).await.map_err(|(fault, _)| fault)?;

    let event = match service {
        Service::Listing => "outcry.listing.published.v1",
        Service::Bidding => "outcry.bidding.auction.closed.v1",
        Service::Settlement => "outcry.settlement.completed.v1",
    };
    let envelope = Envelope {
        id: broken,
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
    let record = FutureRecord::to(&topic).key(&key).payload(r#"{"nothing": "that was"#).headers(headers);
    producer.send(record, Timeout::After(ANSWERS_WITHIN)).await.map_err(|(fault, _)| fault)?;
    Ok(())
}
