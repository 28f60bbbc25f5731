//! The events that the rest of the marketplace gets to see of a run: every accepted bid must be among them, and those
//! of an auction must be numbered without a gap. Delivery is at least once, so an event may be there again.

use std::collections::{HashMap, HashSet};

use anyhow::{Context, Result};
use kafka_protocol::records::Record;
use serde::Deserialize;
use uuid::Uuid;

use super::field::Receipt;
use crate::endpoints::Endpoints;
use crate::kafka::reader::Reader;
use crate::layout::{DataDir, Service};

const BID_PLACED: &str = "outcry.bidding.bid.placed.v1";
const TOLD: usize = 5;

/// Where the events of a run begin.
pub struct Events {
    from: Vec<i64>,
}

/// What was published during a run.
#[derive(Default)]
pub struct Published {
    bids: HashSet<Uuid>,
    /// The last number of each auction.
    last: HashMap<Uuid, u64>,
    /// Events of the run.
    pub events: usize,
    /// Events that were there before.
    pub repeated: usize,
    /// What is wrong.
    findings: Vec<String>,
}

#[derive(Deserialize)]
struct BidPlaced {
    bid_id: Uuid,
}

impl Events {
    /// All events from now on.
    pub async fn from_now(data_dir: &DataDir, endpoints: &Endpoints) -> Result<Self> {
        let mut reader = Reader::open(data_dir, endpoints, Service::Bidding).await?;
        let from = reader.ends().await.context("cannot find the end of bidding's events")?;
        Ok(Self { from })
    }

    /// Reads them until now, over a new connection: the broker may have been restarted meanwhile.
    pub async fn read(self, data_dir: &DataDir, endpoints: &Endpoints) -> Result<Published> {
        let mut reader = Reader::open(data_dir, endpoints, Service::Bidding).await?;
        let to = reader.ends().await.context("cannot find the end of bidding's events")?;
        let mut published = Published::default();
        reader.read(&self.from, &to, |record| published.note(record)).await.context("cannot read bidding's events")?;
        Ok(published)
    }
}

impl Published {
    fn note(&mut self, record: &Record) -> Result<()> {
        let header = |name: &str| {
            let value = record.headers.iter().find(|(key, _)| key.as_str() == name)?.1.as_deref()?;
            std::str::from_utf8(value).ok()
        };
        let sequence =
            header("ce_sequence").and_then(|number| number.parse().ok()).context("an event has no number")?;
        let key =
            record.key.as_deref().and_then(|key| Uuid::try_parse_ascii(key).ok()).context("an event has no key")?;
        let data = record.value.as_deref().filter(|_| header("ce_type") == Some(BID_PLACED));
        let bid = data.map(serde_json::from_slice::<BidPlaced>).transpose().context("an event cannot be read")?;
        self.add(key, sequence, bid.map(|bid| bid.bid_id));
        Ok(())
    }

    fn add(&mut self, auction: Uuid, sequence: u64, bid: Option<Uuid>) {
        self.events += 1;
        self.bids.extend(bid);
        let last = self.last.entry(auction).or_insert(sequence.saturating_sub(1));
        if sequence <= *last {
            self.repeated += 1;
        } else if sequence > *last + 1 {
            self.findings.push(format!("the events of auction {auction} go from {last} to {sequence}"));
        }
        *last = sequence.max(*last);
    }

    /// What is wrong, also with regard to `receipts`.
    pub fn findings(mut self, receipts: &[Receipt]) -> Vec<String> {
        self.findings.truncate(TOLD);
        let lost = receipts.iter().map(|receipt| receipt.accepted.bid_id).filter(|bid| !self.bids.contains(bid));
        let lost: Vec<Uuid> = lost.collect();
        self.findings.extend(lost.iter().take(TOLD).map(|bid| format!("no event tells of bid {bid}")));
        if lost.len() > TOLD {
            self.findings.push(format!("{} more: no event tells of a bid", lost.len() - TOLD));
        }
        self.findings
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::super::answer::Accepted;
    use super::*;

    fn receipt(bid: u128) -> Receipt {
        let now = Instant::now();
        let accepted =
            Accepted { bid_id: Uuid::from_u128(bid), sequence: 2, price: 1, next_minimum: 2, replayed: false };
        Receipt { lot: 0, accepted, sent: now, answered: now }
    }

    #[test]
    fn an_event_may_come_again_but_none_may_be_missing() {
        let (auction, mut published) = (Uuid::nil(), Published::default());
        for sequence in [2, 3, 2, 3, 4] {
            published.add(auction, sequence, Some(Uuid::from_u128(sequence.into())));
        }
        assert_eq!((published.events, published.repeated), (5, 2));
        assert!(published.findings(&[receipt(2), receipt(4)]).is_empty());

        let mut gap = Published::default();
        gap.add(auction, 2, Some(Uuid::from_u128(2)));
        gap.add(auction, 4, None);
        let found = gap.findings(&[receipt(2), receipt(3)]).join("; ");
        assert!(found.contains("go from 2 to 4") && found.contains("no event tells of bid"), "{found}");
    }
}
