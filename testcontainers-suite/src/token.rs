//! Access tokens: good ones, signed by the development key, and whatever a forger would try.

use std::{
    fs,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, anyhow};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::{Value, json};

/// `iss` of development tokens.
pub const ISSUER: &str = "https://outcry.local/development";
/// `aud` of every token.
pub const AUDIENCE: &str = "outcry";

/// Where `outcry up` has the key in its data directory.
pub(crate) const KEY: &str = "secrets/token-key";
/// Where it has the key set.
pub(crate) const JWKS: &str = "jwks.json";

/// The development signing key.
pub struct Signer {
    key: Ed25519KeyPair,
    kid: String,
}

impl Signer {
    /// The key of a data directory that `outcry up` has made, or of one that is laid out so.
    pub fn of_data_dir(data_dir: &Path) -> Result<Self> {
        Self::of_files(&data_dir.join(KEY), &data_dir.join(JWKS))
    }

    /// A private key (PKCS#8, as PEM or in base 64 alone) and the key set whose first key is its other half.
    pub fn of_files(key: &Path, jwks: &Path) -> Result<Self> {
        let read = |path: &Path| fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()));
        let lines = read(key)?;
        let lines: String = lines.lines().map(str::trim).filter(|line| !line.starts_with("-----")).collect();
        let der = STANDARD.decode(lines).with_context(|| format!("{} is no key", key.display()))?;
        Self::new(&der, &read(jwks)?)
    }

    /// A private key (PKCS#8) and the JSON Web Key Set that publishes its other half.
    pub fn new(pkcs8: &[u8], jwks: &str) -> Result<Self> {
        let key = Ed25519KeyPair::from_pkcs8(pkcs8).map_err(|error| anyhow!("the signing key is unusable: {error}"))?;
        let jwks: Value = serde_json::from_str(jwks).context("the JWKS is no JSON")?;
        let kid = jwks["keys"][0]["kid"].as_str().context("the JWKS has no key with a kid")?.to_owned();
        Ok(Self { key, kid })
    }

    /// The id by which services know the key.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The public half, 32 bytes.
    #[must_use]
    pub fn public_key(&self) -> &[u8] {
        self.key.public_key().as_ref()
    }

    /// The header of a good token.
    #[must_use]
    pub fn header(&self) -> Value {
        json!({"alg": "EdDSA", "typ": "JWT", "kid": self.kid})
    }

    /// A good token, valid for an hour.
    #[must_use]
    pub fn token(&self, sub: &str, roles: &[&str]) -> String {
        self.sign(&self.header(), &claims(sub, roles))
    }

    /// Whatever `header` and `claims` say, signed by the real key.
    #[must_use]
    pub fn sign(&self, header: &Value, claims: &Value) -> String {
        self.sign_text(&header.to_string(), &claims.to_string())
    }

    /// As [`Signer::sign`], for what a JSON value cannot hold, e.g. a member that is there twice.
    #[must_use]
    pub fn sign_text(&self, header: &str, claims: &str) -> String {
        let signed = format!("{}.{}", base64url(header.as_bytes()), base64url(claims.as_bytes()));
        let signature = self.key.sign(signed.as_bytes());
        with_signature(&signed, signature.as_ref())
    }
}

/// The claims of a good token.
#[must_use]
pub fn claims(sub: &str, roles: &[&str]) -> Value {
    json!({"iss": ISSUER, "aud": AUDIENCE, "sub": sub, "roles": roles, "iat": now_s(), "exp": now_s() + 3600})
}

/// Seconds since 1970.
#[must_use]
pub fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// The part of a token that is signed.
#[must_use]
pub fn unsigned(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", part(header), part(claims))
}

/// A token of its signed part and the signature.
#[must_use]
pub fn with_signature(signed: &str, signature: &[u8]) -> String {
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// Base64url without padding, as JOSE writes bytes.
#[must_use]
pub fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
