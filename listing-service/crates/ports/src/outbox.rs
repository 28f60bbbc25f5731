//! Events that wait to be published: written in the effect's transaction, taken by the relay.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::error::StoreError;

/// An event that waits.
#[derive(Debug, Clone, PartialEq)]
pub struct OutboxRecord {
    /// Order of publication within a key.
    pub id: i64,
    /// `CloudEvents` id.
    pub event_id: Uuid,
    /// `CloudEvents` type.
    pub event_type: String,
    /// Where to.
    pub topic: String,
    /// The aggregate's id.
    pub key: String,
    /// Position among the events of the key.
    pub sequence: u64,
    /// When it happened.
    pub time: DateTime<Utc>,
    /// W3C trace context of the cause.
    pub traceparent: Option<String>,
    /// The event's data.
    pub data: serde_json::Value,
}

/// Fencing token of a lease: a later holder has a higher one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Epoch(pub i64);

/// The waiting events, as the relay sees them.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait Outbox: Send + Sync {
    /// Takes or renews the lease for `ttl`; `None` while another holder has it. A change of holder
    /// MUST raise the epoch.
    async fn lease(&self, holder: Uuid, ttl: Duration) -> Result<Option<Epoch>, StoreError>;
    /// Gives the lease back: the next one that asks for it has it. MUST leave a lease alone that `holder` does not have,
    /// one that has run out as well.
    async fn release(&self, holder: Uuid) -> Result<(), StoreError>;
    /// What is present, in id order, at most `limit`. MUST NOT skip a record because a later one
    /// was seen before: commits do not come in id order.
    async fn batch(&self, limit: u32) -> Result<Vec<OutboxRecord>, StoreError>;
    /// Removes what was acknowledged. MUST remove nothing and answer `Conflict` when `epoch` is no
    /// longer the lease's.
    async fn delete(&self, epoch: Epoch, ids: &[i64]) -> Result<(), StoreError>;
    /// How long the oldest record has waited, seconds; 0 when empty.
    async fn age_s(&self) -> Result<f64, StoreError>;
}
