//! The outbox in memory, with its lease.

use std::{collections::BTreeSet, time::Duration};

use async_trait::async_trait;
use bidding_domain::{
    event::{AuctionEvent, Happening},
    log::Entry,
};
use bidding_ports::{
    error::StoreError,
    outbox::{Epoch, Outbox, OutboxRecord},
};
use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::MemoryStore;

/// Who may relay, until when.
#[derive(Debug, Clone, Default)]
pub(super) struct Lease {
    held: Option<(Uuid, DateTime<Utc>)>,
    epoch: i64,
}

#[async_trait]
impl Outbox for MemoryStore {
    async fn lease(&self, holder: Uuid, ttl: Duration) -> Result<Option<Epoch>, StoreError> {
        let call = self.enter("lease").await?;
        let now = self.now();
        let until = now + TimeDelta::from_std(ttl).unwrap_or(TimeDelta::MAX);
        let lease = &mut self.committed().lease;
        match lease.held {
            Some((other, expires_at)) if other != holder && expires_at > now => return call.done(None),
            Some((same, _)) if same == holder => {}
            _ => lease.epoch += 1,
        }
        lease.held = Some((holder, until));
        call.done(Some(Epoch(lease.epoch)))
    }

    async fn release(&self, holder: Uuid) -> Result<(), StoreError> {
        let call = self.enter("release").await?;
        if let Some((_, expires_at)) = self.committed().lease.held.as_mut().filter(|(same, _)| *same == holder) {
            *expires_at = DateTime::<Utc>::MIN_UTC;
        }
        call.done(())
    }

    async fn batch(&self, limit: u32) -> Result<Vec<OutboxRecord>, StoreError> {
        let call = self.enter("batch").await?;
        let mut records = self.committed().outbox.clone();
        records.sort_by_key(|record| (record.id, record.sequence));
        let decisions: BTreeSet<_> = records.iter().map(|record| record.id).collect();
        let decisions: BTreeSet<_> = decisions.into_iter().take(limit as usize).collect();
        records.retain(|record| decisions.contains(&record.id));
        call.done(records)
    }

    async fn delete(&self, epoch: Epoch, ids: &[i64]) -> Result<(), StoreError> {
        let call = self.enter("delete").await?;
        let mut committed = self.committed();
        if committed.lease.epoch != epoch.0 {
            return Err(StoreError::Conflict);
        }
        committed.outbox.retain(|record| !ids.contains(&record.id));
        call.done(())
    }

    async fn age_s(&self) -> Result<f64, StoreError> {
        let call = self.enter("age_s").await?;
        let oldest = self.committed().outbox.iter().map(|record| record.time).min();
        call.done(oldest.map_or(0.0, |oldest| (self.now() - oldest).as_seconds_f64()))
    }
}

/// The events of an entry as they wait, under one id.
pub(super) fn records_of(entry: &Entry, id: i64) -> impl Iterator<Item = OutboxRecord> {
    entry.events().map(move |event| record_of(&event, id))
}

/// An event as it waits. The payload is the domain's, not the contract's.
fn record_of(event: &AuctionEvent, id: i64) -> OutboxRecord {
    let name = match event.what {
        Happening::Opened { .. } => "auction.opened",
        Happening::BidPlaced { .. } => "bid.placed",
        Happening::Extended { .. } => "auction.extended",
        Happening::Retracted { .. } => "bid.retracted",
        Happening::Paused { .. } => "auction.paused",
        Happening::Resumed { .. } => "auction.resumed",
        Happening::Closed { .. } => "auction.closed",
        Happening::Declined { .. } => "award.declined",
        Happening::Cancelled { .. } => "auction.cancelled",
        Happening::Nominated { .. } => "second_chance.nominated",
        Happening::Exhausted { .. } => "second_chance.exhausted",
    };
    OutboxRecord {
        id,
        event_id: Uuid::now_v7(),
        event_type: format!("outcry.bidding.{name}.v1"),
        topic: "outcry.bidding.v1".to_owned(),
        key: event.auction_id.to_string(),
        sequence: event.sequence,
        time: event.at,
        traceparent: None,
        data: serde_json::to_value(event).unwrap_or_default(),
    }
}
