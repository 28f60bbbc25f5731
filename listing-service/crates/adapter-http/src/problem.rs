//! How the API says no: RFC 9457 problems, each with what the client can do about it.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use event_contracts::problem::{CONTENT_TYPE, FieldError, Problem, TYPE_PREFIX};
use listing_application::error::UseError;
use listing_domain::listing::Refusal;
use listing_ports::error::StoreError;
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
            UseError::Forbidden(_) => {
                Self::new(StatusCode::FORBIDDEN, "forbidden", "The caller may not do this", detail)
            }
            UseError::Stale { current } => {
                let title = "The resource has changed";
                Self::new(StatusCode::PRECONDITION_FAILED, "precondition-failed", title, detail)
                    .with("current_version", json!(current))
            }
            UseError::Refused(Refusal::State { state, .. }) => {
                Self::new(StatusCode::CONFLICT, "listing-state", "The listing's state does not allow it", detail)
                    .with("listing_status", json!(state))
            }
            UseError::Refused(Refusal::Relisted { relisted_as }) => {
                Self::new(StatusCode::CONFLICT, "already-relisted", "The lot was listed again before", detail)
                    .with("relisted_as", json!(relisted_as))
            }
            UseError::Refused(Refusal::Invalid(faults)) => Self::validation(
                faults.into_iter().map(|fault| FieldError { pointer: fault.pointer, detail: fault.detail }).collect(),
            ),
            UseError::KeyReused => {
                let title = "The idempotency key belongs to another request";
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency-key-reused", title, detail)
            }
            UseError::KeyRunning => {
                let title = "The first request with this key is still running";
                Self::new(StatusCode::CONFLICT, "idempotency-key-running", title, detail)
                    .header(header::RETRY_AFTER, "1")
            }
            UseError::Store(StoreError::Conflict | StoreError::Unavailable(_)) => {
                tracing::error!(error = %detail, "the store is unavailable");
                Self::unavailable(
                    "the service cannot reach its database; look whether it was done, or repeat the request with the same key",
                    1,
                )
            }
            UseError::Store(StoreError::Corrupt(_)) => {
                tracing::error!(error = %detail, "the store holds what cannot be read");
                Self::internal()
            }
        }
    }
}
