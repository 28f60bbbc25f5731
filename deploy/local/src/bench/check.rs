//! After a run: is every accepted bid there, once, in its place? Receipts are compared with the decisions in the
//! database, with the history of the API, and with what listing heard; and the outbox has to become empty.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures::{StreamExt, TryStreamExt};
use serde::Serialize;
use serde_json::Value;
use sqlx::PgConnection;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::Bench;
use super::compare::{Stored, compare, differences};
use super::events::Events;
use super::field::Field;
use super::seed::connect;
use crate::api::{Api, Principal};
use crate::layout::Service;

const READER: Principal<'static> = Principal { sub: "bench-reader", role: "bidder" };
const OUTBOX_EMPTY_WITHIN: Duration = Duration::from_secs(120);
const CONVERGES_WITHIN: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(50);
/// Auctions of one statement.
const BATCH: usize = 2_000;
/// Auctions whose history is read, and pages of it.
const HISTORIES: usize = 20;
const PAGES: usize = 20;
/// Auctions whose price listing must know.
const PRICES: usize = 100;

/// What the checker saw.
#[derive(Debug, Default, Serialize)]
pub struct Checked {
    /// Receipts of accepted bids.
    pub receipts: usize,
    /// Bids of the same auctions in the database.
    pub bids_in_database: usize,
    /// Bids in the database without a receipt; a refusal for load or a lost answer may explain one.
    pub without_receipt: usize,
    /// Bids that were sent and whose fate the client does not know.
    pub unknown: u64,
    /// Auctions whose history was read over the API.
    pub histories: usize,
    /// Events of the run at the broker.
    pub events: usize,
    /// Events that are there more than once, which consumers have to bear.
    pub events_repeated: usize,
    /// Events that waited for the broker when the load ended.
    pub outbox_at_end: i64,
    /// When the last of them was gone, in seconds after the end.
    pub outbox_empty_after_s: Option<f64>,
    /// Listings that were compared.
    pub listings: usize,
    /// When they all showed bidding's price, in seconds after the end.
    pub listings_converged_after_s: Option<f64>,
    /// What is wrong, in sentences.
    pub findings: Vec<String>,
}

/// Compares everything; `events` are those since before the load, which ended at `ended`.
pub async fn check(bench: &Bench<'_>, field: &Field, events: Events, ended: Instant) -> Result<Checked> {
    let Bench { api, endpoints, .. } = bench;
    let mut checked = Checked { receipts: field.receipts.len(), unknown: field.unknown, ..Checked::default() };
    let mut connection = connect(endpoints, Service::Bidding).await?;
    drain(&mut connection, ended, &mut checked).await?;
    let lots: BTreeSet<u32> = field.receipts.iter().map(|receipt| receipt.lot).collect();
    let mut lots: Vec<u32> = lots.into_iter().collect();
    let stored = stored(&mut connection, field, &lots).await?;
    checked.bids_in_database = stored.len();
    let compared = compare(&field.receipts, &stored);
    checked.without_receipt = compared.without_receipt;
    checked.findings.extend(compared.findings);
    if compared.without_receipt as u64 > field.unknown {
        checked.findings.push(format!(
            "{} bids are in the database without a receipt, and only {} answers are missing",
            compared.without_receipt, field.unknown
        ));
    }
    fastrand::shuffle(&mut lots);
    converge(api, field, &lots[..lots.len().min(PRICES)], ended, &mut checked).await?;
    let published = events.read(bench.data_dir, endpoints).await?;
    (checked.events, checked.events_repeated) = (published.events, published.repeated);
    checked.findings.extend(published.findings(&field.receipts));
    for &lot in lots.iter().take(HISTORIES) {
        checked.findings.extend(history(api, field, lot).await?);
        checked.histories += 1;
    }
    Ok(checked)
}

async fn drain(connection: &mut PgConnection, ended: Instant, checked: &mut Checked) -> Result<()> {
    checked.outbox_at_end = sqlx::query_scalar("SELECT count(*) FROM outbox").fetch_one(&mut *connection).await?;
    let deadline = ended + OUTBOX_EMPTY_WITHIN;
    loop {
        let waits: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM outbox)").fetch_one(&mut *connection).await?;
        if !waits {
            checked.outbox_empty_after_s = Some(ended.elapsed().as_secs_f64());
            return Ok(());
        }
        if Instant::now() > deadline {
            checked.findings.push(format!("the outbox is not empty {OUTBOX_EMPTY_WITHIN:?} after the end"));
            return Ok(());
        }
        sleep(POLL).await;
    }
}

async fn stored(connection: &mut PgConnection, field: &Field, lots: &[u32]) -> Result<Vec<Stored>> {
    let mut all = Vec::new();
    for batch in lots.chunks(BATCH) {
        let places: HashMap<Uuid, u32> = batch.iter().map(|&lot| (field.id(lot), lot)).collect();
        let ids: Vec<Uuid> = places.keys().copied().collect();
        let mut rows = sqlx::query_as::<_, (Uuid, i64, Uuid)>(
            "SELECT auction_id, sequence, bid_id FROM decision WHERE auction_id = ANY($1) AND bid_id IS NOT NULL",
        )
        .bind(&ids)
        .fetch(&mut *connection);
        while let Some((auction, sequence, bid_id)) = rows.try_next().await.context("cannot read the decisions")? {
            let lot = *places.get(&auction).context("the database answers with another auction")?;
            all.push(Stored { lot, sequence: u64::try_from(sequence)?, bid_id });
        }
    }
    Ok(all)
}

/// The newest pages of the history hold exactly the receipts of their range.
async fn history(api: &Api, field: &Field, lot: u32) -> Result<Vec<String>> {
    let id = field.id(lot);
    let mut shown: Vec<(u64, Uuid, i64)> = Vec::new();
    let mut cursor = String::new();
    for _ in 0..PAGES {
        let path = format!("/v1/auctions/{id}/bids?limit=100{cursor}");
        let page = api.get(Service::Bidding, &path, READER).await?.success()?;
        for item in page["items"].as_array().context("a page of the history has no items")? {
            let bid = item["bid_id"].as_str().context("a bid of the history has no id")?.parse()?;
            let sequence = item["sequence"].as_u64().context("a bid of the history has no sequence")?;
            shown.push((sequence, bid, item["price"].as_i64().unwrap_or_default()));
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let receipts = field.receipts.iter().filter(|receipt| receipt.lot == lot);
    Ok(differences(id, &shown, receipts.map(|receipt| &receipt.accepted)))
}

/// Listing shows the prices of bidding.
async fn converge(api: &Api, field: &Field, lots: &[u32], ended: Instant, checked: &mut Checked) -> Result<()> {
    let deadline = Instant::now() + CONVERGES_WITHIN;
    let mut waiting: Vec<Uuid> = lots.iter().map(|&lot| field.id(lot)).collect();
    checked.listings = waiting.len();
    while !waiting.is_empty() {
        let compared = futures::stream::iter(waiting).map(|id| async move { anyhow::Ok((id, agrees(api, id).await?)) });
        let compared: Vec<(Uuid, bool)> = compared.buffered(8).try_collect().await?;
        waiting = compared.into_iter().filter_map(|(id, agrees)| (!agrees).then_some(id)).collect();
        if Instant::now() > deadline {
            let late = waiting.len();
            checked.findings.push(format!("{late} listings do not show the price {CONVERGES_WITHIN:?} after the end"));
            return Ok(());
        }
        if !waiting.is_empty() {
            sleep(POLL).await;
        }
    }
    checked.listings_converged_after_s = Some(ended.elapsed().as_secs_f64());
    Ok(())
}

async fn agrees(api: &Api, id: Uuid) -> Result<bool> {
    let auction = api.get(Service::Bidding, &format!("/v1/auctions/{id}"), READER).await?.success()?;
    let listing = api.get(Service::Listing, &format!("/v1/listings/{id}"), READER).await?.success()?;
    let told = |of: &Value| (of["price"].clone(), of["bid_count"].clone());
    ensure!(!auction["price"].is_null(), "auction {id} took bids and has no price");
    // A price alone stands in its currency, an object that names it has bare numbers: both are the listing API's way.
    let bare = |price: Value| if price["amount"].is_i64() { price["amount"].clone() } else { price };
    let ((price, bids), (listed, listed_bids)) = (told(&auction), told(&listing));
    Ok(price == bare(listed) && bids == listed_bids)
}
