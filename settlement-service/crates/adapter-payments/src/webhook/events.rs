//! What Stripe's events mean here. Our calls leave their key in the metadata of what they made; an event about something
//! that moved money and names no call of ours is an incident.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;
use settlement_domain::{Answer, CallKey, GatewayRef};
use settlement_ports::{Incident, News, Notice, Unsigned};

use crate::stripe::{CALL, CAPTURE, StripeError};

/// Longer ids and kinds are none, characters.
const MAX_NAME: usize = 255;

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
}

pub(super) fn read(body: &[u8], signed_at: DateTime<Utc>) -> Result<Notice, Unsigned> {
    let event: Event = serde_json::from_slice(body).map_err(|error| Unsigned::Unreadable(error.to_string()))?;
    if [&event.id, &event.kind].into_iter().any(|name| name.is_empty() || name.chars().count() > MAX_NAME) {
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
        "charge.dispute.created" => object.incident(Incident::Chargeback),
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
            ("charge.dispute.created", json!({"id": "dp_1", "payment_intent": "pi_1"}), Incident::Chargeback, "pi_1"),
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
