//! Where auctions are kept: units of work for writing, queries for reading.

use std::time::Duration;

use async_trait::async_trait;
use bidding_domain::{
    auction::Auction,
    bid::Bid,
    event::AuctionEvent,
    ids::{AuctionId, UserId},
};
use chrono::{DateTime, Utc};

use crate::{
    error::StoreError,
    idempotency::{Claim, RequestKey},
    inbox::{Receipt, Seen},
};

/// An auction under its row lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Locked {
    /// What is stored.
    pub auction: Auction,
    /// The database's time, read after the lock was granted: it decides what is late.
    pub now: DateTime<Utc>,
}

/// An auction as last committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// What is stored.
    pub auction: Auction,
    /// The database's time of the query.
    pub now: DateTime<Utc>,
}

/// Opens units of work and answers queries.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait AuctionStore: Send + Sync {
    /// A new unit of work. Dropping it MUST undo everything it did and free its locks.
    async fn begin(&self) -> Result<Box<dyn AuctionTx>, StoreError>;
    /// Reads one auction.
    async fn find(&self, id: AuctionId) -> Result<Option<Found>, StoreError>;
    /// Reads accepted bids, the latest first, at most `limit`; with `before`, only those whose
    /// sequence lies below it.
    async fn bids(&self, id: AuctionId, before: Option<u64>, limit: u32) -> Result<Vec<Bid>, StoreError>;
    /// Reads the events whose sequence lies above `after`, in order, at most `limit`. MUST have every
    /// committed event of the auction, published or not, without a gap.
    async fn events(&self, id: AuctionId, after: u64, limit: u32) -> Result<Vec<AuctionEvent>, StoreError>;
    /// How long, by the database's clock, until the next auction is due to open or close; zero when
    /// one is due already, `None` when no auction waits.
    async fn next_due(&self) -> Result<Option<Duration>, StoreError>;
}

/// One unit of work: all of it is committed, or nothing.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait AuctionTx: Send {
    /// The database's time.
    async fn now(&mut self) -> Result<DateTime<Utc>, StoreError>;
    /// Takes an idempotency key. A key of an uncommitted unit of work MUST be `Running`.
    async fn claim(&mut self, key: &RequestKey) -> Result<Claim, StoreError>;
    /// Keeps the answer of a claimed key for its replays.
    async fn answer(&mut self, key: &RequestKey, answer: &serde_json::Value) -> Result<(), StoreError>;
    /// Notes an incoming event. A sequence not above the last one seen of its key MUST be a duplicate.
    async fn receive(&mut self, receipt: &Receipt) -> Result<Seen, StoreError>;
    /// Reads an auction under its row lock; waits for another unit of work that has it. MUST read
    /// auction and time after the lock was granted.
    async fn lock(&mut self, id: AuctionId) -> Result<Option<Locked>, StoreError>;
    /// Reads and locks auctions whose [`Auction::due_at`] has come, the longest due first, at most
    /// `limit`. MUST leave out those that another unit of work has locked, and those that cannot be
    /// read (after reporting them), so that one of them never keeps the others waiting.
    async fn lock_due(&mut self, limit: u32) -> Result<Vec<Locked>, StoreError>;
    /// Adds an auction. MUST fail with `Conflict` when there is one of the same id.
    async fn insert(&mut self, auction: &Auction) -> Result<(), StoreError>;
    /// Replaces an auction that this unit of work has locked or inserted, and appends the bids it
    /// accepted since.
    async fn save(&mut self, auction: &Auction, bids: &[Bid]) -> Result<(), StoreError>;
    /// Keeps events for readers and hands them to the outbox.
    async fn record(&mut self, events: &[AuctionEvent]) -> Result<(), StoreError>;
    /// Whether a bidder may not bid for now.
    async fn is_suspended(&mut self, bidder: &UserId) -> Result<bool, StoreError>;
    /// Suspends or reinstates a bidder; doing it again changes nothing.
    async fn set_suspended(&mut self, bidder: &UserId, suspended: bool) -> Result<(), StoreError>;
    /// Makes it durable. An error other than `Conflict` leaves unknown whether it was.
    async fn commit(self: Box<Self>) -> Result<(), StoreError>;
}
