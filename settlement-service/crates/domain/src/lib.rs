//! Settlement's core: what happens to money and goods after the hammer. Pure: no IO, no clock, no async.
//!
//! Reading order: [`money`] and [`rate`], the [`fees`] of a sale, the double-entry [`ledger`], the [`settlement`] and its states,
//! the [`call`] to the gateway that survives crashes, and [`saga`], whose table drives all of it.

pub mod call;
pub mod fees;
pub mod gateway;
pub mod ids;
pub mod ledger;
pub mod money;
pub mod rate;
pub mod saga;
pub mod settlement;

pub use call::{Contact, GatewayCall, Report, Way};
pub use fees::{Quote, Schedules};
pub use gateway::{Answer, CallKey, Decline, GatewayRef, Instruction, Operation, PaymentMethod};
pub use ids::{AuctionId, SettlementId, UserId};
pub use money::{Currency, Money};
pub use rate::BasisPoints;
pub use settlement::{FailureReason, Parcel, Settlement, SettlementEvent, Status, Terms};
