//! What other instances did, for the streams of this one: the service's own topic, read from its end
//! on, every partition, without a group.

use std::{sync::Arc, time::Duration};

use bidding_domain::ids::AuctionId;
use bidding_ports::change::ChangeListener;
use event_contracts::bidding::BiddingEvent;
use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{Consumer, StreamConsumer},
    error::KafkaError,
    metadata::MetadataTopic,
};
use tokio_util::sync::CancellationToken;

use crate::{
    client::{KafkaConfig, KafkaFault, SERVICE},
    record::read_envelope,
};

/// How long the broker may take to name the topic's partitions.
const METADATA_WITHIN: Duration = Duration::from_secs(5);
/// Pause before a broken reader is replaced.
const REST: Duration = Duration::from_secs(1);

/// Tells `changes` of every event of every auction until `stop`. Missing some is no loss: a stream
/// reads the table, this only wakes it.
///
/// # Errors
/// [`KafkaFault`] when no client can be made.
pub async fn run(
    config: KafkaConfig,
    changes: Arc<dyn ChangeListener>,
    stop: CancellationToken,
) -> Result<(), KafkaFault> {
    while !stop.is_cancelled() {
        let reader = Arc::new(reader(&config)?);
        let read = tokio::select! {
            read = follow(Arc::clone(&reader), changes.as_ref()) => read,
            () = stop.cancelled() => return Ok(()),
        };
        if let Err(error) = read {
            tracing::warn!(%error, "streams hear of other instances a little later");
            tokio::time::sleep(REST).await;
        }
    }
    Ok(())
}

/// The group's name is only needed because librdkafka asks for its coordinator; nothing is joined
/// and nothing committed.
fn reader(config: &KafkaConfig) -> Result<StreamConsumer, KafkaFault> {
    Ok(config
        .client("live")
        .set("group.id", SERVICE)
        .set("enable.auto.commit", "false")
        .set("auto.offset.reset", "latest")
        .set("fetch.min.bytes", "65536")
        .set("fetch.wait.max.ms", "25")
        .set("queued.max.messages.kbytes", "4096")
        .create()?)
}

async fn follow(reader: Arc<StreamConsumer>, changes: &dyn ChangeListener) -> Result<(), KafkaError> {
    let asking = Arc::clone(&reader);
    let metadata =
        tokio::task::spawn_blocking(move || asking.fetch_metadata(Some(BiddingEvent::TOPIC), METADATA_WITHIN));
    let metadata = metadata.await.map_err(|_| KafkaError::Canceled)??;
    let mut places = TopicPartitionList::new();
    for partition in metadata.topics().iter().flat_map(MetadataTopic::partitions) {
        places.add_partition_offset(BiddingEvent::TOPIC, partition.id(), Offset::End)?;
    }
    reader.assign(&places)?;
    loop {
        let message = reader.recv().await?;
        let Ok(envelope) = read_envelope(&message) else { continue };
        if let Ok(id) = envelope.subject.parse() {
            changes.advanced(AuctionId(id), envelope.sequence);
        }
    }
}
