//! The words spoken with a payment gateway: what it is told to do, by which key, and what it answers.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::ids::{PayoutId, SettlementId, Subject, UserId};
use crate::money::Money;

/// What a gateway can be told to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// Hold the buyer's money.
    Authorize,
    /// Take what is held.
    Capture,
    /// Let go what is held.
    Void,
    /// Give back what was taken.
    Refund,
    /// Pay the seller.
    PayOut,
}

impl Operation {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Authorize, Self::Capture, Self::Void, Self::Refund, Self::PayOut];

    /// The name in idempotency keys and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Authorize => "authorize",
            Self::Capture => "capture",
            Self::Void => "void",
            Self::Refund => "refund",
            Self::PayOut => "pay_out",
        }
    }
}

/// The idempotency key of a call: `<subject>:<operation>:<attempt>`, attempts counted from 1. The subject is a payout where
/// the operation is one, and else a settlement.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CallKey(String);

impl CallKey {
    /// The key of one attempt.
    #[must_use]
    pub fn new(subject: impl Into<Subject>, operation: Operation, attempt: u32) -> Self {
        let subject = subject.into();
        Self(format!("{subject}:{}:{attempt}", operation.name()))
    }

    /// The key as the gateway gets it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part before the operation: all calls for one settlement have the same.
    #[must_use]
    pub fn group(&self) -> &str {
        self.0.split(':').next().unwrap_or_default()
    }

    /// What the call does; none for what is no key of ours.
    #[must_use]
    pub fn operation(&self) -> Option<Operation> {
        let name = self.0.split(':').nth(1)?;
        Operation::ALL.into_iter().find(|operation| operation.name() == name)
    }

    /// What the call is for; none for what is no key of ours.
    #[must_use]
    pub fn subject(&self) -> Option<Subject> {
        let id: uuid::Uuid = self.group().parse().ok()?;
        let operation = self.0.split(':').nth(1)?;
        Some(if operation == Operation::PayOut.name() {
            PayoutId::from(id).into()
        } else {
            SettlementId::from(id).into()
        })
    }
}

/// Not the key of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a call's key is <subject>:<operation>:<attempt>")]
pub struct InvalidCallKey;

impl FromStr for CallKey {
    type Err = InvalidCallKey;

    /// Reads a key that came back from the gateway: only what [`CallKey::new`] makes is one.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.split(':');
        let (subject, operation, attempt) = (parts.next(), parts.next(), parts.next());
        let id: uuid::Uuid = subject.and_then(|subject| subject.parse().ok()).ok_or(InvalidCallKey)?;
        let operation = Operation::ALL.into_iter().find(|one| Some(one.name()) == operation).ok_or(InvalidCallKey)?;
        let attempt = attempt.and_then(|attempt| attempt.parse().ok()).ok_or(InvalidCallKey)?;
        // Only the text matters: of which kind the subject is follows from the operation.
        let key = Self::new(SettlementId::from(id), operation, attempt);
        if key.as_str() == text { Ok(key) } else { Err(InvalidCallKey) }
    }
}

impl fmt::Display for CallKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What the gateway calls a hold, a charge, a refund or a payout.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GatewayRef(String);

impl From<String> for GatewayRef {
    fn from(reference: String) -> Self {
        Self(reference)
    }
}

impl GatewayRef {
    /// The reference as the gateway gave it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for GatewayRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A gateway's token for a card or account, e.g. `pm_card_visa`: card data itself never comes here.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PaymentMethod(String);

/// Not the shape of a gateway's token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a payment method has 1 to 128 letters, digits, '_' or '-'")]
pub struct InvalidPaymentMethod;

impl PaymentMethod {
    /// The token.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for PaymentMethod {
    type Error = InvalidPaymentMethod;

    fn try_from(token: String) -> Result<Self, Self::Error> {
        let fits = (1..=128).contains(&token.len())
            && token.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
        if fits { Ok(Self(token)) } else { Err(InvalidPaymentMethod) }
    }
}

impl FromStr for PaymentMethod {
    type Err = InvalidPaymentMethod;

    fn from_str(token: &str) -> Result<Self, Self::Err> {
        Self::try_from(token.to_owned())
    }
}

impl From<PaymentMethod> for String {
    fn from(method: PaymentMethod) -> Self {
        method.0
    }
}

/// One thing to be done by the gateway, with all it needs to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "operation", rename_all = "snake_case")]
pub enum Instruction {
    /// Hold this much on the buyer's method.
    Authorize {
        /// How much.
        amount: Money,
        /// On what.
        method: PaymentMethod,
    },
    /// Take what is held, all of it.
    Capture {
        /// The hold.
        hold: GatewayRef,
        /// How much.
        amount: Money,
    },
    /// Let the hold go.
    Void {
        /// The hold.
        hold: GatewayRef,
    },
    /// Give the buyer this much of a charge back.
    Refund {
        /// The charge.
        charge: GatewayRef,
        /// How much.
        amount: Money,
    },
    /// Pay the seller.
    PayOut {
        /// To whom.
        seller: UserId,
        /// How much.
        amount: Money,
    },
}

impl Instruction {
    /// Which operation it is.
    #[must_use]
    pub const fn operation(&self) -> Operation {
        match self {
            Self::Authorize { .. } => Operation::Authorize,
            Self::Capture { .. } => Operation::Capture,
            Self::Void { .. } => Operation::Void,
            Self::Refund { .. } => Operation::Refund,
            Self::PayOut { .. } => Operation::PayOut,
        }
    }
}

/// Why the gateway refused: a definite answer, nothing moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decline {
    /// For programs, e.g. `card_declined`.
    pub code: String,
    /// For people.
    pub message: String,
}

impl Decline {
    /// The code by which every gateway tells that a hold had run out when it was to be taken or let go.
    pub const HOLD_EXPIRED: &str = "hold_expired";

    /// The code by which every gateway tells that it moves no such amount, by whatever method: it is too small, too
    /// large or too fine, or of a currency that the gateway does not have.
    pub const AMOUNT_REFUSED: &str = "amount_refused";

    /// The code of what no gateway ever says: it could not be reached.
    const UNAVAILABLE: &str = "gateway_unavailable";

    /// Whether the hold had run out.
    #[must_use]
    pub fn is_expired_hold(&self) -> bool {
        self.code == Self::HOLD_EXPIRED
    }

    /// Whether no other method would do.
    #[must_use]
    pub fn is_of_amount(&self) -> bool {
        self.code == Self::AMOUNT_REFUSED
    }

    /// Holds on the buyer's method ran out, again and again.
    pub(crate) fn hold_expired() -> Self {
        let message = "the money was held and could not be taken in time; nothing was taken".to_owned();
        Self { code: Self::HOLD_EXPIRED.to_owned(), message }
    }

    /// Why an operation needs a person, in words.
    pub(crate) fn of(&self, operation: Operation) -> String {
        format!("{} was refused: {} ({})", operation.name(), self.message, self.code)
    }

    /// The gateway took none of many contacts.
    pub(crate) fn unavailable() -> Self {
        let message = "the payment gateway could not be reached; nothing was taken".to_owned();
        Self { code: Self::UNAVAILABLE.to_owned(), message }
    }

    /// Whether nobody refused: the gateway took none of many contacts.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        self.code == Self::UNAVAILABLE
    }
}

/// A definite answer of the gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    /// Done.
    Succeeded {
        /// What the gateway calls the result.
        reference: GatewayRef,
    },
    /// Refused; nothing moved.
    Declined(Decline),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_names_settlement_operation_and_attempt() {
        let id = SettlementId::from(uuid::Uuid::nil());
        assert_eq!(CallKey::new(id, Operation::PayOut, 2).as_str(), "00000000-0000-0000-0000-000000000000:pay_out:2");
    }

    #[test]
    fn a_key_is_read_back_and_nothing_else_is_one() {
        let id = SettlementId::from(uuid::Uuid::from_u128(7));
        for operation in Operation::ALL {
            let key = CallKey::new(id, operation, 3);
            assert_eq!(key.as_str().parse(), Ok(key.clone()));
            let payout = operation == Operation::PayOut;
            let subject = if payout { PayoutId::from(id.as_uuid()).into() } else { id.into() };
            assert_eq!((key.group(), key.subject()), (id.to_string().as_str(), Some(subject)));
        }
        for bad in
            ["", ":::", "x:void:1", &format!("{id}:steal:1"), &format!("{id}:void:+1"), &format!("{id}:void:1:2")]
        {
            assert_eq!(bad.parse::<CallKey>(), Err(InvalidCallKey), "{bad}");
        }
    }

    #[test]
    fn a_payment_method_is_a_short_token_without_spaces_or_controls() {
        assert!("pm_card_visa".parse::<PaymentMethod>().is_ok());
        for bad in ["", "pm card", "pm\u{0}", "4242 4242", &"x".repeat(129)] {
            assert_eq!(bad.parse::<PaymentMethod>(), Err(InvalidPaymentMethod), "{bad}");
        }
    }
}
