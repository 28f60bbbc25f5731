//! Who pays how much. Pure: no IO, no clock, no framework.
//!
//! Reading order: [`auction`] is the aggregate and its states; [`format`](mod@format) is what a way of
//! selling decides, [`english`], [`sealed`], [`dutch`] and [`uniform`] the ones there are; [`increments`],
//! [`soft_close`] and [`halt`] are rules as data; [`log`] is what an auction decided, linked by a [`chain`],
//! and [`replay`] proves it; [`event`] is what the other contexts are told, [`views`] what a bidder may see;
//! [`second_chance`] is who is next when a buyer does not pay.

pub mod alias;
pub mod auction;
pub mod bid;
pub mod chain;
pub mod dutch;
pub mod english;
pub mod event;
pub mod format;
pub mod halt;
pub mod ids;
pub mod increments;
pub mod log;
pub mod money;
pub mod replay;
pub mod sealed;
pub mod second_chance;
pub mod soft_close;
pub mod terms;
pub mod uniform;
pub mod views;
