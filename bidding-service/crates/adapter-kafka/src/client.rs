//! How the service talks to Kafka: mutual TLS always.

use std::{path::PathBuf, sync::Arc, time::Duration};

use event_contracts::bidding::BiddingEvent;
use rdkafka::{
    ClientConfig,
    producer::{BaseProducer, FutureProducer, Producer},
};

/// The service's name: client id, consumer group, and the first part of its dead-letter topic.
pub const SERVICE: &str = "bidding-service";

/// Where Kafka is and who we are there.
#[derive(Debug, Clone)]
pub struct KafkaConfig {
    /// `host:port`, comma-separated.
    pub brokers: String,
    /// PEM: who signs the brokers' certificates.
    pub ca_file: PathBuf,
    /// PEM: our certificate; its common name is what access lists name.
    pub cert_file: PathBuf,
    /// PEM: its key.
    pub key_file: PathBuf,
    /// What this instance is called among those of its service, also after a restart; none, where it has no name.
    pub instance: Option<String>,
}

/// Kafka cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KafkaFault {
    /// A client could not be made: the configuration or a certificate is wrong.
    #[error("the Kafka client cannot be set up: {0}")]
    Client(#[from] rdkafka::error::KafkaError),
}

impl KafkaConfig {
    /// What every client of the service has in common. librdkafka's reconnect back-off of up to 10 s
    /// would delay deliveries after a broker's restart by as much; and over a connection that only this side
    /// believes in it would wait for an answer for a minute.
    pub(crate) fn client(&self, role: &str) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.brokers)
            .set("client.id", format!("{SERVICE}-{role}-{}", std::process::id()))
            .set("security.protocol", "ssl")
            .set("ssl.ca.location", self.ca_file.to_string_lossy())
            .set("ssl.certificate.location", self.cert_file.to_string_lossy())
            .set("ssl.key.location", self.key_file.to_string_lossy())
            .set("reconnect.backoff.max.ms", "250")
            .set("socket.timeout.ms", "10000")
            .set("socket.keepalive.enable", "true");
        config
    }

    /// A producer that keeps the order and writes each record once (KIP-98). A record never times out:
    /// one that did could be overtaken by those after it. A broker whose replicas are slow says so before this side gives
    /// the connection up, and all that is under way on it.
    pub(crate) fn producer(&self, role: &str) -> ClientConfig {
        let mut config = self.client(role);
        config
            .set("acks", "all")
            .set("enable.idempotence", "true")
            .set("message.timeout.ms", "0")
            .set("request.timeout.ms", "8000")
            .set("linger.ms", "2")
            .set("queue.buffering.max.kbytes", "16384");
        config
    }

    /// The relay's producer. Hours may pass between two events, and over a connection that the broker or a firewall has forgotten
    /// meanwhile the next one would wait for as long as its answer may take. So a broker, any of them, is asked every two seconds
    /// about the topics that the producer knows ([`introduce`]), and one that does not answer is given up before there is
    /// anything to tell.
    pub(crate) fn relay_producer(&self) -> ClientConfig {
        let mut config = self.producer("relay");
        config
            .set("topic.metadata.refresh.interval.ms", "2000")
            // What is known of the topic stays known while nobody answers. Unless this is set, three pauses are enough to forget it.
            .set("metadata.max.age.ms", "900000");
        config
    }
}

/// Tells a producer of the service's own topic before there is an event for it. A broker that does not answer for a second is not
/// waited for: the first event makes the topic known, too.
pub(crate) async fn introduce(producer: &FutureProducer) {
    let producer = producer.clone();
    let asked = move || producer.client().fetch_metadata(Some(BiddingEvent::TOPIC), ANSWER_WITHIN).map(|_| ());
    if let Ok(Err(error)) = tokio::task::spawn_blocking(asked).await {
        tracing::debug!(%error, "the topic is not known yet");
    }
}

/// How long readiness waits for a broker, once and once more.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);
/// A connection that is silent for longer has been forgotten by its broker. librdkafka looks every second, so that there is a
/// new one by the time that the broker is asked once more.
const SILENT_FOR: Duration = Duration::from_millis(500);

/// Whether a broker answers, asked over one client that is kept.
pub struct Probe(Arc<BaseProducer>);

impl Probe {
    /// A client of its own.
    ///
    /// # Errors
    /// [`KafkaFault`].
    pub fn new(config: &KafkaConfig) -> Result<Self, KafkaFault> {
        let mut client = config.client("probe");
        client.set("socket.timeout.ms", SILENT_FOR.as_millis().to_string());
        Ok(Self(Arc::new(client.create()?)))
    }

    /// Asks for the metadata of the service's own topic.
    ///
    /// # Errors
    /// Why no broker answered, in words.
    pub async fn reachable(&self) -> Result<(), String> {
        let client = Arc::clone(&self.0);
        let asked = tokio::task::spawn_blocking(move || {
            let ask = || client.client().fetch_metadata(Some(BiddingEvent::TOPIC), ANSWER_WITHIN).map(|_| ());
            ask().or_else(|_| ask())
        });
        asked.await.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> KafkaConfig {
        KafkaConfig {
            brokers: "nowhere:1".to_owned(),
            ca_file: PathBuf::new(),
            cert_file: PathBuf::new(),
            key_file: PathBuf::new(),
            instance: None,
        }
    }

    fn ms(of: &ClientConfig, setting: &str) -> Option<u32> {
        of.get(setting).and_then(|value| value.parse().ok())
    }

    #[test]
    fn a_relay_that_has_nothing_to_tell_gives_a_forgotten_connection_up_within_13_seconds() {
        let producer = config().relay_producer();
        let (asks, answer) = (ms(&producer, "topic.metadata.refresh.interval.ms"), ms(&producer, "socket.timeout.ms"));
        // Answers that do not come are looked for once a second.
        let given_up = asks.zip(answer).map(|(asks, answer)| asks + answer + 1_000);
        assert!(given_up.is_some_and(|ms| ms <= 13_000), "after {given_up:?} ms");
        let known = ms(&producer, "metadata.max.age.ms");
        assert!(known.is_some_and(|ms| ms >= 900_000), "what is known of the topic stays so for {known:?} ms");
    }

    #[test]
    fn a_broker_says_that_its_replicas_are_slow_before_it_is_given_up() {
        let producer = config().producer("test");
        let (broker, ours) = (ms(&producer, "request.timeout.ms"), ms(&producer, "socket.timeout.ms"));
        assert!(
            broker.is_some() && broker < ours,
            "the broker answers after {broker:?} ms, and is given up after {ours:?}"
        );
    }
}
