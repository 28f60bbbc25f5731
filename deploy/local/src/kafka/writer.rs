//! Publishes events in the name of a service of the marketplace, as that service would.

use anyhow::{Context, Result, ensure};
use bytes::{Bytes, BytesMut};
use kafka_protocol::error::ResponseError;
use kafka_protocol::indexmap::IndexMap;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{ApiKey, ProduceRequest, ProduceResponse, TopicName};
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::records::{
    Compression, NO_PARTITION_LEADER_EPOCH, NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_SEQUENCE, Record, RecordBatchEncoder,
    RecordEncodeOptions, TimestampType,
};

use super::access;
use super::wire::{Connection, Exchange};
use crate::endpoints::Endpoints;
use crate::layout::{DataDir, Service};

impl Exchange for ProduceRequest {
    const KEY: ApiKey = ApiKey::Produce;
    type Answer = ProduceResponse;
}

/// The newest version that calls topics by name and needs no transaction.
const PRODUCE: i16 = 9;
const ALL_REPLICAS: i16 = -1;
const WITHIN_MS: i32 = 30_000;
/// Most events of one request.
const BATCH: usize = 1_000;

/// An event that is to be published.
#[derive(Debug, Clone)]
pub struct Event {
    /// The aggregate's id.
    pub key: String,
    /// Attributes of the envelope, by the names of their headers.
    pub headers: Vec<(&'static str, String)>,
    /// JSON.
    pub data: Vec<u8>,
    /// Milliseconds of the Unix epoch.
    pub at_ms: i64,
}

/// Publishes `events` on the topic of `service`, with its rights, in this order within each partition; returns when the
/// broker has all of them. Events of one key have to be in one call.
pub async fn publish(data_dir: &DataDir, endpoints: &Endpoints, service: Service, events: &[Event]) -> Result<()> {
    let mut connection = Connection::of(data_dir, endpoints, service).await?;
    let topic = access::topics().into_iter().find(|topic| topic.name == service.topic());
    let topic = topic.with_context(|| format!("{service} has no topic"))?;
    let partitions = usize::try_from(topic.partitions)?;
    let name = TopicName(StrBytes::from_string(topic.name));
    for batch in events.chunks(BATCH) {
        let mut of_partition: Vec<Vec<&Event>> = vec![Vec::new(); partitions];
        for event in batch {
            of_partition[place(&event.key, partitions)].push(event);
        }
        let mut data = Vec::new();
        for (index, events) in of_partition.into_iter().enumerate().filter(|(_, events)| !events.is_empty()) {
            let records = Some(encoded(&events)?);
            data.push(PartitionProduceData::default().with_index(i32::try_from(index)?).with_records(records));
        }
        let data = TopicProduceData::default().with_name(name.clone()).with_partition_data(data);
        let request =
            ProduceRequest::default().with_acks(ALL_REPLICAS).with_timeout_ms(WITHIN_MS).with_topic_data(vec![data]);
        let answer = connection.ask(&request, PRODUCE).await?;
        for partition in answer.responses.into_iter().flat_map(|topic| topic.partition_responses) {
            let code = partition.error_code;
            let why =
                ResponseError::try_from_code(code).map_or_else(|| format!("error {code}"), |error| error.to_string());
            ensure!(code == 0, "Kafka does not take the events: {why}");
        }
    }
    Ok(())
}

/// Any rule does that always gives a key the same partition.
fn place(key: &str, partitions: usize) -> usize {
    key.bytes().fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into())) % partitions.max(1)
}

fn encoded(events: &[&Event]) -> Result<Bytes> {
    let record = |(offset, event): (i64, &&Event)| Record {
        transactional: false,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: NO_PARTITION_LEADER_EPOCH,
        producer_id: NO_PRODUCER_ID,
        producer_epoch: NO_PRODUCER_EPOCH,
        timestamp_type: TimestampType::Creation,
        offset,
        // Numbered with the offset, or the encoder begins a batch of its own for each.
        sequence: i32::try_from(offset).unwrap_or_default().wrapping_add(NO_SEQUENCE),
        timestamp: event.at_ms,
        key: Some(Bytes::copy_from_slice(event.key.as_bytes())),
        value: Some(Bytes::copy_from_slice(&event.data)),
        headers: headers(event),
    };
    let records: Vec<Record> = (0..).zip(events).map(record).collect();
    let mut buffer = BytesMut::new();
    let options = RecordEncodeOptions { version: 2, compression: Compression::None };
    RecordBatchEncoder::encode(&mut buffer, &records, &options)?;
    Ok(buffer.freeze())
}

fn headers(event: &Event) -> IndexMap<StrBytes, Option<Bytes>> {
    let header = |(name, value): &(&'static str, String)| {
        (StrBytes::from_static_str(name), Some(Bytes::copy_from_slice(value.as_bytes())))
    };
    event.headers.iter().map(header).collect()
}

#[cfg(test)]
mod tests {
    use kafka_protocol::records::RecordBatchDecoder;

    use super::*;

    fn event(key: &str) -> Event {
        Event {
            key: key.to_owned(),
            headers: vec![("ce_type", "outcry.bidding.auction.closed.v1".to_owned())],
            data: b"{}".to_vec(),
            at_ms: 1,
        }
    }

    #[test]
    fn the_events_of_a_partition_are_one_batch_that_reads_back_in_order() {
        let events = ["a", "b", "c"].map(event);
        let mut bytes = encoded(&events.iter().collect::<Vec<_>>()).unwrap();
        let set = RecordBatchDecoder::decode(&mut bytes).unwrap();
        let keys: Vec<_> = set.records.iter().map(|record| record.key.clone().unwrap()).collect();
        assert_eq!(keys, ["a", "b", "c"]);
        assert_eq!(set.records[2].headers.len(), 1);
        assert!(bytes.is_empty());
    }

    #[test]
    fn a_key_always_has_the_same_partition_and_keys_are_spread() {
        assert_eq!(place("0190a6e0", 12), place("0190a6e0", 12));
        let used: std::collections::BTreeSet<usize> = (0..100).map(|n| place(&format!("key-{n}"), 12)).collect();
        assert!(used.len() == 12, "{used:?}");
    }
}
