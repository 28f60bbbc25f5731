//! Settlements over HTTP: the routes, what they speak ([`dto`]), how lists are asked for ([`query`]), and the
//! [`ledger`]'s page for the operator.

pub mod dto;
pub mod ledger;
mod ledger_query;
pub mod query;
pub mod routes;
