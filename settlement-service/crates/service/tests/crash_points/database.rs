//! The service's database, looked at from aside.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use sqlx::postgres::PgPoolOptions;
use sqlx::{Connection, PgConnection, PgPool, Row};
use tokio::time::Instant;
use uuid::Uuid;

use crate::party::Party;

/// What is asked for happens within this time: a relay that was killed is replaced after 10 s, a call that was in doubt
/// is taken up after 30 s.
const PATIENCE: Duration = Duration::from_secs(90);
const PAUSE: Duration = Duration::from_millis(20);

/// A line of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Line {
    pub entry: String,
    pub account: String,
    pub debit: i64,
    pub credit: i64,
}

/// A database of its own.
pub struct Database {
    /// How the server is reached.
    server: String,
    name: String,
    pool: PgPool,
}

impl Database {
    /// Makes one on the server that tests are given.
    pub async fn create() -> Result<Self> {
        let server = std::env::var("OUTCRY_TEST_DATABASE_URL")
            .context("set OUTCRY_TEST_DATABASE_URL to a PostgreSQL URL, or run `make test`, which starts one")?;
        let name = format!("crash_points_{}", Uuid::now_v7().simple());
        let mut admin = PgConnection::connect(&server).await?;
        sqlx::raw_sql(&format!("CREATE DATABASE {name}")).execute(&mut admin).await?;
        let pool = PgPoolOptions::new().max_connections(4).connect(&on(&server, &name, None)?).await?;
        Ok(Self { server, name, pool })
    }

    /// How the server is reached.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// How the service reaches it by way of another address, which speaks no TLS.
    pub fn url_by(&self, address: std::net::SocketAddr) -> Result<String> {
        on(&self.server, &self.name, Some(address))
    }

    /// Its clock, Unix seconds.
    pub async fn now_s(&self) -> Result<i64> {
        let now = sqlx::query_scalar("SELECT extract(epoch FROM clock_timestamp())::bigint");
        Ok(now.fetch_one(&self.pool).await?)
    }

    /// The lease of a relay that was killed runs out: it takes five seconds, and nothing happens in them.
    pub async fn lets_the_dead_relays_lease_run_out(&self) -> Result<()> {
        sqlx::query("UPDATE relay_lease SET expires_at = clock_timestamp()").execute(&self.pool).await?;
        Ok(())
    }

    /// Waits until all that was recorded is told.
    pub async fn has_told_all(&self) -> Result<()> {
        self.until("events lie in the outbox", "SELECT NOT EXISTS (SELECT FROM outbox)", None).await
    }

    /// Waits until no call to the gateway has to be made any more.
    pub async fn has_made_all_calls(&self) -> Result<()> {
        let sql = "SELECT NOT EXISTS (SELECT FROM gateway_call WHERE due_at IS NOT NULL)";
        self.until("calls to the gateway are not over", sql, None).await
    }

    /// Waits until the service is aware that it does not know what became of the first authorization, or knows it.
    pub async fn doubts_or_knows(&self, party: &Party) -> Result<()> {
        let sql = "SELECT EXISTS (SELECT FROM gateway_call WHERE settlement_id = $1
                       AND ((call ->> 'doubted')::boolean OR due_at IS NULL))";
        self.until("nobody doubts", sql, Some(party.settlement())).await
    }

    async fn until(&self, what_else: &str, sql: &str, id: Option<Uuid>) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut query = sqlx::query_scalar(sql);
            if let Some(id) = id {
                query = query.bind(id);
            }
            if query.fetch_one(&self.pool).await? {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "after {PATIENCE:?} {what_else} still");
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// What does not balance: transactions, and in the end currencies.
    pub async fn unbalanced(&self) -> Result<Vec<String>> {
        let sql = "SELECT coalesce(reference, 'all of ' || currency) FROM ledger_posting
                   GROUP BY GROUPING SETS ((reference, currency), (currency)) HAVING sum(debit) <> sum(credit)";
        Ok(sqlx::query_scalar(sql).fetch_all(&self.pool).await?)
    }

    /// Status, sequence and attempts of the one settlement of an auction.
    pub async fn settlement(&self, party: &Party) -> Result<(String, i64, Value)> {
        let sql = "SELECT status, sequence, attempts FROM settlement WHERE auction_id = $1";
        let rows = sqlx::query(sql).bind(party.auction).fetch_all(&self.pool).await?;
        ensure!(rows.len() == 1, "{} settlements of one sale", rows.len());
        Ok((rows[0].try_get(0)?, rows[0].try_get(1)?, rows[0].try_get(2)?))
    }

    /// The payouts to the seller.
    pub async fn payouts(&self, party: &Party) -> Result<Vec<Value>> {
        let sql = "SELECT jsonb_build_object('amount', amount, 'status', status, 'attempts', attempts)
                   FROM payout WHERE seller_id = $1";
        Ok(sqlx::query_scalar(sql).bind(&party.seller).fetch_all(&self.pool).await?)
    }

    /// Strikes of the two, the seller's first.
    pub async fn strikes(&self, party: &Party) -> Result<[i64; 2]> {
        let sql = "SELECT coalesce(sum(jsonb_array_length(strikes)), 0)::bigint FROM standing WHERE user_id = $1";
        let mut counts = [0; 2];
        for (count, who) in counts.iter_mut().zip([&party.seller, &party.buyer]) {
            *count = sqlx::query_scalar(sql).bind(who).fetch_one(&self.pool).await?;
        }
        Ok(counts)
    }

    /// What was posted for the settlement, and for the payouts to its seller.
    pub async fn lines(&self, party: &Party) -> Result<Vec<Line>> {
        let sql = "SELECT t.kind, p.account, p.debit, p.credit
                   FROM ledger_transaction AS t JOIN ledger_posting AS p USING (reference)
                   WHERE t.settlement_id = $1 OR t.payout_id IN (SELECT id FROM payout WHERE seller_id = $2)
                   ORDER BY t.at, t.reference, p.line";
        let rows = sqlx::query(sql).bind(party.settlement()).bind(&party.seller).fetch_all(&self.pool).await?;
        let line = |row: sqlx::postgres::PgRow| -> Result<Line> {
            let (entry, account) = (row.try_get(0)?, row.try_get(1)?);
            Ok(Line { entry, account, debit: row.try_get(2)?, credit: row.try_get(3)? })
        };
        rows.into_iter().map(line).collect()
    }

    /// How often the gateway was contacted about each call, by its own count, by key.
    pub async fn calls(&self, party: &Party) -> Result<BTreeMap<String, u64>> {
        let sql = "SELECT key, (call ->> 'tries')::bigint FROM gateway_call
                   WHERE settlement_id = $1 OR payout_id IN (SELECT id FROM payout WHERE seller_id = $2)";
        let rows = sqlx::query(sql).bind(party.settlement()).bind(&party.seller).fetch_all(&self.pool).await?;
        let call = |row: sqlx::postgres::PgRow| -> Result<(String, u64)> {
            Ok((row.try_get(0)?, u64::try_from(row.try_get::<i64, _>(1)?)?))
        };
        rows.into_iter().map(call).collect()
    }
}

/// The URL of a database on a server, at the server's address or another one.
fn on(server: &str, database: &str, address: Option<std::net::SocketAddr>) -> Result<String> {
    let mut url: reqwest::Url = server.parse()?;
    url.set_path(database);
    if let Some(address) = address {
        url.set_host(Some(&address.ip().to_string()))?;
        url.set_port(Some(address.port())).ok().context("the database URL takes no port")?;
        url.set_query(Some("sslmode=disable"));
    }
    Ok(url.into())
}
