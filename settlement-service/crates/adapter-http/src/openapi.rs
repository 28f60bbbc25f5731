//! The service's OpenAPI 3.1 document, made of the routes themselves.

use event_contracts::problem::FieldError;
use serde::Serialize;
use utoipa::{
    IntoResponses, Modify, OpenApi, ToSchema,
    openapi::{
        OpenApi as Document,
        security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme},
    },
};

/// An error answer (RFC 9457). `type` is what programs branch on, the texts are for people.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"type": "urn:outcry:problem:not-found", "title": "There is no such resource", "status": 404,
    "detail": "there is no such settlement"}))]
#[allow(dead_code)] // only its schema is used
pub struct Problem {
    /// `urn:outcry:problem:` and a slug.
    #[serde(rename = "type")]
    #[schema(rename = "type", pattern = "^urn:outcry:problem:[a-z-]+$")]
    kind: String,
    /// The same for the same type.
    title: String,
    /// HTTP status.
    status: u16,
    /// What happened, and what to do.
    detail: String,
}

/// What is wrong with a request, fault by fault.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"type": "urn:outcry:problem:validation", "title": "The request is not valid", "status": 422,
    "detail": "/carrier: has 1 to 64 characters, none of them a control character",
    "errors": [{"pointer": "/carrier", "detail": "has 1 to 64 characters, none of them a control character"}]}))]
#[allow(dead_code)] // only its schema is used
pub struct ValidationProblem {
    #[serde(rename = "type")]
    #[schema(rename = "type", pattern = "^urn:outcry:problem:[a-z-]+$")]
    kind: String,
    title: String,
    status: u16,
    detail: String,
    /// Every fault; absent for problems that have none.
    #[schema(value_type = Option<Vec<FieldFault>>)]
    errors: Option<Vec<FieldError>>,
}

/// One fault of a request.
#[derive(Debug, Serialize, ToSchema)]
#[allow(dead_code)] // only its schema is used
pub struct FieldFault {
    /// JSON Pointer (RFC 6901) into the body, or `?name` of a query parameter.
    pointer: String,
    /// What is wrong and what would be right.
    detail: String,
}

/// What any read may be answered.
#[derive(IntoResponses)]
#[allow(dead_code)] // only its schema is used
pub(crate) enum ReadProblems {
    /// No valid token
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthenticated(Problem),
    /// Not there, or not the caller's to see
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(Problem),
    /// Faulty parameters
    #[response(status = 422, content_type = "application/problem+json")]
    Validation(ValidationProblem),
    /// Too many requests
    #[response(status = 429, content_type = "application/problem+json")]
    RateLimited(Problem),
    /// Ours to mend
    #[response(status = 500, content_type = "application/problem+json")]
    Internal(Problem),
    /// Try again after Retry-After
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(Problem),
}

/// What any write may be answered.
#[derive(IntoResponses)]
#[allow(dead_code)] // only its schema is used
pub(crate) enum WriteProblems {
    /// No JSON, or a header that is missing or unreadable
    #[response(status = 400, content_type = "application/problem+json")]
    Malformed(Problem),
    /// No valid token
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthenticated(Problem),
    /// Not the caller's to do
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(Problem),
    /// Not there, or not the caller's to see
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(Problem),
    /// The state does not allow it
    #[response(status = 409, content_type = "application/problem+json")]
    Conflict(Problem),
    /// Too large a body
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(Problem),
    /// No JSON by its media type
    #[response(status = 415, content_type = "application/problem+json")]
    MediaType(Problem),
    /// Faulty members
    #[response(status = 422, content_type = "application/problem+json")]
    Validation(ValidationProblem),
    /// Too many requests
    #[response(status = 429, content_type = "application/problem+json")]
    RateLimited(Problem),
    /// Ours to mend
    #[response(status = 500, content_type = "application/problem+json")]
    Internal(Problem),
    /// Try again after Retry-After
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(Problem),
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Outcry settlement-service",
        description = "Money and goods after the hammer. Amounts are integer minor units, times RFC 3339, errors RFC 9457.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    tags((name = "settlements", description = "Paying, shipping, receiving; disputes and cancellations"), (name = "bidders", description = "Strikes and suspensions"),
        (name = "ledger", description = "The double-entry ledger"), (name = "payments", description = "What the payment gateway tells"), (name = "operations", description = "Probes")),
    components(schemas(Problem, ValidationProblem, FieldFault)),
    modifiers(&BearerToken)
)]
pub(crate) struct Base;

struct BearerToken;

impl Modify for BearerToken {
    fn modify(&self, document: &mut Document) {
        let scheme = Http::builder().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
        document.components.get_or_insert_default().add_security_scheme("bearer", SecurityScheme::Http(scheme));
        document.security = Some(vec![SecurityRequirement::new("bearer", Vec::<String>::new())]);
    }
}

/// The document, as `openapi.json` has it.
#[must_use]
pub fn document() -> Document {
    crate::app::routes().into_openapi()
}
