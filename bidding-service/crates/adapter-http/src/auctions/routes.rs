//! The routes of bidders.

use axum::{
    Json,
    extract::{Path, RawQuery, State, rejection::PathRejection},
    http::{HeaderMap, HeaderValue, StatusCode},
    response::{IntoResponse, Response},
};
use bidding_application::{error::UseError, place_bid::BidReply};
use bidding_domain::{
    bid::Ask,
    ids::{AuctionId, BidId},
    money::Amount,
};
use bidding_ports::idempotency::RequestKey;
use tracing::Instrument;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Api,
    dto::{Auction, BidPage, BuyNow, NewBid, NewDecline, NewRetraction, PlacedBid, Retraction},
    operator::checked_reason,
    query, stream,
    stream_event::StreamEvent,
};
use crate::{
    auth::{Authenticated, Caller},
    idempotency::{IdempotencyKey, request_key},
    input::{ApiId, ApiJson, bad_request},
    metrics::DECISIONS,
    openapi::{Problem, ReadProblems, WriteProblems},
    problem::ApiError,
};

/// What bidders do.
pub(crate) fn router() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(find))
        .routes(routes!(bids, place_bid))
        .routes(routes!(buy_now))
        .routes(routes!(retract))
        .routes(routes!(decline))
        .routes(routes!(follow))
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
    params(("id" = uuid::Uuid, Path, description = "The auction"), query::PageQuery),
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
    params(("id" = uuid::Uuid, Path, description = "The auction"), IdempotencyKey),
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
    only_bidders(&caller)?;
    let max = Amount::new(body.max_amount).ok().filter(|max| *max > Amount::ZERO).ok_or_else(|| {
        ApiError::invalid("/max_amount", format!("must lie between 1 and {} minor units", Amount::MAX.minor()))
    })?;
    if body.quantity == 0 {
        return Err(ApiError::invalid("/quantity", "must be at least 1"));
    }
    let key = request_key(&headers, &caller.id, &format!("POST /v1/auctions/{id}/bids"), &body)?;
    decided(&api, key, AuctionId(id), Ask::Bid { max, quantity: body.quantity }).await
}

/// Buys the lot at once, at the seller's price for that. Decided and kept like a bid.
#[utoipa::path(post, path = "/v1/auctions/{id}/buy-now", operation_id = "buyNow", tag = "auctions",
    params(("id" = uuid::Uuid, Path, description = "The auction"), IdempotencyKey),
    request_body = BuyNow,
    responses((status = 201, description = "The lot is the caller's", body = PlacedBid, headers(
        ("Idempotency-Replayed" = Option<String>, description = "`true` when this is the first request's answer"))),
        WriteProblems))]
async fn buy_now(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
    ApiId(id): ApiId,
    headers: HeaderMap,
    ApiJson(body): ApiJson<BuyNow>,
) -> Result<Response, ApiError> {
    only_bidders(&caller)?;
    let key = request_key(&headers, &caller.id, &format!("POST /v1/auctions/{id}/buy-now"), &body)?;
    decided(&api, key, AuctionId(id), Ask::BuyNow).await
}

async fn decided(api: &Api, key: RequestKey, auction: AuctionId, ask: Ask) -> Result<Response, ApiError> {
    let answered = api.auctions.place_bid(key, auction, ask).await?;
    let mut response = match answered.outcome {
        BidReply::Accepted { bid_id, outcome, auction } => {
            DECISIONS.with_label_values(&["accepted"]).inc();
            let placed = PlacedBid { bid_id: bid_id.0, outcome: outcome.into(), auction: (*auction).into() };
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

/// Takes a bid back: with more than 12 hours to go all bids of the caller, else only one of the last hour.
#[utoipa::path(post, path = "/v1/auctions/{id}/bids/{bid}/retract", operation_id = "retractBid", tag = "auctions",
    params(("id" = uuid::Uuid, Path, description = "The auction"), ("bid" = uuid::Uuid, Path, description = "The bid")),
    request_body = NewRetraction,
    responses((status = 200, description = "Taken back", body = Retraction), WriteProblems))]
async fn retract(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
    path: Result<Path<(String, String)>, PathRejection>,
    ApiJson(body): ApiJson<NewRetraction>,
) -> Result<Json<Retraction>, ApiError> {
    only_bidders(&caller)?;
    let Path((id, bid)) = path.map_err(|_| ApiError::not_found("the path is not readable"))?;
    let id_of =
        |text: String| text.parse().map_err(|_| ApiError::not_found("there is nothing by this id; ids are UUIDs"));
    let reason = body.reason.as_deref().map(checked_reason).transpose()?;
    let (id, bid) = (AuctionId(id_of(id)?), BidId(id_of(bid)?));
    let auctions = api.auctions;
    let retraction = to_its_end(async move { auctions.retract(&caller.id, id, bid, reason.as_deref()).await }).await?;
    let retracted = retraction.gone.into_iter().map(|bid| bid.0).collect();
    Ok(Json(Retraction { retracted, auction: retraction.auction.into() }))
}

/// Declines a lot of which the caller won less than was wanted.
#[utoipa::path(post, path = "/v1/auctions/{id}/decline", operation_id = "declineAward", tag = "auctions",
    params(("id" = uuid::Uuid, Path, description = "The auction")),
    request_body = NewDecline,
    responses((status = 200, description = "Declined", body = Auction), WriteProblems))]
async fn decline(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
    ApiId(id): ApiId,
    ApiJson(NewDecline {}): ApiJson<NewDecline>,
) -> Result<Json<Auction>, ApiError> {
    only_bidders(&caller)?;
    let auctions = api.auctions;
    Ok(Json(to_its_end(async move { auctions.decline(&caller.id, AuctionId(id)).await }).await?.into()))
}

fn only_bidders(caller: &Caller) -> Result<(), ApiError> {
    if caller.bidder {
        return Ok(());
    }
    let title = "The caller may not do this";
    Err(ApiError::new(StatusCode::FORBIDDEN, "forbidden", title, "only a bidder may bid"))
}

/// Runs a write to its end even if the client hangs up: a transaction is never cut in half.
pub(super) async fn to_its_end<T: Send + 'static>(
    work: impl Future<Output = Result<T, UseError>> + Send + 'static,
) -> Result<T, ApiError> {
    let done = tokio::spawn(work.in_current_span()).await.map_err(|error| {
        tracing::error!(%error, "a write ended abnormally");
        ApiError::internal()
    })?;
    Ok(done?)
}

/// Streams the auction's events from the first, or after `Last-Event-ID`, and then as they happen.
/// A caller has at most 20 streams at once; one more is refused as `too-many-streams` (429).
#[utoipa::path(get, path = "/v1/auctions/{id}/stream", operation_id = "streamAuction", tag = "auctions",
    params(("id" = uuid::Uuid, Path, description = "The auction"), query::LastEvent),
    responses((status = 200, description = "Server-sent events; `id` is the sequence, `data` as below",
        content_type = "text/event-stream", body = StreamEvent),
        (status = 400, description = "`Last-Event-ID` is no number", body = Problem,
            content_type = "application/problem+json"), ReadProblems))]
async fn follow(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
    ApiId(id): ApiId,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let after = match headers.get("last-event-id") {
        None => 0,
        Some(value) => {
            let number = value.to_str().ok().and_then(|value| value.trim().parse::<i64>().ok());
            number.and_then(|number| u64::try_from(number).ok()).ok_or_else(|| {
                let detail = "send the id of the last event that you have";
                bad_request("malformed-header", "Last-Event-ID is no number", detail)
            })?
        }
    };
    let place = api.streams.take(&caller.id)?;
    let events = api.auctions.stream(&caller.id, AuctionId(id), after).await?;
    Ok(stream::serve(events, api.end_streams.clone(), place).into_response())
}
