//! A settlement as one person may see it, flat.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use settlement_domain::fees::ScheduleName;
use settlement_domain::settlement::{Chargeback, Delivery, Dispute, Kind, Resolution, Split, State, Undo};
use settlement_domain::{
    AuctionId, Decline, FailureReason, Money, Parcel, PayoutId, Role, Settlement, SettlementId, Status, UserId, saga,
};
use settlement_ports::Viewer;

/// What the API shows. A field is empty where it is not known yet or not the viewer's business.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettlementView {
    /// Its id.
    pub id: SettlementId,
    /// Where the lot was sold.
    pub auction_id: AuctionId,
    /// Who sold.
    pub seller_id: UserId,
    /// Who bought.
    pub buyer_id: UserId,
    /// What the buyer pays: hammer price, premium and tax.
    pub price: Money,
    /// What the lot was sold for.
    pub hammer: Money,
    /// What the buyer pays the platform on top.
    pub premium: Money,
    /// What the buyer pays for the tax office.
    pub tax: Money,
    /// The version of the fees it began with.
    pub fee_schedule: ScheduleName,
    /// The hammer's sale, or a second chance after it.
    pub kind: Kind,
    /// Where it stands.
    pub status: Status,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// Until when the buyer has to pay.
    pub payment_due_at: DateTime<Utc>,
    /// Why the last payment method was refused; buyer and admin only.
    pub declined: Option<Decline>,
    /// Until when the seller has to ship.
    pub ship_due_at: Option<DateTime<Utc>>,
    /// Carrier and tracking number.
    pub parcel: Option<Parcel>,
    /// When the lot was shipped.
    pub shipped_at: Option<DateTime<Utc>>,
    /// The lot counts as received then.
    pub inspection_ends_at: Option<DateTime<Utc>>,
    /// When the buyer had the lot.
    pub received_at: Option<DateTime<Utc>>,
    /// The seller's share; seller and admin only.
    pub payout: Option<Money>,
    /// The platform's share; seller and admin only.
    pub commission: Option<Money>,
    /// What the buyer got back.
    pub refunded: Option<Money>,
    /// Why there was no sale.
    pub failure_reason: Option<FailureReason>,
    /// Which party wishes to call the sale off.
    pub cancel_wish: Option<Role>,
    /// The complaint, and what was said about it.
    pub dispute: Option<Dispute>,
    /// Why a person has to decide; admin only.
    pub operator_reason: Option<String>,
    /// What the operator may decide; admin only.
    pub operator_actions: Vec<String>,
    /// What the operator decided; admin only, and only where one settlement is read.
    pub resolutions: Vec<Resolution>,
    /// What the buyer's bank took back; admin only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chargebacks: Vec<Chargeback>,
    /// The payout that pays or paid the seller; the seller and admins only.
    pub payout_id: Option<PayoutId>,
    /// When it ended.
    pub ended_at: Option<DateTime<Utc>>,
    /// When time alone moves it on.
    pub due_at: Option<DateTime<Utc>>,
    /// The number of its last event.
    pub sequence: u64,
}

impl SettlementView {
    /// What this viewer may see of it.
    #[must_use]
    pub fn of(settlement: &Settlement, viewer: &Viewer) -> Self {
        let mut view = Self::bare(settlement);
        view.fill(settlement, settlement.state());
        if !viewer.admin {
            view.operator_reason = None;
            view.operator_actions = Vec::new();
            view.chargebacks = Vec::new();
            if viewer.user != *settlement.buyer_id() {
                view.declined = None;
            }
            if viewer.user != *settlement.seller_id() {
                (view.payout, view.commission, view.payout_id) = (None, None, None);
            }
        }
        view
    }

    fn bare(settlement: &Settlement) -> Self {
        let quote = settlement.quote();
        Self {
            id: settlement.id(),
            auction_id: settlement.auction_id(),
            seller_id: settlement.seller_id().clone(),
            buyer_id: settlement.buyer_id().clone(),
            price: settlement.price(),
            hammer: quote.hammer(),
            premium: quote.premium(),
            tax: quote.tax(),
            fee_schedule: quote.schedule().clone(),
            kind: settlement.kind(),
            status: settlement.status(),
            started_at: settlement.started_at(),
            payment_due_at: settlement.payment_due_at(),
            declined: None,
            ship_due_at: None,
            parcel: None,
            shipped_at: None,
            inspection_ends_at: None,
            received_at: None,
            payout: None,
            commission: None,
            refunded: None,
            failure_reason: None,
            cancel_wish: settlement.cancel_wish(),
            dispute: settlement.dispute().cloned(),
            operator_reason: None,
            operator_actions: settlement.actions().iter().map(ToString::to_string).collect(),
            resolutions: Vec::new(),
            chargebacks: settlement.chargebacks().to_vec(),
            payout_id: settlement.payout_id(),
            ended_at: None,
            due_at: saga::due_at(settlement),
            sequence: settlement.sequence(),
        }
    }

    fn fill(&mut self, settlement: &Settlement, state: &State) {
        match state {
            State::AwaitingPayment { declined, .. } => self.declined.clone_from(declined),
            State::Authorizing { .. } | State::Authorized { .. } => {}
            State::Escrowed { ship_due_at, .. } => self.ship_due_at = Some(*ship_due_at),
            State::Shipped { delivery, .. }
            | State::Disputed { delivery, .. }
            | State::Refunding { undo: Undo::PartRefund { delivery, .. }, .. } => self.deliver(delivery),
            State::Received { delivery, split, received_at, .. } => {
                self.deliver(delivery);
                self.received_at = Some(*received_at);
                self.divide(split);
            }
            State::Completed { delivery, split, received_at, completed_at, .. } => {
                self.deliver(delivery);
                self.received_at = Some(*received_at);
                self.divide(split);
                self.ended_at = Some(*completed_at);
            }
            State::Refunding { reason, .. } => self.failure_reason = Some(*reason),
            State::Refunded { reason, refunded_at } => {
                self.failure_reason = Some(*reason);
                self.refunded = Some(settlement.price());
                self.ended_at = Some(*refunded_at);
            }
            State::Failed { reason, failed_at } => {
                self.failure_reason = Some(*reason);
                self.ended_at = Some(*failed_at);
            }
            State::NeedsOperator { stuck, reason, .. } => {
                self.fill(settlement, stuck);
                self.operator_reason = Some(reason.clone());
            }
        }
    }

    fn divide(&mut self, split: &Split) {
        (self.payout, self.commission) = (Some(split.payout), Some(split.commission));
        self.refunded = split.refunded;
    }

    fn deliver(&mut self, delivery: &Delivery) {
        self.parcel = Some(delivery.parcel.clone());
        self.shipped_at = Some(delivery.shipped_at);
        self.inspection_ends_at = Some(delivery.inspection_ends_at);
    }
}
