//! HTTP to Stripe: one request, one bounded answer, and what its failure means. Nothing is tried again here: that is
//! the durable call's, which goes by the class of the failure.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{RequestBuilder, Response, StatusCode, redirect};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use settlement_domain::CallKey;
use url::form_urlencoded::Serializer;

use super::error::StripeError;
use super::form::Form;

/// The version of the API that requests and answers are written in, whatever the account's default is.
pub const STRIPE_VERSION: &str = "2026-08-26.dahlia";

const CONNECT_WITHIN: Duration = Duration::from_secs(3);
/// From the first byte to the last. All contacts of one call end within `DEFAULT_LIMIT`.
const ANSWER_WITHIN: Duration = Duration::from_secs(8);
/// Larger answers are not read, bytes. A page of a list is the largest there is.
const MAX_ANSWER: usize = 2 * 1024 * 1024;
/// Members of a page, Stripe's most.
const PAGE: &str = "100";
/// A subject has a handful of charges, refunds or transfers, and a page of charges at most (`saga::MAX_PAYMENTS`). One
/// with more than this many pages is not searched to an end.
const MAX_PAGES: u32 = 5;

/// Why there is no object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// A definite no.
    Refused(Box<StripeError>),
    /// The idempotency key was used with other parameters.
    KeyReused,
    /// It may have been done.
    Unknown,
    /// It was not taken.
    Unavailable,
}

/// What is known of the secret key; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Credentials(Arc<AtomicU8>);

impl Credentials {
    const ACCEPTED: u8 = 1;
    const REFUSED: u8 = 2;

    /// Whether Stripe has refused the key and never taken it since this process began: it is a wrong one. A key that was
    /// good once is not counted: it was withdrawn, which no restart mends.
    #[must_use]
    pub fn are_wrong(&self) -> bool {
        self.0.load(Ordering::Relaxed) == Self::REFUSED
    }

    fn answered(&self, status: StatusCode) {
        if status != StatusCode::UNAUTHORIZED {
            self.0.store(Self::ACCEPTED, Ordering::Relaxed);
            return;
        }
        tracing::error!("Stripe refuses the secret key; no payment is made until there is a good one");
        let _stays = self.0.compare_exchange(0, Self::REFUSED, Ordering::Relaxed, Ordering::Relaxed);
    }
}

pub(super) struct Client {
    http: reqwest::Client,
    url: String,
    credentials: Credentials,
}

impl Client {
    pub fn new(url: &str, key: &SecretString) -> Result<Self, reqwest::Error> {
        let mut headers = HeaderMap::new();
        // A key that is no header value is none of Stripe's: it is left out, and refused by Stripe.
        if let Ok(mut bearer) = HeaderValue::from_str(&format!("Bearer {}", key.expose_secret())) {
            bearer.set_sensitive(true);
            headers.insert(AUTHORIZATION, bearer);
        }
        headers.insert(HeaderName::from_static("stripe-version"), HeaderValue::from_static(STRIPE_VERSION));
        let http = reqwest::Client::builder()
            .user_agent(concat!("outcry-settlement/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            .connect_timeout(CONNECT_WITHIN)
            .timeout(ANSWER_WITHIN)
            .redirect(redirect::Policy::none())
            .build()?;
        Ok(Self { http, url: url.trim_end_matches('/').to_owned(), credentials: Credentials::default() })
    }

    pub fn credentials(&self) -> Credentials {
        self.credentials.clone()
    }

    /// Tells something, under a key.
    pub async fn post<T: DeserializeOwned>(&self, path: &str, key: &CallKey, form: Form) -> Result<T, Failure> {
        let request = self
            .http
            .post(self.at(path, ""))
            .header("idempotency-key", key.as_str())
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form.encoded());
        self.send(request).await
    }

    /// Asks something.
    pub async fn get<T: DeserializeOwned>(&self, path: &str, query: &[(&str, &str)]) -> Result<T, Failure> {
        let query = Serializer::new(String::new()).extend_pairs(query).finish();
        self.send(self.http.get(self.at(path, &query))).await
    }

    /// The member of a list that is wanted; none, if the whole list has none.
    pub async fn find<T: Listed + DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, &str)],
        wanted: impl Fn(&T) -> bool,
    ) -> Result<Option<T>, Failure> {
        let mut after = String::new();
        for _ in 0..MAX_PAGES {
            let cursor = (!after.is_empty()).then_some(("starting_after", after.as_str()));
            let query: Vec<_> = query.iter().copied().chain(cursor).collect();
            let (members, next) = self.list(path, &query).await?;
            if let Some(found) = members.into_iter().find(&wanted) {
                return Ok(Some(found));
            }
            let Some(next) = next else { return Ok(None) };
            after = next;
        }
        tracing::error!(path, "a list of Stripe's is too long to be searched to its end");
        Err(Failure::Unavailable)
    }

    /// A page of a list, and what `starting_after` is for the next one.
    pub async fn list<T: Listed + DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<(Vec<T>, Option<String>), Failure> {
        let query = [&[("limit", PAGE)], query].concat();
        let page: Page<T> = self.get(path, &query).await?;
        let next = page.data.last().filter(|_| page.has_more).map(|last| last.id().to_owned());
        Ok((page.data, next))
    }

    fn at(&self, path: &str, query: &str) -> String {
        let mark = if query.is_empty() { "" } else { "?" };
        format!("{}{path}{mark}{query}", self.url)
    }

    async fn send<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, Failure> {
        let response = request.send().await.map_err(|error| {
            // Without a connection nothing was sent; whatever else went wrong may have gone wrong after it.
            let failure =
                if error.is_connect() || error.is_builder() { Failure::Unavailable } else { Failure::Unknown };
            tracing::warn!(error = %error.without_url(), "Stripe cannot be reached or does not answer");
            failure
        })?;
        let status = response.status();
        self.credentials.answered(status);
        let request_id = response.headers().get("request-id").and_then(|id| id.to_str().ok()).map(str::to_owned);
        let body = read(response).await;
        let result = match body {
            Some(body) if status.is_success() => serde_json::from_slice(&body).map_err(|_| Failure::Unknown),
            Some(body) => Err(classify(status, &body)),
            // Without its body a status still says whose fault it was.
            None => Err(classify(status, b"")),
        };
        if let Err(failure) = &result {
            let class = match failure {
                Failure::Refused(_) => "refused",
                Failure::KeyReused => "key_reused",
                Failure::Unknown => "unknown",
                Failure::Unavailable => "unavailable",
            };
            tracing::info!(status = status.as_u16(), class, request_id, "Stripe did not do it");
        }
        result
    }
}

/// The body, unless it is too large or breaks off.
async fn read(mut response: Response) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.ok()? {
        if body.len() + chunk.len() > MAX_ANSWER {
            return None;
        }
        body.extend_from_slice(&chunk);
    }
    Some(body)
}

#[derive(Deserialize)]
struct ErrorBody {
    error: StripeError,
}

/// What an error answer means (Stripe, "Errors", "Idempotent requests"). Only a refusal in Stripe's own words is one: what
/// a proxy between us says tells nothing of what happened behind it.
fn classify(status: StatusCode, body: &[u8]) -> Failure {
    let told = serde_json::from_slice::<ErrorBody>(body).ok().map(|body| body.error);
    match (status.as_u16(), told) {
        // A wrong or restricted key: nothing was done, and no buyer is to be told that a card was declined.
        (401 | 403 | 429, _) => Failure::Unavailable,
        // Another request under this very key is being worked on: what it does is to be seen.
        (409, _) => Failure::Unknown,
        (400..=499, Some(error)) if error.kind == "idempotency_error" => Failure::KeyReused,
        (400..=499, Some(error)) if matches!(error.kind.as_str(), "card_error" | "invalid_request_error") => {
            Failure::Refused(Box::new(error))
        }
        _ => Failure::Unknown,
    }
}

/// A member of a list.
pub(super) trait Listed {
    /// The place in the list.
    fn id(&self) -> &str;
}

#[derive(Deserialize)]
struct Page<T> {
    data: Vec<T>,
    #[serde(default)]
    has_more: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(status: u16, body: &str) -> Failure {
        classify(StatusCode::from_u16(status).unwrap(), body.as_bytes())
    }

    #[test]
    fn only_stripes_own_word_is_a_refusal() {
        let card = r#"{"error":{"type":"card_error","code":"card_declined"}}"#;
        let invalid = r#"{"error":{"type":"invalid_request_error","message":"No such thing"}}"#;
        for (status, body) in [(402, card), (400, invalid), (404, invalid)] {
            assert!(matches!(class(status, body), Failure::Refused(_)), "{status}");
        }
        for (status, body) in
            [(400, "<html>"), (404, ""), (413, "{}"), (302, ""), (400, r#"{"error":{"type":"api_error"}}"#)]
        {
            assert_eq!(class(status, body), Failure::Unknown, "{status} {body}");
        }
    }

    #[test]
    fn what_was_not_taken_is_told_from_what_may_have_happened() {
        let limited = r#"{"error":{"type":"invalid_request_error","code":"rate_limit"}}"#;
        let in_use = r#"{"error":{"type":"idempotency_error","code":"idempotency_key_in_use"}}"#;
        assert_eq!(class(429, limited), Failure::Unavailable);
        assert_eq!(class(401, limited), Failure::Unavailable);
        assert_eq!(class(403, limited), Failure::Unavailable);
        assert_eq!(class(409, in_use), Failure::Unknown, "the first request under this key may have its effect yet");
        for status in [500, 502, 503, 504, 424] {
            assert_eq!(class(status, r#"{"error":{"type":"api_error"}}"#), Failure::Unknown, "{status}");
        }
    }

    #[test]
    fn a_key_with_other_parameters_is_no_decline() {
        assert_eq!(class(400, r#"{"error":{"type":"idempotency_error"}}"#), Failure::KeyReused);
    }

    #[test]
    fn a_key_that_was_never_taken_is_wrong_and_one_that_was_is_not() {
        let fresh = Credentials::default();
        assert!(!fresh.are_wrong(), "nobody asked yet");
        fresh.answered(StatusCode::UNAUTHORIZED);
        assert!(fresh.are_wrong());
        fresh.answered(StatusCode::PAYMENT_REQUIRED);
        assert!(!fresh.are_wrong());
        fresh.answered(StatusCode::UNAUTHORIZED);
        assert!(!fresh.are_wrong(), "withdrawn, not wrong");
    }
}
