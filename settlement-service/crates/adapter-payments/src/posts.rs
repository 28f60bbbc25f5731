//! The simulated gateway's webhooks: the same messages by the same signature as Stripe's, so that one reader knows both.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use settlement_domain::{Answer, CallKey, GatewayRef, Instruction, Money};
use tokio::sync::{mpsc, oneshot};

use crate::faults::{LATE, Telling};
use crate::stripe::to_stripe;
use crate::webhook::{self, Secret};

/// How long an answer waits for a webhook that is to come first.
const FIRST_WITHIN: Duration = Duration::from_secs(1);

/// A webhook on its way.
#[derive(Debug)]
pub struct Post {
    /// The header `Stripe-Signature`.
    pub signature: String,
    /// The body.
    pub body: Vec<u8>,
    /// To be dropped once it was delivered.
    pub delivered: Option<oneshot::Sender<()>>,
}

/// Where webhooks go, and what signs them. What finds no room in the channel is lost, as webhooks may be.
#[derive(Clone)]
pub struct Posts {
    to: mpsc::Sender<Post>,
    secret: Secret,
}

impl Posts {
    /// Into a channel, signed by a secret.
    #[must_use]
    pub const fn new(to: mpsc::Sender<Post>, secret: Secret) -> Self {
        Self { to, secret }
    }

    /// Tells what a call came to.
    pub(crate) async fn tell(&self, telling: Telling, key: &CallKey, instruction: &Instruction, answer: &Answer) {
        let Some(body) = event(key, instruction, answer).map(|event| event.to_string().into_bytes()) else { return };
        match telling {
            Telling::Once => self.post(body, None),
            Telling::Twice => {
                self.post(body.clone(), None);
                self.post(body, None);
            }
            Telling::First => {
                let (delivered, heard) = oneshot::channel();
                self.post(body, Some(delivered));
                let _in_time = tokio::time::timeout(FIRST_WITHIN, heard).await;
            }
            Telling::Late => {
                let posts = self.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(LATE).await;
                    posts.post(body, None);
                });
            }
        }
    }

    /// Tells that the buyer's bank takes back what a capture took, and that the money is gone.
    pub(crate) fn dispute(&self, instruction: &Instruction, answer: &Answer) {
        let (Instruction::Capture { amount, .. }, Answer::Succeeded { reference }) = (instruction, answer) else {
            return;
        };
        for kind in ["charge.dispute.created", "charge.dispute.funds_withdrawn"] {
            self.post(disputed(kind, reference, *amount).to_string().into_bytes(), None);
        }
    }

    fn post(&self, body: Vec<u8>, delivered: Option<oneshot::Sender<()>>) {
        let signature = webhook::sign(&self.secret, now_s(), &body);
        let _room = self.to.try_send(Post { signature, body, delivered });
    }
}

#[allow(clippy::disallowed_methods)] // the gateway is another party: it has a clock of its own
fn now_s() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or_default()
}

/// What Stripe would tell of a charge that is disputed. An amount that Stripe could not have taken is left out.
fn disputed(kind: &str, charge: &GatewayRef, amount: Money) -> Value {
    let object = json!({"id": format!("dp_{charge}"), "object": "dispute", "payment_intent": charge,
        "amount": to_stripe(amount).ok(), "currency": amount.currency().code().to_ascii_lowercase(),
        "reason": "fraudulent", "status": "needs_response", "metadata": {}});
    json!({"id": format!("evt_sim_{kind}_{charge}"), "object": "event", "type": kind, "data": {"object": object}})
}

/// What Stripe would tell of it.
fn event(key: &CallKey, instruction: &Instruction, answer: &Answer) -> Option<Value> {
    let (kind, object) = match (instruction, answer) {
        (Instruction::Authorize { .. }, Answer::Succeeded { reference }) => (
            "payment_intent.amount_capturable_updated",
            json!({"id": reference, "status": "requires_capture", "metadata": {"outcry_call": key}}),
        ),
        (Instruction::Authorize { .. }, Answer::Declined(decline)) => (
            "payment_intent.payment_failed",
            json!({"id": format!("sim_{key}"), "status": "requires_payment_method", "metadata": {"outcry_call": key},
                "last_payment_error": {"type": "card_error", "code": decline.code, "message": decline.message}}),
        ),
        (Instruction::Capture { .. }, Answer::Succeeded { reference }) => (
            "payment_intent.succeeded",
            json!({"id": reference, "status": "succeeded", "metadata": {"outcry_capture": key}}),
        ),
        (Instruction::Refund { .. }, Answer::Succeeded { reference }) => {
            ("refund.created", json!({"id": reference, "status": "succeeded", "metadata": {"outcry_call": key}}))
        }
        (Instruction::PayOut { .. }, Answer::Succeeded { reference }) => {
            ("transfer.created", json!({"id": reference, "metadata": {"outcry_call": key}}))
        }
        (Instruction::Void { .. }, _) | (_, Answer::Declined(_)) => return None,
    };
    Some(json!({"id": format!("evt_sim_{key}"), "object": "event", "type": kind, "data": {"object": object}}))
}
