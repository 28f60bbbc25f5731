//! Auctions, bids and events as rows.

use bidding_domain::{
    auction::Auction,
    bid::Bid,
    event::AuctionEvent,
    ids::{AuctionId, BidId, UserId},
    money::Amount,
};
use bidding_ports::error::StoreError;
use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use crate::error::corrupt;

/// An auction as it is stored.
pub(crate) struct AuctionRow {
    pub id: Uuid,
    pub terms: Value,
    pub snapshot: Value,
}

impl TryFrom<AuctionRow> for Auction {
    type Error = StoreError;
    fn try_from(row: AuctionRow) -> Result<Self, StoreError> {
        let unreadable = |error| corrupt(format!("auction {}: {error}", row.id));
        let terms = serde_json::from_value(row.terms).map_err(unreadable)?;
        let snapshot = serde_json::from_value(row.snapshot).map_err(unreadable)?;
        Ok(Self::restore(AuctionId(row.id), terms, snapshot))
    }
}

/// A bid as it is stored.
pub(crate) struct BidRow {
    pub auction_id: Uuid,
    pub sequence: i64,
    pub id: Uuid,
    pub bidder: String,
    pub max: i64,
    pub outcome: String,
    pub price: i64,
    pub placed_at: DateTime<Utc>,
}

impl TryFrom<BidRow> for Bid {
    type Error = StoreError;
    fn try_from(row: BidRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: BidId(row.id),
            auction_id: AuctionId(row.auction_id),
            bidder: UserId(row.bidder),
            max: Amount::new(row.max).map_err(corrupt)?,
            outcome: serde_json::from_value(Value::String(row.outcome)).map_err(corrupt)?,
            price: Amount::new(row.price).map_err(corrupt)?,
            sequence: count(row.sequence)?,
            placed_at: row.placed_at,
        })
    }
}

/// An event as it is stored.
pub(crate) struct EventRow {
    pub auction_id: Uuid,
    pub sequence: i64,
    pub at: DateTime<Utc>,
    pub what: Value,
}

impl TryFrom<EventRow> for AuctionEvent {
    type Error = StoreError;
    fn try_from(row: EventRow) -> Result<Self, StoreError> {
        let what = serde_json::from_value(row.what).map_err(corrupt)?;
        Ok(Self { auction_id: AuctionId(row.auction_id), sequence: count(row.sequence)?, at: row.at, what })
    }
}

pub(crate) fn number(count: u64) -> Result<i64, StoreError> {
    i64::try_from(count).map_err(corrupt)
}

pub(crate) fn count(number: i64) -> Result<u64, StoreError> {
    u64::try_from(number).map_err(corrupt)
}
