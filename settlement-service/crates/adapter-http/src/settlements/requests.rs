//! What the API takes. Amounts are minor units of the settlement's currency.

use serde::{Deserialize, Serialize};
use settlement_domain::{
    Parcel, PaymentMethod, Statement, UserId,
    settlement::{Decision, InvalidParcel, MAX_CHARGEBACKS, Verdict},
};
use utoipa::ToSchema;

use crate::problem::ApiError;

/// How the buyer pays.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Payment {
    /// A token of the payment gateway's for a card or an account; card data itself never comes here.
    #[schema(pattern = "^[A-Za-z0-9_-]{1,128}$", example = "pm_card_visa")]
    payment_method: String,
}

/// How the lot was sent.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Shipment {
    /// Who carries it.
    #[schema(
        min_length = 1,
        max_length = 64,
        pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$",
        example = "UPS"
    )]
    carrier: String,
    /// The carrier's number.
    #[schema(
        min_length = 1,
        max_length = 64,
        pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$",
        example = "1Z999AA10123456784"
    )]
    tracking_number: String,
}

/// That the lot came; it takes no members.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({}))]
pub struct Reception {}

/// What there is to complain about.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Complaint {
    /// 1 to 4,000 characters.
    #[schema(
        min_length = 1,
        max_length = 4000,
        pattern = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]*$",
        example = "The glass is broken."
    )]
    reason: String,
}

/// What a party says about a dispute.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Testimony {
    /// 1 to 4,000 characters.
    #[schema(
        min_length = 1,
        max_length = 4000,
        pattern = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]*$",
        example = "It was whole when it was packed."
    )]
    text: String,
}

/// A wish that needs no words; it takes no members.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({}))]
pub struct Wish {}

/// What the operator decides.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"decision": "part_refund", "amount": 2000, "note": "A third of the glass is whole."}))]
pub struct OperatorDecision {
    /// One of the settlement's `operator_actions`.
    decision: DecisionName,
    /// What goes back to the buyer, minor units; for a part refund, which needs it, only.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64)]
    amount: Option<i64>,
    /// Why; may be left out in a dispute. 1 to 4,000 characters.
    #[schema(
        min_length = 1,
        max_length = 4000,
        pattern = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]*$"
    )]
    note: Option<String>,
    /// How many `chargebacks` you saw on the settlement. If more are noted by now, nothing is decided: look again.
    // A request without it has the fingerprint that it had before there was this member.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 20)]
    chargebacks: Option<u32>,
}

/// What an operator may decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DecisionName {
    /// The gateway is asked once more, or a sale that was stopped goes on.
    Retry,
    /// The buyer gets everything back.
    Refund,
    /// The buyer gets a part of the seller's share back, the rest is paid out.
    PartRefund,
    /// The seller is paid.
    Release,
    /// It ends here, and the gateway is told nothing: a hold runs out by itself, what the buyer's bank took is gone.
    Close,
}

impl Payment {
    pub(crate) fn into_domain(self) -> Result<PaymentMethod, ApiError> {
        let method = PaymentMethod::try_from(self.payment_method);
        method.map_err(|_| ApiError::invalid("/payment_method", "has 1 to 128 letters, digits, '_' or '-'"))
    }
}

impl Shipment {
    pub(crate) fn into_domain(self) -> Result<Parcel, ApiError> {
        Parcel::new(&self.carrier, &self.tracking_number).map_err(|error| {
            let pointer = match error {
                InvalidParcel::Carrier => "/carrier",
                InvalidParcel::TrackingNumber => "/tracking_number",
            };
            ApiError::invalid(pointer, "has 1 to 64 characters, none of them a control character")
        })
    }
}

/// A text of a person's.
pub(crate) fn statement(pointer: &str, text: String) -> Result<Statement, ApiError> {
    let detail = "has 1 to 4000 characters, none of them a control character but line breaks and tabs";
    Statement::try_from(text).map_err(|_| ApiError::invalid(pointer, detail))
}

impl Complaint {
    pub(crate) fn into_domain(self) -> Result<Statement, ApiError> {
        statement("/reason", self.reason)
    }
}

impl Testimony {
    pub(crate) fn into_domain(self) -> Result<Statement, ApiError> {
        statement("/text", self.text)
    }
}

impl OperatorDecision {
    pub(crate) fn into_domain(self, by: UserId) -> Result<Decision, ApiError> {
        let verdict = match (self.decision, self.amount) {
            (DecisionName::PartRefund, Some(amount)) => Verdict::PartRefund { amount },
            (DecisionName::PartRefund, None) => {
                return Err(ApiError::invalid("/amount", "is needed for a part refund"));
            }
            (_, Some(_)) => return Err(ApiError::invalid("/amount", "is for part refunds only")),
            (DecisionName::Retry, None) => Verdict::Retry,
            (DecisionName::Refund, None) => Verdict::Refund,
            (DecisionName::Release, None) => Verdict::Release,
            (DecisionName::Close, None) => Verdict::Close,
        };
        let note = self.note.map(|note| statement("/note", note)).transpose()?;
        let chargebacks_seen = self.chargebacks.map(|seen| seen as usize);
        if chargebacks_seen.is_some_and(|seen| seen > MAX_CHARGEBACKS) {
            return Err(ApiError::invalid("/chargebacks", format!("is from 0 to {MAX_CHARGEBACKS}")));
        }
        Ok(Decision { by, verdict, note, chargebacks_seen })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn decided(body: Value) -> Result<Verdict, ApiError> {
        let decision: OperatorDecision = serde_json::from_value(body).expect("of the shape");
        decision.into_domain("root".parse().expect("a sub")).map(|decision| decision.verdict)
    }

    #[test]
    fn an_amount_belongs_to_a_part_refund_and_to_nothing_else() {
        let part = decided(json!({"decision": "part_refund", "amount": 5}));
        assert_eq!(part.ok(), Some(Verdict::PartRefund { amount: 5 }));
        assert!(decided(json!({"decision": "part_refund"})).is_err());
        assert!(decided(json!({"decision": "refund", "amount": 5})).is_err());
        assert_eq!(decided(json!({"decision": "close", "note": "done"})).ok(), Some(Verdict::Close));
        assert!(decided(json!({"decision": "refund", "note": ""})).is_err());
    }

    #[test]
    fn as_many_chargebacks_may_have_been_seen_as_a_settlement_notes() {
        let seen = |seen: Value| decided(json!({"decision": "retry", "note": "done", "chargebacks": seen}));
        for some in [json!(0), json!(MAX_CHARGEBACKS), Value::Null] {
            assert_eq!(seen(some.clone()).ok(), Some(Verdict::Retry), "{some}");
        }
        assert!(seen(json!(MAX_CHARGEBACKS + 1)).is_err());
        for bad in [json!(-1), json!(1.5), json!("1")] {
            let body = json!({"decision": "retry", "chargebacks": bad});
            assert!(serde_json::from_value::<OperatorDecision>(body).is_err());
        }
    }

    #[test]
    fn a_decision_that_names_no_chargebacks_has_the_fingerprint_that_it_always_had() {
        let decision: OperatorDecision = serde_json::from_value(json!({"decision": "refund"})).expect("of the shape");
        let text = serde_json::to_string(&decision).expect("JSON");
        assert_eq!(text, r#"{"decision":"refund","amount":null,"note":null}"#);
    }

    #[test]
    fn an_unknown_decision_is_none() {
        assert!(serde_json::from_value::<OperatorDecision>(json!({"decision": "forgive"})).is_err());
    }
}
