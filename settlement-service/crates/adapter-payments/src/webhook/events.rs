//! What Stripe's events mean here. Our calls leave their key in the metadata of what they made; an event about something
//! that moved money and names no call of ours is an incident. A dispute has no metadata of ours, and names the payment that the
//! buyer's bank took back. While the bank only asks about it (an inquiry: `warning_…`) nothing is taken.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;
use settlement_domain::settlement::Claim;
use settlement_domain::{Answer, CallKey, GatewayRef, Money};
use settlement_ports::{Incident, News, Notice, Unsigned};

use crate::stripe::{CALL, CAPTURE, StripeError, from_stripe};

/// Longer ids, kinds and reasons are none, characters.
const MAX_NAME: usize = 255;
/// What the state of an inquiry begins with: the bank asks, and takes nothing.
const INQUIRY: &str = "warning_";

#[derive(Deserialize)]
struct Event {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    object: Value,
}

/// The fields that matter, of the objects that do.
#[derive(Deserialize)]
struct Object {
    id: String,
    status: Option<String>,
    metadata: Option<HashMap<String, String>>,
    payment_intent: Option<String>,
    last_payment_error: Option<StripeError>,
    /// Of disputes, like what follows: what cannot be read keeps no sale from being stopped.
    amount: Option<Value>,
    currency: Option<Value>,
    reason: Option<Value>,
}

impl Object {
    /// The key that a call of ours left.
    fn key(&self, name: &str) -> Option<CallKey> {
        self.metadata.as_ref()?.get(name)?.parse().ok()
    }

    fn reference(&self) -> GatewayRef {
        GatewayRef::from(self.id.clone())
    }

    /// The payment it is about, or itself.
    fn payment(&self) -> GatewayRef {
        GatewayRef::from(self.payment_intent.clone().unwrap_or_else(|| self.id.clone()))
    }

    fn done(&self, key: CallKey) -> News {
        News::Answer { key, answer: Answer::Succeeded { reference: self.reference() } }
    }

    fn incident(&self, what: Incident) -> News {
        News::Incident { what, about: self.payment(), key: self.key(CALL) }
    }

    fn is_inquiry(&self) -> bool {
        self.status.as_deref().is_some_and(|status| status.starts_with(INQUIRY))
    }

    /// What the bank took, from which payment; somebody has to look if that is not told.
    fn chargeback(&self) -> News {
        match &self.payment_intent {
            Some(charge) if is_name(&self.id) => News::Chargeback {
                charge: GatewayRef::from(charge.clone()),
                claim: Claim { id: self.reference(), amount: self.money(), reason: self.reason() },
            },
            _ => self.incident(Incident::Chargeback),
        }
    }

    fn money(&self) -> Option<Money> {
        let currency = self.currency.as_ref()?.as_str()?.to_ascii_uppercase().parse().ok()?;
        from_stripe(self.amount.as_ref()?.as_i64()?, currency)
    }

    fn reason(&self) -> Option<String> {
        self.reason.as_ref()?.as_str().filter(|reason| is_name(reason)).map(str::to_owned)
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().count() <= MAX_NAME
}

pub(super) fn read(body: &[u8], signed_at: DateTime<Utc>) -> Result<Notice, Unsigned> {
    let event: Event = serde_json::from_slice(body).map_err(|error| Unsigned::Unreadable(error.to_string()))?;
    if !is_name(&event.id) || !is_name(&event.kind) {
        return Err(Unsigned::Unreadable(format!("id and type have 1 to {MAX_NAME} characters")));
    }
    let news = if matters(&event.kind) {
        let object = serde_json::from_value(event.data.object);
        news(&event.kind, object.map_err(|error| Unsigned::Unreadable(error.to_string()))?)
    } else {
        News::Other
    };
    Ok(Notice { event_id: event.id, kind: event.kind, signed_at, news })
}

/// Whether an event may mean something here. The others are not looked into: there are hundreds of kinds.
fn matters(kind: &str) -> bool {
    ["payment_intent.", "refund.", "charge.refund.", "transfer.", "charge.dispute."]
        .iter()
        .any(|start| kind.starts_with(start))
}

fn news(kind: &str, object: Object) -> News {
    match kind {
        "payment_intent.amount_capturable_updated" if object.status.as_deref() == Some("requires_capture") => {
            object.key(CALL).map_or(News::Other, |key| object.done(key))
        }
        "payment_intent.payment_failed" => match (object.key(CALL), object.last_payment_error) {
            (Some(key), Some(error)) => News::Answer { key, answer: Answer::Declined(error.decline()) },
            _ => News::Other,
        },
        "payment_intent.succeeded" => match (object.key(CAPTURE), object.key(CALL)) {
            (Some(capture), _) => object.done(capture),
            (None, Some(_)) => object.incident(Incident::CaptureElsewhere),
            (None, None) => News::Other,
        },
        "refund.created" | "refund.updated" | "charge.refund.updated" => refund(kind, &object),
        "refund.failed" => object.incident(Incident::RefundFailed),
        "transfer.created" => object.key(CALL).map_or(News::Other, |key| object.done(key)),
        "transfer.reversed" => object.incident(Incident::PayoutReversed),
        "charge.dispute.created" if object.is_inquiry() => object.incident(Incident::Inquiry),
        // The money of an inquiry that became a dispute is told of by the latter alone.
        "charge.dispute.created" | "charge.dispute.funds_withdrawn" => object.chargeback(),
        "charge.dispute.closed" => object.incident(Incident::ChargebackClosed),
        _ => News::Other,
    }
}

/// A refund that is under way counts as given: it leaves our balance at once, and failing is told by itself.
fn refund(kind: &str, object: &Object) -> News {
    match (object.status.as_deref(), object.key(CALL)) {
        (Some("failed" | "canceled"), _) => object.incident(Incident::RefundFailed),
        (Some("succeeded" | "pending"), Some(key)) => object.done(key),
        (_, None) if kind == "refund.created" => object.incident(Incident::RefundElsewhere),
        _ => News::Other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use settlement_domain::{Operation, SettlementId};

    use super::*;

    fn key(operation: Operation) -> CallKey {
        CallKey::new(SettlementId::from(uuid::Uuid::from_u128(5)), operation, 1)
    }

    fn told(kind: &str, object: Value) -> News {
        let event = json!({"id": "evt_1", "object": "event", "type": kind, "data": {"object": object}});
        read(event.to_string().as_bytes(), DateTime::UNIX_EPOCH).unwrap().news
    }

    fn succeeded(key: CallKey, reference: &str) -> News {
        News::Answer { key, answer: Answer::Succeeded { reference: GatewayRef::from(reference.to_owned()) } }
    }

    #[test]
    fn what_our_calls_made_answers_them() {
        let (authorize, capture) = (key(Operation::Authorize), key(Operation::Capture));
        let held = json!({"id": "pi_1", "status": "requires_capture", "metadata": {CALL: authorize}});
        assert_eq!(told("payment_intent.amount_capturable_updated", held), succeeded(authorize.clone(), "pi_1"));
        let taken = json!({"id": "pi_1", "status": "succeeded", "metadata": {CALL: authorize, CAPTURE: capture}});
        assert_eq!(told("payment_intent.succeeded", taken), succeeded(capture, "pi_1"));
        let (refund, payout) = (key(Operation::Refund), key(Operation::PayOut));
        let back = json!({"id": "re_1", "status": "pending", "payment_intent": "pi_1", "metadata": {CALL: refund}});
        assert_eq!(told("refund.created", back), succeeded(refund, "re_1"));
        assert_eq!(
            told("transfer.created", json!({"id": "tr_1", "metadata": {CALL: payout}})),
            succeeded(payout, "tr_1")
        );
    }

    #[test]
    fn a_failed_payment_declines_by_the_code_that_an_answer_would_have() {
        let error = json!({"type": "card_error", "code": "card_declined", "decline_code": "insufficient_funds",
            "message": "Your card has insufficient funds."});
        let object = json!({"id": "pi_1", "metadata": {CALL: key(Operation::Authorize)}, "last_payment_error": error});
        let News::Answer { answer: Answer::Declined(decline), .. } = told("payment_intent.payment_failed", object)
        else {
            panic!("no decline")
        };
        assert_eq!(decline.code, "insufficient_funds");
    }

    #[test]
    fn money_that_moved_without_us_is_an_incident() {
        let ours = json!({"id": "pi_1", "status": "succeeded", "metadata": {CALL: key(Operation::Authorize)}});
        for (kind, object, what, about) in [
            (
                "charge.dispute.created",
                json!({"id": "dp_1", "payment_intent": "pi_1", "status": "warning_needs_response"}),
                Incident::Inquiry,
                "pi_1",
            ),
            ("charge.dispute.created", json!({"id": "dp_1", "status": "needs_response"}), Incident::Chargeback, "dp_1"),
            ("charge.dispute.closed", json!({"id": "dp_1", "status": "lost"}), Incident::ChargebackClosed, "dp_1"),
            (
                "refund.created",
                json!({"id": "re_1", "status": "succeeded", "payment_intent": "pi_1"}),
                Incident::RefundElsewhere,
                "pi_1",
            ),
            (
                "refund.updated",
                json!({"id": "re_1", "status": "failed", "payment_intent": "pi_1"}),
                Incident::RefundFailed,
                "pi_1",
            ),
            ("payment_intent.succeeded", ours, Incident::CaptureElsewhere, "pi_1"),
            ("transfer.reversed", json!({"id": "tr_1"}), Incident::PayoutReversed, "tr_1"),
        ] {
            let News::Incident { what: told, about: named, .. } = told(kind, object) else { panic!("{kind}") };
            assert_eq!((told, named.as_str()), (what, about), "{kind}");
        }
    }

    /// As Stripe documents it ("The Dispute object", "Types of events").
    const DISPUTE: &str = r#"{
        "id": "evt_1PgafyB7WZ01zgkWuA7YsfSq", "object": "event", "api_version": "2026-08-26.dahlia", "created": 1680651737,
        "data": {"object": {
            "id": "du_1MtJUT2eZvKYlo2CNaw2HvEv", "object": "dispute", "amount": 12050, "balance_transactions": [],
            "charge": "ch_1AZtxr2eZvKYlo2CJDX8whov", "created": 1680651737, "currency": "usd",
            "evidence": {"customer_name": null, "shipping_carrier": null, "uncategorized_text": null},
            "evidence_details": {"due_by": 1682294399, "has_evidence": false, "past_due": false, "submission_count": 0},
            "is_charge_refundable": false, "livemode": false, "metadata": {},
            "payment_intent": "pi_1MtJUT2eZvKYlo2C", "reason": "fraudulent", "status": "needs_response"}},
        "livemode": false, "pending_webhooks": 1, "request": {"id": null, "idempotency_key": null},
        "type": "charge.dispute.created"}"#;

    fn of_dispute(kind: &str, member: &str, value: Value) -> News {
        let mut event: Value = serde_json::from_str(DISPUTE).unwrap();
        event["data"]["object"][member] = value;
        told(kind, event["data"]["object"].take())
    }

    #[test]
    fn a_dispute_is_a_chargeback_of_its_payment_and_so_is_its_money_going() {
        let amount = Money::new(12_050, "USD".parse().unwrap()).unwrap();
        let id = GatewayRef::from("du_1MtJUT2eZvKYlo2CNaw2HvEv".to_owned());
        let claim = Claim { id, amount: Some(amount), reason: Some("fraudulent".to_owned()) };
        let charge = GatewayRef::from("pi_1MtJUT2eZvKYlo2C".to_owned());
        let chargeback = News::Chargeback { charge, claim };
        assert_eq!(read(DISPUTE.as_bytes(), DateTime::UNIX_EPOCH).unwrap().news, chargeback);
        for status in ["needs_response", "under_review", "lost"] {
            assert_eq!(of_dispute("charge.dispute.created", "status", json!(status)), chargeback, "{status}");
        }
        for status in ["warning_under_review", "needs_response"] {
            assert_eq!(of_dispute("charge.dispute.funds_withdrawn", "status", json!(status)), chargeback, "{status}");
        }
    }

    #[test]
    fn an_inquiry_takes_nothing_and_is_told_to_the_operator() {
        for status in ["warning_needs_response", "warning_under_review", "warning_closed"] {
            let told = of_dispute("charge.dispute.created", "status", json!(status));
            assert!(matches!(told, News::Incident { what: Incident::Inquiry, .. }), "{status}: {told:?}");
        }
        for kind in ["charge.dispute.updated", "charge.dispute.funds_reinstated"] {
            assert_eq!(of_dispute(kind, "status", json!("under_review")), News::Other, "{kind}");
        }
    }

    #[test]
    fn what_cannot_be_read_of_a_dispute_is_left_out_and_it_is_one_all_the_same() {
        let claimed = |member: &str, value: Value| match of_dispute("charge.dispute.created", member, value) {
            News::Chargeback { claim, .. } => claim,
            other => panic!("{member}: {other:?}"),
        };
        for (member, value) in [
            ("amount", json!(null)),
            ("amount", json!(-5)),
            ("amount", json!(1.5)),
            ("currency", json!("xyz")),
            ("currency", json!({"code": "usd"})),
        ] {
            assert_eq!(claimed(member, value.clone()).amount, None, "{member}: {value}");
        }
        for value in [json!(""), json!(7), json!("x".repeat(256))] {
            assert_eq!(claimed("reason", value.clone()).reason, None, "{value}");
        }
        assert_eq!(claimed("currency", json!("isk")).amount, None, "a fraction of a krona");
        let unnamed = of_dispute("charge.dispute.created", "id", json!("x".repeat(256)));
        assert!(matches!(unnamed, News::Incident { what: Incident::Chargeback, .. }), "{unnamed:?}");
    }

    #[test]
    fn what_is_not_ours_or_not_known_does_not_matter() {
        for (kind, object) in [
            ("balance.available", json!({"object": "balance", "metadata": 5})),
            ("payment_intent.succeeded", json!({"id": "pi_1", "metadata": {}})),
            ("payment_intent.succeeded", json!({"id": "pi_1", "metadata": {CALL: "somebody else's"}})),
            ("refund.updated", json!({"id": "re_1", "status": "succeeded"})),
            (
                "payment_intent.amount_capturable_updated",
                json!({"id": "pi_1", "status": "processing",
                "metadata": {CALL: key(Operation::Authorize)}}),
            ),
        ] {
            assert_eq!(told(kind, object), News::Other, "{kind}");
        }
    }

    #[test]
    fn what_is_no_event_is_unreadable() {
        let long = json!({"id": "x".repeat(256), "type": "a", "data": {"object": {"id": "b"}}}).to_string();
        for body in ["", "[]", r#"{"id":"evt_1"}"#, r#"{"id":"","type":"a","data":{"object":{"id":"b"}}}"#, &long] {
            assert!(matches!(read(body.as_bytes(), DateTime::UNIX_EPOCH), Err(Unsigned::Unreadable(_))), "{body}");
        }
    }
}
