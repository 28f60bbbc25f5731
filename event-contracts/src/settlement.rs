//! Events of the settlement context: money and goods.
//! Topic `outcry.settlement.v1`, key = settlement id (for bidder events: the bidder's `sub`).

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::event::context_events;
use crate::money::{CURRENCY_PATTERN, MAX_AMOUNT};

/// Where a settlement stands; the same names as in the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(transform = crate::open::values)]
pub enum SettlementStatus {
    /// The winner has to pay.
    AwaitingPayment,
    /// The gateway was asked to hold the money.
    Authorizing,
    /// The money is held on the buyer's card.
    Authorized,
    /// The money is in escrow; the seller has to ship.
    Escrowed,
    /// On its way to the buyer.
    Shipped,
    /// The buyer has it.
    Received,
    /// The seller was paid.
    Completed,
    /// The money is going back.
    Refunding,
    /// The buyer has the money back.
    Refunded,
    /// Ended without a sale and without money moved, or with all of it undone.
    Failed,
    /// Somebody complained; the operator decides.
    Disputed,
    /// A person has to decide.
    NeedsOperator,
    /// A value of a later version.
    #[serde(other)]
    Unknown,
}

/// What a settlement settles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(transform = crate::open::values)]
pub enum SettlementKind {
    /// The sale to a winner of the auction.
    Sale,
    /// An offer to the next contender; paying is accepting.
    SecondChance,
    /// A value of a later version.
    #[serde(other)]
    Unknown,
}

/// A sold lot is being settled, or offered to the next contender: the buyer has to pay until `payment_due_at`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SettlementStarted {
    /// UUIDv7.
    pub settlement_id: Uuid,
    /// The auction (and listing).
    pub auction_id: Uuid,
    /// The seller's `sub`.
    #[schemars(length(min = 1, max = 128))]
    pub seller_id: String,
    /// The buyer's `sub`.
    #[schemars(length(min = 1, max = 128))]
    pub buyer_id: String,
    /// The price of the lot, minor units: what the buyer pays, unless `total` says more.
    #[schemars(range(min = 0, max = MAX_AMOUNT))]
    pub amount: i64,
    /// ISO 4217.
    #[schemars(regex(pattern = CURRENCY_PATTERN))]
    pub currency: String,
    /// Status after the event.
    pub status: SettlementStatus,
    /// Unpaid after this, the settlement fails.
    pub payment_due_at: DateTime<Utc>,
    /// When it started, by the database's clock.
    pub started_at: DateTime<Utc>,
    /// What is settled; absent: a sale.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<SettlementKind>,
    /// What the buyer pays, with the buyer's premium and tax, minor units; absent: `amount`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = MAX_AMOUNT))]
    pub total: Option<i64>,
}

/// The buyer's money is in escrow: the seller has to ship until `ship_due_at`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SettlementEscrowed {
    /// Which settlement.
    pub settlement_id: Uuid,
    /// Its auction.
    pub auction_id: Uuid,
    /// In escrow, minor units.
    #[schemars(range(min = 0, max = MAX_AMOUNT))]
    pub amount: i64,
    /// ISO 4217.
    #[schemars(regex(pattern = CURRENCY_PATTERN))]
    pub currency: String,
    /// Status after the event.
    pub status: SettlementStatus,
    /// Not shipped after this, the buyer is refunded.
    pub ship_due_at: DateTime<Utc>,
    /// When the money was captured.
    pub escrowed_at: DateTime<Utc>,
}

/// The seller handed the lot to a carrier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SettlementShipped {
    /// Which settlement.
    pub settlement_id: Uuid,
    /// Its auction.
    pub auction_id: Uuid,
    /// e.g. `UPS`.
    pub carrier: String,
    /// The carrier's number.
    pub tracking_number: String,
    /// Status after the event.
    pub status: SettlementStatus,
    /// Undisputed after this, the lot counts as received.
    pub inspection_ends_at: DateTime<Utc>,
    /// When the seller said so.
    pub shipped_at: DateTime<Utc>,
}

/// The buyer complained, or an operator stopped the payout, as after a chargeback; no deadline runs until the operator
/// has decided. The end is told by `settlement.completed` or `settlement.failed`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SettlementDisputed {
    /// Which settlement.
    pub settlement_id: Uuid,
    /// Its auction.
    pub auction_id: Uuid,
    /// Status after the event.
    pub status: SettlementStatus,
    /// When the dispute began.
    pub disputed_at: DateTime<Utc>,
}

/// The seller was paid: a good end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SettlementCompleted {
    /// Which settlement.
    pub settlement_id: Uuid,
    /// Its auction.
    pub auction_id: Uuid,
    /// To the seller, minor units.
    #[schemars(range(min = 0, max = MAX_AMOUNT))]
    pub payout: i64,
    /// To the platform, minor units.
    #[schemars(range(min = 0, max = MAX_AMOUNT))]
    pub commission: i64,
    /// ISO 4217.
    #[schemars(regex(pattern = CURRENCY_PATTERN))]
    pub currency: String,
    /// Status after the event.
    pub status: SettlementStatus,
    /// When the payout was booked.
    pub completed_at: DateTime<Utc>,
}

/// The sale did not happen; whatever was paid went back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SettlementFailed {
    /// Which settlement.
    pub settlement_id: Uuid,
    /// Its auction.
    pub auction_id: Uuid,
    /// Why.
    pub reason: FailureReason,
    /// What the buyer got back, minor units; 0 if nothing had been paid.
    #[schemars(range(min = 0, max = MAX_AMOUNT))]
    pub refunded: i64,
    /// ISO 4217.
    #[schemars(regex(pattern = CURRENCY_PATTERN))]
    pub currency: String,
    /// Status after the event: `failed` or `refunded`.
    pub status: SettlementStatus,
    /// When that was final.
    pub failed_at: DateTime<Utc>,
}

/// Why a settlement failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(transform = crate::open::values)]
pub enum FailureReason {
    /// The buyer did not pay in time.
    Unpaid,
    /// The seller did not ship in time.
    NotShipped,
    /// The operator decided a dispute for the buyer.
    DisputeRefunded,
    /// The contender let a second chance pass, by silence or by declining it.
    OfferLapsed,
    /// The seller listed the lot again while it was offered.
    OfferWithdrawn,
    /// Seller and buyer agreed to let it be.
    Agreed,
    /// The buyer gave up an award smaller than wanted.
    AwardDeclined,
    /// The payment cannot be taken, however often it is tried.
    PaymentFailed,
    /// A value of a later version.
    #[serde(other)]
    Unknown,
}

/// Settlement asks bidding for the next contender.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SecondChanceRequested {
    /// The settlement that asks.
    pub settlement_id: Uuid,
    /// For which auction.
    pub auction_id: Uuid,
    /// The `sub`s of the bidders who had their chance.
    #[schemars(inner(length(min = 1, max = 128)))]
    pub excluded_bidder_ids: Vec<String>,
    /// When it was asked.
    pub requested_at: DateTime<Utc>,
}

/// The lot is offered to the next contender.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SecondChanceOffered {
    /// The settlement of the offer.
    pub settlement_id: Uuid,
    /// Its auction.
    pub auction_id: Uuid,
    /// To whom: the bidder's `sub`.
    #[schemars(length(min = 1, max = 128))]
    pub bidder_id: String,
    /// At this price, minor units.
    #[schemars(range(min = 0, max = MAX_AMOUNT))]
    pub amount: i64,
    /// ISO 4217.
    #[schemars(regex(pattern = CURRENCY_PATTERN))]
    pub currency: String,
    /// The offer lapses then.
    pub expires_at: DateTime<Utc>,
}

/// The contender takes the offer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SecondChanceAccepted {
    /// The settlement of the offer.
    pub settlement_id: Uuid,
    /// Its auction.
    pub auction_id: Uuid,
    /// The bidder's `sub`.
    #[schemars(length(min = 1, max = 128))]
    pub bidder_id: String,
    /// When it was accepted.
    pub accepted_at: DateTime<Utc>,
}

/// The offer ran out or was withdrawn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SecondChanceLapsed {
    /// The settlement of the offer.
    pub settlement_id: Uuid,
    /// Its auction.
    pub auction_id: Uuid,
    /// Whose chance it was: the bidder's `sub`.
    #[schemars(length(min = 1, max = 128))]
    pub bidder_id: String,
    /// When it lapsed.
    pub lapsed_at: DateTime<Utc>,
}

/// A bidder may not bid until reinstated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BidderSuspended {
    /// The bidder's `sub`.
    #[schemars(length(min = 1, max = 128))]
    pub bidder_id: String,
    /// Unpaid lots in the last twelve months.
    pub strikes: u32,
    /// From when on bids are refused.
    pub suspended_at: DateTime<Utc>,
}

/// A bidder may bid again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BidderReinstated {
    /// The bidder's `sub`.
    #[schemars(length(min = 1, max = 128))]
    pub bidder_id: String,
    /// From when on bids are accepted again.
    pub reinstated_at: DateTime<Utc>,
}

/// The lot is to be listed again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RelistRequested {
    /// The settlement that asks.
    pub settlement_id: Uuid,
    /// The auction (and listing) to repeat.
    pub auction_id: Uuid,
    /// When it was asked.
    pub requested_at: DateTime<Utc>,
}

context_events! {
    /// Any event of the settlement context.
    SettlementEvent on "outcry.settlement.v1" {
        /// The winner has to pay.
        Started(SettlementStarted) = "outcry.settlement.started.v1" by settlement_id,
        /// The money is in escrow.
        Escrowed(SettlementEscrowed) = "outcry.settlement.escrowed.v1" by settlement_id,
        /// The lot is on its way.
        Shipped(SettlementShipped) = "outcry.settlement.shipped.v1" by settlement_id,
        /// The seller was paid.
        Completed(SettlementCompleted) = "outcry.settlement.completed.v1" by settlement_id,
        /// The sale did not happen.
        Failed(SettlementFailed) = "outcry.settlement.failed.v1" by settlement_id,
        /// Who is next?
        SecondChanceRequested(SecondChanceRequested) = "outcry.settlement.second_chance.requested.v1" by settlement_id,
        /// The lot is offered to the next contender.
        SecondChanceOffered(SecondChanceOffered) = "outcry.settlement.second_chance.offered.v1" by settlement_id,
        /// The contender takes it.
        SecondChanceAccepted(SecondChanceAccepted) = "outcry.settlement.second_chance.accepted.v1" by settlement_id,
        /// The offer ran out.
        SecondChanceLapsed(SecondChanceLapsed) = "outcry.settlement.second_chance.lapsed.v1" by settlement_id,
        /// A bidder may not bid.
        BidderSuspended(BidderSuspended) = "outcry.settlement.bidder.suspended.v1" by bidder_id,
        /// A bidder may bid again.
        BidderReinstated(BidderReinstated) = "outcry.settlement.bidder.reinstated.v1" by bidder_id,
        /// The lot is to be listed again.
        RelistRequested(RelistRequested) = "outcry.settlement.relist.requested.v1" by settlement_id,
        /// The buyer or an operator complained.
        Disputed(SettlementDisputed) = "outcry.settlement.disputed.v1" by settlement_id,
    }
}
