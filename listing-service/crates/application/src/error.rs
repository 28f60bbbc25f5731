//! Why a use case did not do what was asked, and the one rule of retrying.

use std::future::Future;

use listing_domain::listing::Refusal;
use listing_ports::error::StoreError;

/// What a caller can act on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UseError {
    /// There is no such listing, or it is not the caller's to see.
    #[error("there is no such listing")]
    NotFound,
    /// The caller's roles do not allow it.
    #[error("{0}")]
    Forbidden(&'static str),
    /// The listing has another version than the caller thinks.
    #[error("the listing has version {current} by now")]
    Stale {
        /// Its version.
        current: u64,
    },
    /// The domain refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The idempotency key was used with another request.
    #[error("the idempotency key was used with another request")]
    KeyReused,
    /// The first request with this key is still running.
    #[error("the first request with this idempotency key is still running")]
    KeyRunning,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A unit of work that lost against another is tried so often in all.
pub const ATTEMPTS: u32 = 5;

/// Runs `attempt` again, each time in a new unit of work, while the store reports a conflict.
pub(crate) async fn retrying<T, F>(mut attempt: impl FnMut() -> F) -> Result<T, UseError>
where
    F: Future<Output = Result<T, UseError>>,
{
    for _ in 1..ATTEMPTS {
        match attempt().await {
            Err(UseError::Store(StoreError::Conflict)) => {}
            decided => return decided,
        }
    }
    match attempt().await {
        Err(UseError::Store(StoreError::Conflict)) => {
            Err(StoreError::Unavailable(format!("{ATTEMPTS} attempts ran into conflicts")).into())
        }
        decided => decided,
    }
}
