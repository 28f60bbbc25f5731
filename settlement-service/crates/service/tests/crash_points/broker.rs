//! Kafka, the real one: bidding's word in, settlement's words out.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use event_contracts::bidding::BiddingEvent;
use event_contracts::envelope::Envelope;
use event_contracts::settlement::SettlementEvent;
use rdkafka::consumer::{Consumer, StreamConsumer};
use rdkafka::message::{Header, Headers, Message, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::party::Party;
use crate::story::PRICE;

/// The broker has so long for anything.
const PATIENCE: Duration = Duration::from_secs(30);
const HINT: &str =
    "set OUTCRY_TEST_KAFKA_BROKERS and OUTCRY_TEST_KAFKA_TLS_DIR, or run `make test`, which starts a broker";

/// Where it is, and who may speak with it.
pub struct Access {
    pub brokers: String,
    /// `ca.pem`, and each service's certificates and keys.
    pub folder: PathBuf,
}

impl Access {
    pub fn from_env() -> Result<Self> {
        let variable = |name| std::env::var(name).context(HINT);
        let folder = PathBuf::from(variable("OUTCRY_TEST_KAFKA_TLS_DIR")?);
        Ok(Self { brokers: variable("OUTCRY_TEST_KAFKA_BROKERS")?, folder })
    }

    fn client(&self, service: &str) -> ClientConfig {
        let file = |name: &str| self.folder.join(name).to_string_lossy().into_owned();
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.brokers)
            .set("security.protocol", "ssl")
            .set("ssl.ca.location", file("ca.pem"))
            .set("ssl.certificate.location", file(&format!("{service}.pem")))
            .set("ssl.key.location", file(&format!("{service}-key.pem")));
        config
    }
}

/// An event as it lies at the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    pub id: Uuid,
    pub sequence: u64,
    pub event_type: String,
    pub data: Value,
}

/// The broker, and where settlement's topic ended when this began.
pub struct Broker {
    bidding: FutureProducer,
    reader: StreamConsumer,
    begun: Vec<i64>,
}

impl Broker {
    pub fn connect(access: &Access) -> Result<Self> {
        let bidding = access.client("bidding-service").create()?;
        let mut config = access.client("settlement-service");
        // It reads by itself and is in nobody's way: it joins no group.
        config.set("group.id", "settlement-service.crash-points").set("enable.auto.commit", "false");
        let reader: StreamConsumer = config.create()?;
        let metadata = reader.fetch_metadata(Some(SettlementEvent::TOPIC), PATIENCE)?;
        let topic = metadata.topics().first().context("settlement's topic is not there")?;
        let mut broker = Self { bidding, reader, begun: vec![0; topic.partitions().len()] };
        broker.begun = broker.ends()?;
        Ok(broker)
    }

    fn ends(&self) -> Result<Vec<i64>> {
        let end = |partition: usize| -> Result<i64> {
            let partition = i32::try_from(partition)?;
            Ok(self.reader.fetch_watermarks(SettlementEvent::TOPIC, partition, PATIENCE)?.1)
        };
        (0..self.begun.len()).map(end).collect()
    }

    /// Bidding tells that the lot was sold.
    pub async fn tells_of_the_sale(&self, party: &Party) -> Result<()> {
        let key = party.auction.to_string();
        let data = json!({"auction_id": party.auction, "seller_id": party.seller, "currency": "USD",
            "outcome": "sold", "price": PRICE, "winner_id": party.buyer, "bid_count": 3, "second_chance": false,
            "ended_at": "2030-01-01T00:00:00Z", "closed_at": "2030-01-01T00:00:01Z"})
        .to_string();
        let envelope = Envelope {
            id: Uuid::now_v7(),
            source: "/outcry/bidding-service".to_owned(),
            event_type: "outcry.bidding.auction.closed.v1".to_owned(),
            subject: key.clone(),
            time: "2030-01-01T00:00:01Z".parse()?,
            sequence: 1,
            traceparent: None,
        };
        let headers = envelope.to_headers();
        let headers = headers
            .iter()
            .fold(OwnedHeaders::new(), |headers, (key, value)| headers.insert(Header { key, value: Some(value) }));
        let record = FutureRecord::to(BiddingEvent::TOPIC).key(&key).payload(&data).headers(headers);
        self.bidding.send(record, PATIENCE).await.map_err(|(error, _)| error)?;
        Ok(())
    }

    /// All that settlement has said by now, by key, in its order.
    pub async fn all_that_was_told(&self) -> Result<BTreeMap<String, Vec<Told>>> {
        let ends = self.ends()?;
        let mut places = TopicPartitionList::new();
        for (partition, begun) in self.begun.iter().enumerate() {
            let partition = i32::try_from(partition)?;
            places.add_partition_offset(SettlementEvent::TOPIC, partition, Offset::Offset(*begun))?;
        }
        self.reader.assign(&places)?;
        let mut told = BTreeMap::<String, Vec<Told>>::new();
        let mut left: i64 = ends.iter().zip(&self.begun).map(|(end, begun)| end - begun).sum();
        while left > 0 {
            let message =
                tokio::time::timeout(PATIENCE, self.reader.recv()).await.context("the broker is silent")??;
            let headers = message.headers().context("an event without an envelope")?;
            let envelope = Envelope::from_headers(|name| {
                let header = headers.iter().find(|header| header.key == name)?;
                std::str::from_utf8(header.value?).ok()
            })?;
            ensure!(message.key() == Some(envelope.subject.as_bytes()), "the key is not the subject");
            let data = serde_json::from_slice(message.payload().unwrap_or_default())?;
            let one = Told { id: envelope.id, sequence: envelope.sequence, event_type: envelope.event_type, data };
            told.entry(envelope.subject).or_default().push(one);
            left -= 1;
        }
        Ok(told)
    }
}
