//! A database of its own for each test, on the server of `OUTCRY_TEST_DATABASE_URL`.

use anyhow::{Context, Result};
use listing_adapter_postgres::database;
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

/// The URL of a new database with the newest schema.
pub async fn migrated() -> Result<String> {
    let url = empty().await?;
    database::migrate(&url).await?;
    Ok(url)
}

/// The URL of a new database with nothing in it.
pub async fn empty() -> Result<String> {
    let server = std::env::var("OUTCRY_TEST_DATABASE_URL")
        .context("set OUTCRY_TEST_DATABASE_URL to a PostgreSQL URL, or run `make test`, which starts one")?;
    let name = format!("listing_{}", Uuid::now_v7().simple());
    let mut admin = PgConnection::connect(&server).await?;
    sqlx::raw_sql(&format!("CREATE DATABASE {name}")).execute(&mut admin).await?;
    let (base, parameters) = server.split_once('?').unwrap_or((&server, ""));
    let host = base.rsplit_once('/').context("the URL names no database")?.0;
    Ok(format!("{host}/{name}?{parameters}"))
}
