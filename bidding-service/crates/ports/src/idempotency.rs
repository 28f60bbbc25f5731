//! Idempotency keys: a request that is sent twice has one effect and one answer.

use bidding_domain::ids::UserId;

/// A client's `Idempotency-Key`, and what it was sent with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestKey {
    /// Keys of different principals never meet.
    pub principal: UserId,
    /// As the client sent it, 1–255 characters.
    pub key: String,
    /// SHA-256 of route and body: the same key with another one is the client's mistake.
    pub fingerprint: [u8; 32],
}

/// What a store knows of a key.
#[derive(Debug, Clone, PartialEq)]
pub enum Claim {
    /// Never answered.
    New,
    /// Answered before: give this JSON again.
    Replay(String),
    /// Seen with another request.
    Mismatch,
}
