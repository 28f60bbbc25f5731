//! The `Idempotency-Key` header.

use axum::http::HeaderMap;
use serde::Serialize;
use settlement_domain::ids::UserId;
use settlement_ports::RequestKey;
use sha2::{Digest, Sha256};
use utoipa::IntoParams;

use crate::{input::bad_request, problem::ApiError};

/// Longest key, characters.
const MAX_KEY: usize = 255;

/// As the document has it.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[allow(dead_code)] // only its schema is used
pub(crate) struct IdempotencyKey {
    /// 1 to 255 visible characters; the same again when the request is repeated.
    #[param(rename = "Idempotency-Key", min_length = 1, max_length = 255, pattern = "^[!-~]+$")]
    key: String,
}

/// The request's key with the fingerprint of `route` and `body`.
pub(crate) fn request_key(
    headers: &HeaderMap,
    principal: &UserId,
    route: &str,
    body: &impl Serialize,
) -> Result<RequestKey, ApiError> {
    let title = "An Idempotency-Key is needed";
    let mut values = headers.get_all("idempotency-key").iter();
    let key = values.next().and_then(|value| value.to_str().ok()).unwrap_or_default().trim();
    if key.is_empty() || key.len() > MAX_KEY || values.next().is_some() {
        let detail = format!(
            "send one header Idempotency-Key of 1 to {MAX_KEY} visible characters, the same again when you repeat the request"
        );
        return Err(bad_request("idempotency-key", title, detail));
    }
    let mut digest = Sha256::new();
    digest.update(route);
    digest.update(b"\n");
    digest.update(serde_json::to_vec(body).map_err(|_| ApiError::internal())?);
    Ok(RequestKey { principal: principal.clone(), key: key.to_owned(), fingerprint: digest.finalize().into() })
}
