//! Requests as text, and what every answer must be. The same file in each service: they share nothing.

use std::{net::SocketAddr, path::Path, sync::Arc};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use axum::{
    Router,
    body::{Body, to_bytes},
    extract::ConnectInfo,
    http::{Method, Request, Response, Uri, header},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tower::ServiceExt;

/// Who the tokens are by and for.
pub const ISSUER: &str = "https://fuzz.example";
/// See [`ISSUER`].
pub const AUDIENCE: &str = "outcry";
/// Longest answer that is read, bytes.
const MAX_ANSWER: usize = 16 * 1024 * 1024;

/// Makes a key, publishes its other half in `jwks`, and signs a token for each name.
pub fn tokens<const N: usize>(names: [&'static str; N], jwks: &Path) -> [(&'static str, String); N] {
    let key = Ed25519KeyPair::generate().expect("a key");
    let x = URL_SAFE_NO_PAD.encode(key.public_key());
    let set = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "fuzz", "alg": "EdDSA", "x": x}]});
    std::fs::write(jwks, set.to_string()).expect("a JWKS file");
    names.map(|name| {
        let roles = if name == "root" { vec!["admin"] } else { vec!["seller", "bidder"] };
        let claims = json!({"iss": ISSUER, "aud": AUDIENCE, "sub": name, "roles": roles, "exp": 4_102_444_800_u64});
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&json!({"alg": "EdDSA", "typ": "JWT", "kid": "fuzz"})), part(&claims));
        let signature = URL_SAFE_NO_PAD.encode(key.sign(signed.as_bytes()));
        (name, format!("{signed}.{signature}"))
    })
}

/// A request as text: method and target; headers; an empty line; the body. `as: NAME` stands for that person's token, and
/// `{name}` for an id that is there.
pub fn request(text: &[u8], tokens: &[(&'static str, String)], ids: &[(&str, String)]) -> Option<Request<Body>> {
    let (head, body) = match text.windows(2).position(|two| two == b"\n\n") {
        Some(end) => (&text[..end], &text[end + 2..]),
        None => (text, &b""[..]),
    };
    let filled = |text: &str| ids.iter().fold(text.to_owned(), |text, (name, id)| text.replace(name, id));
    let head = filled(std::str::from_utf8(head).ok()?);
    let mut lines = head.lines();
    let (method, target) = lines.next()?.split_once(' ')?;
    let mut request = Request::builder().method(method).uri(target);
    for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
        request = match tokens.iter().find(|(who, _)| name == "as" && *who == value) {
            Some((_, token)) => request.header(header::AUTHORIZATION, format!("Bearer {token}")),
            None => request.header(name, value),
        };
    }
    let body = std::str::from_utf8(body).map_or_else(|_| body.to_vec(), |text| filled(text).into_bytes());
    let mut request = request.body(Body::from(body)).ok()?;
    request.extensions_mut().insert(ConnectInfo(SocketAddr::from(([127, 0, 0, 1], 443))));
    Some(request)
}

/// Sends a request; the answer must be one that a client can live with, whatever was sent.
pub async fn ask(router: &Router, request: Request<Body>) {
    let (method, target) = (request.method().clone(), request.uri().clone());
    let response = router.clone().oneshot(request).await.expect("an answer");
    check(&method, &target, response).await;
}

async fn check(method: &Method, target: &Uri, response: Response<Body>) {
    let status = response.status();
    assert!(!status.is_server_error(), "{method} {target} was answered {status}");
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.to_owned();
    // A stream has no end while its auction is open; the pages for people are not ours.
    if kind.starts_with("text/event-stream") || target.path().starts_with("/docs") || method == Method::HEAD {
        return;
    }
    let body = to_bytes(response.into_body(), MAX_ANSWER).await.expect("a body");
    if status.is_client_error() {
        assert_eq!(kind, "application/problem+json", "{method} {target}: {status}");
        let problem: Value = serde_json::from_slice(&body).expect("a problem is JSON");
        let slug = problem["type"].as_str().and_then(|slug| slug.strip_prefix("urn:outcry:problem:"));
        let told = ["title", "detail"].iter().all(|member| problem[member].is_string());
        assert!(slug.is_some() && told && problem["status"] == status.as_u16(), "{method} {target}: {problem}");
    } else if kind.starts_with("application/json") {
        serde_json::from_slice::<serde::de::IgnoredAny>(&body).expect("JSON");
    }
}

/// A file that is there as long as the program.
pub fn jwks_file() -> Arc<Path> {
    let directory = tempfile::tempdir().expect("a directory").keep();
    directory.join("jwks.json").into()
}
