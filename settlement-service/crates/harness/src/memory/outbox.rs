//! The relay's side of the store.

use std::time::Duration;

use async_trait::async_trait;
use settlement_ports::{Epoch, Outbox, OutboxRecord, StoreError};

use super::MemoryStore;

#[async_trait]
impl Outbox for MemoryStore {
    async fn acquire_lease(&self, holder: &str, ttl: Duration) -> Result<Option<Epoch>, StoreError> {
        let now = self.clock.now();
        let mut tables = self.committed();
        let relay = &mut tables.relay;
        let free = relay.until.is_none_or(|until| until <= now);
        if !free && relay.holder != holder {
            return Ok(None);
        }
        if relay.holder != holder {
            relay.epoch += 1;
            holder.clone_into(&mut relay.holder);
        }
        relay.until = Some(now + ttl);
        Ok(Some(Epoch(relay.epoch)))
    }

    async fn release_lease(&self, holder: &str) -> Result<(), StoreError> {
        let relay = &mut self.committed().relay;
        if relay.holder == holder {
            relay.until = None;
        }
        Ok(())
    }

    async fn batch(&self, limit: u32) -> Result<Vec<OutboxRecord>, StoreError> {
        Ok(self.committed().outbox.values().take(limit as usize).cloned().collect())
    }

    async fn delete(&self, epoch: Epoch, ids: &[i64]) -> Result<bool, StoreError> {
        let mut tables = self.committed();
        let current = tables.relay.epoch == epoch.0;
        if current {
            tables.outbox.retain(|id, _| !ids.contains(id));
        }
        Ok(current)
    }

    async fn age_s(&self) -> Result<f64, StoreError> {
        let oldest = self.committed().outbox.values().next().map(|record| record.time);
        Ok(oldest.map_or(0.0, |time| (self.clock.now() - time).as_seconds_f64()))
    }
}
