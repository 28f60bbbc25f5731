//! Why a use case did not do what was asked, and the one rule of retrying.

use std::future::Future;

use bidding_domain::auction::Refused;
use bidding_ports::error::StoreError;

/// What a caller can act on. A refused bid is none of these: it is decided, and kept like a success.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UseError {
    /// There is no such auction.
    #[error("there is no such auction")]
    NotFound,
    /// The idempotency key was used with another request.
    #[error("the idempotency key was used with another request")]
    KeyReused,
    /// The first request with this key is still running.
    #[error("the first request with this idempotency key is still running")]
    KeyRunning,
    /// Too many bids or retractions wait: try again in a moment.
    #[error("too many bids or retractions wait; try again in a moment")]
    Busy,
    /// The auction is not over.
    #[error("the auction is not over yet")]
    NotOver,
    /// The domain refused a transition.
    #[error(transparent)]
    Refused(#[from] Refused),
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
    for _ in 0..ATTEMPTS {
        match attempt().await {
            Err(UseError::Store(StoreError::Conflict)) => {}
            decided => return decided,
        }
    }
    Err(StoreError::Unavailable(format!("{ATTEMPTS} attempts ran into conflicts")).into())
}
