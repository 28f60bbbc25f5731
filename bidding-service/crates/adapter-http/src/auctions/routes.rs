//! The routes of auctions.

use std::sync::Arc;

use axum::{
    Json,
    extract::{RawQuery, State},
    http::{HeaderMap, HeaderValue, StatusCode},
    response::{IntoResponse, Response},
};
use bidding_application::place_bid::BidReply;
use bidding_domain::{ids::AuctionId, money::Amount};
use tracing::Instrument;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Api,
    dto::{Auction, BidPage, NewBid, PlacedBid, StreamEvent},
    query, stream,
};
use crate::{
    auth::Authenticated,
    idempotency::request_key,
    input::{ApiId, ApiJson, bad_request},
    metrics::DECISIONS,
    openapi::{ReadProblems, WriteProblems},
    problem::ApiError,
};

/// All routes under `/v1`.
pub(crate) fn router() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(find)).routes(routes!(bids, place_bid)).routes(routes!(follow))
}

/// Reads an auction.
#[utoipa::path(get, path = "/v1/auctions/{id}", operation_id = "getAuction", tag = "auctions",
    params(("id" = uuid::Uuid, Path, description = "The auction: its listing's id")),
    responses((status = 200, description = "The auction", body = Auction), ReadProblems))]
async fn find(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
    ApiId(id): ApiId,
) -> Result<Json<Auction>, ApiError> {
    Ok(Json(api.auctions.find(&caller.id, AuctionId(id)).await?.into()))
}

/// Lists the accepted bids, the latest first.
#[utoipa::path(get, path = "/v1/auctions/{id}/bids", operation_id = "listBids", tag = "auctions",
    params(("id" = uuid::Uuid, Path, description = "The auction"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 100, description = "Items of a page; 20 unless given")),
    responses((status = 200, description = "A page", body = BidPage), ReadProblems))]
async fn bids(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
    ApiId(id): ApiId,
    RawQuery(parameters): RawQuery,
) -> Result<Json<BidPage>, ApiError> {
    let history = query::parse(&parameters.unwrap_or_default())?;
    let page = api.auctions.bids(&caller.id, AuctionId(id), history.before, history.limit).await?;
    Ok(Json(BidPage {
        items: page.bids.into_iter().map(Into::into).collect(),
        next_cursor: page.next.map(query::encode),
    }))
}

/// Places a bid. A decision, for or against, is kept under its idempotency key.
#[utoipa::path(post, path = "/v1/auctions/{id}/bids", operation_id = "placeBid", tag = "auctions",
    params(("id" = uuid::Uuid, Path, description = "The auction"),
        ("Idempotency-Key" = String, Header, description = "1 to 255 characters; the same again when the request is repeated")),
    request_body = NewBid,
    responses((status = 201, description = "Accepted", body = PlacedBid, headers(
        ("Idempotency-Replayed" = Option<String>, description = "`true` when this is the first request's answer"))),
        WriteProblems))]
async fn place_bid(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
    ApiId(id): ApiId,
    headers: HeaderMap,
    ApiJson(body): ApiJson<NewBid>,
) -> Result<Response, ApiError> {
    if !caller.bidder {
        let title = "The caller may not do this";
        return Err(ApiError::new(StatusCode::FORBIDDEN, "forbidden", title, "only a bidder may bid"));
    }
    let max = Amount::new(body.max_amount).ok().filter(|max| *max > Amount::ZERO).ok_or_else(|| {
        ApiError::invalid("/max_amount", format!("must lie between 1 and {} minor units", Amount::MAX.minor()))
    })?;
    let key = request_key(&headers, &caller.id, &format!("POST /v1/auctions/{id}/bids"), &body)?;
    let auctions = api.auctions.clone();
    // Runs to its end even if the client hangs up: a transaction is never cut in half.
    let placed = tokio::spawn(async move { auctions.place_bid(&key, AuctionId(id), max).await }.in_current_span());
    let answered = placed.await.map_err(|error| {
        tracing::error!(%error, "a bid ended abnormally");
        ApiError::internal()
    })??;
    let mut response = match answered.outcome {
        BidReply::Accepted { bid_id, outcome, auction } => {
            DECISIONS.with_label_values(&["accepted"]).inc();
            let placed = PlacedBid { bid_id: bid_id.0, outcome: outcome.into(), auction: auction.into() };
            (StatusCode::CREATED, Json(placed)).into_response()
        }
        BidReply::Refused { refusal } => {
            let problem = ApiError::from(&refusal);
            DECISIONS.with_label_values(&[problem.slug()]).inc();
            problem.into_response()
        }
    };
    if answered.replayed {
        response.headers_mut().insert("idempotency-replayed", HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// Streams the auction's events from the first, or after `Last-Event-ID`, and then as they happen.
#[utoipa::path(get, path = "/v1/auctions/{id}/stream", operation_id = "streamAuction", tag = "auctions",
    params(("id" = uuid::Uuid, Path, description = "The auction"),
        ("Last-Event-ID" = Option<u64>, Header, description = "The last event that the client has")),
    responses((status = 200, description = "Server-sent events; `id` is the sequence, `data` as below",
        content_type = "text/event-stream", body = StreamEvent), ReadProblems))]
async fn follow(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
    ApiId(id): ApiId,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let after = match headers.get("last-event-id") {
        None => 0,
        Some(value) => value.to_str().ok().and_then(|value| value.trim().parse().ok()).ok_or_else(|| {
            bad_request("malformed-header", "Last-Event-ID is no number", "send the id of the last event that you have")
        })?,
    };
    let place = Arc::clone(&api.streams).try_acquire_owned();
    let place = place.map_err(|_| ApiError::unavailable("there are too many streams", 5))?;
    let events = api.auctions.stream(&caller.id, AuctionId(id), after).await?;
    Ok(stream::serve(events, api.end_streams.clone(), place).into_response())
}
