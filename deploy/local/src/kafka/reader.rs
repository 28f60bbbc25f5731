//! Reads a topic from one set of places to another, as a service of the marketplace may.

use anyhow::{Context, Result, ensure};
use bytes::{Buf, Bytes};
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::{
    ApiKey, FetchRequest, FetchResponse, ListOffsetsRequest, ListOffsetsResponse, TopicName,
};
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::records::{Record, RecordBatchDecoder};

use super::access;
use super::wire::{Connection, Exchange};
use crate::endpoints::Endpoints;
use crate::layout::{DataDir, Service};

impl Exchange for FetchRequest {
    const KEY: ApiKey = ApiKey::Fetch;
    type Answer = FetchResponse;
}

impl Exchange for ListOffsetsRequest {
    const KEY: ApiKey = ApiKey::ListOffsets;
    type Answer = ListOffsetsResponse;
}

/// The newest version that calls topics by name.
const FETCH: i16 = 12;
const LIST_OFFSETS: i16 = 7;
/// Kafka's number for "where the next record will be".
const LATEST: i64 = -1;
const ANSWER_BYTES: i32 = 8 * 1024 * 1024;
const PARTITION_BYTES: i32 = 2 * 1024 * 1024;
/// What is there is wanted at once.
const AT_ONCE: Patience = Patience { min_bytes: 1, wait_ms: 500 };
/// As the services wait for theirs.
const AS_IT_COMES: Patience = Patience { min_bytes: 65_536, wait_ms: 25 };
/// What comes before a batch's length, and the length itself.
const BATCH_LENGTH_AT: usize = 8;
const BATCH_HEAD: usize = 12;

/// What the broker waits for before it answers.
#[derive(Clone, Copy)]
struct Patience {
    min_bytes: i32,
    wait_ms: i32,
}

/// A reader of one topic.
pub struct Reader {
    connection: Connection,
    topic: TopicName,
    partitions: i32,
}

impl Reader {
    /// A reader of the topic that `service` publishes to, with the rights of that service.
    pub async fn open(data_dir: &DataDir, endpoints: &Endpoints, service: Service) -> Result<Self> {
        Self::open_as(data_dir, endpoints, service, service).await
    }

    /// A reader of the topic that `service` publishes to, with the rights of `reader`.
    pub async fn open_as(data_dir: &DataDir, endpoints: &Endpoints, service: Service, reader: Service) -> Result<Self> {
        let connection = Connection::of(data_dir, endpoints, reader).await?;
        let topic = access::topics().into_iter().find(|topic| topic.name == service.topic());
        let topic = topic.with_context(|| format!("{service} has no topic"))?;
        let name = TopicName(StrBytes::from_string(topic.name));
        Ok(Self { connection, topic: name, partitions: topic.partitions })
    }

    /// The topic.
    pub fn topic(&self) -> &TopicName {
        &self.topic
    }

    /// The connection, for other questions about the same topic.
    pub fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }

    /// Where the next record of each partition will be.
    pub async fn ends(&mut self) -> Result<Vec<i64>> {
        let partition = |index| ListOffsetsPartition::default().with_partition_index(index).with_timestamp(LATEST);
        let partitions = (0..self.partitions).map(partition).collect();
        let topic = ListOffsetsTopic::default().with_name(self.topic.clone()).with_partitions(partitions);
        let request = ListOffsetsRequest::default().with_replica_id((-1).into()).with_topics(vec![topic]);
        let mut ends = vec![0; usize::try_from(self.partitions)?];
        for partition in
            self.connection.ask(&request, LIST_OFFSETS).await?.topics.into_iter().flat_map(|t| t.partitions)
        {
            sound(partition.error_code)?;
            let end = ends
                .get_mut(usize::try_from(partition.partition_index)?)
                .context("Kafka tells of another partition")?;
            *end = partition.offset;
        }
        Ok(ends)
    }

    /// Shows every record at or after `from` and before `to`, in order within each partition.
    pub async fn read(&mut self, from: &[i64], to: &[i64], mut each: impl FnMut(&Record) -> Result<()>) -> Result<()> {
        let mut next = from.to_vec();
        loop {
            let behind: Vec<usize> = (0..next.len()).filter(|&index| next[index] < to[index]).collect();
            if behind.is_empty() {
                return Ok(());
            }
            let show = |index: usize, record: &Record| if record.offset < to[index] { each(record) } else { Ok(()) };
            self.fetch(&behind, &mut next, AT_ONCE, show).await?;
        }
    }

    /// Shows what comes at or after `next` and moves `next` behind it; returns when much has come, or soon.
    pub async fn follow(&mut self, next: &mut [i64], mut each: impl FnMut(&Record) -> Result<()>) -> Result<()> {
        let all: Vec<usize> = (0..next.len()).collect();
        self.fetch(&all, next, AS_IT_COMES, |_, record| each(record)).await
    }

    async fn fetch(
        &mut self,
        partitions: &[usize],
        next: &mut [i64],
        Patience { min_bytes, wait_ms }: Patience,
        mut each: impl FnMut(usize, &Record) -> Result<()>,
    ) -> Result<()> {
        let mut wanted = Vec::with_capacity(partitions.len());
        for &index in partitions {
            let partition = FetchPartition::default()
                .with_partition(i32::try_from(index)?)
                .with_fetch_offset(next[index])
                .with_partition_max_bytes(PARTITION_BYTES);
            wanted.push(partition);
        }
        let topic = FetchTopic::default().with_topic(self.topic.clone()).with_partitions(wanted);
        let request = FetchRequest::default()
            .with_max_wait_ms(wait_ms)
            .with_min_bytes(min_bytes)
            .with_max_bytes(ANSWER_BYTES)
            .with_topics(vec![topic]);
        let answer = self.connection.ask(&request, FETCH).await?;
        sound(answer.error_code)?;
        for partition in answer.responses.into_iter().flat_map(|topic| topic.partitions) {
            sound(partition.error_code)?;
            let index = usize::try_from(partition.partition_index)?;
            let next = next.get_mut(index).context("Kafka tells of another partition")?;
            for record in records(partition.records.unwrap_or_default())? {
                // A batch is given whole, also the part of it that is known.
                if record.offset >= *next {
                    each(index, &record)?;
                    *next = record.offset + 1;
                }
            }
        }
        Ok(())
    }
}

/// The records of all batches that are whole; the broker cuts the last one off anywhere.
fn records(mut batches: Bytes) -> Result<Vec<Record>> {
    let mut records = Vec::new();
    while batches.len() > BATCH_HEAD {
        let length = BATCH_HEAD + usize::try_from((&batches[BATCH_LENGTH_AT..]).get_i32())?;
        if batches.len() < length {
            break;
        }
        let set = RecordBatchDecoder::decode(&mut batches.split_to(length));
        records.extend(set.context("a batch of records cannot be read")?.records);
    }
    Ok(records)
}

fn sound(code: i16) -> Result<()> {
    let why = ResponseError::try_from_code(code).map_or_else(|| format!("error {code}"), |error| error.to_string());
    ensure!(code == 0, "Kafka does not give the records: {why}");
    Ok(())
}
