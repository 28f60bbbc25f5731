//! Listings over HTTP: the routes, what they take ([`dto`], [`format`]) and how lists are asked for ([`query`]).

pub mod dto;
pub mod format;
pub mod query;
pub mod routes;

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests;
