//! What the gateway tells by itself, without being asked: its webhooks. They come at least once, in any order, late or
//! never, and from anybody who knows the address: only the signature says who.

use chrono::{DateTime, Utc};
use settlement_domain::settlement::Claim;
use settlement_domain::{Answer, CallKey, GatewayRef};

/// How far the signature's time may lie from ours, seconds, either way: an older one is a recording.
pub const TOLERANCE_S: i64 = 300;

/// A message that the gateway has signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Unique for what is told, however often it is.
    pub event_id: String,
    /// What kind of event, in the gateway's words.
    pub kind: String,
    /// When it was signed: anew for each delivery.
    pub signed_at: DateTime<Utc>,
    /// What it means here.
    pub news: News,
}

/// What a message means here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// What one of our calls came to.
    Answer {
        /// Which call.
        key: CallKey,
        /// The definite answer.
        answer: Answer,
    },
    /// The buyer's bank took back what a charge had taken.
    Chargeback {
        /// The charge, in the gateway's words.
        charge: GatewayRef,
        /// What is told of it.
        claim: Claim,
    },
    /// Money moved, or may move, and none of our calls did it: a person has to look.
    Incident {
        /// What happened.
        what: Incident,
        /// What it happened to, in the gateway's words.
        about: GatewayRef,
        /// The call that is known to have to do with it.
        key: Option<CallKey>,
    },
    /// Nothing that matters here.
    Other,
}

/// What can happen to money without a call of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Incident {
    /// The buyer's bank takes the money back.
    Chargeback,
    /// The buyer's bank asks about a payment, and takes nothing yet.
    Inquiry,
    /// The buyer's bank has decided.
    ChargebackClosed,
    /// Somebody gave money back in another way.
    RefundElsewhere,
    /// A refund that was under way did not arrive.
    RefundFailed,
    /// Somebody took held money in another way.
    CaptureElsewhere,
    /// A payout was taken back.
    PayoutReversed,
    /// The gateway tells another answer than the one that counts here.
    Contradiction,
}

impl Incident {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Chargeback,
        Self::Inquiry,
        Self::ChargebackClosed,
        Self::RefundElsewhere,
        Self::RefundFailed,
        Self::CaptureElsewhere,
        Self::PayoutReversed,
        Self::Contradiction,
    ];

    /// The name in logs and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Chargeback => "chargeback",
            Self::Inquiry => "inquiry",
            Self::ChargebackClosed => "chargeback_closed",
            Self::RefundElsewhere => "refund_elsewhere",
            Self::RefundFailed => "refund_failed",
            Self::CaptureElsewhere => "capture_elsewhere",
            Self::PayoutReversed => "payout_reversed",
            Self::Contradiction => "contradiction",
        }
    }
}

/// Why a message is not one of the gateway's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unsigned {
    /// No signature, one that cannot be read, or none by a secret that is known.
    #[error("the signature is not the gateway's")]
    Signature,
    /// Signed, and not a message: a defect on one of the two sides.
    #[error("the signed message cannot be read: {0}")]
    Unreadable(String),
}

/// Knows the gateway's signature.
///
/// - MUST compare in constant time, over the very bytes that came, and read nothing of them before.
/// - MUST accept any of the secrets that count at the time, so that one can be replaced by another.
#[cfg_attr(feature = "mock", mockall::automock)]
pub trait NoticeVerifier: Send + Sync {
    /// Reads a message, if the signature is good. Whether it is fresh is the caller's to decide: [`TOLERANCE_S`].
    fn read(&self, signature: &str, body: &[u8]) -> Result<Notice, Unsigned>;
}
