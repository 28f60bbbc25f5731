//! Upkeep of a database that is in use: migrations beside writers. On a real PostgreSQL: needs
//! `OUTCRY_TEST_DATABASE_URL`, a server on which it may create databases; `make test` starts one.

use std::time::Duration;

use anyhow::{Context, Result};
use listing_adapter_postgres::database;
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

/// Less than the server lets a transaction idle.
const SOON: Duration = Duration::from_secs(5);

/// The URL of a migrated database of its own.
async fn new_database() -> Result<String> {
    let server = std::env::var("OUTCRY_TEST_DATABASE_URL")
        .context("set OUTCRY_TEST_DATABASE_URL to a PostgreSQL URL, or run `make test`, which starts one")?;
    let name = format!("listing_{}", Uuid::now_v7().simple());
    let mut admin = PgConnection::connect(&server).await?;
    sqlx::raw_sql(&format!("CREATE DATABASE {name}")).execute(&mut admin).await?;
    let (base, parameters) = server.split_once('?').unwrap_or((&server, ""));
    let host = base.rsplit_once('/').context("the URL names no database")?.0;
    let url = format!("{host}/{name}?{parameters}");
    database::migrate(&url).await?;
    Ok(url)
}

#[tokio::test]
async fn lots_are_written_while_an_index_of_theirs_is_made() -> Result<()> {
    const WRITE: &str = "UPDATE listing SET title = title";
    const WAITS: &str = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database()
                             AND wait_event_type = 'Lock' AND query LIKE '%listing_status_ending%')";
    let url = new_database().await?;
    let pool = database::connect(&url, 3)?;
    let undone = "DROP INDEX listing_status_ending; DELETE FROM _sqlx_migrations WHERE version = 4";
    sqlx::raw_sql(undone).execute(&pool).await?;
    let mut begun = pool.begin().await?;
    sqlx::query(WRITE).execute(&mut begun).await?;
    let meanwhile = async {
        let waits = async {
            while !sqlx::query_scalar::<_, bool>(WAITS).fetch_one(&pool).await? {
                tokio::task::yield_now().await;
            }
            anyhow::Ok(())
        };
        tokio::time::timeout(SOON, waits).await.context("the index does not wait for what has begun")??;
        sqlx::query(WRITE).execute(&pool).await.context("a write waits for the index")?;
        begun.commit().await?;
        anyhow::Ok(())
    };
    let (migrated, written) = tokio::join!(database::migrate(&url), meanwhile);
    written?;
    migrated?;
    let valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'listing_status_ending'::regclass";
    assert!(sqlx::query_scalar::<_, bool>(valid).fetch_one(&pool).await?);
    Ok(())
}
