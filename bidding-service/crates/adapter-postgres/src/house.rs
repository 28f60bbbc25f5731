//! What concerns all auctions: halts, and the signs of life by which an outage is noticed.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bidding_domain::{auction::PausedBy, halt::Halt};
use bidding_ports::error::StoreError;
use sqlx::PgExecutor;

use crate::{
    error::{corrupt, store_error},
    row::count,
    session::Sessions,
};

/// A sign of life is written so often at most.
const BEAT_EVERY: Duration = Duration::from_secs(1);
/// The reason of a halt by an outage.
const DOWN: &str = "the service was down";

/// The halts, read again only when they have changed.
#[derive(Debug, Default)]
pub(crate) struct Halts(Mutex<Option<(i64, Arc<[Halt]>)>>);

impl Halts {
    /// The halts at `revision` of the house.
    pub(crate) async fn as_of(&self, revision: i64, on: impl PgExecutor<'_>) -> Result<Arc<[Halt]>, StoreError> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((_, halts)) = known.filter(|(of, _)| *of == revision) {
            return Ok(halts);
        }
        let rows = sqlx::query!("SELECT number, by, reason, since, until FROM halt ORDER BY number")
            .fetch_all(on)
            .await
            .map_err(store_error)?;
        let halts = rows.into_iter().map(|row| {
            let by = serde_json::from_value::<PausedBy>(row.by.into()).map_err(corrupt)?;
            Ok(Halt { number: count(row.number)?, by, reason: row.reason, since: row.since, until: row.until })
        });
        let halts = halts.collect::<Result<Arc<[_]>, StoreError>>()?;
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((revision, Arc::clone(&halts)));
        Ok(halts)
    }
}

pub(crate) async fn beat(pool: &Sessions, downtime: Duration) -> Result<bool, StoreError> {
    let seconds = |duration: Duration| duration.as_secs_f64();
    let paused = sqlx::query_scalar!(
        r#"WITH last AS MATERIALIZED (SELECT beat_at FROM house FOR UPDATE),
           seen AS MATERIALIZED (SELECT beat_at, clock_timestamp() AS now FROM last),
           lost AS (
               INSERT INTO halt (by, reason, since, until) SELECT 'downtime', $3, beat_at, now FROM seen
               WHERE now - beat_at > make_interval(secs => $1) RETURNING 1),
           beat AS (
               UPDATE house SET beat_at = seen.now, halts = halts + (SELECT count(*) FROM lost) FROM seen
               WHERE seen.now - seen.beat_at > make_interval(secs => least($1, $2)))
           SELECT EXISTS (SELECT FROM halt WHERE until IS NULL) AS "paused!""#,
        seconds(downtime),
        seconds(BEAT_EVERY),
        DOWN
    );
    paused.fetch_one(pool).await.map_err(store_error)
}

pub(crate) async fn pause_all(pool: &Sessions, reason: &str) -> Result<bool, StoreError> {
    let paused = sqlx::query!(
        "WITH alone AS MATERIALIZED (SELECT one FROM house FOR UPDATE),
              began AS (
                  INSERT INTO halt (by, reason, since) SELECT 'operator', $1, clock_timestamp() FROM alone
                  ON CONFLICT ((true)) WHERE until IS NULL DO NOTHING RETURNING 1)
         UPDATE house SET halts = halts + 1 FROM began",
        reason
    );
    Ok(paused.execute(pool).await.map_err(store_error)?.rows_affected() > 0)
}

pub(crate) async fn resume_all(pool: &Sessions) -> Result<bool, StoreError> {
    let resumed = sqlx::query!(
        "WITH ended AS (UPDATE halt SET until = clock_timestamp() WHERE until IS NULL RETURNING 1)
         UPDATE house SET halts = halts + 1 FROM ended"
    );
    Ok(resumed.execute(pool).await.map_err(store_error)?.rows_affected() > 0)
}
