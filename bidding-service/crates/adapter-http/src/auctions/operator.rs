//! The routes of the operator: an auction, or all of them, is paused, resumed or taken back.

use axum::{Json, extract::State, http::StatusCode};
use bidding_application::manage::Operation;
use bidding_domain::ids::AuctionId;
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use super::{
    Api,
    dto::{Auction, House, Reason, Resume},
    routes::to_its_end,
};
use crate::{
    auth::{Authenticated, Caller},
    input::{ApiId, ApiJson},
    openapi::WriteProblems,
    problem::ApiError,
};

/// Longest reason, characters.
const MAX_REASON: usize = 1_000;

/// What the operator does.
pub(crate) fn router() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(pause))
        .routes(routes!(resume))
        .routes(routes!(cancel))
        .routes(routes!(pause_all))
        .routes(routes!(resume_all))
}

/// Pauses an auction: bids are refused, and the time is given back when it goes on.
#[utoipa::path(post, path = "/v1/auctions/{id}/pause", operation_id = "pauseAuction", tag = "operator",
    params(("id" = Uuid, Path, description = "The auction")), request_body = Reason,
    responses((status = 200, description = "Paused", body = Auction), WriteProblems))]
async fn pause(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
    ApiId(id): ApiId,
    ApiJson(body): ApiJson<Reason>,
) -> Result<Json<Auction>, ApiError> {
    operate(api, caller, id, Operation::Pause { reason: checked_reason(&body.reason)? }).await
}

/// Lets a paused auction go on; its end is later by as long as it rested.
#[utoipa::path(post, path = "/v1/auctions/{id}/resume", operation_id = "resumeAuction", tag = "operator",
    params(("id" = Uuid, Path, description = "The auction")), request_body = Resume,
    responses((status = 200, description = "Goes on", body = Auction), WriteProblems))]
async fn resume(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
    ApiId(id): ApiId,
    ApiJson(Resume {}): ApiJson<Resume>,
) -> Result<Json<Auction>, ApiError> {
    operate(api, caller, id, Operation::Resume).await
}

/// Takes a lot back, whoever bid. The reason is kept and told.
#[utoipa::path(post, path = "/v1/auctions/{id}/cancel", operation_id = "cancelAuction", tag = "operator",
    params(("id" = Uuid, Path, description = "The auction")), request_body = Reason,
    responses((status = 200, description = "Taken back", body = Auction), WriteProblems))]
async fn cancel(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
    ApiId(id): ApiId,
    ApiJson(body): ApiJson<Reason>,
) -> Result<Json<Auction>, ApiError> {
    operate(api, caller, id, Operation::Cancel { reason: checked_reason(&body.reason)? }).await
}

/// Pauses all auctions, also those that open meanwhile.
#[utoipa::path(post, path = "/v1/auctions/pause", operation_id = "pauseAllAuctions", tag = "operator",
    request_body = Reason, responses((status = 200, description = "All auctions rest", body = House), WriteProblems))]
async fn pause_all(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
    ApiJson(body): ApiJson<Reason>,
) -> Result<Json<House>, ApiError> {
    only_operators(&caller)?;
    let (auctions, reason) = (api.auctions, checked_reason(&body.reason)?);
    let changed = to_its_end(async move { auctions.pause_all(&reason).await }).await?;
    Ok(Json(House { changed, paused: true }))
}

/// Lets all auctions go on; each gets the time back.
#[utoipa::path(post, path = "/v1/auctions/resume", operation_id = "resumeAllAuctions", tag = "operator",
    request_body = Resume, responses((status = 200, description = "All auctions go on", body = House), WriteProblems))]
async fn resume_all(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
    ApiJson(Resume {}): ApiJson<Resume>,
) -> Result<Json<House>, ApiError> {
    only_operators(&caller)?;
    let auctions = api.auctions;
    let changed = to_its_end(async move { auctions.resume_all().await }).await?;
    Ok(Json(House { changed, paused: false }))
}

async fn operate(api: Api, caller: Caller, id: Uuid, operation: Operation) -> Result<Json<Auction>, ApiError> {
    only_operators(&caller)?;
    let auctions = api.auctions;
    let work = async move { auctions.operate(&caller.id, AuctionId(id), &operation).await };
    Ok(Json(to_its_end(work).await?.into()))
}

fn only_operators(caller: &Caller) -> Result<(), ApiError> {
    if caller.admin {
        return Ok(());
    }
    let title = "The caller may not do this";
    Err(ApiError::new(StatusCode::FORBIDDEN, "forbidden", title, "only the operator may (role admin)"))
}

/// A reason as it is kept.
pub(super) fn checked_reason(reason: &str) -> Result<String, ApiError> {
    let reason = reason.trim();
    let sound = (1..=MAX_REASON).contains(&reason.chars().count()) && !reason.chars().any(char::is_control);
    if sound {
        Ok(reason.to_owned())
    } else {
        Err(ApiError::invalid("/reason", format!("has 1 to {MAX_REASON} characters, and no control characters")))
    }
}
