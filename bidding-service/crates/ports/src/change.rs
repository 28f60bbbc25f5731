//! Word that an auction has new events, from this instance or another.

use bidding_domain::ids::AuctionId;

/// Hears of new events. Word may come late, twice or not at all: it only wakes readers, who read
/// the store.
#[cfg_attr(feature = "mock", mockall::automock)]
pub trait ChangeListener: Send + Sync {
    /// The auction's events up to number `sequence` are committed. MUST NOT block.
    fn advanced(&self, auction: AuctionId, sequence: u64);
}
