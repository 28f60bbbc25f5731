//! What the same PostgreSQL does without us: a saga by bare SQL, step by step, each step a transaction of its own that writes
//! the rows which the service writes for one settlement. Nobody is asked for anything, nobody is told anything.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use futures::future::try_join_all;
use serde::Serialize;
use sqlx::{Connection, PgConnection};
use tokio::time::Instant;

use super::shapes::Saga;
use super::steps::{AFTER_SHIPPING, STEPS, step};
use super::unit::add_shipped;
use crate::bench::on_one_thread;
use crate::bench::yardstick::{CLIENTS, best, ensure_durable};
use crate::console::Console;

const TABLES: &str = include_str!("yardstick.sql");
/// Sagas that go from the inspection's end to their own.
const SHIPPED: usize = 4_000;
/// Shipped sagas of one statement.
const BATCH: usize = 1_000;

/// What bare SQL reaches.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Yardstick {
    /// Transactions of a saga.
    pub commits_per_saga: usize,
    /// Whole sagas a second.
    pub sagas_per_s: f64,
    /// With so many clients, the best of those tried.
    pub clients: usize,
    /// Clients and sagas a second.
    pub tried: Vec<(usize, f64)>,
    /// Transactions of a saga from the inspection's end on.
    pub commits_per_due_saga: usize,
    /// Sagas a second from the inspection's end to their own, with as many clients.
    pub due_sagas_per_s: f64,
}

/// Measures in the database at `url`, `each` for every number of clients.
pub async fn measure(url: &str, each: Duration, console: &Console) -> Result<Yardstick> {
    let mut connection = PgConnection::connect(url).await.context("cannot open the database of settlement")?;
    ensure_durable(&mut connection).await?;
    drop_tables(&mut connection).await?;
    let measured = measured(&mut connection, url, each, console).await;
    drop_tables(&mut connection).await?;
    connection.close().await?;
    measured
}

/// Removes what an interrupted run left.
pub async fn clean(url: &str) -> Result<()> {
    drop_tables(&mut PgConnection::connect(url).await?).await
}

async fn drop_tables(connection: &mut PgConnection) -> Result<()> {
    sqlx::raw_sql("SET client_min_messages = warning; DROP SCHEMA IF EXISTS bench_sagas CASCADE")
        .execute(connection)
        .await?;
    Ok(())
}

async fn measured(connection: &mut PgConnection, url: &str, each: Duration, console: &Console) -> Result<Yardstick> {
    let spinner = console.spinner("Measuring the bare database");
    sqlx::raw_sql(TABLES).execute(&mut *connection).await?;
    let mut tried = Vec::new();
    for clients in CLIENTS {
        spinner.set_message(format!("Measuring the bare database, {clients} clients"));
        tried.push((clients, whole(url, clients, each).await?));
    }
    let (clients, sagas_per_s) = best(&tried);
    spinner.set_message("Measuring the bare database, what is due".to_owned());
    let shipped = fill(connection).await?;
    let due_sagas_per_s = due(url, clients, shipped).await?;
    spinner.finish_and_clear();
    Ok(Yardstick {
        commits_per_saga: STEPS,
        sagas_per_s,
        clients,
        tried,
        commits_per_due_saga: STEPS - AFTER_SHIPPING,
        due_sagas_per_s,
    })
}

/// Sessions with every statement prepared and every catalogue cached: each has run a saga.
async fn sessions(url: &str, clients: usize) -> Result<Vec<PgConnection>> {
    let opened = try_join_all((0..clients).map(|_| PgConnection::connect(url))).await;
    let mut connections = opened.with_context(|| format!("cannot open {clients} sessions for the yardstick"))?;
    try_join_all(connections.iter_mut().map(async |connection| {
        let saga = Saga::new();
        for number in 0..STEPS {
            step(connection, &saga, number, false).await?;
        }
        anyhow::Ok(())
    }))
    .await?;
    Ok(connections)
}

/// Whole sagas a second of so many clients for so long; what was begun counts by its steps.
#[allow(clippy::cast_precision_loss)] // A count of steps is far below 2^53.
async fn whole(url: &str, clients: usize, duration: Duration) -> Result<f64> {
    let url = url.to_owned();
    on_one_thread(move || async move {
        let connections = sessions(&url, clients).await?;
        let begun = Instant::now();
        let until = begun + duration;
        let clients = connections.into_iter().map(|mut connection| {
            tokio::spawn(async move {
                let mut steps = 0_usize;
                loop {
                    let saga = Saga::new();
                    for number in 0..STEPS {
                        if Instant::now() >= until {
                            connection.close().await?;
                            return anyhow::Ok(steps);
                        }
                        step(&mut connection, &saga, number, false).await?;
                        steps += 1;
                    }
                }
            })
        });
        let mut steps = 0;
        for client in try_join_all(clients).await? {
            steps += client?;
        }
        Ok(steps as f64 / STEPS as f64 / begun.elapsed().as_secs_f64())
    })
    .await
}

/// Shipped sagas, all of them to be received.
async fn fill(connection: &mut PgConnection) -> Result<Vec<Saga>> {
    let sagas: Vec<Saga> = std::iter::repeat_with(Saga::new).take(SHIPPED).collect();
    for batch in sagas.chunks(BATCH) {
        add_shipped(connection, batch).await?;
    }
    sqlx::raw_sql("VACUUM ANALYZE bench_sagas.settlement").execute(connection).await?;
    Ok(sagas)
}

/// How many of `sagas` come to their end a second, by so many clients.
#[allow(clippy::cast_precision_loss)] // as above
async fn due(url: &str, clients: usize, sagas: Vec<Saga>) -> Result<f64> {
    let (url, sagas, next) = (url.to_owned(), Arc::new(sagas), Arc::new(AtomicUsize::new(0)));
    on_one_thread(move || async move {
        let connections = sessions(&url, clients).await?;
        let begun = Instant::now();
        let count = sagas.len();
        let clients = connections.into_iter().map(|mut connection| {
            let (sagas, next) = (Arc::clone(&sagas), Arc::clone(&next));
            tokio::spawn(async move {
                while let Some(saga) = sagas.get(next.fetch_add(1, Ordering::Relaxed)) {
                    for number in AFTER_SHIPPING..STEPS {
                        step(&mut connection, saga, number, true).await?;
                    }
                }
                anyhow::Ok(connection.close().await?)
            })
        });
        for client in try_join_all(clients).await? {
            client?;
        }
        Ok(count as f64 / begun.elapsed().as_secs_f64())
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_the_services_own_without_what_would_slow_them_down() {
        assert_eq!(TABLES.matches("INCLUDING ALL").count(), 8);
        assert!(!TABLES.contains("TRIGGER") && !TABLES.contains("REFERENCES"));
    }
}
