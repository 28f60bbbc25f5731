//! Stripe's refusals, by what they mean to us.

use serde::Deserialize;
use settlement_domain::Decline;

/// Longer messages are cut, characters.
const MAX_MESSAGE: usize = 500;

/// Declines whose reason the bank wants nobody to hear (Stripe, "Decline codes": show them as a plain decline).
const CONFIDENTIAL: [&str; 8] = [
    "fraudulent",
    "lost_card",
    "merchant_blacklist",
    "pickup_card",
    "restricted_card",
    "security_violation",
    "stolen_card",
    "stop_payment_order",
];

/// Codes of what is wrong with the amount itself (Stripe, "Error codes").
const OF_AMOUNT: [&str; 3] = ["amount_too_large", "amount_too_small", "invalid_charge_amount"];

/// An error object: of an answer, or the last one of an intent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct StripeError {
    #[serde(rename = "type", default)]
    pub kind: String,
    pub code: Option<String>,
    pub decline_code: Option<String>,
    pub message: Option<String>,
    pub param: Option<String>,
    pub payment_intent: Option<IntentState>,
}

/// What an error tells of the intent it is about.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct IntentState {
    pub status: Option<String>,
    pub cancellation_reason: Option<String>,
}

impl StripeError {
    /// A refusal of our own, before Stripe hears anything.
    pub(super) fn local(code: &str, message: &str) -> Self {
        Self { code: Some(code.to_owned()), message: Some(message.to_owned()), ..Self::default() }
    }

    /// Stripe has no such object.
    pub(super) fn missing() -> Self {
        Self::local("resource_missing", "The gateway has nothing of this reference.")
    }

    pub(super) fn is_missing(&self) -> bool {
        self.code.as_deref() == Some("resource_missing")
    }

    /// The hold ended by itself before it was captured.
    fn is_expired_hold(&self) -> bool {
        let ended = |intent: &IntentState| {
            intent.status.as_deref() == Some("canceled")
                && matches!(intent.cancellation_reason.as_deref(), Some("automatic" | "expired"))
        };
        self.code.as_deref() == Some("charge_expired_for_capture") || self.payment_intent.as_ref().is_some_and(ended)
    }

    /// No other card would do.
    fn is_of_amount(&self) -> bool {
        self.code.as_deref().is_some_and(|code| OF_AMOUNT.contains(&code)) || self.param.as_deref() == Some("currency")
    }

    /// The refusal in our words: what a buyer may read, and what a program can act on.
    pub(crate) fn decline(&self) -> Decline {
        let told = self.message.as_deref().unwrap_or("The gateway refused.");
        let told = || told.chars().take(MAX_MESSAGE).collect();
        let decline = |code: &str, message: String| Decline { code: code.to_owned(), message };
        if self.kind == "card_error" {
            return match (self.decline_code.as_deref(), self.code.as_deref()) {
                (Some(code), _) if CONFIDENTIAL.contains(&code) => {
                    decline("card_declined", "Your card was declined.".to_owned())
                }
                (Some("generic_decline") | None, code) => decline(code.unwrap_or("card_declined"), told()),
                (Some(code), _) => decline(code, told()),
            };
        }
        if self.param.as_deref().is_some_and(|param| param.starts_with("payment_method")) {
            return decline("invalid_payment_method", "The gateway does not take this payment method.".to_owned());
        }
        if self.is_of_amount() {
            return decline(Decline::AMOUNT_REFUSED, told());
        }
        if self.is_expired_hold() {
            return decline(Decline::HOLD_EXPIRED, "The hold ended before it was captured.".to_owned());
        }
        decline(self.code.as_deref().unwrap_or("invalid_request"), told())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn code(error: Value) -> String {
        serde_json::from_value::<StripeError>(error).unwrap().decline().code
    }

    #[test]
    fn a_decline_goes_by_its_reason() {
        let card = |decline: &str| json!({"type": "card_error", "code": "card_declined", "decline_code": decline});
        assert_eq!(code(card("generic_decline")), "card_declined");
        assert_eq!(code(card("insufficient_funds")), "insufficient_funds");
        assert_eq!(code(json!({"type": "card_error", "code": "expired_card"})), "expired_card");
        assert_eq!(code(json!({"type": "card_error", "code": "authentication_required"})), "authentication_required");
    }

    #[test]
    fn nobody_hears_that_a_card_was_stolen() {
        let stolen = json!({"type": "card_error", "code": "card_declined", "decline_code": "stolen_card",
            "message": "Your card was reported stolen."});
        let decline = serde_json::from_value::<StripeError>(stolen).unwrap().decline();
        assert_eq!((decline.code.as_str(), decline.message.as_str()), ("card_declined", "Your card was declined."));
    }

    #[test]
    fn a_token_that_stripe_does_not_know_is_an_invalid_method() {
        let error = json!({"type": "invalid_request_error", "code": "resource_missing", "param": "payment_method"});
        assert_eq!(code(error), "invalid_payment_method");
    }

    #[test]
    fn an_amount_that_no_card_pays_is_told_from_one_that_this_card_does_not_pay() {
        let invalid =
            |code: Option<&str>, param: &str| json!({"type": "invalid_request_error", "code": code, "param": param});
        assert_eq!(code(invalid(Some("amount_too_small"), "amount")), "amount_refused");
        assert_eq!(code(invalid(Some("amount_too_large"), "amount")), "amount_refused");
        assert_eq!(code(invalid(Some("invalid_charge_amount"), "amount")), "amount_refused");
        assert_eq!(code(invalid(None, "currency")), "amount_refused", "Invalid currency: lyd.");
        let card = |reason: &str| json!({"type": "card_error", "code": "card_declined", "decline_code": reason});
        assert_eq!(code(card("invalid_amount")), "invalid_amount");
        assert_eq!(code(card("currency_not_supported")), "currency_not_supported");
    }

    #[test]
    fn a_hold_that_ended_by_itself_is_told_from_one_that_was_let_go() {
        let state = |reason: &str| {
            json!({"type": "invalid_request_error", "code": "payment_intent_unexpected_state",
                "payment_intent": {"id": "pi_1", "status": "canceled", "cancellation_reason": reason}})
        };
        assert_eq!(code(state("automatic")), "hold_expired");
        assert_eq!(code(state("requested_by_customer")), "payment_intent_unexpected_state");
        assert_eq!(
            code(json!({"type": "invalid_request_error", "code": "charge_expired_for_capture"})),
            "hold_expired"
        );
    }

    #[test]
    fn messages_are_bounded() {
        let long = json!({"type": "invalid_request_error", "message": "é".repeat(5_000)});
        let decline = serde_json::from_value::<StripeError>(long).unwrap().decline();
        assert_eq!((decline.code.as_str(), decline.message.chars().count()), ("invalid_request", MAX_MESSAGE));
    }
}
