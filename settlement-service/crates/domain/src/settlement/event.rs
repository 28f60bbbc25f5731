//! What a settlement tells the world, numbered without a gap per settlement.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::{FailureReason, Kind, Parcel, Settlement, State, Status};
use crate::ids::{AuctionId, SettlementId, UserId};
use crate::money::Money;

/// Something that happened to a settlement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SettlementEvent {
    /// To which; the key its numbers belong to.
    pub settlement_id: SettlementId,
    /// Its auction.
    pub auction_id: AuctionId,
    /// 1, 2, 3 … per settlement.
    pub sequence: u64,
    /// Where the settlement stands after it.
    pub status: Status,
    /// When, by the database's clock.
    pub at: DateTime<Utc>,
    /// What.
    pub what: What,
}

/// The kinds of events and their particulars.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum What {
    /// The buyer has to pay.
    Started {
        /// Who sold.
        seller_id: UserId,
        /// Who bought.
        buyer_id: UserId,
        /// What is to be paid.
        amount: Money,
        /// Until when.
        payment_due_at: DateTime<Utc>,
        /// The hammer's sale, or a second chance after it.
        kind: Kind,
    },
    /// The money is in escrow.
    Escrowed {
        /// How much.
        amount: Money,
        /// The seller has to ship until then.
        ship_due_at: DateTime<Utc>,
    },
    /// The lot is on its way.
    Shipped {
        /// How.
        parcel: Parcel,
        /// It counts as received then.
        inspection_ends_at: DateTime<Utc>,
    },
    /// The buyer, the buyer's bank or an operator complained.
    Disputed,
    /// The seller was paid.
    Completed {
        /// To the seller.
        payout: Money,
        /// To the platform.
        commission: Money,
    },
    /// The sale did not happen.
    Failed {
        /// Why.
        reason: FailureReason,
        /// What the buyer got back; zero if nothing was taken.
        refunded: Money,
    },
    /// Bidding is asked for the next contender.
    SecondChanceRequested {
        /// Those who had their chance.
        excluded: Vec<UserId>,
    },
    /// The lot is offered to a contender.
    SecondChanceOffered {
        /// To whom.
        bidder_id: UserId,
        /// At this price.
        amount: Money,
        /// It lapses then.
        expires_at: DateTime<Utc>,
    },
    /// The contender has paid and so accepted.
    SecondChanceAccepted {
        /// Who.
        bidder_id: UserId,
    },
    /// The offer came to nothing.
    SecondChanceLapsed {
        /// Whose chance it was.
        bidder_id: UserId,
    },
    /// The lot is to be listed again.
    RelistRequested,
}

impl What {
    /// What there is to tell when a settlement arrives in the state it is in.
    pub(crate) fn on_arrival(settlement: &Settlement) -> Vec<Self> {
        let bidder_id = || settlement.buyer_id().clone();
        let offer = settlement.kind() == Kind::SecondChance;
        match settlement.state() {
            State::Escrowed { ship_due_at, .. } => {
                let escrowed = Self::Escrowed { amount: settlement.price(), ship_due_at: *ship_due_at };
                let accepted = offer.then(|| Self::SecondChanceAccepted { bidder_id: bidder_id() });
                std::iter::once(escrowed).chain(accepted).collect()
            }
            State::Shipped { delivery, .. } => {
                vec![Self::Shipped { parcel: delivery.parcel.clone(), inspection_ends_at: delivery.inspection_ends_at }]
            }
            State::Disputed { .. } => vec![Self::Disputed],
            State::Completed { split, .. } => {
                vec![Self::Completed { payout: split.payout, commission: split.commission }]
            }
            State::Refunded { reason, .. } => vec![Self::Failed { reason: *reason, refunded: settlement.price() }],
            State::Failed { reason, .. } => {
                let failed = Self::Failed { reason: *reason, refunded: Money::zero(settlement.price().currency()) };
                let lapsed = offer.then(|| Self::SecondChanceLapsed { bidder_id: bidder_id() });
                std::iter::once(failed).chain(lapsed).collect()
            }
            State::AwaitingPayment { .. }
            | State::Authorizing { .. }
            | State::Authorized { .. }
            | State::Received { .. }
            | State::Refunding { .. }
            | State::NeedsOperator { .. } => Vec::new(),
        }
    }

    /// The event's name within the settlement context, e.g. `started` or `second_chance.offered`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Started { .. } => "started",
            Self::Escrowed { .. } => "escrowed",
            Self::Shipped { .. } => "shipped",
            Self::Disputed => "disputed",
            Self::Completed { .. } => "completed",
            Self::Failed { .. } => "failed",
            Self::SecondChanceRequested { .. } => "second_chance.requested",
            Self::SecondChanceOffered { .. } => "second_chance.offered",
            Self::SecondChanceAccepted { .. } => "second_chance.accepted",
            Self::SecondChanceLapsed { .. } => "second_chance.lapsed",
            Self::RelistRequested => "relist.requested",
        }
    }
}
