//! Sellers and buyers at the API. Who gets no answer asks again, by the same idempotency key, as everybody should.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::Ed25519KeyPair;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use reqwest::{RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tokio::time::Instant;
use uuid::Uuid;

use crate::party::{Party, Request};
use crate::process::Service;

pub const ISSUER: &str = "https://crash-points.test";
pub const AUDIENCE: &str = "outcry";
const KEY_ID: &str = "outcry-development-crash-points";
/// A time that does not come, seconds.
const EXPIRES: u64 = 4_102_444_800;

/// An answer, or what is asked for, has so long: a call that was in doubt is taken up after half a minute.
const PATIENCE: Duration = Duration::from_secs(150);
/// Until the same is asked again.
const PAUSE: Duration = Duration::from_millis(50);
/// Until it is looked again how a settlement stands.
const LOOK: Duration = Duration::from_millis(200);

/// All of them, by one client.
pub struct People {
    pub http: reqwest::Client,
    service: Arc<Service>,
    key: EncodingKey,
}

impl People {
    /// Who trusts the authority, and whose tokens the service knows by the file that is written.
    pub fn new(service: Arc<Service>, authority: &Path, jwks: &Path) -> Result<Self> {
        let authority = reqwest::Certificate::from_pem(&std::fs::read(authority)?)?;
        let http = reqwest::Client::builder()
            .tls_certs_only([authority])
            .no_proxy()
            .timeout(Duration::from_secs(10))
            .build()?;
        let pkcs8 = Ed25519KeyPair::generate_pkcs8v1(&SystemRandom::new()).ok().context("no key can be made")?;
        let key = EncodingKey::from_ed_der(pkcs8.as_ref());
        let mut jwk = Jwk::from_encoding_key(&key, Algorithm::EdDSA)?;
        jwk.common.key_id = Some(KEY_ID.to_owned());
        std::fs::write(jwks, json!({ "keys": [jwk] }).to_string())?;
        Ok(Self { http, service, key })
    }

    fn token(&self, who: &str) -> Result<String> {
        let header = Header { kid: Some(KEY_ID.to_owned()), ..Header::new(Algorithm::EdDSA) };
        let claims = json!({"iss": ISSUER, "aud": AUDIENCE, "sub": who, "exp": EXPIRES, "roles": ["seller", "bidder"]});
        Ok(jsonwebtoken::encode(&header, &claims, &self.key)?)
    }

    /// How the settlement stands, as the buyer sees it; it becomes known by that.
    pub async fn settlement(&self, party: &Party) -> Result<Option<Value>> {
        let token = self.token(&party.buyer)?;
        let path = format!("/v1/settlements?auction_id={}", party.auction);
        let (status, page) = self.answered(|| self.http.get(self.service.url(&path)).bearer_auth(&token)).await?;
        ensure!(status == StatusCode::OK, "{status}: {page}");
        let Some(found) = page["items"].get(0) else { return Ok(None) };
        party.has_settlement(found["id"].as_str().context("no id")?.parse()?);
        Ok(Some(found.clone()))
    }

    /// Waits until the settlement is there and stands so.
    pub async fn sees(&self, party: &Party, status: &str) -> Result<Value> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let found = self.settlement(party).await?.unwrap_or_default();
            if found["status"] == status {
                return Ok(found);
            }
            let is_parked = found["status"] == "needs_operator";
            ensure!(!is_parked && Instant::now() < deadline, "it never is {status}, at last {found}");
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Does something about the settlement, however often it has to be said.
    pub async fn does(&self, party: &Party, who: &str, what: &str, body: Value) -> Result<()> {
        let path = format!("/v1/settlements/{}/{what}", party.settlement());
        let key = Uuid::now_v7().to_string();
        let mut request = Request { who: who.to_owned(), path, key, body, status: 0, answer: Value::Null };
        let (status, answer) = self.asks(&request).await.with_context(|| format!("{who} could not {what}"))?;
        ensure!(status.is_success(), "{who} could not {what}: {status}, {answer}");
        (request.status, request.answer) = (status.as_u16(), answer);
        party.requests.lock().unwrap().push(request);
        Ok(())
    }

    /// Says all again that they ever said: nothing happens, and the answers are the same.
    pub async fn say_all_again(&self, party: &Party) -> Result<()> {
        let requests = party.requests.lock().unwrap().clone();
        for request in requests {
            let (status, answer) = self.asks(&request).await?;
            let was = (request.status, &request.answer);
            ensure!(
                (status.as_u16(), &answer) == was,
                "to {} it was {was:?} first, then {status} {answer}",
                request.path
            );
        }
        Ok(())
    }

    async fn asks(&self, request: &Request) -> Result<(StatusCode, Value)> {
        let token = self.token(&request.who)?;
        let post = || {
            let post = self.http.post(self.service.url(&request.path)).bearer_auth(&token);
            post.header("idempotency-key", &request.key).json(&request.body)
        };
        self.answered(post).await
    }

    /// What the gateway tells by itself, until it is taken.
    pub async fn hear_from_the_gateway(&self, signature: &str, event: &str) -> Result<()> {
        let url = || self.service.url("/v1/payments/webhook");
        let post = || self.http.post(url()).header("stripe-signature", signature).body(event.to_owned());
        let (status, answer) = self.answered(post).await?;
        ensure!(status == StatusCode::NO_CONTENT, "a webhook was not taken: {status}, {answer}");
        Ok(())
    }

    /// The first answer that is one.
    async fn answered(&self, request: impl Fn() -> RequestBuilder) -> Result<(StatusCode, Value)> {
        let deadline = Instant::now() + PATIENCE;
        let mut last = String::new();
        while Instant::now() < deadline {
            match Self::answer(request()).await {
                Ok((status, answer)) if status.is_server_error() || is_running(&answer) => last = answer.to_string(),
                Ok(answered) => return Ok(answered),
                Err(error) => last = error.to_string(),
            }
            tokio::time::sleep(PAUSE).await;
        }
        bail!("no answer within {PATIENCE:?}: {last}")
    }

    async fn answer(request: RequestBuilder) -> reqwest::Result<(StatusCode, Value)> {
        let answer = request.send().await?;
        let (status, body) = (answer.status(), answer.bytes().await?);
        Ok((status, serde_json::from_slice(&body).unwrap_or_default()))
    }
}

/// What a service that is dead had begun is on its way back still.
fn is_running(answer: &Value) -> bool {
    answer["type"] == "urn:outcry:problem:idempotency-key-running"
}
