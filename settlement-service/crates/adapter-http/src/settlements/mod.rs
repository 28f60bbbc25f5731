//! Settlements over HTTP: the routes of reading and of the good path, the [`detours`], what they take ([`requests`]) and
//! give ([`dto`]), how lists are asked for ([`query`]), the [`ledger`]'s page for the operator, and its [`payouts`], and how [`bidders`]
//! stand.

pub mod bidders;
pub mod detours;
pub mod dto;
pub mod ledger;
mod ledger_query;
pub mod payouts;
pub mod query;
pub mod requests;
pub mod routes;
#[cfg(test)]
mod tests;
