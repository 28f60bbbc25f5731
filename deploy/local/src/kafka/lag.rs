//! How far a service's consumer group is behind what it reads: the broker's word, not the service's.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestTopic;
use kafka_protocol::messages::{ApiKey, GroupId, OffsetFetchRequest, OffsetFetchResponse};
use kafka_protocol::protocol::StrBytes;

use super::reader::Reader;
use super::wire::Exchange;
use crate::endpoints::Endpoints;
use crate::layout::{DataDir, Service};

impl Exchange for OffsetFetchRequest {
    const KEY: ApiKey = ApiKey::OffsetFetch;
    type Answer = OffsetFetchResponse;
}

/// The newest version that asks for one group.
const OFFSET_FETCH: i16 = 7;

/// Watches the consumer group of one service.
pub struct Lag {
    group: GroupId,
    topics: Vec<Reader>,
}

impl Lag {
    /// The group of `service`, looked at with that service's rights.
    pub async fn of(data_dir: &DataDir, endpoints: &Endpoints, service: Service) -> Result<Self> {
        let mut topics = Vec::new();
        for &source in service.reads() {
            topics.push(Reader::open_as(data_dir, endpoints, source, service).await?);
        }
        Ok(Self { group: GroupId(StrBytes::from_string(service.name())), topics })
    }

    /// Events on the broker whose offset the group has not committed. Services commit each second.
    pub async fn now(&mut self) -> Result<u64> {
        let ends = self.ends().await?;
        self.behind(&ends).await
    }

    /// Where each topic that the group reads ends.
    pub async fn ends(&mut self) -> Result<Ends> {
        let mut ends = Vec::new();
        for topic in &mut self.topics {
            ends.push(topic.ends().await?);
        }
        Ok(Ends(ends))
    }

    /// Events before these ends whose offset the group has not committed.
    pub async fn behind(&mut self, ends: &Ends) -> Result<u64> {
        let mut behind = 0;
        for (topic, ends) in self.topics.iter_mut().zip(&ends.0) {
            let committed = committed(topic, &self.group, ends.len()).await?;
            behind += lag(&committed, ends);
        }
        Ok(behind)
    }
}

/// The ends of some topics, partition by partition.
#[derive(Debug, Clone)]
pub struct Ends(Vec<Vec<i64>>);

async fn committed(topic: &mut Reader, group: &GroupId, partitions: usize) -> Result<BTreeMap<i32, i64>> {
    let partitions = (0..i32::try_from(partitions)?).collect();
    let asked = OffsetFetchRequestTopic::default().with_name(topic.topic().clone()).with_partition_indexes(partitions);
    let request = OffsetFetchRequest::default().with_group_id(group.clone()).with_topics(Some(vec![asked]));
    let answer = topic.connection().ask(&request, OFFSET_FETCH).await?;
    let partitions = answer.topics.into_iter().flat_map(|topic| topic.partitions);
    let codes = std::iter::once((answer.error_code, None));
    let offsets = partitions
        .map(|partition| (partition.error_code, Some((partition.partition_index, partition.committed_offset))));
    let mut committed = BTreeMap::new();
    for (code, offset) in codes.chain(offsets) {
        let why = ResponseError::try_from_code(code).map_or_else(|| format!("error {code}"), |error| error.to_string());
        ensure!(code == 0, "Kafka does not tell how far {} has come: {why}", group.0.as_str());
        committed.extend(offset);
    }
    Ok(committed)
}

/// What was never committed counts from the beginning.
fn lag(committed: &BTreeMap<i32, i64>, ends: &[i64]) -> u64 {
    let behind = (0..).zip(ends).map(|(partition, end)| end - committed.get(&partition).copied().unwrap_or(0).max(0));
    behind.map(|events| u64::try_from(events).unwrap_or(0)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_of_which_nothing_was_committed_is_behind_by_all_its_events() {
        assert_eq!(lag(&[(0, 7), (1, -1)].into(), &[9, 3, 4]), 2 + 3 + 4);
        assert_eq!(lag(&[(0, 9)].into(), &[9]), 0);
        // A commit that came between the two questions is no debt of the others.
        assert_eq!(lag(&[(0, 10), (1, 0)].into(), &[9, 1]), 1);
    }
}
