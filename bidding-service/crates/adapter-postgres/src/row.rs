//! Auctions and their logs as rows.

use bidding_domain::{
    auction::Auction,
    chain::Link,
    ids::AuctionId,
    log::{Entry, Record},
};
use bidding_ports::error::StoreError;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::error::corrupt;

/// An auction from its columns.
pub(crate) fn auction_of(id: Uuid, terms: &str, snapshot: &str) -> Result<Auction, StoreError> {
    let unreadable = |error: &dyn std::fmt::Display| corrupt(format!("auction {id}: {error}"));
    let terms = serde_json::from_str(terms).map_err(|error| unreadable(&error))?;
    let snapshot = serde_json::from_str(snapshot).map_err(|error| unreadable(&error))?;
    Auction::restore(AuctionId(id), terms, snapshot).map_err(|error| unreadable(&error))
}

/// An entry of a log as it is stored.
pub(crate) struct EntryRow {
    pub auction_id: Uuid,
    pub sequence: i64,
    pub number: i64,
    pub at: DateTime<Utc>,
    pub record: String,
    pub link: Vec<u8>,
}

impl TryFrom<EntryRow> for Entry {
    type Error = StoreError;
    fn try_from(row: EntryRow) -> Result<Self, StoreError> {
        let unreadable = |error: &dyn std::fmt::Display| {
            corrupt(format!("entry {} of auction {}: {error}", row.number, row.auction_id))
        };
        let record: Record = serde_json::from_str(&row.record).map_err(|error| unreadable(&error))?;
        let link = <[u8; 32]>::try_from(row.link.as_slice()).map_err(|error| unreadable(&error))?;
        Ok(Self {
            auction_id: AuctionId(row.auction_id),
            number: count(row.number)?,
            sequence: count(row.sequence)?,
            at: row.at,
            record,
            text: row.record,
            link: Link(link),
        })
    }
}

pub(crate) fn number(count: u64) -> Result<i64, StoreError> {
    i64::try_from(count).map_err(corrupt)
}

pub(crate) fn count(number: i64) -> Result<u64, StoreError> {
    u64::try_from(number).map_err(corrupt)
}
