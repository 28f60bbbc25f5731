//! Requests as a client of the public API sends them.

use std::{net::Ipv4Addr, time::Duration};

use anyhow::{Context, Result, bail};
use reqwest::{Method, RequestBuilder, Response, Url, Version, header::HeaderMap};
use serde_json::Value;
use tokio::time::Instant;
use uuid::Uuid;

use crate::world::{Service, World, fresh_address};

const PROBLEM: &str = "application/problem+json";
const PAUSE: Duration = Duration::from_millis(200);

/// An answer, read to its end.
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// HTTP version.
    pub version: Version,
    /// All headers.
    pub headers: HeaderMap,
    /// The body as it came.
    pub text: String,
    /// The body as JSON; null when it is none.
    pub body: Value,
}

impl Answer {
    /// Reads a response to its end. [`World::ask`] does, and compares it with the service's document.
    pub async fn of(response: Response) -> Result<Self> {
        let (status, version, headers) = (response.status().as_u16(), response.version(), response.headers().clone());
        let text = response.text().await.context("the answer broke off")?;
        let body = serde_json::from_str(&text).unwrap_or_default();
        Ok(Self { status, version, headers, text, body })
    }

    /// A header, if it is there once and readable.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let value = values.next()?.to_str().ok()?;
        values.next().is_none().then_some(value)
    }

    /// The members of a header that is a list, in however many lines it came.
    #[must_use]
    pub fn list(&self, name: &str) -> Vec<&str> {
        let lines = self.headers.get_all(name).iter().filter_map(|line| line.to_str().ok());
        lines.flat_map(|line| line.split(',')).map(str::trim).filter(|member| !member.is_empty()).collect()
    }

    /// The problem's slug: what follows `urn:outcry:problem:`.
    #[must_use]
    pub fn slug(&self) -> &str {
        self.body["type"].as_str().and_then(|kind| kind.strip_prefix("urn:outcry:problem:")).unwrap_or_default()
    }

    /// The body of a success.
    pub fn success(self) -> Result<Value> {
        if !(200..300).contains(&self.status) {
            bail!("answered {}: {}", self.status, self.text);
        }
        Ok(self.body)
    }

    /// A well-formed problem (RFC 9457) of this status and type.
    pub fn is_problem(&self, status: u16, slug: &str) -> Result<()> {
        self.is_refusal()?;
        if self.status != status || self.slug() != slug {
            bail!("expected {status} {slug}, answered {}: {}", self.status, self.text);
        }
        Ok(())
    }

    /// A well-formed problem that says: it is the request's fault.
    pub fn is_refusal(&self) -> Result<()> {
        if !(400..500).contains(&self.status) {
            bail!("expected a refusal, answered {}: {:.500}", self.status, self.text);
        }
        let media_type = self.header("content-type").unwrap_or_default();
        let text = |member: &str| self.body[member].as_str().is_some_and(|text| !text.trim().is_empty());
        let sound = media_type == PROBLEM
            && self.body["status"] == self.status
            && !self.slug().is_empty()
            && text("title")
            && text("detail");
        if !sound {
            bail!(
                "{} of type {media_type:?} is no problem+json with type, title, status, detail: {}",
                self.status,
                self.text
            );
        }
        Ok(())
    }
}

impl World {
    /// Sends a request and reads the answer. It fails when the service's OpenAPI document does not tell of such an answer:
    /// every answer of every test goes through here.
    pub async fn ask(&self, request: RequestBuilder) -> Result<Answer> {
        let (method, url, response) = sent(request).await?;
        let answer = Answer::of(response).await?;
        self.keep(&method, &url, &answer)?;
        Ok(answer)
    }

    /// Sends a request whose answer is a stream. What is none is compared like any other answer.
    pub async fn open(&self, request: RequestBuilder) -> Result<Response> {
        let (method, url, response) = sent(request).await?;
        let (status, version, headers) = (response.status(), response.version(), response.headers().clone());
        if status.is_success() {
            let (text, body) = (String::new(), Value::Null);
            self.keep(&method, &url, &Answer { status: status.as_u16(), version, headers, text, body })?;
            return Ok(response);
        }
        let answer = Answer::of(response).await?;
        self.keep(&method, &url, &answer)?;
        bail!("the stream was answered {}: {}", answer.status, answer.text)
    }

    fn keep(&self, method: &Method, url: &Url, answer: &Answer) -> Result<()> {
        match self.service_at(url) {
            Some(service) => self.answers.take(service, method.as_str(), url.path(), answer),
            // The operator's port is no API.
            None => Ok(()),
        }
    }
}

#[allow(clippy::disallowed_methods)] // the one place that may
async fn sent(request: RequestBuilder) -> Result<(Method, Url, Response)> {
    let (client, request) = request.build_split();
    let request = request?;
    let (method, url) = (request.method().clone(), request.url().clone());
    Ok((method, url, client.execute(request).await?))
}

/// Somebody with a token and an address.
#[derive(Clone)]
pub struct Person<'w> {
    /// The marketplace.
    pub world: &'w World,
    /// The token's `sub`.
    pub sub: String,
    /// The bearer token.
    pub token: String,
    /// Where the requests seem to come from.
    pub address: Ipv4Addr,
    patience: Duration,
    comes_back: bool,
}

/// A client that behaves does as much as this when it is told to come again.
const USUAL_PATIENCE: Duration = Duration::from_secs(10);

impl<'w> Person<'w> {
    /// Somebody called `sub` who shows `token`.
    #[must_use]
    pub fn new(world: &'w World, sub: String, token: String) -> Self {
        Self { world, sub, token, address: fresh_address(), patience: USUAL_PATIENCE, comes_back: false }
    }

    /// Repeats a request for so long, also when nobody answers: services may be restarting.
    #[must_use]
    pub fn patient(mut self, patience: Duration) -> Self {
        (self.patience, self.comes_back) = (patience, true);
        self
    }

    /// A request with this person's token and address.
    pub fn request(&self, method: Method, service: Service, path: &str) -> RequestBuilder {
        anonymous(self.world, method, service, path, self.address).bearer_auth(&self.token)
    }

    /// Sends a request, and again while the answer is to come again: too fast (429), busy (503), still running.
    pub async fn send(&self, request: RequestBuilder) -> Result<Answer> {
        let deadline = Instant::now() + self.patience;
        loop {
            let copy = request.try_clone().context("the request cannot be repeated")?;
            let outcome = self.world.ask(copy).await;
            let again = match &outcome {
                Ok(answer) => [429, 503].contains(&answer.status) || answer.slug() == "idempotency-key-running",
                Err(_) => self.comes_back,
            };
            if !again || Instant::now() > deadline {
                return outcome;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Reads.
    pub async fn get(&self, service: Service, path: &str) -> Result<Answer> {
        self.send(self.request(Method::GET, service, path)).await
    }

    /// Writes once: with an idempotency key that nobody used before.
    pub async fn post(&self, service: Service, path: &str, body: &Value) -> Result<Answer> {
        self.post_with_key(service, path, &fresh_key(), body).await
    }

    /// Writes under a given idempotency key.
    pub async fn post_with_key(&self, service: Service, path: &str, key: &str, body: &Value) -> Result<Answer> {
        self.send(self.request(Method::POST, service, path).header("idempotency-key", key).json(body)).await
    }
}

/// A request without a token.
pub fn anonymous(world: &World, method: Method, service: Service, path: &str, address: Ipv4Addr) -> RequestBuilder {
    let url = format!("{}{path}", world.endpoints.api(service));
    world.http.request(method, url).header("x-forwarded-for", address.to_string())
}

/// An idempotency key that nobody used before.
#[must_use]
pub fn fresh_key() -> String {
    Uuid::now_v7().to_string()
}
