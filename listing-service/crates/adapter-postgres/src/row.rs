//! A listing as a row, both ways.

use chrono::{DateTime, Utc};
use listing_domain::{
    ids::{ListingId, UserId},
    listing::{Description, Listing},
    standing::{Cancellation, CancelledBy, OnSale, SaleStatus, State},
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
    pub second_chance_days: Option<i32>,
    pub relisted_from: Option<Uuid>,
    pub relisted_as: Option<Uuid>,
    pub published_at: Option<DateTime<Utc>>,
    pub opens_at: Option<DateTime<Utc>>,
    pub closes_at: Option<DateTime<Utc>>,
    pub price: Option<i64>,
    pub bid_count: i64,
    pub cancellation_requested_at: Option<DateTime<Utc>>,
    pub paused_at: Option<DateTime<Utc>>,
    pub cancelled_by: Option<String>,
    pub cancellation_reason: Option<String>,
    pub sale_status: Option<String>,
    pub sale_status_at: Option<DateTime<Utc>>,
    pub second_chance_until: Option<DateTime<Utc>>,
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
            second_chance_days: days(listing.terms.second_chance_days)?,
            relisted_from: listing.relisted_from.map(|id| id.0),
            relisted_as: listing.relisted_as.map(|id| id.0),
            published_at: sale.map(|sale| sale.published_at),
            opens_at: sale.map(|sale| sale.starts_at),
            closes_at: sale.map(|sale| sale.ends_at),
            price: sale.and_then(|sale| sale.price),
            bid_count: number(sale.map_or(0, |sale| sale.bid_count))?,
            cancellation_requested_at: sale.and_then(|sale| sale.cancellation_requested_at),
            paused_at: sale.and_then(|sale| sale.paused_at),
            cancelled_by: cancelled_by(&listing.state),
            cancellation_reason: listing.state.cancellation().and_then(|cancellation| cancellation.reason.clone()),
            sale_status: listing.sale_status.as_ref().map(|status| status.name.clone()),
            sale_status_at: listing.sale_status.as_ref().map(|status| status.at),
            second_chance_until: listing.sale_status.as_ref().and_then(|status| status.offered_until),
            created_at: listing.created_at,
            updated_at: listing.updated_at,
        })
    }
}

impl TryFrom<Row> for Listing {
    type Error = StoreError;
    fn try_from(row: Row) -> Result<Self, StoreError> {
        let state = Stored {
            id: row.id,
            status: row.status,
            published_at: row.published_at,
            opens_at: row.opens_at,
            closes_at: row.closes_at,
            price: row.price,
            bid_count: row.bid_count,
            cancellation_requested_at: row.cancellation_requested_at,
            paused_at: row.paused_at,
            cancelled_by: row.cancelled_by,
            cancellation_reason: row.cancellation_reason,
        }
        .state()?;
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
                second_chance_days: row.second_chance_days.map(u32::try_from).transpose().map_err(corrupt)?,
            },
            relisted_from: row.relisted_from.map(ListingId),
            relisted_as: row.relisted_as.map(ListingId),
            state,
            sale_status: sale_status(row.sale_status, row.sale_status_at, row.second_chance_until, row.created_at),
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

/// The columns that make a state.
pub(crate) struct Stored {
    pub id: Uuid,
    pub status: String,
    pub published_at: Option<DateTime<Utc>>,
    pub opens_at: Option<DateTime<Utc>>,
    pub closes_at: Option<DateTime<Utc>>,
    pub price: Option<i64>,
    pub bid_count: i64,
    pub cancellation_requested_at: Option<DateTime<Utc>>,
    pub paused_at: Option<DateTime<Utc>>,
    pub cancelled_by: Option<String>,
    pub cancellation_reason: Option<String>,
}

impl Stored {
    pub(crate) fn state(self) -> Result<State, StoreError> {
        Ok(match self.status.as_str() {
            "draft" => State::Draft,
            "scheduled" => State::Scheduled(self.on_sale()?),
            "live" => State::Live(self.on_sale()?),
            "sold" => State::Sold(self.on_sale()?),
            "unsold" => State::Unsold(self.on_sale()?),
            "cancelled" => {
                let by = match self.cancelled_by.as_deref() {
                    Some("seller") => Some(CancelledBy::Seller),
                    Some("operator") => Some(CancelledBy::Operator),
                    _ => None,
                };
                State::Cancelled(Cancellation { by, reason: self.cancellation_reason })
            }
            other => return Err(corrupt(format!("listing {} has the unknown status {other}", self.id))),
        })
    }

    fn on_sale(&self) -> Result<OnSale, StoreError> {
        let known = self.published_at.zip(self.opens_at).zip(self.closes_at);
        let ((published_at, starts_at), ends_at) =
            known.ok_or_else(|| corrupt(format!("listing {} is published without its times", self.id)))?;
        Ok(OnSale {
            published_at,
            starts_at,
            ends_at,
            price: self.price,
            bid_count: count(self.bid_count)?,
            cancellation_requested_at: self.cancellation_requested_at,
            paused_at: self.paused_at,
        })
    }
}

/// A status of before its time was kept is as old as its listing: every later word counts.
pub(crate) fn sale_status(
    name: Option<String>,
    at: Option<DateTime<Utc>>,
    offered_until: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
) -> Option<SaleStatus> {
    name.map(|name| SaleStatus { name, at: at.unwrap_or(created_at), offered_until })
}

fn days(days: Option<u32>) -> Result<Option<i32>, StoreError> {
    days.map(i32::try_from).transpose().map_err(corrupt)
}

pub(crate) fn cancelled_by(state: &State) -> Option<String> {
    state.cancellation().and_then(|cancellation| cancellation.by).map(|by| by.name().to_owned())
}

pub(crate) fn number(count: u64) -> Result<i64, StoreError> {
    i64::try_from(count).map_err(corrupt)
}

pub(crate) fn count(number: i64) -> Result<u64, StoreError> {
    u64::try_from(number).map_err(corrupt)
}
