//! The public API as a client sees it: a bearer token, an idempotency key, and patience with what is busy or restarting.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use reqwest::header::RETRY_AFTER;
use reqwest::{Certificate, Method, StatusCode};
use serde_json::Value;

use crate::dev_key::DevKey;
use crate::endpoints::Endpoints;
use crate::files;
use crate::layout::{DataDir, Service};

const TOKEN_TTL: Duration = Duration::from_secs(24 * 3600);
const PAUSE: Duration = Duration::from_millis(250);

/// A client that trusts the development authority and nobody else.
pub fn client(ca_file: &Path) -> Result<reqwest::Client> {
    let authority = Certificate::from_pem(files::read(ca_file)?.as_bytes())?;
    let client = reqwest::Client::builder().tls_certs_only([authority]).no_proxy().timeout(Duration::from_secs(10));
    Ok(client.build()?)
}

/// An answer of the API.
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP status.
    pub status: StatusCode,
    /// JSON body, null when there is none.
    pub body: Value,
}

impl Answer {
    /// The slug of the problem, if it is one.
    pub fn problem(&self) -> Option<&str> {
        self.body["type"].as_str()?.strip_prefix("urn:outcry:problem:")
    }

    /// The body of a success.
    ///
    /// # Errors
    /// The problem's own words.
    pub fn success(self) -> Result<Value> {
        if self.status.is_success() {
            return Ok(self.body);
        }
        bail!("{} {}", self.status, self.body["detail"].as_str().unwrap_or_default())
    }
}

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub struct Principal<'a> {
    /// `sub` of the token.
    pub sub: &'a str,
    /// Its role.
    pub role: &'a str,
}

/// The running marketplace.
pub struct Api {
    endpoints: Endpoints,
    client: reqwest::Client,
    key: DevKey,
    tokens: Mutex<HashMap<String, String>>,
    patience: Duration,
}

impl Api {
    /// The marketplace of `data_dir`; a request that meets a busy or absent service is repeated for `patience`.
    pub fn open(data_dir: &DataDir, patience: Duration) -> Result<Self> {
        let key = DevKey::load(data_dir)?;
        let endpoints = Endpoints::read(data_dir)?;
        let client = client(&endpoints.ca_file)?;
        Ok(Self { endpoints, client, key, tokens: Mutex::default(), patience })
    }

    /// Reads `path` of `service`.
    pub async fn get(&self, service: Service, path: &str, who: Principal<'_>) -> Result<Answer> {
        self.ask(Method::GET, service, path, who, None).await
    }

    /// Posts `body`; `key` makes repeating it harmless.
    pub async fn post(
        &self,
        service: Service,
        path: &str,
        who: Principal<'_>,
        key: &str,
        body: &Value,
    ) -> Result<Answer> {
        self.ask(Method::POST, service, path, who, Some((key, body))).await
    }

    async fn ask(
        &self,
        method: Method,
        service: Service,
        path: &str,
        who: Principal<'_>,
        body: Option<(&str, &Value)>,
    ) -> Result<Answer> {
        let url = format!("{}{path}", self.endpoints.api(service));
        let token = self.token(who)?;
        let deadline = Instant::now() + self.patience;
        loop {
            let mut request = self.client.request(method.clone(), &url).bearer_auth(&token);
            if let Some((key, body)) = body {
                request = request.header("idempotency-key", key).json(body);
            }
            let (pause, fault) = match once(request).await {
                Ok(Outcome::Answer(answer)) => return Ok(answer),
                Ok(Outcome::Later(pause, why)) => (pause, anyhow!("{service} says {why}")),
                Err(fault) => (
                    PAUSE,
                    anyhow!(fault).context(format!("{service} does not answer at {url}; is `outcry up` running?")),
                ),
            };
            if Instant::now() + pause > deadline {
                return Err(fault);
            }
            tokio::time::sleep(pause).await;
        }
    }

    fn token(&self, who: Principal<'_>) -> Result<String> {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        let name = format!("{}:{}", who.role, who.sub);
        if let Some(token) = tokens.get(&name) {
            return Ok(token.clone());
        }
        let token = self.key.token(who.sub, &[who.role], TOKEN_TTL).context("cannot make a token")?;
        tokens.insert(name, token.clone());
        Ok(token)
    }
}

enum Outcome {
    Answer(Answer),
    Later(Duration, String),
}

async fn once(request: reqwest::RequestBuilder) -> Result<Outcome, reqwest::Error> {
    let response = request.send().await?;
    let status = response.status();
    let after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    let text = response.text().await?;
    let body: Value = serde_json::from_str(&text).unwrap_or_default();
    let running =
        status == StatusCode::CONFLICT && body["type"].as_str().is_some_and(|kind| kind.contains("idempotency"));
    if running || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
        let pause = after.map_or(PAUSE, Duration::from_secs);
        return Ok(Outcome::Later(pause, format!("{status} {}", body["detail"].as_str().unwrap_or_default())));
    }
    Ok(Outcome::Answer(Answer { status, body }))
}
