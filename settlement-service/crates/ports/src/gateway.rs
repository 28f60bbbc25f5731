//! The payment gateway. Cards never come here: only the gateway's own tokens and references.

use async_trait::async_trait;
use settlement_domain::{Answer, CallKey, Instruction};

/// What came of telling the gateway to do something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GatewayResult {
    /// A definite answer: done, or refused without effect.
    Answered(Answer),
    /// Timed out, connection lost after sending, unreadable answer: it may have happened.
    Unknown,
    /// Not taken, certainly without effect: connection refused, rate limited, circuit open.
    Unavailable,
}

/// What came of asking what an instruction under a key came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    /// This was the answer.
    Answered(Answer),
    /// The gateway has nothing of the kind under this key: it had no effect so far.
    Absent,
    /// No answer this time.
    Unavailable,
}

/// A payment gateway.
///
/// - The same key MUST get the same answer and MUST have its effect at most once, also after a restart and also when
///   two processes use it at the same time.
/// - The same key with another instruction MUST be declined with the code `idempotency_key_reused`.
/// - A result that is not certain MUST be [`GatewayResult::Unknown`]; only what certainly had no effect may be
///   [`GatewayResult::Unavailable`].
/// - Every call MUST return within a time limit that is well below [`settlement_domain::call::LEASE_S`].
/// - What is captured, voided or refunded MUST be declined if the hold or charge does not cover it. A hold that was let
///   go already MAY be let go once more.
/// - A lookup MUST find what had an effect, however long ago. It MAY miss a refusal that left no trace: sending again by
///   the same key is refused again.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait PaymentGateway: Send + Sync {
    /// Carries an instruction out: authorize, capture, void, refund or pay out.
    async fn execute(&self, key: &CallKey, instruction: &Instruction) -> GatewayResult;

    /// What became of an instruction under a key. MUST have no effect. The instruction is what the key was sent with:
    /// not every gateway can find by a key alone.
    async fn lookup(&self, key: &CallKey, instruction: &Instruction) -> Lookup;
}
