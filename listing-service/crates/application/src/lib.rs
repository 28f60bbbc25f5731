//! The use cases of listing: each opens a unit of work, loads under lock, decides in the domain,
//! saves, hands events to the outbox and commits.
//!
//! [`Listings`] is the whole surface: sellers and readers call [`draft`], [`change`], [`relist`] and [`read`],
//! the other contexts' facts come in through [`follow`].

pub mod change;
pub mod draft;
pub mod error;
pub mod follow;
pub mod read;
pub mod relist;

use std::sync::Arc;

use listing_domain::{ids::UserId, terms::DurationLimits};
use listing_ports::store::ListingStore;

/// The use cases over a store.
#[derive(Clone)]
pub struct Listings {
    store: Arc<dyn ListingStore>,
    limits: DurationLimits,
}

impl Listings {
    /// Over `store`; auctions last within `limits`.
    #[must_use]
    pub fn new(store: Arc<dyn ListingStore>, limits: DurationLimits) -> Self {
        Self { store, limits }
    }
}

/// Who calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The token's `sub`.
    pub id: UserId,
    /// Whether the token has the role `seller`.
    pub seller: bool,
    /// Whether the token has the role `admin`.
    pub admin: bool,
}

/// An outcome, and whether it is the kept answer of an earlier request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered<T> {
    /// What was decided.
    pub outcome: T,
    /// `true` when this request had no effect of its own.
    pub replayed: bool,
}
