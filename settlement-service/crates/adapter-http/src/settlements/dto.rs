//! What the API takes and gives. Amounts are minor units of the settlement's currency, times RFC 3339.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use settlement_application::{Page, SettlementView as View};
use settlement_domain::{
    Parcel, PaymentMethod,
    settlement::{FailureReason as Reason, InvalidParcel},
};
use utoipa::ToSchema;
use uuid::Uuid;

use super::query;
use crate::problem::ApiError;

/// How the buyer pays.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Payment {
    /// A token of the payment gateway's for a card or an account; card data itself never comes here.
    #[schema(pattern = "^[A-Za-z0-9_-]{1,128}$", example = "pm_card_visa")]
    payment_method: String,
}

/// How the lot was sent.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Shipment {
    /// Who carries it.
    #[schema(min_length = 1, max_length = 64, example = "UPS")]
    carrier: String,
    /// The carrier's number.
    #[schema(min_length = 1, max_length = 64, example = "1Z999AA10123456784")]
    tracking_number: String,
}

/// That the lot came; it takes no members.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({}))]
pub struct Reception {}

/// A sold lot on its way to the buyer, and its price on its way to the seller.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Settlement)]
pub struct SettlementView {
    id: Uuid,
    /// Where the lot was sold; also the listing's id.
    auction_id: Uuid,
    /// The seller's `sub`.
    seller: String,
    /// The buyer's `sub`.
    buyer: String,
    /// ISO 4217.
    #[schema(example = "USD")]
    currency: String,
    /// What the buyer pays: hammer price, buyer's premium and tax.
    #[schema(example = 9950)]
    amount: i64,
    /// What the lot was sold for.
    #[schema(example = 9950)]
    hammer_price: i64,
    #[schema(example = 0)]
    buyer_premium: i64,
    #[schema(example = 0)]
    tax: i64,
    /// The version of the fees that the settlement began with; a later one does not touch it.
    #[schema(example = "default-1000-bps")]
    fee_schedule: String,
    /// Where it stands.
    #[schema(value_type = SettlementStatus)]
    status: &'static str,
    /// Until when the buyer has to pay.
    payment_due_at: DateTime<Utc>,
    /// Why the last payment method was refused; shown to the buyer only.
    last_decline: Option<Decline>,
    /// Until when the seller has to ship; null before the money is in escrow.
    ship_due_at: Option<DateTime<Utc>>,
    carrier: Option<String>,
    tracking_number: Option<String>,
    shipped_at: Option<DateTime<Utc>>,
    /// The lot counts as received then.
    inspection_ends_at: Option<DateTime<Utc>>,
    received_at: Option<DateTime<Utc>>,
    /// The seller's share; shown to the seller only.
    payout: Option<i64>,
    /// The platform's share; shown to the seller only.
    commission: Option<i64>,
    /// What the buyer got back.
    refunded: Option<i64>,
    /// Why there was no sale.
    #[schema(value_type = Option<FailureReason>)]
    failure_reason: Option<&'static str>,
    /// Why a person has to decide; shown to the operator only.
    operator_reason: Option<String>,
    /// When time alone moves it on; null while something else is awaited.
    due_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    ended_at: Option<DateTime<Utc>>,
    /// The number of its last event.
    sequence: u64,
}

/// A refusal by the payment gateway: nothing was taken.
#[derive(Debug, Serialize, ToSchema)]
pub struct Decline {
    /// For programs.
    #[schema(example = "card_declined")]
    code: String,
    /// For people.
    #[schema(example = "Your card was declined.")]
    message: String,
}

/// Where a settlement stands.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "snake_case")]
#[allow(dead_code)] // only its schema is used
pub enum SettlementStatus {
    /// The buyer has to pay.
    AwaitingPayment,
    /// The gateway was asked to hold the money.
    Authorizing,
    /// The money is held.
    Authorized,
    /// The money is in escrow; the seller has to ship.
    Escrowed,
    /// On its way to the buyer.
    Shipped,
    /// The buyer has it; the seller is being paid.
    Received,
    /// The seller was paid.
    Completed,
    /// The money is going back.
    Refunding,
    /// The buyer has the money back.
    Refunded,
    /// Ended without a sale and without money taken.
    Failed,
    /// A person has to decide.
    NeedsOperator,
}

/// Why there was no sale.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "snake_case")]
#[allow(dead_code)] // only its schema is used
pub enum FailureReason {
    /// The buyer did not pay in time.
    Unpaid,
    /// The seller did not ship in time.
    NotShipped,
}

/// A page of settlements.
#[derive(Debug, Serialize, ToSchema)]
pub struct SettlementPage {
    /// The newest first.
    pub items: Vec<SettlementView>,
    /// Send it as `cursor` for the next page; null on the last one.
    pub next_cursor: Option<String>,
}

impl Payment {
    pub(crate) fn into_domain(self) -> Result<PaymentMethod, ApiError> {
        let method = PaymentMethod::try_from(self.payment_method);
        method.map_err(|_| ApiError::invalid("/payment_method", "has 1 to 128 letters, digits, '_' or '-'"))
    }
}

impl Shipment {
    pub(crate) fn into_domain(self) -> Result<Parcel, ApiError> {
        Parcel::new(&self.carrier, &self.tracking_number).map_err(|error| {
            let pointer = match error {
                InvalidParcel::Carrier => "/carrier",
                InvalidParcel::TrackingNumber => "/tracking_number",
            };
            ApiError::invalid(pointer, "has 1 to 64 characters, none of them a control character")
        })
    }
}

impl From<View> for SettlementView {
    fn from(view: View) -> Self {
        Self {
            id: view.id.as_uuid(),
            auction_id: view.auction_id.as_uuid(),
            seller: view.seller_id.into(),
            buyer: view.buyer_id.into(),
            currency: view.price.currency().into(),
            amount: view.price.amount(),
            hammer_price: view.hammer.amount(),
            buyer_premium: view.premium.amount(),
            tax: view.tax.amount(),
            fee_schedule: view.fee_schedule.into(),
            status: view.status.name(),
            payment_due_at: view.payment_due_at,
            last_decline: view.declined.map(|decline| Decline { code: decline.code, message: decline.message }),
            ship_due_at: view.ship_due_at,
            carrier: view.parcel.as_ref().map(|parcel| parcel.carrier().to_owned()),
            tracking_number: view.parcel.as_ref().map(|parcel| parcel.tracking_number().to_owned()),
            shipped_at: view.shipped_at,
            inspection_ends_at: view.inspection_ends_at,
            received_at: view.received_at,
            payout: view.payout.map(settlement_domain::Money::amount),
            commission: view.commission.map(settlement_domain::Money::amount),
            refunded: view.refunded.map(settlement_domain::Money::amount),
            failure_reason: view.failure_reason.map(|reason| match reason {
                Reason::Unpaid => "unpaid",
                Reason::NotShipped => "not_shipped",
            }),
            operator_reason: view.operator_reason,
            due_at: view.due_at,
            created_at: view.started_at,
            ended_at: view.ended_at,
            sequence: view.sequence,
        }
    }
}

impl From<Page> for SettlementPage {
    fn from(page: Page) -> Self {
        Self {
            items: page.items.into_iter().map(SettlementView::from).collect(),
            next_cursor: page.next.map(query::encode),
        }
    }
}
