//! Who calls: bearer tokens (RFC 6750), verified by RFC 8725's rules.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{FromRequestParts, Request, State},
    http::{HeaderMap, header, request::Parts},
    middleware::Next,
    response::Response,
};
use bidding_domain::ids::UserId;
use event_contracts::auth::{Claims, Role};
use jsonwebtoken::{Validation, decode, decode_header};
use moka::sync::Cache;

use crate::{
    jwks::KeySet,
    limits::{Limiter, limited},
    problem::ApiError,
};

/// Clocks may differ by so much, seconds.
const LEEWAY_S: u64 = 60;
/// Longest token, bytes.
const MAX_TOKEN_BYTES: usize = 8 * 1024;
/// Longest `sub`, characters.
const MAX_SUB: usize = 128;
/// Most verified tokens that are remembered.
const REMEMBERED: u64 = 20_000;
/// A remembered token is verified again after this long, so that a withdrawn key counts no more.
const REMEMBERED_FOR: Duration = Duration::from_secs(60);

/// Who calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The token's `sub`.
    pub id: UserId,
    /// Whether the token has the role `bidder`.
    pub bidder: bool,
    /// Whether the token has the role `admin`.
    pub admin: bool,
}

/// Verifies tokens.
pub struct Verifier {
    keys: Arc<KeySet>,
    issuer: String,
    audience: String,
    verified: Cache<String, Arc<Verified>>,
}

struct Verified {
    caller: Caller,
    exp: u64,
}

impl Verifier {
    /// Accepts tokens of `issuer` for `audience`, signed by one of `keys`.
    #[must_use]
    pub fn new(keys: Arc<KeySet>, issuer: String, audience: String) -> Self {
        let verified = Cache::builder().max_capacity(REMEMBERED).time_to_live(REMEMBERED_FOR).build();
        Self { keys, issuer, audience, verified }
    }

    async fn verify(&self, token: &str) -> Result<Arc<Verified>, String> {
        if let Some(known) = self.verified.get(token) {
            return if now_s() < known.exp.saturating_add(LEEWAY_S) {
                Ok(known)
            } else {
                Err("the token has expired".into())
            };
        }
        let header = decode_header(token).map_err(|_| "the token is not a JWT")?;
        if header.crit.is_some() {
            return Err("the token's header names extensions (crit) that are not understood here".into());
        }
        if !header.typ.as_deref().is_none_or(is_access_token) {
            return Err("the token is of another type than JWT or at+jwt".into());
        }
        let kid = header.kid.ok_or("the token's header names no kid")?;
        let key = self.keys.find(&kid).await.ok_or("the token is signed by an unknown key")?;
        let mut rules = Validation::new(key.algorithm);
        rules.set_issuer(&[&self.issuer]);
        rules.set_audience(&[&self.audience]);
        rules.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        rules.leeway = LEEWAY_S;
        rules.validate_nbf = true;
        let claims = decode::<Claims>(token, &key.decoding, &rules).map_err(|error| reason(&error))?.claims;
        let length = claims.sub.chars().count();
        if !(1..=MAX_SUB).contains(&length) || claims.sub.chars().any(char::is_control) {
            return Err(format!("the claim sub has 1 to {MAX_SUB} characters"));
        }
        let caller = Caller {
            id: UserId(claims.sub),
            bidder: claims.roles.contains(&Role::Bidder),
            admin: claims.roles.contains(&Role::Admin),
        };
        let verified = Arc::new(Verified { caller, exp: claims.exp });
        self.verified.insert(token.to_owned(), Arc::clone(&verified));
        Ok(verified)
    }
}

/// Another kind of token by the same issuer, say for logging out, is no access token (RFC 8725 §3.11, RFC 9068 §2.1).
fn is_access_token(typ: &str) -> bool {
    // The media type's first half may be left out (RFC 7515 §4.1.9).
    let name = match typ.split_once('/') {
        Some((kind, name)) if kind.eq_ignore_ascii_case("application") => name,
        _ => typ,
    };
    ["jwt", "at+jwt"].iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// Says what is wrong with a token, and nothing of our keys.
fn reason(error: &jsonwebtoken::errors::Error) -> String {
    use jsonwebtoken::errors::ErrorKind;
    match error.kind() {
        ErrorKind::ExpiredSignature => "the token has expired".into(),
        ErrorKind::ImmatureSignature => "the token is not valid yet".into(),
        ErrorKind::InvalidIssuer => "the token comes from another issuer".into(),
        ErrorKind::InvalidAudience => "the token is for another audience".into(),
        ErrorKind::InvalidSignature => "the token's signature is wrong".into(),
        ErrorKind::InvalidAlgorithm => "the token's algorithm is not the key's".into(),
        ErrorKind::MissingRequiredClaim(claim) => format!("the token lacks the claim {claim}"),
        ErrorKind::Json(error) => format!("the token's claims are not readable: {error}"),
        _ => "the token is not valid".into(),
    }
}

#[allow(clippy::disallowed_methods)] // a token's expiry is wall-clock time by its definition
fn now_s() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(u64::MAX, |since| since.as_secs())
}

/// What guards the routes that need a token.
pub struct Guard {
    /// Of tokens.
    pub verifier: Verifier,
    /// Of requests of one principal.
    pub principals: Option<Limiter<UserId>>,
}

/// Lets a request with a valid token in, as often as its principal may.
pub(crate) async fn guard(
    State(guard): State<Arc<Guard>>,
    mut request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let token = bearer(request.headers())?;
    let verified = guard.verifier.verify(token).await.map_err(ApiError::unauthenticated)?;
    request.extensions_mut().insert(verified.caller.clone());
    limited(guard.principals.as_ref(), &verified.caller.id, request, next).await
}

fn bearer(headers: &HeaderMap) -> Result<&str, ApiError> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value =
        values.next().ok_or_else(|| ApiError::unauthenticated("send the header Authorization: Bearer <JWT>"))?;
    let unreadable = || ApiError::unauthenticated("the header Authorization is not of the form Bearer <JWT>");
    let (scheme, token) = value.to_str().ok().and_then(|value| value.split_once(' ')).ok_or_else(unreadable)?;
    let sound = scheme.eq_ignore_ascii_case("bearer") && token.len() <= MAX_TOKEN_BYTES && values.next().is_none();
    if sound { Ok(token.trim()) } else { Err(unreadable()) }
}

/// The caller that [`guard`] has let in.
pub struct Authenticated(pub Caller);

impl<S: Send + Sync> FromRequestParts<S> for Authenticated {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let caller = parts.extensions.get::<Caller>().cloned();
        caller.map(Self).ok_or_else(|| ApiError::unauthenticated("send the header Authorization: Bearer <JWT>"))
    }
}

#[cfg(test)]
mod tests;
