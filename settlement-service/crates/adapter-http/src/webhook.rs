//! Where the payment gateway tells by itself what happened. It has no token: its signature over the very bytes is what
//! counts. Whatever can be taken in is answered 204, also what means nothing here: the gateway need not tell it again.

use std::sync::LazyLock;

use axum::{
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    http::{HeaderMap, StatusCode},
};
use prometheus::{IntCounterVec, register_int_counter_vec};
use serde::Serialize;
use settlement_application::{Effect, NoticeError, Noticed, Notices};
use settlement_ports::{Incident, TOLERANCE_S, Unsigned};
use tracing::Instrument;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    input::{MAX_BODY_BYTES, bad_request},
    openapi::Problem,
    problem::ApiError,
};

/// Registration fails only for a name that is registered twice: a bug of this file.
#[allow(clippy::expect_used)]
static NOTICES: LazyLock<IntCounterVec> = LazyLock::new(|| {
    register_int_counter_vec!(
        "outcry_gateway_notices_total",
        "What the gateway told by itself, by result.",
        &["result"]
    )
    .expect("metric names are unique")
});

#[allow(clippy::expect_used)] // as above
static INCIDENTS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    let help = "Money that moved, or may move, without a call of ours: a person has to look.";
    register_int_counter_vec!("outcry_gateway_incidents_total", help, &["incident"]).expect("metric names are unique")
});

/// The gateway's route.
pub(crate) fn router() -> OpenApiRouter<Notices> {
    // Visible from the start, at zero: what is missing cannot be alerted on.
    for incident in Incident::ALL {
        INCIDENTS.with_label_values(&[incident.name()]);
    }
    OpenApiRouter::new().routes(routes!(receive_notice))
}

/// An event of the gateway's: these members of it are read, and those of the object that tell what became of a payment.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"id": "evt_1PgafyB7WZ01zgkW", "type": "payment_intent.succeeded",
    "data": {"object": {"id": "pi_1PgafyB7WZ01zgkW", "status": "succeeded",
        "metadata": {"outcry_capture": "0192f0c1-2f6b-7d04-9a4e-1c2d3e4f5a6b:capture:1"}}}}))]
#[allow(dead_code)] // only its schema is used
pub struct GatewayEvent {
    /// Unique for what is told, however often it is sent.
    id: String,
    /// What kind of event.
    #[serde(rename = "type")]
    #[schema(rename = "type")]
    kind: String,
    /// What it is about.
    #[schema(value_type = Object)]
    data: serde_json::Value,
}

/// Takes in an event of the payment gateway. For the gateway only, which signs the body; an event that comes again, or
/// late, or after others, changes nothing that is settled.
#[utoipa::path(post, path = "/v1/payments/webhook", operation_id = "receiveGatewayEvent", tag = "payments", security(()),
    params(("Stripe-Signature" = String, Header,
        description = "`t=<Unix seconds>,v1=<hex of HMAC-SHA256 over t.body>`; not older than five minutes")),
    request_body(content = GatewayEvent, content_type = "application/json"),
    responses((status = 204, description = "Taken in, or of no meaning here"),
        (status = 400, description = "Not signed by the gateway, too long ago, or not readable", body = Problem,
            content_type = "application/problem+json"),
        (status = 413, description = "Too large a body", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "Too many requests", body = Problem, content_type = "application/problem+json"),
        (status = 500, description = "Ours to mend", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "To be sent again", body = Problem, content_type = "application/problem+json")))]
async fn receive_notice(
    State(notices): State<Notices>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<StatusCode, ApiError> {
    let body = body.map_err(|rejection| {
        if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
            let detail = format!("a body has at most {MAX_BODY_BYTES} bytes");
            return ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", "The body is too large", detail);
        }
        bad_request("malformed-body", "The body cannot be read", rejection.body_text())
    })?;
    let signature =
        headers.get("stripe-signature").and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    // To its end, even if the gateway hangs up: a transaction is never cut in half.
    let taken = tokio::spawn(async move { notices.take_in(&signature, &body).await }.in_current_span()).await;
    let taken = taken.map_err(|error| {
        tracing::error!(%error, "a notice ended abnormally");
        ApiError::internal()
    })?;
    tell(&taken);
    taken.map(|_| StatusCode::NO_CONTENT).map_err(ApiError::from)
}

impl From<NoticeError> for ApiError {
    fn from(error: NoticeError) -> Self {
        let detail = error.to_string();
        match error {
            NoticeError::Unsigned(Unsigned::Signature) => {
                bad_request("webhook-signature", "The body is not signed by the payment gateway", detail)
            }
            NoticeError::Unsigned(Unsigned::Unreadable(_)) => {
                bad_request("malformed-body", "The event cannot be read", detail)
            }
            NoticeError::Stale(_) => {
                let detail = format!("{detail}; at most {TOLERANCE_S} s are tolerated");
                bad_request("webhook-stale", "The signature is of another time", detail)
            }
            NoticeError::Gateway(error) => {
                tracing::error!(%error, "the gateway does not tell what a notice of its own is about");
                Self::unavailable(
                    "the service cannot ask the payment gateway what it is about; send the event again",
                    1,
                )
            }
            NoticeError::Store(error) => {
                tracing::error!(%error, "a notice could not be stored");
                Self::unavailable("the service cannot reach its database; send the event again", 1)
            }
        }
    }
}

/// Counts what came of a notice, and tells the operator what needs one.
pub fn tell(taken: &Result<Noticed, NoticeError>) {
    let result = match taken {
        Ok(noticed) => told(noticed),
        Err(NoticeError::Unsigned(Unsigned::Signature)) => "unsigned",
        Err(NoticeError::Unsigned(Unsigned::Unreadable(_))) => "unreadable",
        Err(NoticeError::Stale(_)) => "stale",
        Err(NoticeError::Store(_) | NoticeError::Gateway(_)) => "failed",
    };
    if let Err(error @ (NoticeError::Unsigned(_) | NoticeError::Stale(_))) = taken {
        tracing::warn!(%error, "a notice was refused");
    }
    NOTICES.with_label_values(&[result]).inc();
}

fn told(noticed: &Noticed) -> &'static str {
    let kind = &noticed.kind;
    match &noticed.effect {
        Effect::Moved(key) => {
            tracing::debug!(%key, kind, "the gateway told first");
            "moved"
        }
        Effect::Echo => "echo",
        Effect::Duplicate => "duplicate",
        Effect::Ignored => "ignored",
        Effect::UnknownCall(key) => {
            tracing::warn!(%key, kind, "the gateway tells of a call that is not known here");
            "unknown_call"
        }
        Effect::ChargedBack { settlement, status, charge } => {
            let what = Incident::Chargeback.name();
            tracing::error!(incident = what, %settlement, %status, about = %charge, kind,
                "the buyer's bank took the money back: look at it");
            INCIDENTS.with_label_values(&[what]).inc();
            "incident"
        }
        Effect::Incident { what, about, key } => {
            let key = key.as_ref().map(ToString::to_string);
            let happened = if *what == Incident::Inquiry {
                "the buyer's bank asks about a payment"
            } else {
                "money moved without a call of ours"
            };
            tracing::error!(incident = what.name(), %about, key, kind, "{happened}: look at it");
            INCIDENTS.with_label_values(&[what.name()]).inc();
            "incident"
        }
    }
}
