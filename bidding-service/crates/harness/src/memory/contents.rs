//! What the store in memory holds.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bidding_domain::{
    auction::{Auction, PausedBy},
    bid::Bid,
    event::AuctionEvent,
    halt::Halt,
    ids::{AuctionId, UserId},
    log::Entry,
};
use bidding_ports::{error::StoreError, outbox::OutboxRecord};
use chrono::{DateTime, TimeDelta, Utc};

use super::outbox::Lease;

/// A principal and a key.
pub(super) type Place = (UserId, String);

/// What the store holds.
#[derive(Debug, Clone, Default)]
pub struct Contents {
    /// Auctions by id.
    pub auctions: BTreeMap<AuctionId, Auction>,
    /// The logs of all auctions, in order of their commits.
    pub entries: Vec<Entry>,
    /// Events that wait to be published.
    pub outbox: Vec<OutboxRecord>,
    /// Bidders who may not bid.
    pub suspended: BTreeSet<UserId>,
    /// Times in which nobody could bid, by number.
    pub halts: Vec<Halt>,
    /// Auctions whose rows cannot be read.
    pub unreadable: BTreeSet<AuctionId>,
    pub(super) answers: BTreeMap<Place, ([u8; 32], String)>,
    pub(super) inbox: BTreeMap<(String, String), u64>,
    pub(super) lease: Lease,
    /// The last sign of life.
    pub(super) beat_at: DateTime<Utc>,
}

impl Contents {
    /// The log of one auction.
    #[must_use]
    pub fn log(&self, id: AuctionId) -> Vec<Entry> {
        self.entries.iter().filter(|entry| entry.auction_id == id).cloned().collect()
    }

    /// All accepted bids, in order of their commits.
    #[must_use]
    pub fn bids(&self) -> Vec<Bid> {
        self.entries.iter().filter_map(Entry::bid).collect()
    }

    /// All events, in order of their commits.
    #[must_use]
    pub fn events(&self) -> Vec<AuctionEvent> {
        self.entries.iter().flat_map(Entry::events).collect()
    }

    /// How many answers are kept for replays.
    #[must_use]
    pub fn kept_answers(&self) -> usize {
        self.answers.len()
    }

    pub(super) fn auction(&self, id: AuctionId) -> Result<Option<Auction>, StoreError> {
        if self.unreadable.contains(&id) {
            return Err(StoreError::Corrupt(format!("auction {id}")));
        }
        Ok(self.auctions.get(&id).cloned())
    }

    pub(super) fn halts(&self) -> Arc<[Halt]> {
        self.halts.clone().into()
    }

    pub(super) fn are_paused(&self) -> bool {
        self.halts.iter().any(|halt| halt.until.is_none())
    }

    pub(super) fn halt(&mut self, by: PausedBy, reason: &str, since: DateTime<Utc>, until: Option<DateTime<Utc>>) {
        let number = self.halts.len() as u64 + 1;
        self.halts.push(Halt { number, by, reason: reason.to_owned(), since, until });
    }

    pub(super) fn beat(&mut self, now: DateTime<Utc>, downtime: TimeDelta) {
        let last = std::mem::replace(&mut self.beat_at, now);
        if now - last > downtime {
            self.halt(PausedBy::Downtime, "the service was down", last, Some(now));
        }
    }
}
