//! Reading requests: bodies and ids. Whatever is wrong is told by a problem.

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Path, Request},
    http::{StatusCode, header, request::Parts},
};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::error::Category;
use uuid::Uuid;

use crate::problem::ApiError;

/// Largest body, bytes: the same in all services.
pub const MAX_BODY_BYTES: usize = 128 * 1024;

/// A JSON body. Wrong media type: 415; too large: 413; no JSON: 400; JSON of another shape: 422
/// with the place.
pub struct ApiJson<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for ApiJson<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let media_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let essence = media_type.and_then(|value| value.split(';').next()).unwrap_or_default().trim();
        if !["application/json", "application/merge-patch+json"].iter().any(|known| essence.eq_ignore_ascii_case(known))
        {
            let title = "The body is not JSON";
            let detail = "send the body as content-type application/json";
            return Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", title, detail));
        }
        let body = Bytes::from_request(request, state).await.map_err(|rejection| {
            if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
                let detail = format!("a body has at most {MAX_BODY_BYTES} bytes");
                return ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", "The body is too large", detail);
            }
            bad_request("malformed-body", "The body cannot be read", rejection.body_text())
        })?;
        parse(&body).map(Self)
    }
}

/// The whole text is read before its shape: what is no JSON is told so wherever that shows. And an object it must be:
/// serde would read a struct from an array, too.
fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice::<IgnoredAny>(body).map_err(|error| malformed(&error))?;
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(ApiError::invalid("", "is not a JSON object"));
    }
    let mut json = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let pointer = pointer(error.path());
        match error.inner().classify() {
            Category::Data => ApiError::invalid(pointer, fault(error.inner())),
            _ => malformed(error.inner()),
        }
    })?;
    json.end().map_err(|error| malformed(&error))?;
    Ok(value)
}

/// What is wrong with a value; where it stands the pointer says, and a position in the text would only repeat that.
fn fault(error: &serde_json::Error) -> String {
    let told = error.to_string();
    let position = format!(" at line {} column {}", error.line(), error.column());
    told.strip_suffix(&position).unwrap_or(&told).to_owned()
}

fn malformed(error: &serde_json::Error) -> ApiError {
    bad_request("malformed-json", "The body is not JSON", error.to_string())
}

pub(crate) fn bad_request(slug: &str, title: &str, detail: impl Into<String>) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, slug, title, detail)
}

/// RFC 6901.
fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    path.iter().fold(String::new(), |mut pointer, segment| {
        pointer.push('/');
        match segment {
            Segment::Map { key } => pointer.push_str(&key.replace('~', "~0").replace('/', "~1")),
            Segment::Seq { index } => pointer.push_str(&index.to_string()),
            Segment::Enum { variant } => pointer.push_str(variant),
            Segment::Unknown => pointer.push('?'),
        }
        pointer
    })
}

/// The id in the path; what is no UUID is no resource: 404.
pub struct ApiId(pub Uuid);

impl<S: Send + Sync> FromRequestParts<S> for ApiId {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Path(id) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|_| ApiError::not_found("the path is not readable"))?;
        id.parse().map(Self).map_err(|_| ApiError::not_found("there is nothing by this id; ids are UUIDs"))
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Body {
        amount: i64,
        list: Option<Vec<i64>>,
    }

    fn problem(body: &str) -> String {
        let error = parse::<Body>(body.as_bytes()).expect_err(body);
        format!("{error:?}")
    }

    #[test]
    fn a_body_of_another_shape_is_told_where() {
        for (body, pointer) in [
            (r#"{"amount":"1"}"#, "/amount"),
            (r#"{"amount":1.5}"#, "/amount"),
            (r#"{"amount":99999999999999999999}"#, "/amount"),
            (r#"{"amount":1,"list":[1,"x"]}"#, "/list/1"),
            (r#"{"amount":1,"amount":2}"#, "duplicate field"),
            (r#"{"amount":1,"other":2}"#, "unknown field"),
            ("{}", "missing field"),
            ("[]", "not a JSON object"),
            ("[1]", "not a JSON object"),
            ("null", "not a JSON object"),
        ] {
            let told = problem(body);
            assert!(told.contains("validation") && told.contains(pointer), "{body}: {told}");
        }
    }

    #[test]
    fn a_fault_is_told_to_a_person_with_its_place_once() {
        for (body, detail) in [
            ("{}", "the body: missing field `amount`"),
            (r#"{"amount":1,"other":2}"#, "/other: unknown field `other`, expected `amount` or `list`"),
            (r#"{"amount":"1"}"#, "/amount: invalid type: string \"1\", expected i64"),
            (r#"{"amount":" at line 1"}"#, "/amount: invalid type: string \" at line 1\", expected i64"),
            ("[]", "the body: is not a JSON object"),
        ] {
            let told = problem(body);
            assert!(told.contains(&format!("detail: {detail:?}")), "{body}: {told}");
            assert!(!told.contains(" column "), "{body}: {told}");
        }
    }

    #[test]
    fn what_is_no_json_is_told_so() {
        let deep = "[".repeat(100_000);
        for body in ["", "{", "{\"amount\":1}x", r#"{"amount":1,"list":"\ud800"}"#, "\u{feff}{}", &deep] {
            assert!(problem(body).contains("malformed-json"), "{body:.20}");
        }
    }
}
