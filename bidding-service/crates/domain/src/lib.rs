//! Who pays how much. Pure: no IO, no clock, no framework.
//!
//! Reading order: [`auction`] is the aggregate and its states; [`format`](mod@format) is what a way of
//! selling decides, [`english`] the one there is; [`increments`] and [`soft_close`] are its rules as data;
//! [`event`] is what the other contexts are told, [`views`] what a bidder may see.

pub mod alias;
pub mod auction;
pub mod bid;
pub mod english;
pub mod event;
pub mod format;
pub mod ids;
pub mod increments;
pub mod money;
pub mod soft_close;
pub mod terms;
pub mod views;
