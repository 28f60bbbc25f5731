//! The store of a database, and anna's lots in it.

use std::sync::Arc;

use anyhow::{Context, Result};
use chrono::TimeDelta;
use listing_adapter_postgres::{database, session::Sessions, store::PgListings};
use listing_domain::{
    ids::{ListingId, UserId},
    listing::Listing,
    terms::DurationLimits,
};
use listing_harness::world;
use listing_ports::store::ListingStore;
use tokio::sync::Notify;
use uuid::Uuid;

pub const LIMITS: DurationLimits = DurationLimits { min: TimeDelta::seconds(5), max: TimeDelta::days(30) };

/// The store of the database at `url`, with at most `max_connections` sessions.
pub fn open(url: &str, max_connections: u32) -> Result<(Sessions, PgListings)> {
    let pool = database::connect(url, max_connections)?;
    Ok((pool.clone(), PgListings::new(pool, Arc::new(Notify::new()))))
}

pub async fn draft(store: &PgListings) -> Result<Listing> {
    let now = store.begin().await?.now().await?;
    let id = ListingId(Uuid::now_v7());
    let listing = Listing::draft(id, UserId("anna".into()), world::description(), world::terms(now), now, LIMITS)?;
    let mut tx = store.begin().await?;
    tx.insert(&listing).await?;
    tx.commit().await?;
    Ok(listing)
}

pub async fn publish(store: &PgListings, listing: &Listing) -> Result<Listing> {
    let mut tx = store.begin().await?;
    let locked = tx.lock(listing.id).await?.context("it is there")?;
    let (next, events) = locked.listing.publish(locked.now, LIMITS)?;
    tx.save(&next).await?;
    tx.record(&events).await?;
    tx.commit().await?;
    Ok(next)
}
