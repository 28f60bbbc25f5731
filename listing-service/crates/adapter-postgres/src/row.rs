//! A listing as a row, both ways.

use chrono::{DateTime, Utc};
use listing_domain::{
    ids::{ListingId, UserId},
    listing::{Description, Listing, OnSale, State},
    terms::Terms,
};
use listing_ports::error::StoreError;
use serde_json::Value;
use uuid::Uuid;

use crate::error::corrupt;

/// The columns of `listing` that are not generated.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct Row {
    pub id: Uuid,
    pub seller: String,
    pub version: i64,
    pub sequence: i64,
    pub status: String,
    pub title: String,
    pub description: String,
    pub category: String,
    pub currency: String,
    pub format: Value,
    pub starts_at: Option<DateTime<Utc>>,
    pub ends_at: DateTime<Utc>,
    pub second_chance: bool,
    pub relisted_from: Option<Uuid>,
    pub published_at: Option<DateTime<Utc>>,
    pub opens_at: Option<DateTime<Utc>>,
    pub closes_at: Option<DateTime<Utc>>,
    pub price: Option<i64>,
    pub bid_count: i64,
    pub cancellation_requested_at: Option<DateTime<Utc>>,
    pub sale_status: Option<String>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

impl TryFrom<&Listing> for Row {
    type Error = StoreError;
    fn try_from(listing: &Listing) -> Result<Self, StoreError> {
        let sale = listing.on_sale();
        Ok(Self {
            id: listing.id.0,
            seller: listing.seller.0.clone(),
            version: number(listing.version)?,
            sequence: number(listing.sequence)?,
            status: listing.status().to_owned(),
            title: listing.description.title.clone(),
            description: listing.description.text.clone(),
            category: listing.description.category.clone(),
            currency: listing.terms.currency.to_string(),
            format: serde_json::to_value(&listing.terms.format).map_err(corrupt)?,
            starts_at: listing.terms.starts_at,
            ends_at: listing.terms.ends_at,
            second_chance: listing.terms.second_chance,
            relisted_from: listing.relisted_from.map(|id| id.0),
            published_at: sale.map(|sale| sale.published_at),
            opens_at: sale.map(|sale| sale.starts_at),
            closes_at: sale.map(|sale| sale.ends_at),
            price: sale.and_then(|sale| sale.price),
            bid_count: number(sale.map_or(0, |sale| sale.bid_count))?,
            cancellation_requested_at: sale.and_then(|sale| sale.cancellation_requested_at),
            sale_status: listing.sale_status.clone(),
            created_at: listing.created_at,
            updated_at: listing.updated_at,
        })
    }
}

impl TryFrom<Row> for Listing {
    type Error = StoreError;
    fn try_from(row: Row) -> Result<Self, StoreError> {
        let bid_count = count(row.bid_count)?;
        let sale = || {
            let known = row.published_at.zip(row.opens_at).zip(row.closes_at);
            let ((published_at, starts_at), ends_at) =
                known.ok_or_else(|| corrupt(format!("listing {} is published without its times", row.id)))?;
            let cancellation_requested_at = row.cancellation_requested_at;
            Ok::<_, StoreError>(OnSale {
                published_at,
                starts_at,
                ends_at,
                price: row.price,
                bid_count,
                cancellation_requested_at,
            })
        };
        let state = match row.status.as_str() {
            "draft" => State::Draft,
            "scheduled" => State::Scheduled(sale()?),
            "live" => State::Live(sale()?),
            "sold" => State::Sold(sale()?),
            "unsold" => State::Unsold(sale()?),
            "cancelled" => State::Cancelled,
            other => return Err(corrupt(format!("listing {} has the unknown status {other}", row.id))),
        };
        Ok(Self {
            id: ListingId(row.id),
            seller: UserId(row.seller),
            version: count(row.version)?,
            sequence: count(row.sequence)?,
            description: Description { title: row.title, text: row.description, category: row.category },
            terms: Terms {
                currency: row.currency.parse().map_err(corrupt)?,
                format: serde_json::from_value(row.format).map_err(corrupt)?,
                starts_at: row.starts_at,
                ends_at: row.ends_at,
                second_chance: row.second_chance,
            },
            relisted_from: row.relisted_from.map(ListingId),
            state,
            sale_status: row.sale_status,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

pub(crate) fn number(count: u64) -> Result<i64, StoreError> {
    i64::try_from(count).map_err(corrupt)
}

pub(crate) fn count(number: i64) -> Result<u64, StoreError> {
    u64::try_from(number).map_err(corrupt)
}
