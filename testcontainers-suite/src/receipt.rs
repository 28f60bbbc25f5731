//! Receipts as anybody may check them: a compact JWS, and the published keys.

use anyhow::{Context, Result, bail};
use jsonwebtoken::{
    Algorithm, DecodingKey, Validation, decode, decode_header,
    jwk::{Jwk, JwkSet},
};
use serde_json::Value;

use crate::{client::Person, token::base64url, world::Service};

/// The keys that the house signs by.
pub struct Keys(JwkSet);

impl Keys {
    /// As they are published.
    pub async fn of(person: &Person<'_>) -> Result<Self> {
        let keys = person.get(Service::Bidding, "/v1/receipt-keys").await?.success()?;
        if keys.to_string().contains("\"d\"") {
            bail!("a private key is published");
        }
        Ok(Self(serde_json::from_value(keys).context("this is no JWK set")?))
    }

    /// What the receipt says, if one of these keys signed it.
    pub fn verify(&self, receipt: &str) -> Result<Value> {
        let header = decode_header(receipt).context("this is no JWS")?;
        let id = header.kid.context("the receipt names no key")?;
        let named = |key: &&Jwk| key.common.key_id.as_deref() == Some(id.as_str());
        let key = self.0.keys.iter().find(named).with_context(|| format!("no key is called {id}"))?;
        let mut rules = Validation::new(Algorithm::EdDSA);
        // It is a statement, not a token: it is for everybody and does not expire.
        rules.required_spec_claims.clear();
        (rules.validate_exp, rules.validate_aud) = (false, false);
        Ok(decode(receipt, &DecodingKey::from_jwk(key)?, &rules)?.claims)
    }
}

/// The receipt with another payload under the same signature.
pub fn forged(receipt: &str, payload: &Value) -> Result<String> {
    let mut parts = receipt.split('.');
    let (header, signature) = (parts.next().context("a header")?, parts.nth(1).context("a signature")?);
    Ok(format!("{header}.{}.{signature}", base64url(payload.to_string().as_bytes())))
}
