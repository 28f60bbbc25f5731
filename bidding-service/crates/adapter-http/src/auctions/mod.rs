//! Auctions over HTTP: the routes, what they take and give ([`dto`]), and the live stream.

pub mod dto;
mod query;
pub mod routes;
mod stream;

use std::sync::Arc;

use bidding_application::Auctions;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// Most streams at once.
const MAX_STREAMS: usize = 10_000;

/// What the routes work with.
#[derive(Clone)]
pub(crate) struct Api {
    auctions: Auctions,
    end_streams: CancellationToken,
    streams: Arc<Semaphore>,
}

impl Api {
    pub(crate) fn new(auctions: Auctions, end_streams: CancellationToken) -> Self {
        Self { auctions, end_streams, streams: Arc::new(Semaphore::new(MAX_STREAMS)) }
    }
}
