//! The development signing key: an Ed25519 key whose tokens the services take in development only,
//! because its `kid` says what it is.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::json;

use crate::files;
use crate::layout::DataDir;

/// `iss` of development tokens.
pub const ISSUER: &str = "https://outcry.local/development";
/// `aud` of every token.
pub const AUDIENCE: &str = "outcry";
/// What a development key's `kid` begins with; a service in production refuses such a key.
const KID_PREFIX: &str = "outcry-development-";
const KEY_NAME: &str = "token-key";

/// A new Ed25519 key as PEM (PKCS #8), for what a service signs itself.
pub fn new_pem() -> Result<String> {
    let pkcs8 = Ed25519KeyPair::generate_pkcs8v1(&SystemRandom::new()).ok().context("cannot make a signing key")?;
    Ok(format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(pkcs8)))
}

/// Signs development tokens.
pub struct DevKey {
    kid: String,
    signing: EncodingKey,
}

impl DevKey {
    /// Makes the key of `data_dir` unless it is there, and publishes its public half in `jwks.json`.
    pub fn create(data_dir: &DataDir) -> Result<()> {
        let der = files::read_or_create_private(&data_dir.secret(KEY_NAME), || {
            let pkcs8 =
                Ed25519KeyPair::generate_pkcs8v1(&SystemRandom::new()).ok().context("cannot make a signing key")?;
            Ok(STANDARD.encode(pkcs8))
        })?;
        let pair = key_pair(&der)?;
        let x = URL_SAFE_NO_PAD.encode(pair.public_key());
        let key = json!({"kty": "OKP", "crv": "Ed25519", "x": x, "kid": kid(&pair), "alg": "EdDSA", "use": "sig"});
        files::write_public(&data_dir.jwks_file(), json!({"keys": [key]}).to_string().as_bytes())
    }

    /// The key of a data directory where the marketplace was started before.
    pub fn load(data_dir: &DataDir) -> Result<Self> {
        let file = data_dir.secret(KEY_NAME);
        ensure!(
            file.exists(),
            "{} holds no marketplace: start one with `outcry up`, or name its directory with --data-dir",
            data_dir.root().display()
        );
        let der = files::read(&file)?;
        let bytes = STANDARD.decode(der.trim()).context("the signing key is damaged")?;
        Ok(Self { kid: kid(&key_pair(&der)?), signing: EncodingKey::from_ed_der(&bytes) })
    }

    /// A token for `sub` with `roles`, valid from now for `ttl`.
    pub fn token(&self, sub: &str, roles: &[impl AsRef<str>], ttl: Duration) -> Result<String> {
        let length = sub.chars().count();
        ensure!((1..=128).contains(&length), "--sub must have 1 to 128 characters, it has {length}");
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let roles: BTreeSet<&str> = roles.iter().map(AsRef::as_ref).collect();
        let claims = json!({
            "iss": ISSUER, "aud": AUDIENCE, "sub": sub, "roles": roles,
            "iat": now, "exp": now.saturating_add(ttl.as_secs()),
        });
        let header = Header { kid: Some(self.kid.clone()), ..Header::new(Algorithm::EdDSA) };
        Ok(jsonwebtoken::encode(&header, &claims, &self.signing)?)
    }
}

fn key_pair(der: &str) -> Result<Ed25519KeyPair> {
    let bytes = STANDARD.decode(der.trim()).context("the signing key is damaged")?;
    Ed25519KeyPair::from_pkcs8(&bytes).ok().context("the signing key is damaged")
}

fn kid(pair: &Ed25519KeyPair) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, pair.public_key().as_ref());
    format!("{KID_PREFIX}{}", hex::encode(&digest.as_ref()[..6]))
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::jwk::JwkSet;
    use jsonwebtoken::{DecodingKey, Validation};
    use serde_json::Value;

    use super::*;

    #[test]
    fn a_token_is_verified_by_the_published_key_and_carries_its_claims() {
        let dir = tempfile::tempdir().unwrap();
        let data_dir = DataDir::new(dir.path().to_owned());
        files::create_dir(&data_dir.secret("")).unwrap();
        DevKey::create(&data_dir).unwrap();

        let key = DevKey::load(&data_dir).unwrap();
        let token = key.token("alice", &["seller", "bidder"], Duration::from_secs(60)).unwrap();

        let set: JwkSet = serde_json::from_str(&files::read(&data_dir.jwks_file()).unwrap()).unwrap();
        let kid = jsonwebtoken::decode_header(&token).unwrap().kid.unwrap();
        assert!(kid.starts_with("outcry-development-"));
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_audience(&[AUDIENCE]);
        validation.set_issuer(&[ISSUER]);
        let public = DecodingKey::from_jwk(set.find(&kid).unwrap()).unwrap();
        let claims = jsonwebtoken::decode::<Value>(&token, &public, &validation).unwrap().claims;
        assert_eq!(claims["sub"], "alice");
        assert_eq!(claims["roles"], json!(["bidder", "seller"]));
    }

    #[test]
    fn an_empty_directory_has_no_key_and_the_error_says_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let fault = DevKey::load(&DataDir::new(dir.path().to_owned())).err().unwrap();
        assert!(fault.to_string().contains("outcry up"), "{fault}");
    }
}
