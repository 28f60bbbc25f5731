//! What the other contexts are told about a listing.

use chrono::{DateTime, Utc};

use crate::{
    ids::{ListingId, UserId},
    terms::Terms,
};

/// A domain event with its place in the listing's sequence: 1, 2, 3 … without a gap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListingEvent {
    /// Whose.
    pub listing_id: ListingId,
    /// Its number.
    pub sequence: u64,
    /// When it happened.
    pub at: DateTime<Utc>,
    /// What happened.
    pub what: Happening,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happening {
    /// The terms are final; bidding opens at `starts_at`.
    Published {
        /// Who sells.
        seller: UserId,
        /// What it is called.
        title: String,
        /// Its category.
        category: String,
        /// The final terms.
        terms: Terms,
        /// When bidding opens.
        starts_at: DateTime<Utc>,
        /// The listing that this one repeats.
        relisted_from: Option<ListingId>,
    },
    /// The description changed.
    Revised {
        /// The listing's version after it.
        version: u64,
        /// What it is called now.
        title: String,
        /// Its category now.
        category: String,
    },
    /// The seller asks to take it back; bidding decides.
    CancellationRequested {
        /// Who asks.
        seller: UserId,
    },
}
