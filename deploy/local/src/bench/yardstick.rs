//! What the same PostgreSQL does without us: the bid transaction by bare SQL, one bid a transaction, over tables of the
//! same shape, on the same disk, as durable.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use chrono::{DateTime, Utc};
use futures::future::try_join_all;
use serde::Serialize;
use sqlx::{Connection, PgConnection};
use tokio::time::Instant;
use uuid::Uuid;

use super::on_one_thread;
use super::tally::{Latency, Percentiles};
use crate::console::Console;

const TABLES: &str = include_str!("yardstick.sql");
/// Numbers of clients that are tried.
pub(super) const CLIENTS: [usize; 4] = [8, 16, 32, 64];
/// How long a transaction is measured that is alone.
const ALONE: Duration = Duration::from_secs(2);
const BATCH: u32 = 10_000;
const TERMS: &str = r#"{"seller":"bench-seller","currency":"USD","format":{"kind":"english","start_price":100,"reserve_price":null,"increments":[{"from":0,"increment":5},{"from":100,"increment":25},{"from":500,"increment":50},{"from":2500,"increment":100}],"soft_close":{"mode":"off"}},"starts_at":"2030-01-01T00:00:00Z","ends_at":"2030-01-29T00:00:00Z"}"#;

/// What bare SQL reaches.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Yardsticks {
    /// Bids a second over all rows.
    pub sql_spread_per_s: f64,
    /// With so many clients, the best of those tried.
    pub sql_spread_clients: usize,
    /// Bids a second on one row.
    pub sql_hot_per_s: f64,
    /// With so many clients, the best of those tried.
    pub sql_hot_clients: usize,
    /// One client alone.
    pub sql_alone: Percentiles,
    /// Clients and bids a second, over all rows.
    pub spread_tried: Vec<(usize, f64)>,
    /// Clients and bids a second, on one row.
    pub hot_tried: Vec<(usize, f64)>,
}

/// Measures over `rows` rows in the database at `url`, `each` for every number of clients.
pub async fn measure(url: &str, rows: u32, each: Duration, console: &Console) -> Result<Yardsticks> {
    let mut connection = PgConnection::connect(url).await.context("cannot open the database of bidding")?;
    ensure_durable(&mut connection).await?;
    drop_tables(&mut connection).await?;
    let measured = measured(&mut connection, url, rows, each, console).await;
    drop_tables(&mut connection).await?;
    connection.close().await?;
    measured
}

/// Checks that what is committed is on disk: the services have to wait for it, too.
pub(super) async fn ensure_durable(connection: &mut PgConnection) -> Result<()> {
    for setting in ["fsync", "synchronous_commit", "full_page_writes"] {
        let value: String = sqlx::query_scalar(&format!("SHOW {setting}")).fetch_one(&mut *connection).await?;
        ensure!(value == "on", "`{setting}` of this PostgreSQL is `{value}`: only what is durable is compared");
    }
    Ok(())
}

/// Removes what an interrupted run left.
pub async fn clean(url: &str) -> Result<()> {
    drop_tables(&mut PgConnection::connect(url).await?).await
}

async fn drop_tables(connection: &mut PgConnection) -> Result<()> {
    sqlx::raw_sql("SET client_min_messages = warning; DROP SCHEMA IF EXISTS bench_yardstick CASCADE")
        .execute(connection)
        .await?;
    Ok(())
}

async fn measured(
    connection: &mut PgConnection,
    url: &str,
    rows: u32,
    each: Duration,
    console: &Console,
) -> Result<Yardsticks> {
    let spinner = console.spinner("Measuring the bare database");
    sqlx::raw_sql(TABLES).execute(&mut *connection).await?;
    let ids = Arc::new(fill(connection, rows).await?);
    let hot = Arc::new(vec![ids[0]]);
    let alone = run(url, &ids, 1, ALONE).await?.1;
    let (mut spread_tried, mut hot_tried) = (Vec::new(), Vec::new());
    for clients in CLIENTS {
        spinner.set_message(format!("Measuring the bare database, {clients} clients"));
        spread_tried.push((clients, run(url, &ids, clients, each).await?.0));
        hot_tried.push((clients, run(url, &hot, clients, each).await?.0));
    }
    spinner.finish_and_clear();
    let ((sql_spread_clients, sql_spread_per_s), (sql_hot_clients, sql_hot_per_s)) =
        (best(&spread_tried), best(&hot_tried));
    Ok(Yardsticks {
        sql_spread_per_s,
        sql_spread_clients,
        sql_hot_per_s,
        sql_hot_clients,
        sql_alone: alone,
        spread_tried,
        hot_tried,
    })
}

/// The number of clients that reached most, and what it reached.
pub(super) fn best(tried: &[(usize, f64)]) -> (usize, f64) {
    tried.iter().copied().max_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or_default()
}

async fn fill(connection: &mut PgConnection, rows: u32) -> Result<Vec<Uuid>> {
    let ids: Vec<Uuid> = std::iter::repeat_with(Uuid::now_v7).take(rows as usize).collect();
    for batch in ids.chunks(BATCH as usize) {
        sqlx::query(
            "INSERT INTO bench_yardstick.auction (id, terms, sequence, snapshot, due_at)
             SELECT id, $2::jsonb, 1, $3::jsonb, now() + interval '29 days' FROM unnest($1::uuid[]) AS new (id)",
        )
        .bind(batch)
        .bind(TERMS)
        .bind(snapshot(1))
        .execute(&mut *connection)
        .await?;
    }
    sqlx::raw_sql("VACUUM ANALYZE bench_yardstick.auction").execute(connection).await?;
    Ok(ids)
}

/// Transactions a second of so many clients for so long, and how long each took.
async fn run(url: &str, ids: &Arc<Vec<Uuid>>, clients: usize, duration: Duration) -> Result<(f64, Percentiles)> {
    let (url, ids) = (url.to_owned(), Arc::clone(ids));
    on_one_thread(move || async move {
        let opened = try_join_all((0..clients).map(|_| PgConnection::connect(&url))).await;
        let mut connections = opened.with_context(|| format!("cannot open {clients} sessions for the yardstick"))?;
        // Once beforehand: statements are prepared, catalogues are cached.
        try_join_all(connections.iter_mut().map(|connection| bid(connection, ids[0]))).await?;
        let begun = Instant::now();
        let until = begun + duration;
        let tasks = connections.into_iter().map(|connection| tokio::spawn(client(connection, Arc::clone(&ids), until)));
        let (mut count, mut latency) = (0.0, Latency::new()?);
        for client in try_join_all(tasks).await? {
            for took in client? {
                count += 1.0;
                latency.record(took);
            }
        }
        Ok((count / begun.elapsed().as_secs_f64(), latency.percentiles()))
    })
    .await
}

async fn client(mut connection: PgConnection, ids: Arc<Vec<Uuid>>, until: Instant) -> Result<Vec<Duration>> {
    let mut took = Vec::new();
    loop {
        let begun = Instant::now();
        if begun >= until {
            connection.close().await?;
            return Ok(took);
        }
        bid(&mut connection, ids[fastrand::usize(..ids.len())]).await?;
        took.push(begun.elapsed());
    }
}

/// One bid: lock, update, log, outbox, idempotency key.
async fn bid(connection: &mut PgConnection, auction: Uuid) -> Result<()> {
    let mut transaction = connection.begin().await?;
    let (sequence, _terms, _snapshot, now): (i64, String, String, DateTime<Utc>) = sqlx::query_as(
        "WITH locked AS MATERIALIZED (
             SELECT sequence, terms, snapshot FROM bench_yardstick.auction WHERE id = $1 FOR UPDATE)
         SELECT sequence, terms::text, snapshot::text, clock_timestamp() FROM locked",
    )
    .bind(auction)
    .fetch_one(&mut *transaction)
    .await?;
    let (next, bid_id, bidder) = (sequence + 1, Uuid::now_v7(), format!("bench-bidder-{}", fastrand::u32(..5_000)));
    sqlx::query("UPDATE bench_yardstick.auction SET sequence = $2, snapshot = $3::jsonb WHERE id = $1")
        .bind(auction)
        .bind(next)
        .bind(snapshot(next))
        .execute(&mut *transaction)
        .await?;
    sqlx::query(
        "INSERT INTO bench_yardstick.decision (auction_id, sequence, number, at, bid_id, what, hash)
         VALUES ($1, $2, $2, $3, $4, $5::json, $6)",
    )
    .bind(auction)
    .bind(next)
    .bind(now)
    .bind(bid_id)
    .bind(what(bid_id, &bidder, next))
    .bind([7_u8; 32].as_slice())
    .execute(&mut *transaction)
    .await?;
    sqlx::query(
        "INSERT INTO bench_yardstick.outbox (event_id, event_type, topic, key, sequence, time, traceparent, data)
         VALUES ($1, 'outcry.bidding.bid.placed.v1', 'outcry.bidding.v1', $2, $3, $4, $5, $6::jsonb)",
    )
    .bind(Uuid::now_v7())
    .bind(auction.to_string())
    .bind(next)
    .bind(now)
    .bind("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
    .bind(what(bid_id, &bidder, next))
    .execute(&mut *transaction)
    .await?;
    sqlx::query(
        "INSERT INTO bench_yardstick.idempotency (principal, key, fingerprint, answer)
         VALUES ($1, $2, $3, $4::jsonb)",
    )
    .bind(&bidder)
    .bind(bid_id.to_string())
    .bind([9_u8; 32].as_slice())
    .bind(what(bid_id, &bidder, next))
    .execute(&mut *transaction)
    .await?;
    Ok(transaction.commit().await?)
}

/// As long as the state of an auction under bids.
fn snapshot(sequence: i64) -> String {
    format!(
        r#"{{"state":"open","sequence":{sequence},"bid_count":{sequence},"price":{sequence},"opened_at":"2030-01-01T00:00:00.000000Z","ends_at":"2030-01-29T00:00:00.000000Z","leader":{{"bidder":"bench-bidder-{sequence}","max":{sequence},"bid_id":"018f0000-0000-7000-8000-000000000001","at":"2030-01-01T00:00:00.000000Z"}},"head":"0af7651916cd43dd8448eb211c80319c0af7651916cd43dd8448eb211c80319c"}}"#
    )
}

/// As long as what is told of a bid.
fn what(bid: Uuid, bidder: &str, sequence: i64) -> String {
    format!(
        r#"{{"type":"bid_placed","bid_id":"{bid}","bidder":"{bidder}","max":{sequence},"outcome":"leading","price":{sequence},"next_minimum":{sequence},"bid_count":{sequence},"leader":"{bidder}","displaced":"bench-bidder-4711","reserve":"none","currency":"USD","starts_at":"2030-01-01T00:00:00.000000Z","ends_at":"2030-01-29T00:00:00.000000Z","placed_at":"2030-01-01T00:00:00.000000Z","auction_id":"018f0000-0000-7000-8000-000000000001","seller":"bench-seller"}}"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_number_of_clients_counts() {
        assert_eq!(best(&[(8, 2_900.0), (16, 3_800.5), (32, 3_700.0)]), (16, 3_800.5));
    }

    #[test]
    fn rows_are_valid_json_of_the_size_that_bids_have() {
        for (text, sizes) in [(snapshot(12_345), 300..500), (what(Uuid::nil(), "bench-bidder-17", 12_345), 400..600)] {
            assert!(sizes.contains(&text.len()), "{}", text.len());
            serde_json::from_str::<serde_json::Value>(&text).unwrap();
        }
        serde_json::from_str::<serde_json::Value>(TERMS).unwrap();
    }
}
