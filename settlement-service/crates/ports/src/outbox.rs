//! Events on their way out: written in the unit of work they happened in, relayed to the broker from here.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::StoreError;

/// Fencing number of a lease: a later lease has a higher one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Epoch(pub i64);

/// One event, ready to be produced.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OutboxRecord {
    /// Order of insertion; not of commits.
    pub id: i64,
    /// The `CloudEvents` id.
    pub event_id: Uuid,
    /// e.g. `outcry.settlement.started.v1`.
    pub event_type: String,
    /// e.g. `outcry.settlement.v1`.
    pub topic: String,
    /// The record's key.
    pub key: String,
    /// Number among the events of the key, without a gap.
    pub sequence: u64,
    /// When it happened.
    pub time: DateTime<Utc>,
    /// Trace context of what caused it.
    pub traceparent: Option<String>,
    /// The payload.
    pub data: serde_json::Value,
}

/// The relay's side of the outbox.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait Outbox: Send + Sync {
    /// Takes or renews the lease on relaying. None while another holder has it; MUST give a higher epoch to
    /// every new holder and the same one on renewal.
    async fn acquire_lease(&self, holder: &str, ttl: Duration) -> Result<Option<Epoch>, StoreError>;

    /// Gives the lease back: the next one that asks for it has it. MUST leave a lease alone that `holder` does not have,
    /// one that has run out as well.
    async fn release_lease(&self, holder: &str) -> Result<(), StoreError>;

    /// Committed records in id order, at most `limit`. MUST return what is present, not what follows a remembered
    /// id: ids do not commit in order.
    async fn batch(&self, limit: u32) -> Result<Vec<OutboxRecord>, StoreError>;

    /// Deletes produced records. False, with nothing deleted, if the epoch is not the current lease's.
    async fn delete(&self, epoch: Epoch, ids: &[i64]) -> Result<bool, StoreError>;

    /// How long the oldest record has waited, seconds; 0 when empty.
    async fn age_s(&self) -> Result<f64, StoreError>;
}
