//! How far a replay is: two bars, and what the report tells of the speed.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use indicatif::ProgressBar;

use crate::console::Console;

/// Shared by all auctions of a replay.
pub struct Progress {
    bids: ProgressBar,
    auctions: ProgressBar,
    begun: Instant,
    placed: AtomicUsize,
    last_ms: AtomicU64,
}

/// How fast it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Speed {
    /// Bids that were sent this time.
    pub bids: usize,
    /// From the first request to the last bid.
    pub bidding: Duration,
    /// Until the last auction was closed.
    pub all: Duration,
}

impl Progress {
    /// Nothing done yet of `bids` in `auctions`.
    pub fn new(console: &Console, bids: usize, auctions: usize) -> Self {
        let (bids, auctions) = (console.steps("Bids placed", bids), console.steps("Auctions closed", auctions));
        Self { bids, auctions, begun: Instant::now(), placed: AtomicUsize::new(0), last_ms: AtomicU64::new(0) }
    }

    /// A bid was placed.
    pub fn placed(&self) {
        self.bids.inc(1);
        self.placed.fetch_add(1, Ordering::Relaxed);
        let now_ms = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last_ms.fetch_max(now_ms, Ordering::Relaxed);
    }

    /// `bids` were placed by an earlier run.
    pub fn skip(&self, bids: usize) {
        self.bids.inc(bids as u64);
    }

    /// `bids` have to be placed again.
    pub fn take_back(&self, bids: usize) {
        self.bids.dec(bids as u64);
    }

    /// An auction was closed.
    pub fn closed(&self) {
        self.auctions.inc(1);
    }

    /// Removes the bars.
    pub fn clear(&self) {
        self.bids.finish_and_clear();
        self.auctions.finish_and_clear();
    }

    /// How fast it was so far.
    pub fn speed(&self) -> Speed {
        Speed {
            bids: self.placed.load(Ordering::Relaxed),
            bidding: Duration::from_millis(self.last_ms.load(Ordering::Relaxed)),
            all: self.begun.elapsed(),
        }
    }
}
