//! The routes of settlements.

use std::{future::Future, time::Duration};

use axum::{
    Json,
    extract::{RawQuery, State},
    http::{HeaderMap, StatusCode, header::HeaderValue},
    response::{IntoResponse, Response},
};
use serde_json::json;
use settlement_application::{Answered, Outcome, Settlements, UseError};
use settlement_domain::{
    SettlementId,
    saga::{Act, MAX_PAYMENTS},
};
use tracing::Instrument;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    dto::{SettlementPage, SettlementView},
    query,
    requests::{Payment, Reception, Shipment},
};
use crate::{
    app::Api,
    auth::Authenticated,
    idempotency::{IdempotencyKey, request_key},
    input::{ApiId, ApiJson},
    openapi::{ReadProblems, WriteProblems},
    problem::ApiError,
};

/// All routes under `/v1/settlements`.
pub(crate) fn router() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(find))
        .routes(routes!(pay))
        .routes(routes!(ship))
        .routes(routes!(receive))
}

/// A write that takes longer waits for a database that is gone without a word, and others wait behind it. Statements and
/// locks have shorter limits of their own.
const ENDS_WITHIN: Duration = Duration::from_secs(30);

/// Runs a write to its end even if the client hangs up: a transaction is never cut in half.
pub(super) async fn to_its_end<T: Send + 'static>(
    write: impl Future<Output = Result<T, UseError>> + Send + 'static,
) -> Result<T, ApiError> {
    ends_within(ENDS_WITHIN, write).await
}

async fn ends_within<T: Send + 'static>(
    limit: Duration,
    write: impl Future<Output = Result<T, UseError>> + Send + 'static,
) -> Result<T, ApiError> {
    let write = tokio::time::timeout(limit, write.in_current_span());
    match tokio::spawn(write).await {
        Ok(Ok(result)) => result.map_err(ApiError::from),
        Ok(Err(_)) => {
            tracing::error!(limit_s = limit.as_secs(), "a write did not end and was given up");
            Err(UseError::Unknown.into())
        }
        Err(error) => {
            tracing::error!(%error, "a write ended abnormally");
            Err(ApiError::internal())
        }
    }
}

/// What was decided, the first time or now; a kept refusal is told like a new one.
pub(super) fn answer(answered: Answered<Outcome>, done: StatusCode) -> Response {
    let mut response = match answered.outcome {
        Outcome::Done { settlement } => (done, Json(SettlementView::from(*settlement))).into_response(),
        Outcome::Refused { status, event } => {
            let detail = format!("{event} is not possible while the settlement is {status}");
            let title = "The settlement's state does not allow it";
            ApiError::new(StatusCode::CONFLICT, "settlement-state", title, detail)
                .with("settlement_status", json!(status))
                .into_response()
        }
        Outcome::Late { event, deadline } => {
            let detail = format!("{event} came too late: the deadline was {}", deadline.to_rfc3339());
            ApiError::new(StatusCode::CONFLICT, "deadline-passed", "The deadline has passed", detail)
                .with("deadline", json!(deadline))
                .into_response()
        }
        Outcome::PaymentsExhausted => {
            let detail = format!("the payment was tried {MAX_PAYMENTS} times; no method is taken any more");
            let title = "The payment was tried too often";
            ApiError::new(StatusCode::CONFLICT, "payment-attempts-exhausted", title, detail).into_response()
        }
        Outcome::EvidenceFull => {
            let detail = "a dispute takes at most 20 pieces of evidence, both sides together";
            ApiError::new(StatusCode::CONFLICT, "evidence-full", "There is enough evidence", detail).into_response()
        }
        Outcome::NotAllowed { decision, allowed } => {
            let detail = format!("{decision} cannot be decided here; allowed: {}", allowed.join(", "));
            ApiError::new(StatusCode::CONFLICT, "decision-not-allowed", "The decision is not allowed here", detail)
                .with("operator_actions", json!(allowed))
                .into_response()
        }
        Outcome::NoPart { most, unit } => {
            let steps = if unit.get() > 1 { format!(", in steps of {unit}") } else { String::new() };
            ApiError::invalid("/amount", format!("is from {unit} to the seller's share, {most}{steps}")).into_response()
        }
        Outcome::NoNote => ApiError::invalid("/note", "is needed outside a dispute").into_response(),
        Outcome::ChargebackUnseen { seen, noted } => {
            let detail = format!("the settlement has {noted} chargebacks, and you saw {seen}; look again, then decide");
            ApiError::new(StatusCode::CONFLICT, "chargeback-unseen", "A chargeback has come since", detail)
                .with("chargebacks", json!(noted))
                .into_response()
        }
    };
    if answered.replayed {
        response.headers_mut().insert("idempotency-replayed", HeaderValue::from_static("true"));
    }
    response
}

/// Lists the caller's settlements, the newest first; an admin's are all.
#[utoipa::path(get, path = "/v1/settlements", operation_id = "listSettlements", tag = "settlements",
    params(query::ListQuery), responses((status = 200, description = "A page", body = SettlementPage), ReadProblems))]
async fn list(
    State(settlements): State<Settlements>,
    Authenticated(caller): Authenticated,
    RawQuery(parameters): RawQuery,
) -> Result<Json<SettlementPage>, ApiError> {
    let (filter, limit) = query::parse(&parameters.unwrap_or_default())?;
    Ok(Json(settlements.list(&caller, &filter, limit).await?.into()))
}

/// Reads a settlement. For all but its buyer, its seller and an admin there is none.
#[utoipa::path(get, path = "/v1/settlements/{id}", operation_id = "getSettlement", tag = "settlements",
    params(("id" = uuid::Uuid, Path, description = "The settlement")),
    responses((status = 200, description = "The settlement", body = SettlementView), ReadProblems))]
async fn find(
    State(settlements): State<Settlements>,
    Authenticated(caller): Authenticated,
    ApiId(id): ApiId,
) -> Result<Json<SettlementView>, ApiError> {
    Ok(Json(settlements.get(&caller, SettlementId::from(id)).await?.into()))
}

/// Pays; for the buyer. The answer comes before the gateway's: the settlement is `authorizing`, and moves on to
/// `escrowed` by itself, or back to `awaiting_payment` with `last_decline`. Then another method may be tried, with a
/// new Idempotency-Key, until `payment_due_at`, 100 times in all.
#[utoipa::path(post, path = "/v1/settlements/{id}/pay", operation_id = "paySettlement", tag = "settlements",
    params(("id" = uuid::Uuid, Path, description = "The settlement"), IdempotencyKey),
    request_body = Payment,
    responses((status = 202, description = "The gateway is asked to hold the money", body = SettlementView, headers(
        ("Idempotency-Replayed" = Option<String>, description = "`true` when this is the first request's answer"))),
        WriteProblems))]
async fn pay(
    State(settlements): State<Settlements>,
    Authenticated(caller): Authenticated,
    ApiId(id): ApiId,
    headers: HeaderMap,
    ApiJson(body): ApiJson<Payment>,
) -> Result<Response, ApiError> {
    let key = request_key(&headers, &caller.user, &format!("POST /v1/settlements/{id}/pay"), &body)?;
    let method = body.into_domain()?;
    let paid = async move { settlements.act(&caller, &key, SettlementId::from(id), Act::Pay(method)).await };
    Ok(answer(to_its_end(paid).await?, StatusCode::ACCEPTED))
}

/// Tells that the lot is on its way; for the seller.
#[utoipa::path(post, path = "/v1/settlements/{id}/ship", operation_id = "shipSettlement", tag = "settlements",
    params(("id" = uuid::Uuid, Path, description = "The settlement"), IdempotencyKey),
    request_body = Shipment,
    responses((status = 200, description = "Shipped", body = SettlementView, headers(
        ("Idempotency-Replayed" = Option<String>, description = "`true` when this is the first request's answer"))),
        WriteProblems))]
async fn ship(
    State(settlements): State<Settlements>,
    Authenticated(caller): Authenticated,
    ApiId(id): ApiId,
    headers: HeaderMap,
    ApiJson(body): ApiJson<Shipment>,
) -> Result<Response, ApiError> {
    let key = request_key(&headers, &caller.user, &format!("POST /v1/settlements/{id}/ship"), &body)?;
    let parcel = body.into_domain()?;
    let shipped = async move { settlements.act(&caller, &key, SettlementId::from(id), Act::Ship(parcel)).await };
    Ok(answer(to_its_end(shipped).await?, StatusCode::OK))
}

/// Tells that the lot came; for the buyer. The seller is paid by then, or in a moment.
#[utoipa::path(post, path = "/v1/settlements/{id}/receive", operation_id = "receiveSettlement", tag = "settlements",
    params(("id" = uuid::Uuid, Path, description = "The settlement"), IdempotencyKey),
    request_body = Reception,
    responses((status = 200, description = "Received", body = SettlementView, headers(
        ("Idempotency-Replayed" = Option<String>, description = "`true` when this is the first request's answer"))),
        WriteProblems))]
async fn receive(
    State(settlements): State<Settlements>,
    Authenticated(caller): Authenticated,
    ApiId(id): ApiId,
    headers: HeaderMap,
    ApiJson(body): ApiJson<Reception>,
) -> Result<Response, ApiError> {
    let key = request_key(&headers, &caller.user, &format!("POST /v1/settlements/{id}/receive"), &body)?;
    let received = async move { settlements.act(&caller, &key, SettlementId::from(id), Act::Receive).await };
    Ok(answer(to_its_end(received).await?, StatusCode::OK))
}

#[cfg(test)]
mod tests {
    use std::{future::pending, sync::Arc};

    use super::*;

    #[tokio::test]
    async fn a_write_that_never_ends_is_given_up_and_not_told_to_have_changed_nothing() {
        let held = Arc::new(());
        let lead = Arc::clone(&held);
        let write = async move {
            let done = pending::<Result<(), UseError>>().await;
            drop(lead);
            done
        };
        let error = ends_within(Duration::from_millis(10), write).await.expect_err("it never ends");
        assert_eq!(error.into_response().status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(Arc::strong_count(&held), 1, "what it held is free for others");
    }

    #[tokio::test]
    async fn a_write_goes_on_when_its_client_is_gone() {
        let (done, told) = tokio::sync::oneshot::channel();
        let (go, wait) = tokio::sync::oneshot::channel::<()>();
        let write = async move {
            let _ = wait.await;
            let _ = done.send(());
            Ok(())
        };
        let client = tokio::spawn(to_its_end(write));
        tokio::task::yield_now().await;
        client.abort();
        let _ = client.await;
        let _ = go.send(());
        told.await.expect("the write came to its end");
    }
}
