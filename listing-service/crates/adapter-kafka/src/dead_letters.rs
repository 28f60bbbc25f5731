//! Events that cannot be handled: kept on `<service>.dlq` with the reason, given back on command.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use listing_ports::{fact::FactHandler, retries::Retries};
use rdkafka::{
    ClientConfig, Message,
    consumer::{CommitMode, Consumer, StreamConsumer},
    error::KafkaError,
    message::{Header, Headers, OwnedHeaders},
    metadata::MetadataTopic,
    producer::{FutureProducer, FutureRecord},
    util::Timeout,
};

use crate::{
    attempts::PATIENCE,
    client::{KafkaConfig, KafkaFault, SERVICE},
    consumer::{Outcome, Progress, handle},
    metrics::DEAD_LETTERS,
};

/// How long the broker may take to accept a dead letter.
const ACCEPTED_WITHIN: Duration = Duration::from_secs(30);
/// Between two dead letters there may be weeks. Firewalls forget connections that are silent, brokers may go without a
/// word, and this side would go on believing: the next letter would wait ten seconds for an answer, and its partition
/// with it. Keepalives begin after two hours, and metadata is asked of one broker, every five minutes. So a connection
/// that was idle for this long is closed, and librdkafka makes a new one. It takes waiting for an answer for idleness,
/// and closes up to two seconds sooner: this has to be longer than any answer takes.
const IDLE_FOR: Duration = Duration::from_secs(15);
/// A topic that says nothing for so long has been read to its end; joining the group takes up to
/// half of it.
const QUIET: Duration = Duration::from_secs(15);

const REASON: &str = "dlq_reason";
const FROM: &str = "dlq_from";

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
        Ok(Self { producer: producer(config).create()? })
    }

    /// Copies `message` as it came, with the reason and where it came from.
    pub(crate) async fn bury(&self, message: &impl Message, reason: &str) -> Result<(), KafkaError> {
        let place = format!("{}/{}/{}", message.topic(), message.partition(), message.offset());
        let (topic, headers) = (topic(), headers(message, &place, reason));
        let mut record = FutureRecord::<[u8], [u8]>::to(&topic).headers(headers);
        record.key = message.key();
        record.payload = message.payload();
        self.producer.send(record, Timeout::After(ACCEPTED_WITHIN)).await.map_err(|(error, _)| error)?;
        DEAD_LETTERS.inc();
        tracing::error!(%reason, from = %place, "an event was put to the dead letters");
        Ok(())
    }
}

fn producer(config: &KafkaConfig) -> ClientConfig {
    let mut producer = config.producer("dead-letters");
    producer
        .set("message.timeout.ms", ACCEPTED_WITHIN.as_millis().to_string())
        .set("connections.max.idle.ms", IDLE_FOR.as_millis().to_string());
    producer
}

/// The message's own, the reason, and where it was before it ever was a dead letter.
fn headers(message: &impl Message, place: &str, reason: &str) -> OwnedHeaders {
    let again = message.topic() == topic();
    let mut headers = OwnedHeaders::new();
    for header in message.headers().into_iter().flat_map(|headers| headers.iter()) {
        if !header.key.starts_with("dlq_") || (again && header.key == FROM) {
            headers = headers.insert(header);
        }
    }
    if !again {
        headers = headers.insert(Header { key: FROM, value: Some(place) });
    }
    headers.insert(Header { key: REASON, value: Some(reason) })
}

/// What a replay did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Had their effect now.
    pub handled: u64,
    /// Failed again, and are dead letters again.
    pub failed: u64,
    /// It could not go on to the last one.
    pub stopped: bool,
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
    let ends = ends(&consumer, &topic)?;
    let progress = Progress::default(); // nobody watches a command's
    let mut replayed = Replayed::default();
    while let Ok(message) = tokio::time::timeout(QUIET, consumer.recv()).await {
        let message = message?;
        if ends.get(&message.partition()).is_none_or(|end| message.offset() >= *end) {
            continue; // came since it began: buried again by this very replay
        }
        match handle(&message, handler.as_ref(), retries.as_ref(), &letters, &progress, PATIENCE.ends()).await {
            Ok(Outcome::Handled) => replayed.handled += 1,
            Ok(Outcome::Buried) => replayed.failed += 1,
            Err(reason) => {
                tracing::error!(%reason, "the replay stops: begin it again later");
                replayed.stopped = true;
                break;
            }
        }
        consumer.commit_message(&message, CommitMode::Sync)?;
    }
    Ok(replayed)
}

/// Where each partition ends now.
fn ends(consumer: &StreamConsumer, topic: &str) -> Result<BTreeMap<i32, i64>, KafkaError> {
    let metadata = consumer.fetch_metadata(Some(topic), ACCEPTED_WITHIN)?;
    let partitions = metadata.topics().iter().flat_map(MetadataTopic::partitions);
    let mut ends = BTreeMap::new();
    for partition in partitions {
        let (_, end) = consumer.fetch_watermarks(topic, partition.id(), ACCEPTED_WITHIN)?;
        ends.insert(partition.id(), end);
    }
    Ok(ends)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use rdkafka::message::{OwnedMessage, Timestamp};

    use super::*;

    fn message(topic: &str, headers: OwnedHeaders) -> OwnedMessage {
        OwnedMessage::new(None, None, topic.to_owned(), Timestamp::NotAvailable, 4, 3, Some(headers))
    }

    fn read(headers: &OwnedHeaders) -> Vec<(String, String)> {
        let text = |value: Option<&[u8]>| String::from_utf8_lossy(value.unwrap_or_default()).into_owned();
        headers.iter().map(|header| (header.key.to_owned(), text(header.value))).collect()
    }

    #[test]
    fn a_letter_that_fails_again_still_tells_where_it_came_from() {
        let own = OwnedHeaders::new()
            .insert(Header { key: "ce_id", value: Some("7") })
            .insert(Header { key: FROM, value: Some("a sender's") });
        let first = headers(&message("outcry.bidding.v1", own), "outcry.bidding.v1/4/3", "nonsense");
        let second = headers(&message(&topic(), first), "here/0/0", "nonsense still");
        let expected = [("ce_id", "7"), (FROM, "outcry.bidding.v1/4/3"), (REASON, "nonsense still")];
        assert_eq!(read(&second), expected.map(|(key, value)| (key.to_owned(), value.to_owned())));
    }

    #[test]
    fn a_connection_is_given_up_for_being_idle_and_never_while_an_answer_may_come() {
        let config = KafkaConfig {
            brokers: "nowhere:1".to_owned(),
            ca_file: PathBuf::new(),
            cert_file: PathBuf::new(),
            key_file: PathBuf::new(),
            instance: None,
        };
        let producer = producer(&config);
        let ms = |setting| producer.get(setting).and_then(|value| value.parse::<u32>().ok());
        let (idle, answer) = (ms("connections.max.idle.ms"), ms("socket.timeout.ms"));
        let at_the_soonest = idle.map(|idle| idle - 2_000);
        assert!(answer.is_some() && answer < at_the_soonest, "closed after {idle:?} ms, answered within {answer:?}");
    }
}
