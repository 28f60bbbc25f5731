//! What people may do about a settlement besides the good path: decline, dispute, testify, cancel, decide.

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use settlement_application::Settlements;
use settlement_domain::{SettlementId, saga::Act};
use settlement_ports::{RequestKey, Viewer};
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use super::{
    dto::SettlementView,
    requests::{Complaint, OperatorDecision, Testimony, Wish},
    routes::{answer, to_its_end},
};
use crate::{
    app::Api,
    auth::Authenticated,
    idempotency::{IdempotencyKey, request_key},
    input::{ApiId, ApiJson},
    openapi::WriteProblems,
    problem::ApiError,
};

/// All detours under `/v1/settlements`.
pub(crate) fn router() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(decline))
        .routes(routes!(dispute))
        .routes(routes!(evidence))
        .routes(routes!(cancel))
        .routes(routes!(resolve))
}

async fn act(
    settlements: Settlements,
    caller: Viewer,
    key: RequestKey,
    id: Uuid,
    act: Act,
) -> Result<Response, ApiError> {
    let done = async move { settlements.act(&caller, &key, SettlementId::from(id), act).await };
    Ok(answer(to_its_end(done).await?, StatusCode::OK))
}

/// Declines a second chance; for the contender it is offered to. The next contender is asked at once.
#[utoipa::path(post, path = "/v1/settlements/{id}/decline", operation_id = "declineSettlement", tag = "settlements",
    params(("id" = uuid::Uuid, Path, description = "The settlement"), IdempotencyKey),
    request_body = Wish,
    responses((status = 200, description = "Declined", body = SettlementView, headers(
        ("Idempotency-Replayed" = Option<String>, description = "`true` when this is the first request's answer"))),
        WriteProblems))]
async fn decline(
    State(settlements): State<Settlements>,
    Authenticated(caller): Authenticated,
    ApiId(id): ApiId,
    headers: HeaderMap,
    ApiJson(body): ApiJson<Wish>,
) -> Result<Response, ApiError> {
    let key = request_key(&headers, &caller.user, &format!("POST /v1/settlements/{id}/decline"), &body)?;
    let decided = Act::Decline;
    act(settlements, caller, key, id, decided).await
}

/// Complains about what came, or did not come, while the lot is `shipped`; for the buyer, and for the role `admin`, who
/// stops the payout so, but not in a matter of the own. No time runs until the operator has decided.
#[utoipa::path(post, path = "/v1/settlements/{id}/dispute", operation_id = "disputeSettlement", tag = "settlements",
    params(("id" = uuid::Uuid, Path, description = "The settlement"), IdempotencyKey),
    request_body = Complaint,
    responses((status = 200, description = "Disputed", body = SettlementView, headers(
        ("Idempotency-Replayed" = Option<String>, description = "`true` when this is the first request's answer"))),
        WriteProblems))]
async fn dispute(
    State(settlements): State<Settlements>,
    Authenticated(caller): Authenticated,
    ApiId(id): ApiId,
    headers: HeaderMap,
    ApiJson(body): ApiJson<Complaint>,
) -> Result<Response, ApiError> {
    let key = request_key(&headers, &caller.user, &format!("POST /v1/settlements/{id}/dispute"), &body)?;
    let decided = Act::Dispute(caller.user.clone(), body.into_domain()?);
    act(settlements, caller, key, id, decided).await
}

/// Adds to a dispute; for buyer and seller, at most 20 times in all.
#[utoipa::path(post, path = "/v1/settlements/{id}/evidence", operation_id = "addEvidence", tag = "settlements",
    params(("id" = uuid::Uuid, Path, description = "The settlement"), IdempotencyKey),
    request_body = Testimony,
    responses((status = 200, description = "Added", body = SettlementView, headers(
        ("Idempotency-Replayed" = Option<String>, description = "`true` when this is the first request's answer"))),
        WriteProblems))]
async fn evidence(
    State(settlements): State<Settlements>,
    Authenticated(caller): Authenticated,
    ApiId(id): ApiId,
    headers: HeaderMap,
    ApiJson(body): ApiJson<Testimony>,
) -> Result<Response, ApiError> {
    let key = request_key(&headers, &caller.user, &format!("POST /v1/settlements/{id}/evidence"), &body)?;
    let decided = Act::Evidence(caller.user.clone(), body.into_domain()?);
    act(settlements, caller, key, id, decided).await
}

/// Wishes to call the sale off; for buyer and seller, before payment or before shipping. Once both wish it, the sale is
/// off: whatever was paid goes back, and nobody gets a strike.
#[utoipa::path(post, path = "/v1/settlements/{id}/cancel", operation_id = "cancelSettlement", tag = "settlements",
    params(("id" = uuid::Uuid, Path, description = "The settlement"), IdempotencyKey),
    request_body = Wish,
    responses((status = 200, description = "Wished, or off", body = SettlementView, headers(
        ("Idempotency-Replayed" = Option<String>, description = "`true` when this is the first request's answer"))),
        WriteProblems))]
async fn cancel(
    State(settlements): State<Settlements>,
    Authenticated(caller): Authenticated,
    ApiId(id): ApiId,
    headers: HeaderMap,
    ApiJson(body): ApiJson<Wish>,
) -> Result<Response, ApiError> {
    let key = request_key(&headers, &caller.user, &format!("POST /v1/settlements/{id}/cancel"), &body)?;
    let decided = Act::Cancel(caller.user.clone());
    act(settlements, caller, key, id, decided).await
}

/// Decides a dispute, or what the service could not; for the role `admin`, and not in a matter of the own. What may be
/// decided is listed in `operator_actions`. If more `chargebacks` are noted than were seen: 409 `chargeback-unseen`.
#[utoipa::path(post, path = "/v1/settlements/{id}/resolve", operation_id = "resolveSettlement", tag = "settlements",
    params(("id" = uuid::Uuid, Path, description = "The settlement"), IdempotencyKey),
    request_body = OperatorDecision,
    responses((status = 200, description = "Decided", body = SettlementView, headers(
        ("Idempotency-Replayed" = Option<String>, description = "`true` when this is the first request's answer"))),
        WriteProblems))]
async fn resolve(
    State(settlements): State<Settlements>,
    Authenticated(caller): Authenticated,
    ApiId(id): ApiId,
    headers: HeaderMap,
    ApiJson(body): ApiJson<OperatorDecision>,
) -> Result<Response, ApiError> {
    let key = request_key(&headers, &caller.user, &format!("POST /v1/settlements/{id}/resolve"), &body)?;
    let decided = Act::Resolve(body.into_domain(caller.user.clone())?);
    act(settlements, caller, key, id, decided).await
}
