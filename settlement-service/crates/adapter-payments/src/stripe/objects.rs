//! Stripe's objects, as far as they matter here, and what their states mean.

use std::collections::HashMap;

use serde::Deserialize;
use settlement_domain::{Answer, CallKey, GatewayRef};

use super::client::{Failure, Listed};
use super::error::StripeError;
use super::{CALL, CAPTURE, TERMS, declined, reused};

type Metadata = HashMap<String, String>;

/// Whatever it is.
#[derive(Debug, Deserialize)]
pub(super) struct Any {}

/// A `PaymentIntent`: a hold, and the charge that a capture makes of it. Its id is the reference of both.
#[derive(Debug, Deserialize)]
pub(super) struct Intent {
    id: String,
    status: String,
    #[serde(default)]
    metadata: Metadata,
    last_payment_error: Option<StripeError>,
}

impl Intent {
    pub fn into_success(self) -> Answer {
        Answer::Succeeded { reference: GatewayRef::from(self.id) }
    }

    /// What an authorization came to. With a state that is neither yes nor no the future will tell.
    pub fn authorized(self) -> Result<Answer, Failure> {
        match self.status.as_str() {
            "requires_capture" | "succeeded" => Ok(self.into_success()),
            "requires_payment_method" | "canceled" => {
                Ok(Answer::Declined(self.last_payment_error.unwrap_or_default().decline()))
            }
            "requires_action" => Ok(declined("authentication_required", "The bank wants to see its customer.")),
            _ => Err(Failure::Unknown),
        }
    }

    pub fn captured(self) -> Result<Answer, Failure> {
        if self.status == "succeeded" { Ok(self.into_success()) } else { Err(Failure::Unknown) }
    }

    pub fn cancelled(self) -> Result<Answer, Failure> {
        if self.is_cancelled() { Ok(self.into_success()) } else { Err(Failure::Unknown) }
    }

    pub fn is_cancelled(&self) -> bool {
        self.status == "canceled"
    }

    pub fn is_captured_by(&self, key: &CallKey) -> bool {
        self.status == "succeeded" && has(&self.metadata, CAPTURE, key.as_str())
    }
}

/// An attempt to charge a card for an intent: there is one even if it failed.
#[derive(Debug, Deserialize)]
pub(super) struct Charge {
    id: String,
    status: String,
    payment_intent: Option<Expanded>,
}

/// An intent, asked for to be sent along.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Expanded {
    Intent(Box<Intent>),
    Id(#[allow(dead_code)] String), // read, so that an answer without expansion is no error
}

impl Charge {
    fn intent(&self) -> Option<&Intent> {
        match &self.payment_intent {
            Some(Expanded::Intent(intent)) => Some(intent),
            Some(Expanded::Id(_)) | None => None,
        }
    }

    pub fn is_by(&self, key: &CallKey) -> bool {
        self.intent().is_some_and(|intent| has(&intent.metadata, CALL, key.as_str()))
    }

    /// What the authorization that made this charge came to, whatever became of the hold since.
    pub fn authorized(self, terms: &str) -> Result<Answer, Failure> {
        let Some(Expanded::Intent(intent)) = self.payment_intent else { return Err(Failure::Unknown) };
        if !has(&intent.metadata, TERMS, terms) {
            return Ok(reused());
        }
        match self.status.as_str() {
            "succeeded" => Ok(intent.into_success()),
            "failed" => Ok(Answer::Declined(intent.last_payment_error.unwrap_or_default().decline())),
            _ => Err(Failure::Unknown),
        }
    }
}

/// Money given back.
#[derive(Debug, Deserialize)]
pub(super) struct Refund {
    id: String,
    status: Option<String>,
    #[serde(default)]
    metadata: Metadata,
}

impl Refund {
    /// One that is under way has left our balance; if it fails later, a webhook tells.
    pub fn answer(self) -> Result<Answer, Failure> {
        match self.status.as_deref() {
            Some("succeeded" | "pending") => Ok(Answer::Succeeded { reference: GatewayRef::from(self.id) }),
            Some("failed" | "canceled") => Ok(declined("refund_failed", "The refund did not go through.")),
            _ => Err(Failure::Unknown),
        }
    }

    pub fn is_by(&self, key: &CallKey) -> bool {
        has(&self.metadata, CALL, key.as_str())
    }

    /// The answer to these terms.
    pub fn found(self, terms: &str) -> Result<Answer, Failure> {
        if has(&self.metadata, TERMS, terms) { self.answer() } else { Ok(reused()) }
    }
}

/// Money given to a connected account; there is one only if it was.
#[derive(Debug, Deserialize)]
pub(super) struct Transfer {
    id: String,
    #[serde(default)]
    metadata: Metadata,
}

impl Transfer {
    pub fn answer(self) -> Answer {
        Answer::Succeeded { reference: GatewayRef::from(self.id) }
    }

    pub fn is_by(&self, key: &CallKey) -> bool {
        has(&self.metadata, CALL, key.as_str())
    }

    /// The answer to these terms.
    pub fn found(self, terms: &str) -> Answer {
        if has(&self.metadata, TERMS, terms) { self.answer() } else { reused() }
    }
}

impl Listed for Charge {
    fn id(&self) -> &str {
        &self.id
    }
}

impl Listed for Refund {
    fn id(&self) -> &str {
        &self.id
    }
}

impl Listed for Transfer {
    fn id(&self) -> &str {
        &self.id
    }
}

fn has(metadata: &Metadata, name: &str, value: &str) -> bool {
    metadata.get(name).is_some_and(|found| found == value)
}
