//! Requests that may come more than once and must take effect once.

use settlement_domain::UserId;

/// An `Idempotency-Key` with whose it is and what it was sent with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestKey {
    /// Whose key.
    pub principal: UserId,
    /// The key as it came, at most 255 characters.
    pub key: String,
    /// SHA-256 of route and body.
    pub fingerprint: [u8; 32],
}

/// What a claim of a key found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// Never seen: go on and answer it in the same unit of work.
    New,
    /// Answered before, like this.
    Replay(serde_json::Value),
    /// The key was used for another request.
    Mismatch,
    /// Another unit of work holds it right now.
    Running,
}
