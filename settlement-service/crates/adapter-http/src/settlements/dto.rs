//! What the API gives. Amounts are minor units of the settlement's currency, times RFC 3339.

use chrono::{DateTime, Utc};
use serde::Serialize;
use settlement_application::{Page, SettlementView as View};
use settlement_domain::settlement::{Chargeback, Dispute, Evidence, Resolution};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{query, requests::DecisionName};

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
    /// The hammer's sale, or a second chance after it: then paying is accepting.
    #[schema(value_type = SettlementKind)]
    kind: &'static str,
    /// Where it stands.
    #[schema(value_type = SettlementStatus)]
    status: &'static str,
    /// Until when the buyer has to pay.
    payment_due_at: DateTime<Utc>,
    /// Why the last payment method was refused; shown to the buyer and to admins.
    last_decline: Option<Decline>,
    /// Until when the seller has to ship; null before the money is in escrow.
    ship_due_at: Option<DateTime<Utc>>,
    carrier: Option<String>,
    tracking_number: Option<String>,
    shipped_at: Option<DateTime<Utc>>,
    /// The lot counts as received then.
    inspection_ends_at: Option<DateTime<Utc>>,
    received_at: Option<DateTime<Utc>>,
    /// The seller's share; shown to the seller and to admins.
    payout: Option<i64>,
    /// With which payout the share is or was paid; shown to the seller and to admins.
    payout_id: Option<Uuid>,
    /// The platform's share; shown to the seller and to admins.
    commission: Option<i64>,
    /// What the buyer got back.
    refunded: Option<i64>,
    /// Why there was no sale.
    #[schema(value_type = Option<FailureReason>)]
    failure_reason: Option<&'static str>,
    /// Which party wishes to call the sale off; if the other one wishes so as well, it is off.
    #[schema(value_type = Option<PartyName>)]
    cancel_requested_by: Option<&'static str>,
    /// The complaint, and what was said about it.
    dispute: Option<DisputeView>,
    /// Why a person has to decide; shown to the operator only.
    operator_reason: Option<String>,
    /// What the operator may decide; shown to the operator only.
    #[schema(value_type = Vec<DecisionName>)]
    operator_actions: Vec<String>,
    /// What operators decided; shown to the operator only, where one settlement is read.
    decisions: Vec<DecisionView>,
    /// What the buyer's bank took back; shown to the operator only, who says by a decision how many were seen.
    chargebacks: Vec<ChargebackView>,
    /// When time alone moves it on; null while something else is awaited.
    due_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    ended_at: Option<DateTime<Utc>>,
    /// The number of its last event.
    sequence: u64,
}

/// A complaint, and what was said about it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Dispute)]
pub struct DisputeView {
    /// The words of who opened it.
    reason: String,
    #[schema(value_type = DisputeOpener)]
    opened_by: &'static str,
    opened_at: DateTime<Utc>,
    /// What the parties added, in order; at most 20.
    evidence: Vec<EvidenceView>,
}

/// Who opened a dispute.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "snake_case")]
#[allow(dead_code)] // only its schema is used
pub enum DisputeOpener {
    /// Who bought.
    Buyer,
    /// That person's bank, by taking the money back.
    Bank,
    /// Who runs the marketplace.
    Operator,
}

/// Something a party added to a dispute.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Evidence)]
pub struct EvidenceView {
    #[schema(value_type = PartyName)]
    by: &'static str,
    at: DateTime<Utc>,
    text: String,
}

/// What the buyer's bank took back.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Chargeback)]
pub struct ChargebackView {
    /// What the payment gateway calls it.
    #[schema(example = "du_1MtJUT2eZvKYlo2CNaw2HvEv")]
    id: String,
    /// How much, minor units of its currency; null if the gateway named no amount.
    amount: Option<i64>,
    /// ISO 4217; null if the gateway named no amount.
    currency: Option<String>,
    /// Why, in the gateway's words, for example `fraudulent`.
    reason: Option<String>,
    /// When it was heard of.
    told_at: DateTime<Utc>,
}

/// An operator's decision.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DecisionMade)]
pub struct DecisionView {
    /// The operator's `sub`.
    by: String,
    #[schema(value_type = DecisionName)]
    decision: &'static str,
    /// What went back to the buyer, by a part refund.
    amount: Option<i64>,
    note: Option<String>,
    /// Where the settlement stood before.
    #[schema(value_type = SettlementStatus)]
    status: &'static str,
    at: DateTime<Utc>,
}

/// A party to a sale.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "snake_case")]
#[allow(dead_code)] // only its schema is used
pub enum PartyName {
    /// Who bought.
    Buyer,
    /// Who sold.
    Seller,
}

/// What a settlement is of.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "snake_case")]
#[allow(dead_code)] // only its schema is used
pub enum SettlementKind {
    /// The winner's.
    Sale,
    /// A contender's who is offered the lot at the own highest bid.
    SecondChance,
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
    /// The buyer, the buyer's bank or an operator complained; the operator decides.
    Disputed,
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
    /// The money was held and could not be taken, or the gateway moves no such amount.
    PaymentFailed,
    /// The seller did not ship in time.
    NotShipped,
    /// A second chance was not taken in time, or was declined.
    OfferLapsed,
    /// The seller listed the lot again while a second chance was offered, or paid and not shipped.
    OfferWithdrawn,
    /// Buyer and seller agreed to call the sale off.
    Agreed,
    /// The buyer gave up an award that was smaller than wanted.
    AwardDeclined,
    /// The operator decided a dispute for the buyer.
    DisputeRefunded,
    /// The operator called the sale off.
    CalledOff,
}

/// A page of settlements.
#[derive(Debug, Serialize, ToSchema)]
pub struct SettlementPage {
    /// The newest first.
    pub items: Vec<SettlementView>,
    /// Send it as `cursor` for the next page; null on the last one.
    pub next_cursor: Option<String>,
}

impl From<Dispute> for DisputeView {
    fn from(dispute: Dispute) -> Self {
        let evidence = |one: Evidence| EvidenceView { by: one.by.name(), at: one.at, text: one.text.into() };
        let opened_by = dispute.opened_by();
        Self {
            reason: dispute.reason.into(),
            opened_by,
            opened_at: dispute.opened_at,
            evidence: dispute.evidence.into_iter().map(evidence).collect(),
        }
    }
}

impl From<Chargeback> for ChargebackView {
    fn from(chargeback: Chargeback) -> Self {
        let amount = chargeback.amount.map(|money| (money.amount(), String::from(money.currency())));
        let (amount, currency) = amount.unzip();
        Self {
            id: chargeback.id.as_str().to_owned(),
            amount,
            currency,
            reason: chargeback.reason,
            told_at: chargeback.told_at,
        }
    }
}

impl From<Resolution> for DecisionView {
    fn from(resolution: Resolution) -> Self {
        Self {
            by: resolution.by.into(),
            decision: resolution.verdict.name(),
            amount: resolution.verdict.amount(),
            note: resolution.note.map(String::from),
            status: resolution.status.name(),
            at: resolution.at,
        }
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
            kind: view.kind.name(),
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
            payout_id: view.payout_id.map(settlement_domain::PayoutId::as_uuid),
            commission: view.commission.map(settlement_domain::Money::amount),
            refunded: view.refunded.map(settlement_domain::Money::amount),
            failure_reason: view.failure_reason.map(settlement_domain::FailureReason::name),
            cancel_requested_by: view.cancel_wish.map(settlement_domain::Role::name),
            dispute: view.dispute.map(DisputeView::from),
            operator_reason: view.operator_reason,
            operator_actions: view.operator_actions,
            decisions: view.resolutions.into_iter().map(DecisionView::from).collect(),
            chargebacks: view.chargebacks.into_iter().map(ChargebackView::from).collect(),
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
