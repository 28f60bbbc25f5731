//! Listings over HTTP: the routes, what they take ([`dto`]) and how lists are asked for ([`query`]).

pub mod dto;
pub mod query;
pub mod routes;
