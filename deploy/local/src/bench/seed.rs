//! The auctions of a run. One comes to be as any other does: listed, published, opened. Its rows in the databases of
//! bidding and listing are then copied under new ids, which is the only thing here that goes round the API.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use chrono::{SecondsFormat, Utc};
use serde_json::json;
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use crate::api::{Api, Principal};
use crate::console::Console;
use crate::dev_key::DevKey;
use crate::endpoints::Endpoints;
use crate::layout::Service;
use crate::supervise::poll;
use hyper::header::HeaderValue;

use super::client::bearer;

/// No auction of a run ends in it; the API takes thirty days.
const LASTS: Duration = Duration::from_secs(29 * 24 * 3600);
const OPENS_WITHIN: Duration = Duration::from_secs(60);
const TOKEN_TTL: Duration = Duration::from_secs(24 * 3600);
/// Rows of one statement.
const BATCH: usize = 10_000;
const START_PRICE: i64 = 100;

/// Open auctions without a bid.
pub struct Seeded {
    /// Their ids; the first went through the API.
    pub ids: Vec<Uuid>,
    /// The least first bid.
    pub next_minimum: i64,
}

/// Makes `count` auctions for the run of that name.
pub async fn auctions(api: &Api, endpoints: &Endpoints, run: &str, count: u32, console: &Console) -> Result<Seeded> {
    let template = listed(api, run).await.context("cannot list an auction for the run")?;
    let copies = count.saturating_sub(1) as usize;
    let mut ids = vec![template];
    ids.extend(std::iter::repeat_with(Uuid::now_v7).take(copies));
    if copies > 0 {
        let bar = console.steps("Copying the auction", 3 * copies);
        let tables = [
            (Service::Listing, "listing", "id"),
            (Service::Listing, "inbox", "key"),
            (Service::Bidding, "auction", "id"),
        ];
        for (service, table, column) in tables {
            let mut connection = connect(endpoints, service).await?;
            for batch in ids[1..].chunks(BATCH) {
                copy(&mut connection, table, column, template, batch)
                    .await
                    .with_context(|| format!("cannot copy the rows of `{table}` in the database of {service}"))?;
                bar.inc(batch.len() as u64);
            }
            // So that the planner knows the table, and no cleaning falls into the run.
            sqlx::raw_sql(&format!("VACUUM ANALYZE {table}")).execute(&mut connection).await?;
            connection.close().await?;
        }
        bar.finish_and_clear();
    }
    Ok(Seeded { ids, next_minimum: START_PRICE })
}

/// A session with the database of `service`.
pub async fn connect(endpoints: &Endpoints, service: Service) -> Result<PgConnection> {
    let url = endpoints.postgres.get(service.context());
    let url = url.with_context(|| format!("endpoints.json does not name the database of {service}"))?;
    PgConnection::connect(url).await.with_context(|| format!("cannot open the database of {service}"))
}

/// Authorization headers of so many bidders.
pub async fn bidders(key: DevKey, run: &str, count: u32) -> Result<Vec<HeaderValue>> {
    let run = run.to_owned();
    let sign = move || {
        let token = |number| key.token(&format!("bench-{run}-{number}"), &["bidder"], TOKEN_TTL);
        (0..count).map(|number| bearer(&token(number)?)).collect()
    };
    tokio::task::spawn_blocking(sign).await?
}

/// Lists and publishes an English auction, and waits until bidding has opened it and listing knows.
async fn listed(api: &Api, run: &str) -> Result<Uuid> {
    let sub = format!("bench-{run}-seller");
    let seller = Principal { sub: &sub, role: "seller" };
    let ends_at = (Utc::now() + LASTS).to_rfc3339_opts(SecondsFormat::Millis, true);
    let listing = json!({
        "title": "Lot of a load test", "description": "Nobody will ever get it.", "category": "bench", "currency": "USD",
        "format": {"kind": "english", "start_price": START_PRICE, "reserve_price": null, "buy_now_price": null,
                   "increments": "ebay-us", "soft_close": {"mode": "off"}},
        "starts_at": null, "ends_at": ends_at, "second_chance": false,
    });
    let created = api.post(Service::Listing, "/v1/listings", seller, &format!("{run}-list"), &listing).await?;
    let id: Uuid = created.success()?["id"].as_str().context("a new listing has no id")?.parse()?;
    let (listing, auction) = (format!("/v1/listings/{id}"), format!("/v1/auctions/{id}"));
    let publish = format!("{listing}/publish");
    api.post(Service::Listing, &publish, seller, &format!("{run}-publish"), &json!({})).await?.success()?;
    let opened = poll(OPENS_WITHIN, || async {
        let bidder = Principal { sub: "bench-reader", role: "bidder" };
        let state = api.get(Service::Bidding, &auction, bidder).await?.success()?;
        ensure!(state["status"] == "open", "bidding has not opened it");
        let state = api.get(Service::Listing, &listing, seller).await?.success()?;
        ensure!(state["status"] == "live", "listing does not know that it is open");
        Ok(())
    });
    opened.await?;
    Ok(id)
}

/// Copies the row of `template` under each of `ids`, whatever other columns the table has.
async fn copy(connection: &mut PgConnection, table: &str, column: &str, template: Uuid, ids: &[Uuid]) -> Result<()> {
    let (kind, others): (String, Vec<String>) = {
        let columns: Vec<(String, String, String)> = sqlx::query_as(
            "SELECT column_name::text, quote_ident(column_name), data_type::text FROM information_schema.columns
             WHERE table_schema = current_schema() AND table_name = $1
               AND is_generated = 'NEVER' AND is_identity = 'NO' ORDER BY ordinal_position",
        )
        .bind(table)
        .fetch_all(&mut *connection)
        .await?;
        let kind = columns.iter().find(|(name, ..)| name == column).map(|(.., kind)| kind.clone());
        let others = columns.into_iter().filter(|(name, ..)| name != column).map(|(_, quoted, _)| quoted).collect();
        (kind.with_context(|| format!("it has no column `{column}`"))?, others)
    };
    let copied =
        sqlx::query(&copying(table, column, &kind, &others)).bind(template).bind(ids).execute(connection).await?;
    ensure!(
        copied.rows_affected() == ids.len() as u64,
        "the auction made over the API has {} rows in it, not one",
        copied.rows_affected() / ids.len() as u64
    );
    Ok(())
}

fn copying(table: &str, column: &str, kind: &str, others: &[String]) -> String {
    let names = [&[column.to_owned()], others].concat().join(", ");
    let copied = others.iter().map(|name| format!("template.{name}"));
    let values: Vec<String> = std::iter::once(format!("copy.id::{kind}")).chain(copied).collect();
    let values = values.join(", ");
    format!(
        "INSERT INTO {table} ({names}) SELECT {values}
         FROM {table} AS template, unnest($2::uuid[]) AS copy (id) WHERE template.{column} = ($1::uuid)::{kind}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_differs_from_its_template_in_the_id_only() {
        let sql = copying("inbox", "key", "text", &["source".to_owned(), "last_sequence".to_owned()]);
        assert!(sql.starts_with("INSERT INTO inbox (key, source, last_sequence) SELECT copy.id::text, template.source, template.last_sequence"), "{sql}");
        assert!(sql.ends_with("WHERE template.key = ($1::uuid)::text"), "{sql}");
    }
}
