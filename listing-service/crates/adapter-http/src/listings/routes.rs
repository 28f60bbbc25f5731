//! The routes of listings.

use std::future::Future;

use axum::{
    Json,
    extract::{RawQuery, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use listing_application::{Caller, Listings, error::UseError};
use listing_domain::{ids::ListingId, listing::Listing};
use tracing::Instrument;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    dto::{ListingPage, ListingPatch, ListingView, NewListing},
    query,
};
use crate::{
    auth::Authenticated,
    idempotency::{IdempotencyKey, request_key},
    input::{ApiId, ApiJson, ExpectedVersion, IfMatch, RevisedVersion, etag, if_match},
    openapi::{ReadProblems, WriteProblems},
    problem::ApiError,
};

/// All routes under `/v1`.
pub(crate) fn router() -> OpenApiRouter<Listings> {
    OpenApiRouter::new()
        .routes(routes!(create, browse))
        .routes(routes!(find, revise))
        .routes(routes!(publish))
        .routes(routes!(cancel))
        .routes(routes!(relist))
}

/// Runs a write to its end even if the client hangs up: a transaction is never cut in half.
async fn to_its_end<T: Send + 'static>(
    write: impl Future<Output = Result<T, UseError>> + Send + 'static,
) -> Result<T, ApiError> {
    match tokio::spawn(write.in_current_span()).await {
        Ok(result) => result.map_err(ApiError::from),
        Err(error) => {
            tracing::error!(%error, "a write ended abnormally");
            Err(ApiError::internal())
        }
    }
}

fn answer(listing: &Listing, caller: &Caller, status: StatusCode) -> Response {
    (status, [(header::ETAG, etag(listing.version))], Json(ListingView::of(listing, caller))).into_response()
}

/// Drafts a listing.
#[utoipa::path(post, path = "/v1/listings", operation_id = "createListing", tag = "listings",
    params(IdempotencyKey),
    request_body = NewListing,
    responses((status = 201, description = "Drafted", body = ListingView, headers(
        ("Location" = String, description = "Where the listing is"),
        ("ETag" = String, description = "Its version"),
        ("Idempotency-Replayed" = Option<String>, description = "`true` when this is the first request's answer"))),
        WriteProblems))]
async fn create(
    State(listings): State<Listings>,
    Authenticated(caller): Authenticated,
    headers: HeaderMap,
    ApiJson(body): ApiJson<NewListing>,
) -> Result<Response, ApiError> {
    let key = request_key(&headers, &caller.id, "POST /v1/listings", &body)?;
    let (description, terms) = body.into_domain()?;
    let asking = caller.clone();
    let answered = to_its_end(async move { listings.draft(&asking, &key, &description, &terms).await }).await?;
    Ok(replayable(created(&answered.outcome, &caller), answered.replayed))
}

/// 201, and where the listing is.
fn created(listing: &Listing, caller: &Caller) -> Response {
    let mut response = answer(listing, caller, StatusCode::CREATED);
    if let Ok(location) = format!("/v1/listings/{}", listing.id).parse() {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// Says so when it is the first request's answer.
fn replayable(mut response: Response, replayed: bool) -> Response {
    if replayed {
        response.headers_mut().insert("idempotency-replayed", header::HeaderValue::from_static("true"));
    }
    response
}

/// Lists what is for sale; drafts only to their seller.
#[utoipa::path(get, path = "/v1/listings", operation_id = "listListings", tag = "listings",
    params(query::BrowseQuery), responses((status = 200, description = "A page", body = ListingPage), ReadProblems))]
async fn browse(
    State(listings): State<Listings>,
    Authenticated(caller): Authenticated,
    RawQuery(parameters): RawQuery,
) -> Result<Json<ListingPage>, ApiError> {
    let browse = query::parse(&parameters.unwrap_or_default(), caller.id.clone())?;
    let page = listings.browse(&browse).await?;
    Ok(Json(ListingPage {
        items: page.listings.iter().map(|listing| ListingView::of(listing, &caller)).collect(),
        next_cursor: page.next.map(|position| query::encode(position, browse.sort)),
    }))
}

/// Reads a listing.
#[utoipa::path(get, path = "/v1/listings/{id}", operation_id = "getListing", tag = "listings",
    params(("id" = uuid::Uuid, Path, description = "The listing")),
    responses((status = 200, description = "The listing", body = ListingView,
        headers(("ETag" = String, description = "Its version"))), (status = 304, description = "Unchanged"), ReadProblems))]
async fn find(
    State(listings): State<Listings>,
    Authenticated(caller): Authenticated,
    ApiId(id): ApiId,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let listing = listings.find(&caller, ListingId(id)).await?;
    let tag = etag(listing.version);
    if headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes()) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response());
    }
    Ok(answer(&listing, &caller, StatusCode::OK))
}

/// Revises a listing: a draft in all, a published one in its description.
#[utoipa::path(patch, path = "/v1/listings/{id}", operation_id = "reviseListing", tag = "listings",
    params(("id" = uuid::Uuid, Path, description = "The listing"), RevisedVersion),
    request_body(content((ListingPatch = "application/json"), (ListingPatch = "application/merge-patch+json"))),
    responses((status = 200, description = "Revised", body = ListingView,
        headers(("ETag" = String, description = "Its version"))), WriteProblems))]
async fn revise(
    State(listings): State<Listings>,
    Authenticated(caller): Authenticated,
    ApiId(id): ApiId,
    headers: HeaderMap,
    ApiJson(patch): ApiJson<ListingPatch>,
) -> Result<Response, ApiError> {
    let condition = if_match(&headers)?;
    if condition == IfMatch::Absent {
        let title = "The version that is revised must be named";
        let detail = "send the listing's ETag as If-Match, so that nobody's change is overwritten unseen";
        return Err(ApiError::new(StatusCode::PRECONDITION_REQUIRED, "precondition-required", title, detail));
    }
    let current = listings.find(&caller, ListingId(id)).await?;
    // The patch is merged into the version that was read: exactly that one has to be there still.
    let version = condition.version().unwrap_or(current.version);
    if version != current.version {
        return Err(UseError::Stale { current: current.version }.into());
    }
    let revision = patch.into_revision(&current.terms)?;
    let asking = caller.clone();
    let revised = async move { listings.revise(&asking, ListingId(id), version, &revision).await };
    Ok(answer(&to_its_end(revised).await?, &caller, StatusCode::OK))
}

/// Publishes a draft: its terms are final then, and bidding opens at its start.
#[utoipa::path(post, path = "/v1/listings/{id}/publish", operation_id = "publishListing", tag = "listings",
    params(("id" = uuid::Uuid, Path, description = "The listing"), ExpectedVersion),
    responses((status = 200, description = "Published, now or before", body = ListingView,
        headers(("ETag" = String, description = "Its version"))), WriteProblems))]
async fn publish(
    State(listings): State<Listings>,
    Authenticated(caller): Authenticated,
    ApiId(id): ApiId,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let version = if_match(&headers)?.version();
    let asking = caller.clone();
    let published = async move { listings.publish(&asking, ListingId(id), version).await };
    Ok(answer(&to_its_end(published).await?, &caller, StatusCode::OK))
}

/// Takes a listing back. A draft is cancelled at once (200). Of a published one bidding is asked
/// (202): it agrees if there is no bid, and `status` tells so within moments.
#[utoipa::path(post, path = "/v1/listings/{id}/cancel", operation_id = "cancelListing", tag = "listings",
    params(("id" = uuid::Uuid, Path, description = "The listing"), ExpectedVersion),
    responses((status = 200, description = "Cancelled", body = ListingView),
        (status = 202, description = "Bidding is asked", body = ListingView), WriteProblems))]
async fn cancel(
    State(listings): State<Listings>,
    Authenticated(caller): Authenticated,
    ApiId(id): ApiId,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let version = if_match(&headers)?.version();
    let asking = caller.clone();
    let cancelled = to_its_end(async move { listings.cancel(&asking, ListingId(id), version).await }).await?;
    let status = if cancelled.status() == "cancelled" { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok(answer(&cancelled, &caller, status))
}

/// Lists a lot again that was not sold, or whose sale failed: a new listing on the same terms, for as long as before,
/// published at once. An offer of a second chance is withdrawn by that. A lot is listed again once, then its new listing
/// is; who wants other terms drafts a new listing.
#[utoipa::path(post, path = "/v1/listings/{id}/relist", operation_id = "relistListing", tag = "listings",
    params(("id" = uuid::Uuid, Path, description = "The listing of before"), IdempotencyKey),
    responses((status = 201, description = "Published; `relisted_from` names the listing of before", body = ListingView, headers(
        ("Location" = String, description = "Where the new listing is"),
        ("ETag" = String, description = "Its version"),
        ("Idempotency-Replayed" = Option<String>, description = "`true` when this is the first request's answer"))),
        WriteProblems))]
async fn relist(
    State(listings): State<Listings>,
    Authenticated(caller): Authenticated,
    ApiId(id): ApiId,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let key = request_key(&headers, &caller.id, &format!("POST /v1/listings/{id}/relist"), &())?;
    let asking = caller.clone();
    let answered = to_its_end(async move { listings.relist(&asking, &key, ListingId(id)).await }).await?;
    let response = match answered.outcome {
        Ok(listing) => created(&listing, &caller),
        Err(refusal) => ApiError::from(UseError::Refused(refusal)).into_response(),
    };
    Ok(replayable(response, answered.replayed))
}
