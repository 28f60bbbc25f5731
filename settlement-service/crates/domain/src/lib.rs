//! Settlement's core: what happens to money and goods after the hammer. Pure: no IO, no clock, no async.
//!
//! Reading order: [`money`] and [`rate`], the [`fees`] of a sale, the double-entry [`ledger`], the [`settlement`] and its
//! states, the [`call`] to the gateway that survives crashes, [`saga`], whose tables drive all of it, an [`outage`] that
//! is held against nobody, and the [`standing`] of people whose sales came to nothing.

pub mod call;
pub mod fees;
pub mod gateway;
pub mod ids;
pub mod ledger;
pub mod money;
mod movement;
pub mod outage;
pub mod payout;
pub mod rate;
pub mod saga;
pub mod settlement;
pub mod standing;

pub use call::{Contact, GatewayCall, Report, Way};
pub use fees::{Quote, Schedules};
pub use gateway::{Answer, CallKey, Decline, GatewayRef, Instruction, Operation, PaymentMethod};
pub use ids::{AuctionId, PayoutId, SettlementId, Subject, UserId};
pub use money::{Currency, Money};
pub use movement::{Movement, MovementKind};
pub use outage::{Grace, Watch};
pub use payout::{Payout, PayoutRules};
pub use rate::BasisPoints;
pub use settlement::{FailureReason, Parcel, Role, Settlement, SettlementEvent, Statement, Status, Terms};
pub use standing::{Standing, StandingEvent, Strike};
