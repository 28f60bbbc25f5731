//! Events that cannot be handled: kept on `<service>.dlq` with the reason, given back on command.

use std::{sync::Arc, time::Duration};

use rdkafka::{
    Message,
    consumer::{CommitMode, Consumer, StreamConsumer},
    error::KafkaError,
    message::{Header, Headers, OwnedHeaders},
    producer::{FutureProducer, FutureRecord},
    util::Timeout,
};
use settlement_ports::{FactHandler, Retries};

use crate::{
    client::{KafkaConfig, KafkaFault, SERVICE},
    consumer::{Outcome, Progress, handle},
    metrics::DEAD_LETTERS,
};

/// How long the broker may take to accept a dead letter.
const ACCEPTED_WITHIN: Duration = Duration::from_secs(30);
/// A topic that says nothing for so long has been read to its end; joining the group takes up to
/// half of it.
const QUIET: Duration = Duration::from_secs(15);

/// The topic of this service's dead letters.
pub(crate) fn topic() -> String {
    format!("{SERVICE}.dlq")
}

/// Puts events aside.
pub(crate) struct DeadLetters {
    producer: FutureProducer,
}

impl DeadLetters {
    pub(crate) fn new(config: &KafkaConfig) -> Result<Self, KafkaFault> {
        let mut config = config.producer("dead-letters");
        config.set("message.timeout.ms", ACCEPTED_WITHIN.as_millis().to_string());
        Ok(Self { producer: config.create()? })
    }

    /// Copies `message` as it came, with the reason and where it came from.
    pub(crate) async fn bury(&self, message: &impl Message, reason: &str) -> Result<(), KafkaError> {
        let place = format!("{}/{}/{}", message.topic(), message.partition(), message.offset());
        let mut headers = OwnedHeaders::new();
        for header in message.headers().into_iter().flat_map(|headers| headers.iter()) {
            if !header.key.starts_with("dlq_") {
                headers = headers.insert(header);
            }
        }
        headers = headers.insert(Header { key: "dlq_reason", value: Some(reason) });
        headers = headers.insert(Header { key: "dlq_from", value: Some(&place) });
        let topic = topic();
        let mut record = FutureRecord::<[u8], [u8]>::to(&topic).headers(headers);
        record.key = message.key();
        record.payload = message.payload();
        self.producer.send(record, Timeout::After(ACCEPTED_WITHIN)).await.map_err(|(error, _)| error)?;
        DEAD_LETTERS.inc();
        tracing::error!(%reason, from = %place, "an event was put to the dead letters");
        Ok(())
    }
}

/// What a replay did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Had their effect now.
    pub handled: u64,
    /// Failed again, and are dead letters again.
    pub failed: u64,
}

/// Hands every dead letter that lies there now to the core once more.
///
/// # Errors
/// [`KafkaFault`] when Kafka cannot be used.
pub async fn replay(
    config: &KafkaConfig,
    handler: Arc<dyn FactHandler>,
    retries: Arc<dyn Retries>,
) -> Result<Replayed, KafkaFault> {
    let consumer: StreamConsumer = config
        .client("dead-letter-replay")
        .set("group.id", format!("{SERVICE}.dlq"))
        .set("enable.auto.commit", "false")
        .set("auto.offset.reset", "earliest")
        .create()?;
    let letters = DeadLetters::new(config)?;
    let topic = topic();
    consumer.subscribe(&[&topic])?;
    let started = rdkafka::message::Timestamp::now().to_millis().unwrap_or(i64::MAX);
    let progress = Progress::default(); // nobody watches a command's
    let mut replayed = Replayed::default();
    while let Ok(message) = tokio::time::timeout(QUIET, consumer.recv()).await {
        let message = message?;
        if message.timestamp().to_millis().is_some_and(|time| time > started) {
            continue; // buried again by this very replay
        }
        match handle(&message, handler.as_ref(), retries.as_ref(), &letters, &progress).await {
            Ok(Outcome::Handled) => replayed.handled += 1,
            Ok(Outcome::Buried) => replayed.failed += 1,
            Err(reason) => {
                tracing::error!(%reason, "the replay stops: begin it again later");
                break;
            }
        }
        consumer.commit_message(&message, CommitMode::Sync)?;
    }
    Ok(replayed)
}
