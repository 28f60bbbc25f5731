//! How the API says no: RFC 9457 problems, each with what the client can do about it.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use bidding_application::error::UseError;
use bidding_domain::{
    auction::{Objection, Refused},
    bid::Refusal,
};
use bidding_ports::error::StoreError;
use event_contracts::problem::{CONTENT_TYPE, FieldError, Problem, TYPE_PREFIX};
use serde_json::{Map, Value, json};

/// An error answer under construction.
#[derive(Debug)]
pub struct ApiError {
    problem: Box<Problem>,
    headers: Vec<(header::HeaderName, HeaderValue)>,
}

impl ApiError {
    /// A problem of the type `urn:outcry:problem:<slug>`.
    #[must_use]
    pub fn new(status: StatusCode, slug: &str, title: &str, detail: impl Into<String>) -> Self {
        let problem = Problem {
            problem_type: format!("{TYPE_PREFIX}{slug}"),
            title: title.to_owned(),
            status: status.as_u16(),
            detail: detail.into(),
            extensions: Map::new(),
        };
        Self { problem: Box::new(problem), headers: Vec::new() }
    }

    /// 422 with every fault.
    #[must_use]
    pub fn validation(errors: Vec<FieldError>) -> Self {
        let detail = match errors.as_slice() {
            [only] if only.pointer.is_empty() => format!("the body: {}", only.detail),
            [only] => format!("{}: {}", only.pointer, only.detail),
            several => format!("{} members are faulty; `errors` lists them", several.len()),
        };
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "validation", "The request is not valid", detail)
            .with("errors", json!(errors))
    }

    /// 422 with one fault.
    #[must_use]
    pub fn invalid(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::validation(vec![FieldError { pointer: pointer.into(), detail: detail.into() }])
    }

    /// 401.
    #[must_use]
    pub fn unauthenticated(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", "A valid bearer token is needed", detail)
            .header(header::WWW_AUTHENTICATE, "Bearer realm=\"outcry\", error=\"invalid_token\"")
    }

    /// 404.
    #[must_use]
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "There is no such resource", detail)
    }

    /// 503, to be tried again after `retry_after_s` seconds.
    #[must_use]
    pub fn unavailable(detail: impl Into<String>, retry_after_s: u32) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "The service cannot answer now", detail)
            .header(header::RETRY_AFTER, &retry_after_s.to_string())
    }

    /// 500: a fault of ours; the log has the cause, the client has the trace id.
    #[must_use]
    pub fn internal() -> Self {
        let detail = "this is our fault; please report it with the x-trace-id of this answer";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Something went wrong", detail)
    }

    /// The slug of its type.
    #[must_use]
    pub fn slug(&self) -> &str {
        self.problem.problem_type.strip_prefix(TYPE_PREFIX).unwrap_or_default()
    }

    /// Adds a member.
    #[must_use]
    pub fn with(mut self, member: &str, value: Value) -> Self {
        self.problem.extensions.insert(member.to_owned(), value);
        self
    }

    /// Adds a header; one that cannot be sent is left out.
    #[must_use]
    pub fn header(mut self, name: header::HeaderName, value: &str) -> Self {
        self.headers.extend(HeaderValue::from_str(value).ok().map(|value| (name, value)));
        self
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(self.problem)).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
        response.headers_mut().extend(self.headers);
        response
    }
}

impl From<UseError> for ApiError {
    fn from(error: UseError) -> Self {
        let detail = error.to_string();
        match error {
            UseError::NotFound => Self::not_found(detail),
            UseError::KeyReused => {
                let title = "The idempotency key belongs to another request";
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency-key-reused", title, detail)
            }
            UseError::KeyRunning => {
                let title = "The first request with this key is still running";
                Self::new(StatusCode::CONFLICT, "idempotency-key-running", title, detail)
                    .header(header::RETRY_AFTER, "1")
            }
            UseError::Store(StoreError::Conflict | StoreError::Locked | StoreError::Unavailable(_)) => {
                tracing::error!(error = %detail, "the store is unavailable");
                Self::unavailable("the service cannot reach its database; repeat the request with the same key", 1)
            }
            UseError::Busy => {
                Self::unavailable("too many bids or retractions wait; repeat the request with the same key", 1)
            }
            UseError::NotOver => Self::new(StatusCode::CONFLICT, "auction-not-over", "The auction is not over", detail),
            UseError::Refused(refused) => Self::from(&refused),
            UseError::Store(StoreError::Corrupt(_)) => {
                tracing::error!(error = %detail, "the store holds what cannot be read");
                Self::internal()
            }
        }
    }
}

/// Why an auction did not do what was asked.
impl From<&Refused> for ApiError {
    fn from(refused: &Refused) -> Self {
        let (slug, title) = match refused.objection {
            Objection::TooLate => ("retraction-too-late", "It is too late to take the bid back"),
            Objection::NothingToDecline => ("nothing-to-decline", "There is nothing to decline"),
            Objection::AllPaused => ("all-auctions-paused", "All auctions are paused"),
            Objection::Over => ("auction-not-open", "The time for this has passed"),
            _ => ("auction-state", "The auction's state does not allow it"),
        };
        Self::new(StatusCode::CONFLICT, slug, title, refused.to_string()).with("auction_status", json!(refused.status))
    }
}

/// Why a bid was not taken, with what the bidder can do about it.
impl From<&Refusal> for ApiError {
    fn from(refusal: &Refusal) -> Self {
        let detail = refusal.to_string();
        match refusal {
            Refusal::NotOpen { status } => {
                Self::new(StatusCode::CONFLICT, "auction-not-open", "The auction does not take bids", detail)
                    .with("auction_status", json!(status))
            }
            Refusal::SellerMayNotBid => {
                Self::new(StatusCode::FORBIDDEN, "seller-may-not-bid", "Sellers do not bid on their own lots", detail)
            }
            Refusal::BidderSuspended => {
                Self::new(StatusCode::FORBIDDEN, "bidder-suspended", "The bidder is suspended", detail)
            }
            Refusal::BidTooLow { next_minimum } => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "bid-too-low", "The bid is too low", detail)
                    .with("next_minimum", json!(next_minimum))
            }
            Refusal::MaxNotRaised => {
                let title = "The maximum can only be raised";
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "max-not-raised", title, detail)
            }
            Refusal::AmountTooLarge { .. } | Refusal::NotPayable { .. } => Self::invalid("/max_amount", detail),
            Refusal::QuantityNotOffered { .. } => Self::invalid("/quantity", detail),
            Refusal::Paused => Self::new(StatusCode::CONFLICT, "auction-paused", "The auction is paused", detail),
            Refusal::BuyNowGone => {
                Self::new(StatusCode::CONFLICT, "buy-now-gone", "The lot cannot be bought at once", detail)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bidding_domain::money::Currency;

    use super::*;

    #[test]
    fn a_suspended_bidder_is_told_so_with_403() {
        let problem = ApiError::from(&Refusal::BidderSuspended);
        assert_eq!((problem.slug(), problem.problem.status), ("bidder-suspended", 403));
        let response = problem.into_response();
        assert_eq!(response.status(), StatusCode::FORBIDDEN);
        assert_eq!(response.headers()[header::CONTENT_TYPE], CONTENT_TYPE);
    }

    #[test]
    fn an_amount_that_nobody_can_pay_is_a_fault_of_the_bid_and_says_which_can_be() {
        let currency: Currency = "KWD".parse().expect("a currency");
        let unit = currency.payable_unit().expect("tens of fils");
        let problem = ApiError::from(&Refusal::NotPayable { currency, unit });
        assert_eq!((problem.slug(), problem.problem.status), ("validation", 422));
        let detail = "amounts in KWD are multiples of 10 minor units";
        assert_eq!(problem.problem.extensions["errors"], json!([{"pointer": "/max_amount", "detail": detail}]));
    }
}
