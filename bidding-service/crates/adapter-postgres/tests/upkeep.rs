//! What is old goes, beside others that use the database. On a real PostgreSQL: needs `OUTCRY_TEST_DATABASE_URL`, a server
//! on which it may create databases; `make test` starts one.

mod support;

use std::time::Duration;

use anyhow::{Context, Result};
use bidding_adapter_postgres::{database, session::Sessions};

/// Nobody is waited for by then.
const SOON: Duration = Duration::from_secs(10);

/// A migrated database of its own.
async fn migrated() -> Result<Sessions> {
    Ok(database::connect(&support::migrated().await?, 5)?)
}

/// So many answers were given so long ago.
async fn answered(pool: &Sessions, many: u32, ago: &str) -> Result<()> {
    sqlx::raw_sql(&format!(
        "INSERT INTO idempotency (principal, key, fingerprint, answer, created_at)
         SELECT '{ago} ago', number::text, '\\x01', '1', clock_timestamp() - interval '{ago}'
         FROM generate_series(1, {many}) AS number"
    ))
    .execute(pool)
    .await?;
    Ok(())
}

#[tokio::test]
async fn answers_of_a_busy_day_are_removed_at_one_time() -> Result<()> {
    let pool = migrated().await?;
    answered(&pool, 25_000, "25 hours").await?;
    assert_eq!(database::tidy(&pool).await?, 25_000);
    Ok(())
}

#[tokio::test]
async fn answers_are_kept_for_a_day() -> Result<()> {
    let pool = migrated().await?;
    answered(&pool, 1, "25 hours").await?;
    answered(&pool, 1, "23 hours").await?;
    assert_eq!(database::tidy(&pool).await?, 1);
    let left: Vec<String> = sqlx::query_scalar("SELECT principal FROM idempotency").fetch_all(&pool).await?;
    assert_eq!(left, ["23 hours ago"]);
    Ok(())
}

#[tokio::test]
async fn what_another_instance_removes_is_left_to_it_and_not_waited_for() -> Result<()> {
    let pool = migrated().await?;
    answered(&pool, 3, "25 hours").await?;
    let mut other = pool.begin().await?;
    sqlx::raw_sql("DELETE FROM idempotency WHERE key = '2'").execute(&mut other).await?;
    let removed = tokio::time::timeout(SOON, database::tidy(&pool)).await.context("it waits for the other")??;
    assert_eq!(removed, 2);
    other.commit().await?;
    assert_eq!(database::tidy(&pool).await?, 0);
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_removed_keeps_nothing_else() -> Result<()> {
    let pool = migrated().await?;
    sqlx::raw_sql(
        "INSERT INTO inbox_failure (event_id, attempts, reason, failed_at)
             VALUES (gen_random_uuid(), 1, 'it made no sense', clock_timestamp() - interval '91 days');
         ALTER TABLE idempotency RENAME TO elsewhere",
    )
    .execute(&pool)
    .await?;
    database::tidy(&pool).await.expect_err("there are no answers");
    let left: i64 = sqlx::query_scalar("SELECT count(*) FROM inbox_failure").fetch_one(&pool).await?;
    assert_eq!(left, 0, "the failures were not tried");
    Ok(())
}
