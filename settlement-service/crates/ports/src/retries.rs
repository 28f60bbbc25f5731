//! How often an event failed, kept where it outlives the process.

use async_trait::async_trait;
use uuid::Uuid;

use crate::StoreError;

/// Durable counts of failed attempts. The inbox forgets those of an event when it takes it in.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait Retries: Send + Sync {
    /// Counts a failed attempt at an event and returns how many there are now.
    async fn failed(&self, event_id: Uuid, reason: &str) -> Result<u32, StoreError>;
    /// Notes that an event went to the dead letters. The inbox MUST take it once more when it is
    /// replayed, though later events of its key had their effect meanwhile.
    async fn buried(&self, event_id: Uuid, reason: &str) -> Result<(), StoreError>;
}
