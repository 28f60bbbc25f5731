//! The use cases of bidding: each opens a unit of work, loads under lock, decides in the domain,
//! saves, hands events to the outbox and commits.
//!
//! [`Auctions`] is the whole surface: bidders call [`place_bid`] (through a [`lane`]), [`read`] and
//! [`stream`], bidders and operators [`manage`], a timer drives [`close`](mod@close), the other contexts' facts
//! come in through [`follow`], settlement's question who is next through `second_chance`. [`receipt`] is what proves
//! a result.

pub mod close;
pub mod error;
pub mod follow;
pub mod lane;
pub mod live_feed;
pub mod manage;
pub mod place_bid;
pub mod read;
pub mod receipt;
mod second_chance;
pub mod stream;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use bidding_domain::{alias::Aliases, ids::AuctionId};
use bidding_ports::store::AuctionStore;
use tokio::sync::Semaphore;

use crate::{
    lane::{Lane, LaneLimits, RunningKeys},
    live_feed::LiveFeed,
    manage::RETRACTIONS_AT_ONCE,
};

/// The use cases over a store.
#[derive(Clone)]
pub struct Auctions {
    store: Arc<dyn AuctionStore>,
    feed: Arc<LiveFeed>,
    aliases: Aliases,
    lanes: Arc<[Arc<Lane>]>,
    batches: Arc<Batches>,
    /// Turns of those that read a whole log under a lock.
    retractions: Arc<Semaphore>,
}

impl Auctions {
    /// Over `store`; streams wake by `feed`, bidders are called by `aliases`. Bids are decided in one lane.
    #[must_use]
    pub fn new(store: Arc<dyn AuctionStore>, feed: Arc<LiveFeed>, aliases: Aliases) -> Self {
        let retractions = Arc::new(Semaphore::new(RETRACTIONS_AT_ONCE));
        let auctions = Self { store, feed, aliases, lanes: Arc::new([]), batches: Arc::default(), retractions };
        auctions.with_lanes(1, LaneLimits::default())
    }

    /// The same with `count` lanes, at least one. An auction belongs to a lane by its id.
    #[must_use]
    pub fn with_lanes(self, count: usize, limits: LaneLimits) -> Self {
        let running = Arc::<RunningKeys>::default();
        let lanes = (0..count.max(1)).map(|_| Arc::new(Lane::new(limits, Arc::clone(&running)))).collect();
        Self { lanes, ..self }
    }

    fn lane_of(&self, auction: AuctionId) -> &Arc<Lane> {
        // The random end of a UUIDv7.
        let place = auction.0.as_u128() % self.lanes.len() as u128;
        &self.lanes[usize::try_from(place).unwrap_or_default()]
    }

    /// How the lanes do.
    #[must_use]
    pub fn lane_figures(&self) -> LaneFigures {
        LaneFigures {
            waiting: self.lanes.iter().map(|lane| lane.waiting()).sum(),
            batches: self.batches.count.load(Ordering::Relaxed),
            bids: self.batches.bids.load(Ordering::Relaxed),
        }
    }
}

/// How the lanes do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaneFigures {
    /// Bids that wait now.
    pub waiting: usize,
    /// Units of work so far.
    pub batches: u64,
    /// Bids in them.
    pub bids: u64,
}

#[derive(Debug, Default)]
struct Batches {
    count: AtomicU64,
    bids: AtomicU64,
}

impl Batches {
    fn decided(&self, bids: usize) {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.bids.fetch_add(bids as u64, Ordering::Relaxed);
    }
}

/// An outcome, and whether it is the kept answer of an earlier request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered<T> {
    /// What was decided.
    pub outcome: T,
    /// `true` when this request had no effect of its own.
    pub replayed: bool,
}
