//! Signs of life, and the time that people have after an outage: one row for all instances.

use chrono::{DateTime, Utc};
use settlement_domain::{Grace, Watch};
use settlement_ports::StoreError;
use sqlx::PgExecutor;

use crate::{error::store_error, metrics::GRACE_UNTIL, session::Sessions};

/// The database's time, and what is known at it.
pub(crate) async fn read(on: impl PgExecutor<'_>) -> Result<(DateTime<Utc>, Watch), StoreError> {
    let row = sqlx::query!(
        r#"SELECT clock_timestamp() AS "now!", coalesce(seen_at, clock_timestamp()) AS "seen_at!",
                  grace_since, grace_until
           FROM watch"#
    );
    let row = row.fetch_one(on).await.map_err(store_error)?;
    let grace = row.grace_since.zip(row.grace_until).map(|(since, until)| Grace { since, until });
    Ok((row.now, Watch { seen_at: row.seen_at, grace }))
}

/// Of instances that show life at the same time one writes it down.
pub(crate) async fn beat(pool: &Sessions) -> Result<Option<Grace>, StoreError> {
    let (now, before) = read(pool).await?;
    let Watch { seen_at, grace } = before.seen(now);
    let noted = sqlx::query!(
        "UPDATE watch SET seen_at = $1, grace_since = $2, grace_until = $3 WHERE seen_at = $4 OR seen_at IS NULL",
        seen_at,
        grace.map(|grace| grace.since),
        grace.map(|grace| grace.until),
        before.seen_at
    );
    let noted = noted.execute(pool).await.map_err(store_error)?.rows_affected() > 0;
    GRACE_UNTIL.set(grace.map_or(0, |grace| grace.until.timestamp()));
    Ok(grace.filter(|_| noted && grace != before.grace))
}
