//! Auctions over HTTP: the routes, what they take and give ([`dto`]), and the live stream.

pub mod dto;
#[cfg(test)]
mod fuzz;
mod operator;
mod places;
mod query;
pub mod receipt;
pub mod routes;
mod stream;
mod stream_event;

use bidding_application::Auctions;
use tokio_util::sync::CancellationToken;
use utoipa_axum::router::OpenApiRouter;

use self::{places::Places, receipt::Signer};

/// All routes under `/v1`.
pub(crate) fn router() -> OpenApiRouter<Api> {
    routes::router().merge(receipt::router()).merge(operator::router())
}

/// What the routes work with.
#[derive(Clone)]
pub(crate) struct Api {
    auctions: Auctions,
    end_streams: CancellationToken,
    streams: Places,
    signer: Signer,
}

impl Api {
    pub(crate) fn new(auctions: Auctions, end_streams: CancellationToken, signer: Signer) -> Self {
        Self { auctions, end_streams, streams: Places::default(), signer }
    }
}
