//! What a service is brought to after its database went back to an earlier moment: it hears again what it has forgotten,
//! counts its own events on from where nobody has heard of any, and gives people time to pay again.
//! docs/operations/recovery.md has all of it for operators.

use std::time::Duration;

use anyhow::Result;
use chrono::{DateTime, Utc};
use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer},
};
use testcontainers_suite::{
    broker,
    wait::within,
    world::{Endpoints, Service},
};

use crate::{
    converge::{followed, partitions},
    stage::Stage,
};

const ANSWERS_WITHIN: Duration = Duration::from_secs(10);
/// The broker may take some moments to notice that nobody is in a group any more.
const EMPTY_WITHIN: Duration = Duration::from_secs(20);
/// No settlement and nobody's standing has as many events. What was counted on already stays. Rows are locked in the order
/// in which the service locks them.
const COUNT_ON: [&str; 2] = [
    "UPDATE settlement SET sequence = sequence + 1000000
     WHERE id IN (SELECT id FROM settlement WHERE sequence < 1000000 ORDER BY id FOR UPDATE)",
    "UPDATE standing SET sequence = sequence + 1000000
     WHERE user_id IN (SELECT user_id FROM standing WHERE sequence < 1000000 ORDER BY user_id FOR UPDATE)",
];
/// Who has paid has to pay again, and may have less time left than it takes to hear of that.
const GIVE_TIME: &str = "UPDATE settlement
    SET payment_due_at = payment_due_at + interval '1 day', due_at = due_at + interval '1 day'
    WHERE status = 'awaiting_payment'";

/// Sets a service's consumer group back to a moment, while the service is stopped.
pub async fn hears_again_from(endpoints: &Endpoints, service: Service, moment: DateTime<Utc>) -> Result<()> {
    within(EMPTY_WITHIN, "the group is set back", || {
        let endpoints = endpoints.clone();
        async move { tokio::task::spawn_blocking(move || set_back(&endpoints, service, moment)).await? }
    })
    .await
}

fn set_back(endpoints: &Endpoints, service: Service, moment: DateTime<Utc>) -> Result<()> {
    let consumer: BaseConsumer = broker::client(endpoints, service).set("group.id", service.name()).create()?;
    let mut times = TopicPartitionList::new();
    for topic in followed(service).map(Service::topic) {
        for partition in partitions(&consumer, &topic)? {
            times.add_partition_offset(&topic, partition, Offset::Offset(moment.timestamp_millis()))?;
        }
    }
    let mut places = TopicPartitionList::new();
    for place in consumer.offsets_for_times(times, ANSWERS_WITHIN)?.elements() {
        let (_, end) = consumer.fetch_watermarks(place.topic(), place.partition(), ANSWERS_WITHIN)?;
        // Where nothing came since, there is nothing to hear again.
        let offset = if let Offset::Offset(offset) = place.offset() { offset } else { end };
        places.add_partition_offset(place.topic(), place.partition(), Offset::Offset(offset))?;
    }
    Ok(consumer.commit(&places, CommitMode::Sync)?)
}

/// Settlement's events get numbers that are higher than any that it has forgotten.
pub async fn counts_on(stage: &Stage) -> Result<()> {
    let database = stage.witness().database(Service::Settlement);
    for statement in COUNT_ON {
        sqlx::query(statement).execute(&database).await?;
    }
    Ok(())
}

/// Whoever has to pay has a day more, while the service is stopped.
pub async fn gives_time(stage: &Stage) -> Result<()> {
    sqlx::query(GIVE_TIME).execute(&stage.witness().database(Service::Settlement)).await?;
    Ok(())
}
