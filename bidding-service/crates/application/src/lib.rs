//! The use cases of bidding: each opens a unit of work, loads under lock, decides in the domain,
//! saves, hands events to the outbox and commits.
//!
//! [`Auctions`] is the whole surface: bidders call [`place_bid`], [`read`] and [`stream`], a timer
//! drives [`close`](mod@close), the other contexts' facts come in through [`follow`].

pub mod close;
pub mod error;
pub mod follow;
pub mod live_feed;
pub mod place_bid;
pub mod read;
pub mod stream;

use std::sync::Arc;

use bidding_domain::alias::Aliases;
use bidding_ports::store::AuctionStore;

use crate::live_feed::LiveFeed;

/// The use cases over a store.
#[derive(Clone)]
pub struct Auctions {
    store: Arc<dyn AuctionStore>,
    feed: Arc<LiveFeed>,
    aliases: Aliases,
}

impl Auctions {
    /// Over `store`; streams wake by `feed`, bidders are called by `aliases`.
    #[must_use]
    pub fn new(store: Arc<dyn AuctionStore>, feed: Arc<LiveFeed>, aliases: Aliases) -> Self {
        Self { store, feed, aliases }
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
