//! Payouts: what a seller was paid at once, and for which settlements.

use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
use serde::Serialize;
use settlement_application::Books;
use settlement_domain::{
    Payout, PayoutId,
    payout::{Item, PayoutState},
};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use crate::{app::Api, auth::Authenticated, input::ApiId, openapi::ReadProblems, problem::ApiError};

/// All routes under `/v1/payouts`.
pub(crate) fn router() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(find))
}

/// What a seller is paid by one transfer.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Payout)]
pub struct PayoutView {
    id: Uuid,
    /// The seller's `sub`.
    seller: String,
    /// ISO 4217.
    #[schema(example = "USD")]
    currency: String,
    /// The sum of its items.
    #[schema(example = 10845)]
    amount: i64,
    /// For which settlements.
    items: Vec<PayoutItem>,
    /// Where it stands.
    #[schema(value_type = PayoutStatus)]
    status: &'static str,
    /// What the payment gateway calls it, once it is paid.
    reference: Option<String>,
    created_at: DateTime<Utc>,
    /// When it was paid, or refused for good.
    ended_at: Option<DateTime<Utc>>,
}

/// One settlement's part of a payout.
#[derive(Debug, Serialize, ToSchema)]
pub struct PayoutItem {
    settlement_id: Uuid,
    #[schema(example = 10845)]
    amount: i64,
}

/// Where a payout stands.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "snake_case")]
#[allow(dead_code)] // only its schema is used
pub enum PayoutStatus {
    /// The payment gateway was told.
    Paying,
    /// The seller was paid.
    Paid,
    /// The payment gateway refused for good: its settlements wait for the operator.
    Refused,
}

impl From<Payout> for PayoutView {
    fn from(payout: Payout) -> Self {
        let (reference, ended_at) = match payout.state() {
            PayoutState::Paying => (None, None),
            PayoutState::Paid { reference, paid_at } => (Some(reference.to_string()), Some(*paid_at)),
            PayoutState::Refused { refused_at, .. } => (None, Some(*refused_at)),
        };
        let item =
            |item: &Item| PayoutItem { settlement_id: item.settlement_id.as_uuid(), amount: item.amount.amount() };
        Self {
            id: payout.id().as_uuid(),
            seller: payout.seller_id().as_str().to_owned(),
            currency: payout.amount().currency().to_string(),
            amount: payout.amount().amount(),
            items: payout.items().iter().map(item).collect(),
            status: payout.state().name(),
            reference,
            created_at: payout.made_at(),
            ended_at,
        }
    }
}

/// Reads a payout. For all but its seller and admins there is none.
#[utoipa::path(get, path = "/v1/payouts/{id}", operation_id = "getPayout", tag = "ledger",
    params(("id" = Uuid, Path, description = "The payout: `payout_id` of a settlement or of a line of the statement")),
    responses((status = 200, description = "The payout", body = PayoutView), ReadProblems))]
async fn find(
    State(books): State<Books>,
    Authenticated(caller): Authenticated,
    ApiId(id): ApiId,
) -> Result<Json<PayoutView>, ApiError> {
    Ok(Json(books.payout(&caller, PayoutId::from(id)).await?.into()))
}
