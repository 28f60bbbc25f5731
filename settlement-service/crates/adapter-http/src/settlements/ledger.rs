//! The trial balance: the operator's proof that no money came from nowhere or went there. And a seller's statement.

use axum::{
    Json,
    extract::{RawQuery, State},
};
use chrono::{DateTime, Utc};
use serde::Serialize;
use settlement_application::{Books, StatementPage};
use settlement_domain::ledger::{StatementLine as Line, TrialBalance as Sums};
use settlement_domain::{PayoutId, SettlementId};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::ledger_query::{self, BalanceQuery, StatementQuery};
use crate::{
    app::Api,
    auth::Authenticated,
    openapi::{Problem, ReadProblems},
    problem::ApiError,
};

/// The ledger's routes.
pub(crate) fn router() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(trial_balance)).routes(routes!(statement))
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

/// A seller's account in one currency, minor units.
#[derive(Debug, Serialize, ToSchema)]
pub struct Statement {
    /// The seller's `sub`.
    seller: String,
    /// ISO 4217.
    #[schema(example = "USD")]
    currency: String,
    /// The newest first.
    items: Vec<StatementLine>,
    /// Send it as `cursor` for the next page; null on the last one.
    next_cursor: Option<String>,
}

/// One line of a seller's account.
#[derive(Debug, Serialize, ToSchema)]
pub struct StatementLine {
    at: DateTime<Utc>,
    /// The name of the ledger's entry, once and for ever.
    reference: String,
    /// The sale it was earned with; null for what was paid out.
    settlement_id: Option<uuid::Uuid>,
    /// The payout it was paid with; null for what was earned.
    payout_id: Option<uuid::Uuid>,
    /// `released` is earned, `paid_out` is paid.
    #[schema(example = "released")]
    kind: &'static str,
    /// Whether it puts an earlier entry right.
    reversal: bool,
    #[schema(example = 10845)]
    credit: i64,
    #[schema(example = 0)]
    debit: i64,
    /// What the seller was owed after it.
    #[schema(value_type = i64, example = 10845)]
    balance: i128,
}

impl From<Line> for StatementLine {
    fn from(line: Line) -> Self {
        Self {
            at: line.place.at,
            reference: line.place.reference,
            settlement_id: line.subject.settlement_id().map(SettlementId::as_uuid),
            payout_id: line.subject.payout_id().map(PayoutId::as_uuid),
            kind: line.kind.name(),
            reversal: line.reversal,
            credit: line.credit.amount(),
            debit: line.debit.amount(),
            balance: line.balance,
        }
    }
}

/// Reads the trial balance, now or as it stood at a moment; for the role `admin`.
#[utoipa::path(get, path = "/v1/ledger/trial-balance", operation_id = "getTrialBalance", tag = "ledger",
    params(BalanceQuery),
    responses((status = 200, description = "The sums", body = TrialBalance),
        (status = 403, description = "Not an admin", body = Problem, content_type = "application/problem+json"),
        ReadProblems))]
async fn trial_balance(
    State(books): State<Books>,
    Authenticated(caller): Authenticated,
    RawQuery(parameters): RawQuery,
) -> Result<Json<TrialBalance>, ApiError> {
    let at = ledger_query::moment(&parameters.unwrap_or_default())?;
    Ok(Json(books.trial_balance(&caller, at).await?.into()))
}

/// Reads a seller's statement: what was earned and what was paid, the newest first, with the balance after each line.
/// The caller's own; an admin may name any seller.
#[utoipa::path(get, path = "/v1/ledger/statement", operation_id = "getStatement", tag = "ledger",
    params(StatementQuery),
    responses((status = 200, description = "A page", body = Statement),
        (status = 403, description = "Another seller's", body = Problem, content_type = "application/problem+json"),
        ReadProblems))]
async fn statement(
    State(books): State<Books>,
    Authenticated(caller): Authenticated,
    RawQuery(parameters): RawQuery,
) -> Result<Json<Statement>, ApiError> {
    let (query, limit) = ledger_query::statement(&parameters.unwrap_or_default(), &caller)?;
    let StatementPage { seller, lines, next } = books.statement(&caller, &query, limit).await?;
    Ok(Json(Statement {
        seller: seller.into(),
        currency: query.currency.to_string(),
        items: lines.into_iter().map(StatementLine::from).collect(),
        next_cursor: next.as_ref().map(ledger_query::encode),
    }))
}
