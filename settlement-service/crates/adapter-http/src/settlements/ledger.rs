//! The trial balance: the operator's proof that no money came from nowhere or went there.

use axum::{Json, extract::State};
use serde::Serialize;
use settlement_application::Settlements;
use settlement_domain::ledger::TrialBalance as Sums;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    auth::Authenticated,
    openapi::{Problem, ReadProblems},
    problem::ApiError,
};

/// The ledger's routes.
pub(crate) fn router() -> OpenApiRouter<Settlements> {
    OpenApiRouter::new().routes(routes!(trial_balance))
}

/// Every account's sums at one moment, minor units. Debits less credits come to zero in each currency.
#[derive(Debug, Serialize, ToSchema)]
pub struct TrialBalance {
    /// Whether they do.
    #[schema(example = true)]
    balanced: bool,
    /// By currency.
    currencies: Vec<CurrencyTotal>,
    /// By account and currency, all owners of an account together.
    accounts: Vec<AccountBalance>,
}

/// All accounts of one currency together.
#[derive(Debug, Serialize, ToSchema)]
pub struct CurrencyTotal {
    /// ISO 4217.
    #[schema(example = "USD")]
    currency: String,
    #[schema(value_type = i64, example = 39800)]
    debits: i128,
    #[schema(value_type = i64, example = 39800)]
    credits: i128,
    /// Debits less credits: anything but 0 is a defect.
    #[schema(value_type = i64, example = 0)]
    balance: i128,
}

/// One account in one currency.
#[derive(Debug, Serialize, ToSchema)]
pub struct AccountBalance {
    /// `bidder`, `gateway_clearing`, `escrow`, `seller_payable`, `platform_revenue`, `fees` or `tax`.
    #[schema(example = "escrow")]
    account: &'static str,
    /// ISO 4217.
    #[schema(example = "USD")]
    currency: String,
    /// Debits less credits: positive is money that is there, negative is owed or earned.
    #[schema(value_type = i64, example = -9950)]
    balance: i128,
}

impl From<Sums> for TrialBalance {
    fn from(sums: Sums) -> Self {
        let currencies = sums.currencies().into_iter().map(|total| CurrencyTotal {
            currency: total.currency.to_string(),
            debits: total.debits,
            credits: total.credits,
            balance: total.balance(),
        });
        let accounts = sums.accounts().iter().map(|line| AccountBalance {
            account: line.account.name(),
            currency: line.currency.to_string(),
            balance: line.balance(),
        });
        Self { balanced: sums.is_balanced(), currencies: currencies.collect(), accounts: accounts.collect() }
    }
}

/// Reads the trial balance; for the role `admin`.
#[utoipa::path(get, path = "/v1/ledger/trial-balance", operation_id = "getTrialBalance", tag = "ledger",
    responses((status = 200, description = "The sums", body = TrialBalance),
        (status = 403, description = "Not an admin", body = Problem, content_type = "application/problem+json"),
        ReadProblems))]
async fn trial_balance(
    State(settlements): State<Settlements>,
    Authenticated(caller): Authenticated,
) -> Result<Json<TrialBalance>, ApiError> {
    Ok(Json(settlements.trial_balance(&caller).await?.into()))
}
