//! What is for sale and on which terms. Pure: no IO, no clock, no framework.
//!
//! [`listing`] is the aggregate, [`standing`] its states once it is for sale, [`relisting`] how a lot is listed again;
//! [`terms`] says what a seller may offer, [`event`] what the other contexts are told.

pub mod event;
pub mod fault;
pub mod ids;
pub mod listing;
pub mod money;
pub mod relisting;
pub mod standing;
pub mod terms;

#[cfg(test)]
mod tests;
