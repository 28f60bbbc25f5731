//! Whose turn it is to reconcile, and what came of the last time: one row for all instances.

use std::time::Duration;

use chrono::{DateTime, Utc};
use settlement_ports::StoreError;

use crate::{error::store_error, session::Sessions};

/// What the last reconciliation that was finished came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Last {
    /// When.
    pub finished_at: DateTime<Utc>,
    /// How many differences it found.
    pub differences: i64,
}

/// Takes the turn for so long, if nobody has it. Who took it and dies loses nothing but that turn.
///
/// # Errors
/// When the database cannot be asked.
pub async fn claim(pool: &Sessions, turn: Duration) -> Result<bool, StoreError> {
    let claimed = sqlx::query!(
        "INSERT INTO reconciliation AS turn (claimed_until)
         VALUES (clock_timestamp() + make_interval(secs => $1))
         ON CONFLICT (single) DO UPDATE SET claimed_until = excluded.claimed_until
         WHERE turn.claimed_until <= clock_timestamp()",
        turn.as_secs_f64()
    );
    Ok(claimed.execute(pool).await.map_err(store_error)?.rows_affected() > 0)
}

/// Notes what it came to.
///
/// # Errors
/// When the database cannot take it.
pub async fn finish(pool: &Sessions, differences: i64) -> Result<(), StoreError> {
    let finished =
        sqlx::query!("UPDATE reconciliation SET finished_at = clock_timestamp(), differences = $1", differences);
    finished.execute(pool).await.map_err(store_error)?;
    Ok(())
}

/// What the last one came to, whichever instance made it; none before the first.
///
/// # Errors
/// When the database cannot be asked.
pub async fn last(pool: &Sessions) -> Result<Option<Last>, StoreError> {
    sqlx::query_as!(
        Last,
        r#"SELECT finished_at AS "finished_at!", differences AS "differences!" FROM reconciliation
           WHERE finished_at IS NOT NULL AND differences IS NOT NULL"#
    )
    .fetch_optional(pool)
    .await
    .map_err(store_error)
}
