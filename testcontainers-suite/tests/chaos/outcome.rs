//! What became of lots that are over: listing tells of each what bidding decided, settlement settles a sold one and no
//! other, once, and the broker has every event of it.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use testcontainers_suite::world::Service;

use crate::{load::record::Lot, stage::Stage};

/// Whether all tell the same of a lot. The events have to be read up to now.
pub async fn is_told_alike(stage: &Stage, lot: &Lot) -> Result<()> {
    let Lot { id, paid_out } = lot;
    let operator = stage.world.operator();
    let read = async |service, path: String| -> Result<Value> {
        operator.get(service, &path).await?.success().with_context(|| format!("{service}: {path}"))
    };
    let auction = read(Service::Bidding, format!("/v1/auctions/{id}")).await?;
    let result = &auction["result"];
    ensure!(auction["status"] == "closed", "it is {auction}");

    let listing = read(Service::Listing, format!("/v1/listings/{id}")).await?;
    let sold = result["outcome"] == "sold";
    let status = if sold { "sold" } else { "unsold" };
    let same = listing["status"] == status
        && listing["price"] == result["price"]
        && listing["bid_count"] == auction["bid_count"]
        && (!paid_out || listing["sale_status"] == "completed");
    ensure!(same, "bidding has {auction}, and listing {listing}");

    let page = read(Service::Settlement, format!("/v1/settlements?auction_id={id}")).await?;
    let sales = page["items"].as_array().context("a page has items")?;
    let settled = sales.len() == usize::from(sold) && sales.iter().all(|sale| sale["hammer_price"] == result["price"]);
    ensure!(settled, "bidding has {auction}, and settlement {page}");

    let last = stage.watch().last(Service::Bidding, id);
    ensure!(
        last == auction["sequence"].as_u64(),
        "bidding has {auction}, and its last event at the broker is {last:?}"
    );
    Ok(())
}
