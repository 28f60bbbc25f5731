//! How people stand: strikes, suspension, reinstatement.

use axum::{
    Json,
    extract::{FromRequestParts, Path, State},
    http::{HeaderMap, StatusCode, header::HeaderValue, request::Parts},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use settlement_application::{Reinstated, Settlements};
use settlement_domain::{Standing, UserId};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use super::{dto::PartyName, requests::statement, routes::to_its_end};
use crate::{
    app::Api,
    auth::Authenticated,
    idempotency::{IdempotencyKey, request_key},
    input::ApiJson,
    openapi::{ReadProblems, WriteProblems},
    problem::ApiError,
};

/// All routes under `/v1/bidders`.
pub(crate) fn router() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(find)).routes(routes!(reinstate))
}

/// How somebody stands.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Bidder)]
pub struct BidderView {
    /// The `sub`.
    sub: String,
    /// Whether bids are refused.
    suspended: bool,
    /// Since when.
    suspended_since: Option<DateTime<Utc>>,
    /// When time alone reinstates.
    reinstated_at: Option<DateTime<Utc>>,
    /// In the order they came.
    strikes: Vec<StrikeView>,
}

/// A lot that was not paid, or not shipped.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Strike)]
pub struct StrikeView {
    settlement_id: Uuid,
    /// As a buyer who did not pay: two of these in twelve months suspend. As a seller who did not ship: kept and shown.
    #[schema(value_type = PartyName)]
    role: &'static str,
    at: DateTime<Utc>,
}

/// Why a bidder may bid again.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"note": "Paid what was owed."}))]
pub struct Reinstatement {
    /// 1 to 4,000 characters.
    #[schema(
        min_length = 1,
        max_length = 4000,
        pattern = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]*$"
    )]
    note: Option<String>,
}

impl From<Standing> for BidderView {
    fn from(standing: Standing) -> Self {
        let strikes = standing.strikes().iter().map(|strike| StrikeView {
            settlement_id: strike.settlement_id.as_uuid(),
            role: strike.role.name(),
            at: strike.at,
        });
        Self {
            sub: standing.user_id().to_string(),
            suspended: standing.suspended_since().is_some(),
            suspended_since: standing.suspended_since(),
            reinstated_at: standing.due_at(),
            strikes: strikes.collect(),
        }
    }
}

/// The `sub` in the path; what can be nobody's is nobody: 404.
struct Sub(UserId);

impl<S: Send + Sync> FromRequestParts<S> for Sub {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let sub = Path::<String>::from_request_parts(parts, state).await.ok().map(|Path(sub)| sub);
        let sub = sub.filter(|sub| !sub.chars().any(char::is_control)).and_then(|sub| UserId::try_from(sub).ok());
        sub.map(Self).ok_or_else(|| ApiError::not_found("there is no such bidder"))
    }
}

/// Reads how somebody stands; for that person and for the role `admin`.
#[utoipa::path(get, path = "/v1/bidders/{sub}", operation_id = "getBidder", tag = "bidders",
    params(("sub" = String, Path, description = "The bidder's `sub`, percent-encoded")),
    responses((status = 200, description = "Strikes and suspension", body = BidderView), ReadProblems))]
async fn find(
    State(settlements): State<Settlements>,
    Authenticated(caller): Authenticated,
    Sub(bidder): Sub,
) -> Result<Json<BidderView>, ApiError> {
    Ok(Json(settlements.standing(&caller, &bidder).await?.into()))
}

/// Ends a suspension; for the role `admin`, and not the own one. The strikes stay, and the next one suspends again.
#[utoipa::path(post, path = "/v1/bidders/{sub}/reinstate", operation_id = "reinstateBidder", tag = "bidders",
    params(("sub" = String, Path, description = "The bidder's `sub`, percent-encoded"), IdempotencyKey),
    request_body = Reinstatement,
    responses((status = 200, description = "Reinstated", body = BidderView, headers(
        ("Idempotency-Replayed" = Option<String>, description = "`true` when this is the first request's answer"))),
        WriteProblems))]
async fn reinstate(
    State(settlements): State<Settlements>,
    Authenticated(caller): Authenticated,
    Sub(bidder): Sub,
    headers: HeaderMap,
    ApiJson(body): ApiJson<Reinstatement>,
) -> Result<Response, ApiError> {
    let key = request_key(&headers, &caller.user, &format!("POST /v1/bidders/{bidder}/reinstate"), &body)?;
    let note = body.note.map(|note| statement("/note", note)).transpose()?;
    let done = async move { settlements.reinstate(&caller, &key, &bidder, note).await };
    let answered = to_its_end(done).await?;
    let mut response = match answered.outcome {
        Reinstated::Done { standing } => Json(BidderView::from(standing)).into_response(),
        Reinstated::NotSuspended => {
            let title = "There is nothing to end";
            ApiError::new(StatusCode::CONFLICT, "bidder-not-suspended", title, "the bidder is not suspended")
                .into_response()
        }
    };
    if answered.replayed {
        response.headers_mut().insert("idempotency-replayed", HeaderValue::from_static("true"));
    }
    Ok(response)
}
