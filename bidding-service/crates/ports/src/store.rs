//! Where auctions are kept: units of work for writing, queries for reading.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use bidding_domain::{
    auction::Auction,
    bid::Bid,
    event::AuctionEvent,
    halt::Halt,
    ids::{AuctionId, BidId, UserId},
    log::Entry,
};
use chrono::{DateTime, TimeDelta, Utc};

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
    /// The halts that it may not have followed yet, in order.
    pub halts: Arc<[Halt]>,
    /// The database's time, read after the lock was granted: it decides what is late.
    pub now: DateTime<Utc>,
    /// How long ago the last sign of life was, by that time.
    pub silence: TimeDelta,
}

/// An auction as last committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// What is stored.
    pub auction: Auction,
    /// The halts that it may not have followed yet, in order.
    pub halts: Arc<[Halt]>,
    /// The database's time of the query.
    pub now: DateTime<Utc>,
    /// How long ago the last sign of life was, by that time.
    pub silence: TimeDelta,
}

/// A bidder's request as it comes in: about which auction, under which key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Which auction.
    pub auction: AuctionId,
    /// Whose, and which.
    pub key: RequestKey,
}

/// What a unit of work does about auctions that another one has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// Waits for them, within a bound.
    ForAll,
    /// Goes on without them.
    ForNone,
}

/// What requests need to be decided, all of one moment.
#[derive(Debug)]
pub struct Floor {
    /// The auctions that there are, under their row locks; one that cannot be read, or that another unit of
    /// work has and was not waited for ([`StoreError::Locked`]), is an error of its own.
    pub auctions: BTreeMap<AuctionId, Result<Auction, StoreError>>,
    /// What is known of each request, in their order.
    pub known: Vec<Known>,
    /// The halts that auctions may not have followed yet, in order.
    pub halts: Arc<[Halt]>,
    /// The database's time, read after the last lock was granted.
    pub now: DateTime<Utc>,
    /// How long ago the last sign of life was, by that time.
    pub silence: TimeDelta,
}

/// What is known of a request.
#[derive(Debug, Clone, PartialEq)]
pub struct Known {
    /// Of its key.
    pub claim: Claim,
    /// Whether its principal may not bid for now.
    pub suspended: bool,
}

/// What a unit of work changes, written at once.
#[derive(Debug, Default)]
pub struct Changes {
    /// Replaces auctions that the unit of work has locked or inserted.
    pub auctions: Vec<Auction>,
    /// Appended to the logs; their events are handed to the outbox.
    pub entries: Vec<Caused>,
    /// Kept for replays of their requests, as JSON.
    pub answers: Vec<(RequestKey, String)>,
}

/// An entry, and the span of the request that caused it: the trace goes on with its events.
#[derive(Debug, Clone)]
pub struct Caused {
    /// The entry.
    pub entry: Entry,
    /// Its cause.
    pub span: tracing::Span,
}

impl Changes {
    /// Of one auction, caused by the current span.
    #[must_use]
    pub fn of(auction: Auction, entries: Vec<Entry>) -> Self {
        let span = tracing::Span::current();
        let entries = entries.into_iter().map(|entry| Caused { entry, span: span.clone() }).collect();
        Self { auctions: vec![auction], entries, answers: Vec::new() }
    }
}

/// A place in the log of an auction, between entries: `sequence` and `number` of the one after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogPlace {
    /// The number of the last event.
    pub sequence: u64,
    /// The number of the entry.
    pub number: u64,
}

/// Opens units of work and answers queries.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait AuctionStore: Send + Sync {
    /// A new unit of work. Dropping it MUST undo everything it did and free its locks.
    async fn begin(&self) -> Result<Box<dyn AuctionTx>, StoreError>;
    /// Reads one auction.
    async fn find(&self, id: AuctionId) -> Result<Option<Found>, StoreError>;
    /// Reads accepted bids, the latest first, at most `limit`; with `before`, only those whose entry
    /// lies before it.
    async fn bids(&self, id: AuctionId, before: Option<LogPlace>, limit: u32) -> Result<Vec<Bid>, StoreError>;
    /// Reads one accepted bid, whether it was taken back or not.
    async fn bid(&self, id: AuctionId, bid: BidId) -> Result<Option<Bid>, StoreError>;
    /// Reads which of `bids` were taken back, and when. MUST NOT read what concerns other bids alone: an auction
    /// may have any number of retractions.
    async fn retracted(&self, bids: &[BidId]) -> Result<BTreeMap<BidId, DateTime<Utc>>, StoreError>;
    /// Reads the events whose sequence lies above `after`, in order, at most those of `limit` entries. MUST
    /// have every committed event of the auction, published or not, without a gap.
    async fn events(&self, id: AuctionId, after: u64, limit: u32) -> Result<Vec<AuctionEvent>, StoreError>;
    /// Reads the whole log of an auction, in order.
    async fn log(&self, id: AuctionId) -> Result<Vec<Entry>, StoreError>;
    /// Of each event, whether [`AuctionTx::receive`] would say [`Seen::Duplicate`] and change nothing.
    async fn known(&self, receipts: &[Receipt]) -> Result<Vec<bool>, StoreError>;
    /// How long, by the database's clock, until the next auction is due to open or close; zero when
    /// one is due already, `None` when no auction waits.
    async fn next_due(&self) -> Result<Option<Duration>, StoreError>;
    /// A sign of life. When the last one, of any instance, is older than `downtime`, the time since then
    /// MUST become a halt before any auction can be closed by the caller. Tells whether all auctions are
    /// paused.
    async fn beat(&self, downtime: Duration) -> Result<bool, StoreError>;
    /// Pauses all auctions, if they are not. `true` when this call did.
    async fn pause_all(&self, reason: &str) -> Result<bool, StoreError>;
    /// Ends the pause of all auctions, if there is one. `true` when this call did.
    async fn resume_all(&self) -> Result<bool, StoreError>;
}

/// One unit of work: all of it is committed, or nothing.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait AuctionTx: Send {
    /// The database's time.
    async fn now(&mut self) -> Result<DateTime<Utc>, StoreError>;
    /// Reads everything that `requests` need, their auctions under row locks. MUST take the locks in the
    /// order of the ids, so that two units of work never wait for each other. MUST fail with `Locked` when one
    /// that is waited for is not granted in time.
    async fn enter(&mut self, requests: &[Request], wait: Wait) -> Result<Floor, StoreError>;
    /// Notes an incoming event. A sequence not above the last one seen of its key MUST be a duplicate.
    async fn receive(&mut self, receipt: &Receipt) -> Result<Seen, StoreError>;
    /// Reads an auction under its row lock; waits for another unit of work that has it. MUST read
    /// auction and time after the lock was granted.
    async fn lock(&mut self, id: AuctionId) -> Result<Option<Locked>, StoreError>;
    /// Reads and locks auctions whose [`Auction::due_at`] has come, the longest due first, at most
    /// `limit`. MUST leave out those that another unit of work has locked, and those that cannot be
    /// read (after reporting them, and until a minute later), so that none of them keeps the others waiting.
    async fn lock_due(&mut self, limit: u32) -> Result<Vec<Locked>, StoreError>;
    /// Adds an auction. MUST fail with `Conflict` when there is one of the same id.
    async fn insert(&mut self, auction: &Auction) -> Result<(), StoreError>;
    /// Writes changes, all of them or none. MUST fail with `Conflict`, here or at the commit, when another
    /// unit of work has kept an answer under the same key, and when a halt began or ended since the auctions
    /// were read: a bid that waited for its lock is not accepted after a pause.
    async fn save(&mut self, changes: Changes) -> Result<(), StoreError>;
    /// Reads the accepted bids of an auction that this unit of work has locked, those left out that were taken
    /// back, in order.
    async fn standing_bids(&mut self, id: AuctionId) -> Result<Vec<Bid>, StoreError>;
    /// Suspends or reinstates a bidder; doing it again changes nothing.
    async fn set_suspended(&mut self, bidder: &UserId, suspended: bool) -> Result<(), StoreError>;
    /// Which of `bidders` are suspended, in their order. MUST see what this unit of work has set.
    async fn suspended(&mut self, bidders: &[UserId]) -> Result<Vec<UserId>, StoreError>;
    /// Makes it durable. An error other than `Conflict` leaves unknown whether it was.
    async fn commit(self: Box<Self>) -> Result<(), StoreError>;
}
