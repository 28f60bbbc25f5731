//! Where listings are kept: units of work for writing, queries for reading.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use listing_domain::{
    event::ListingEvent,
    ids::{ListingId, UserId},
    listing::Listing,
    standing::Standing,
};

use crate::{
    error::StoreError,
    idempotency::{Claim, RequestKey},
    inbox::{Receipt, Seen},
};

/// A listing under its row lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Locked {
    /// What is stored.
    pub listing: Listing,
    /// The database's time, read after the lock was granted.
    pub now: DateTime<Utc>,
}

/// What follows bidding and settlement of a listing, under the listing's row lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockedStanding {
    /// What is stored.
    pub standing: Standing,
    /// The database's time, read after the lock was granted.
    pub now: DateTime<Utc>,
}

/// Opens units of work and answers queries.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait ListingStore: Send + Sync {
    /// A new unit of work. Dropping it MUST undo everything it did.
    async fn begin(&self) -> Result<Box<dyn ListingTx>, StoreError>;
    /// Reads one listing as last committed.
    async fn find(&self, id: ListingId) -> Result<Option<Listing>, StoreError>;
    /// Reads a page of listings in the order of the query.
    async fn browse(&self, query: &Browse) -> Result<Page, StoreError>;
}

/// One unit of work: all of it is committed, or nothing.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait ListingTx: Send {
    /// The database's time.
    async fn now(&mut self) -> Result<DateTime<Utc>, StoreError>;
    /// Takes an idempotency key. A key of an uncommitted unit of work MUST be `Running`.
    async fn claim(&mut self, key: &RequestKey) -> Result<Claim, StoreError>;
    /// Keeps the answer of a claimed key for its replays.
    async fn answer(&mut self, key: &RequestKey, answer: &serde_json::Value) -> Result<(), StoreError>;
    /// Notes incoming events, and answers for each, in order, as if they had come one by one. A sequence not above the
    /// last one seen of its key MUST be a duplicate.
    async fn receive(&mut self, receipts: &[Receipt]) -> Result<Vec<Seen>, StoreError>;
    /// Reads a listing under its row lock; waits for another unit of work that has it.
    async fn lock(&mut self, id: ListingId) -> Result<Option<Locked>, StoreError>;
    /// Reads the standings of listings under their row locks, in any order; waits for other units of work that have
    /// one. What is not there is left out. MUST NOT deadlock with another call of it.
    async fn lock_standings(&mut self, ids: &[ListingId]) -> Result<Vec<LockedStanding>, StoreError>;
    /// Replaces locked standings, at most one of each listing.
    async fn save_standings(&mut self, standings: &[Standing]) -> Result<(), StoreError>;
    /// Adds a listing, in whatever state. MUST fail with `Conflict` when there is one of the same id, or another that
    /// repeats the same listing.
    async fn insert(&mut self, listing: &Listing) -> Result<(), StoreError>;
    /// Replaces a locked listing.
    async fn save(&mut self, listing: &Listing) -> Result<(), StoreError>;
    /// Hands events to the outbox.
    async fn record(&mut self, events: &[ListingEvent]) -> Result<(), StoreError>;
    /// Makes it durable.
    async fn commit(self: Box<Self>) -> Result<(), StoreError>;
}

/// Which listings, in which order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Browse {
    /// Who asks: drafts are shown to their own seller only.
    pub viewer: UserId,
    /// Words to find in title and description.
    pub text: Option<String>,
    /// Exact category.
    pub category: Option<String>,
    /// Exact status, as in the API.
    pub status: Option<String>,
    /// Exact seller.
    pub seller: Option<UserId>,
    /// Order.
    pub sort: Sort,
    /// Continue after this position.
    pub after: Option<Position>,
    /// At most so many, 1–100.
    pub limit: u32,
}

/// Order of a page; ties are broken by id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sort {
    /// Latest drafted first.
    #[default]
    Newest,
    /// Next to end first.
    EndsSoonest,
    /// Cheapest first; what has no bid counts with its start price.
    PriceAscending,
    /// Dearest first.
    PriceDescending,
}

/// Place of a listing in an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Microseconds since 1970 (times) or minor units (prices).
    pub key: i64,
    /// Breaks ties.
    pub id: ListingId,
}

/// A page, and where the next one begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// In order.
    pub listings: Vec<Listing>,
    /// `None` on the last page.
    pub next: Option<Position>,
}

impl Sort {
    /// Where a listing stands in this order.
    #[must_use]
    pub fn position(self, listing: &Listing) -> Position {
        let key = match self {
            Self::Newest => listing.created_at.timestamp_micros(),
            Self::EndsSoonest => {
                listing.on_sale().map_or(listing.terms.ends_at, |sale| sale.ends_at).timestamp_micros()
            }
            Self::PriceAscending | Self::PriceDescending => {
                listing.on_sale().and_then(|sale| sale.price).unwrap_or(listing.terms.format.start_price())
            }
        };
        Position { key, id: listing.id }
    }
}
