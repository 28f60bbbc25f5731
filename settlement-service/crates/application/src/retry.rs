//! Units of work that another one came before are done again, a bounded number of times.

use settlement_ports::StoreError;

const ROUNDS: u32 = 5;

/// An error that may be a lost race.
pub trait MaybeConflict {
    /// Whether it is.
    fn is_conflict(&self) -> bool;
}

impl MaybeConflict for StoreError {
    fn is_conflict(&self) -> bool {
        matches!(self, Self::Conflict)
    }
}

/// Runs a unit of work until it is not a lost race, at most [`ROUNDS`] times; then the race is the result.
pub async fn on_conflict<T, E: MaybeConflict, F>(mut unit: impl FnMut() -> F) -> Result<T, E>
where
    F: Future<Output = Result<T, E>>,
{
    let mut result = unit().await;
    for _ in 1..ROUNDS {
        match result {
            Err(error) if error.is_conflict() => result = unit().await,
            _ => break,
        }
    }
    result
}
