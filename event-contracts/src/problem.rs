//! Errors over HTTP: RFC 9457 `application/problem+json`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Media type of a problem.
pub const CONTENT_TYPE: &str = "application/problem+json";

/// Every problem's `type` begins with it; the slug follows.
pub const TYPE_PREFIX: &str = "urn:outcry:problem:";

/// An error answer. `type` is what clients branch on; texts are for people.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    /// `urn:outcry:problem:<slug>`.
    #[schemars(regex(pattern = "^urn:outcry:problem:[a-z0-9-]+$"))]
    #[serde(rename = "type")]
    pub problem_type: String,
    /// What kind of problem, the same text for the same type.
    pub title: String,
    /// HTTP status code.
    #[schemars(range(min = 400, max = 599))]
    pub status: u16,
    /// What happened this time, and what to do about it.
    pub detail: String,
    /// Members of the problem's type, e.g. `next_minimum` or `errors`.
    #[serde(flatten)]
    pub extensions: Map<String, Value>,
}

/// One fault of a request; problems of type `validation` carry them as `errors`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FieldError {
    /// JSON Pointer (RFC 6901) into the request body, or `?name` for a query parameter.
    pub pointer: String,
    /// What is wrong and what would be right.
    pub detail: String,
}
