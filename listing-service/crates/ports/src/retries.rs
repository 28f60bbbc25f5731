//! How often an event failed, kept where it outlives the process.

use async_trait::async_trait;
use uuid::Uuid;

use crate::error::StoreError;

/// Durable counts of failed attempts.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait Retries: Send + Sync {
    /// Counts a failed attempt at an event and returns how many there are now.
    async fn failed(&self, event_id: Uuid, reason: &str) -> Result<u32, StoreError>;
    /// Forgets an event that was handled or buried.
    async fn settled(&self, event_id: Uuid) -> Result<(), StoreError>;
}
