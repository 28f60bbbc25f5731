//! What a bearer token claims (RFC 7519), and the roles.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a principal may do. A role that a service does not know is ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(transform = crate::open::values)]
pub enum Role {
    /// Lists, ships, is paid.
    Seller,
    /// Bids, pays, receives.
    Bidder,
    /// The operator: resolves disputes, reads the ledger.
    Admin,
    /// A role of a later version.
    #[serde(other)]
    Unknown,
}

/// The `aud` claim: one audience or several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Audience {
    /// A single audience.
    One(String),
    /// Several.
    Many(Vec<String>),
}

/// The claims that every service requires.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Claims {
    /// Issuer.
    pub iss: String,
    /// Who the token is for: `outcry`.
    pub aud: Audience,
    /// The principal, 1–128 characters.
    #[schemars(length(min = 1, max = 128))]
    pub sub: String,
    /// Expiry, seconds since 1970-01-01T00:00:00Z.
    pub exp: u64,
    /// Roles of the principal.
    pub roles: Vec<Role>,
}
