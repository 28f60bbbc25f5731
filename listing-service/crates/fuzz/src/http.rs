//! Requests as text, and what every answer must be. The same file in each service: they share nothing.

use std::{fmt::Display, net::SocketAddr, path::PathBuf};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use axum::{
    Router,
    body::{Body, to_bytes},
    extract::ConnectInfo,
    http::{Method, Request, StatusCode, header},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt;

/// Who issues the tokens.
pub const ISSUER: &str = "https://fuzz.example";
/// Whom they are for.
pub const AUDIENCE: &str = "outcry";
/// When they expire, Unix seconds: in the year 2100.
const EXPIRES_S: u64 = 4_102_444_800;
/// Longest answer that is read, bytes.
const MAX_ANSWER_BYTES: usize = 16 * 1024 * 1024;
/// Between two requests of an input: a line of its own.
const BETWEEN: &[u8] = b"\n---\n";
/// Most requests of an input; what is left is the last one.
const MAX_REQUESTS: usize = 8;
/// Problems of requests that were refused before anything was asked of the core.
const NOTHING_ASKED: [&str; 8] = [
    "idempotency-key",
    "malformed-body",
    "malformed-header",
    "malformed-json",
    "method-not-allowed",
    "unauthenticated",
    "unsupported-media-type",
    "webhook-signature",
];

/// What a request came to: the status of its answer, or the problem it was refused by.
pub type Answer = Result<StatusCode, String>;

/// Who may come in.
pub struct People {
    keys: String,
    tokens: Vec<(&'static str, String)>,
}

impl People {
    /// Signs a token for each name. `root` alone is an operator; everybody else sells and bids.
    pub fn new(names: &[&'static str]) -> Self {
        let key = Ed25519KeyPair::generate().expect("a key");
        let public = URL_SAFE_NO_PAD.encode(key.public_key());
        let keys = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "fuzz", "alg": "EdDSA", "x": public}]});
        Self { keys: keys.to_string(), tokens: names.iter().map(|name| (*name, token(&key, name))).collect() }
    }

    /// A file with the key set that the tokens are verified with. It goes with the folder.
    pub fn key_file(&self) -> (TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("jwks.json");
        std::fs::write(&file, &self.keys).expect("a file");
        (folder, file)
    }
}

fn token(key: &Ed25519KeyPair, name: &str) -> String {
    let roles: &[&str] = if name == "root" { &["admin"] } else { &["seller", "bidder"] };
    let claims = json!({"iss": ISSUER, "aud": AUDIENCE, "sub": name, "roles": roles, "exp": EXPIRES_S});
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(&json!({"alg": "EdDSA", "typ": "JWT", "kid": "fuzz"})), part(&claims));
    let signature = URL_SAFE_NO_PAD.encode(key.sign(signed.as_bytes()));
    format!("{signed}.{signature}")
}

/// Something that is there: a request names it as `{name}`.
pub fn place(name: &str, id: impl Display) -> (String, String) {
    (format!("{{{name}}}"), id.to_string())
}

/// The text with the ids of what is there.
pub fn filled(text: &str, places: &[(String, String)]) -> String {
    places.iter().fold(text.to_owned(), |text, (name, id)| text.replace(name, id))
}

/// The requests of an input, one after the other.
pub fn parts(input: &[u8]) -> Vec<&[u8]> {
    let (mut parts, mut rest) = (Vec::new(), input);
    for _ in 1..MAX_REQUESTS {
        let Some(at) = rest.windows(BETWEEN.len()).position(|here| here == BETWEEN) else { break };
        parts.push(&rest[..at]);
        rest = &rest[at + BETWEEN.len()..];
    }
    parts.push(rest);
    parts
}

/// Whether a request left the service as it was: it only read, or was refused before anything was decided.
pub fn left_no_trace(method: &Method, answer: &Answer) -> bool {
    method.is_safe() || answer.as_ref().is_err_and(|problem| NOTHING_ASKED.contains(&problem.as_str()))
}

/// A request as text: method and target; headers; an empty line; the body. `as: NAME` stands for that person's token. What
/// no client could send is none.
pub fn request(text: &[u8], people: &People, places: &[(String, String)]) -> Option<Request<Body>> {
    let end = text.windows(2).position(|two| two == b"\n\n");
    let (head, body) = end.map_or((text, &b""[..]), |end| (&text[..end], &text[end + 2..]));
    let head = filled(std::str::from_utf8(head).ok()?, places);
    let mut lines = head.lines();
    let (method, target) = lines.next()?.split_once(' ')?;
    let mut request = Request::builder().method(method).uri(target);
    for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
        request = match people.tokens.iter().find(|(who, _)| name == "as" && *who == value) {
            Some((_, token)) => request.header(header::AUTHORIZATION, format!("Bearer {token}")),
            None => request.header(name, value),
        };
    }
    let body = std::str::from_utf8(body).map_or_else(|_| body.to_vec(), |body| filled(body, places).into_bytes());
    let mut request = request.body(Body::from(body)).ok()?;
    request.extensions_mut().insert(ConnectInfo(SocketAddr::from(([127, 0, 0, 1], 443))));
    Some(request)
}

/// Sends a request; the answer must be one that a client can live with, whatever was sent.
pub async fn ask(router: &Router, request: Request<Body>) -> Answer {
    let (method, target) = (request.method().clone(), request.uri().clone());
    let response = router.clone().oneshot(request).await.expect("an answer");
    let status = response.status();
    assert!(!status.is_server_error(), "{method} {target} was answered {status}");
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.unwrap_or_default().to_owned();
    // A stream has no end while its auction is open; the pages for people are not ours.
    if kind.starts_with("text/event-stream") || target.path().starts_with("/docs") || method == Method::HEAD {
        return Ok(status);
    }
    let body = to_bytes(response.into_body(), MAX_ANSWER_BYTES).await.expect("a body");
    if !status.is_client_error() {
        if kind.starts_with("application/json") {
            serde_json::from_slice::<Value>(&body).expect("JSON");
        }
        return Ok(status);
    }
    assert_eq!(kind, "application/problem+json", "{method} {target} was answered {status}");
    let problem: Value = serde_json::from_slice(&body).expect("a problem is JSON");
    let told = ["title", "detail"].iter().all(|member| problem[member].is_string());
    assert!(told && problem["status"] == status.as_u16(), "{method} {target} was answered {status}: {problem}");
    let name = problem["type"].as_str().and_then(|name| name.strip_prefix("urn:outcry:problem:"));
    Err(name.expect("a problem has a type of ours").to_owned())
}
