//! The keys that tokens are verified with: a JWKS (RFC 7517) from a file or an https URL, kept and
//! refreshed.

use std::{
    collections::HashMap,
    error::Error,
    iter,
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse},
};
use serde::Deserialize;
use tokio::{sync::Mutex, time::Instant};

/// Keys of a development set are named so; a production service refuses them.
pub const DEVELOPMENT_PREFIX: &str = "outcry-development-";
/// Largest JWKS document, bytes.
const MAX_DOCUMENT_BYTES: usize = 256 * 1024;
/// Most keys of a document.
const MAX_KEYS: usize = 64;
/// How often an unknown key id may cause a refresh.
const REFRESH_AT_MOST_EVERY: Duration = Duration::from_secs(10);

/// Where the keys come from.
#[derive(Debug, Clone)]
pub enum Source {
    /// A file, read again at each refresh.
    File(PathBuf),
    /// An https URL, with further roots of trust if any.
    Url {
        /// Must be https.
        url: reqwest::Url,
        /// PEM of a CA beside the system's.
        ca: Option<Vec<u8>>,
    },
}

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub enum JwksError {
    /// The file or URL cannot be read.
    #[error("the JWKS cannot be read: {0}")]
    Unreadable(String),
    /// It was read and is not what it should be.
    #[error("the JWKS is not usable: {0}")]
    Unusable(String),
}

/// A key and the one algorithm it may be used with.
#[derive(Clone)]
pub(crate) struct Key {
    pub decoding: DecodingKey,
    pub algorithm: Algorithm,
}

type Keys = Arc<HashMap<String, Key>>;

/// The keys by their ids, refreshed from their source.
pub struct KeySet {
    source: Source,
    keys: RwLock<Keys>,
    refreshed: Mutex<Instant>,
}

impl KeySet {
    /// Loads the keys for the first time.
    ///
    /// # Errors
    /// [`JwksError`].
    pub async fn load(source: Source) -> Result<Self, JwksError> {
        let keys = Arc::new(fetch(&source).await?);
        Ok(Self { source, keys: RwLock::new(keys), refreshed: Mutex::new(Instant::now()) })
    }

    /// Whether a key of a development set is among them.
    #[must_use]
    pub fn has_development_key(&self) -> bool {
        self.current().keys().any(|kid| kid.starts_with(DEVELOPMENT_PREFIX))
    }

    pub(crate) fn current(&self) -> Keys {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Loads the keys again; keeps the old ones when that fails.
    ///
    /// # Errors
    /// [`JwksError`].
    pub async fn refresh(&self) -> Result<(), JwksError> {
        let keys = Arc::new(fetch(&self.source).await?);
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
        Ok(())
    }

    /// The key `kid`; an unknown one refreshes the set, at most every ten seconds.
    pub(crate) async fn find(&self, kid: &str) -> Option<Key> {
        if let Some(key) = self.current().get(kid) {
            return Some(key.clone());
        }
        let mut refreshed = self.refreshed.lock().await;
        if refreshed.elapsed() >= REFRESH_AT_MOST_EVERY {
            *refreshed = Instant::now();
            if let Err(error) = self.refresh().await {
                tracing::warn!(%error, "the JWKS could not be refreshed");
            }
        }
        self.current().get(kid).cloned()
    }
}

async fn fetch(source: &Source) -> Result<HashMap<String, Key>, JwksError> {
    let document = match source {
        Source::File(path) => tokio::fs::read(path).await.map_err(|error| unreadable(&error))?,
        Source::Url { url, ca } => {
            let mut client = reqwest::Client::builder().https_only(true).timeout(Duration::from_secs(5));
            if let Some(pem) = ca {
                let certificate = reqwest::Certificate::from_pem(pem).map_err(|error| unreadable(&error))?;
                client = client.add_root_certificate(certificate);
            }
            let client = client.build().map_err(|error| unreadable(&error))?;
            let response = client.get(url.clone()).send().await.and_then(reqwest::Response::error_for_status);
            let mut response = response.map_err(|error| unreadable(&error))?;
            let mut document = Vec::new();
            while let Some(chunk) = response.chunk().await.map_err(|error| unreadable(&error))? {
                document.extend_from_slice(&chunk);
                if document.len() > MAX_DOCUMENT_BYTES {
                    break;
                }
            }
            document
        }
    };
    if document.len() > MAX_DOCUMENT_BYTES {
        return Err(JwksError::Unusable(format!("it has more than {MAX_DOCUMENT_BYTES} bytes")));
    }
    read(&document)
}

/// An error with what caused it: that a request failed says less than that a certificate is of an unknown authority.
fn unreadable(error: &dyn Error) -> JwksError {
    let causes = iter::successors(Some(error), |&error| error.source());
    JwksError::Unreadable(causes.map(ToString::to_string).collect::<Vec<_>>().join(": "))
}

/// A set whose keys are read one by one: those of a kind that is not known here are passed over (RFC 7517 §5).
#[derive(Deserialize)]
struct Document {
    keys: Vec<serde_json::Value>,
}

fn read(document: &[u8]) -> Result<HashMap<String, Key>, JwksError> {
    let set: Document = serde_json::from_slice(document).map_err(|error| JwksError::Unusable(error.to_string()))?;
    let known = set.keys.into_iter().take(MAX_KEYS).filter_map(|key| serde_json::from_value(key).ok());
    let keys: HashMap<_, _> = known.filter_map(|jwk: Jwk| usable(&jwk)).collect();
    if keys.is_empty() {
        let detail = "it has no key with a kid for EdDSA (Ed25519), ES256 (P-256) or RS256 (2048 bits or more)";
        return Err(JwksError::Unusable(detail.to_owned()));
    }
    Ok(keys)
}

/// A key is pinned to the algorithm of its kind, whatever a token claims (RFC 8725 §3.1).
fn usable(jwk: &Jwk) -> Option<(String, Key)> {
    let (algorithm, declared) = match &jwk.algorithm {
        AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => {
            (Algorithm::EdDSA, KeyAlgorithm::EdDSA)
        }
        AlgorithmParameters::EllipticCurve(curve) if curve.curve == EllipticCurve::P256 => {
            (Algorithm::ES256, KeyAlgorithm::ES256)
        }
        // 2048 bits are 342 characters of base64url; zeros in front make no key stronger.
        AlgorithmParameters::RSA(rsa) if rsa.n.trim_start_matches('A').len() >= 342 => {
            (Algorithm::RS256, KeyAlgorithm::RS256)
        }
        _ => return None,
    };
    let common = &jwk.common;
    let signs = common.public_key_use.as_ref().is_none_or(|purpose| *purpose == PublicKeyUse::Signature)
        && common.key_operations.as_ref().is_none_or(|operations| operations.contains(&KeyOperations::Verify));
    if !signs || common.key_algorithm.is_some_and(|claimed| claimed != declared) {
        return None;
    }
    let decoding = DecodingKey::from_jwk(jwk).ok()?;
    Some((jwk.common.key_id.clone()?, Key { decoding, algorithm }))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// The public key of RFC 8037 A.2.
    fn ed25519() -> Value {
        json!({"kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})
    }

    /// The first key of RFC 7517 A.1, without its `use`.
    fn p256() -> Value {
        json!({"kty": "EC", "crv": "P-256", "kid": "ec", "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
            "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"})
    }

    /// The second one: 2048 bits.
    fn rsa() -> Value {
        let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4\
                 n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0\
                 zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-c\
                 sFCur-kEgU8awapJzKnqDKgw";
        json!({"kty": "RSA", "kid": "rsa", "e": "AQAB", "n": n})
    }

    fn with(mut key: Value, member: &str, value: Value) -> Value {
        key[member] = value;
        key
    }

    /// The ids of the keys that are used.
    fn used(keys: &[Value]) -> Vec<String> {
        let set = read(json!({"keys": keys}).to_string().as_bytes()).unwrap_or_default();
        let mut kids: Vec<_> = set.into_keys().collect();
        kids.sort();
        kids
    }

    #[tokio::test]
    async fn an_unknown_kid_has_the_set_read_again_but_not_twice_in_ten_seconds() {
        let file = std::env::temp_dir().join(format!("outcry-jwks-of-bidding-{}.json", std::process::id()));
        let holds =
            |keys: &[Value]| std::fs::write(&file, json!({"keys": keys}).to_string()).expect("it can be written");
        holds(&[ed25519()]);
        let set = KeySet::load(Source::File(file.clone())).await.expect("it can be read");
        holds(&[ed25519(), p256()]);
        assert!(set.find("ec").await.is_none(), "it was read just now");
        *set.refreshed.lock().await -= REFRESH_AT_MOST_EVERY;
        assert!(set.find("ec").await.is_some());
        holds(&[ed25519(), p256(), rsa()]);
        for _ in 0..100 {
            assert!(set.find("rsa").await.is_none(), "it is asked without end");
        }
        std::fs::remove_file(&file).expect("it can be removed");
    }

    #[test]
    fn each_key_is_pinned_to_the_algorithm_of_its_kind() {
        let set = read(json!({"keys": [ed25519(), p256(), rsa()]}).to_string().as_bytes()).expect("sound keys");
        let of = |kid: &str| set.get(kid).map(|key| key.algorithm);
        assert_eq!((of("ed"), of("ec")), (Some(Algorithm::EdDSA), Some(Algorithm::ES256)));
        assert_eq!(of("rsa"), Some(Algorithm::RS256));
    }

    #[test]
    fn a_key_for_another_algorithm_or_another_purpose_is_not_used() {
        for other in [
            with(ed25519(), "alg", json!("ES256")),
            with(p256(), "alg", json!("HS256")),
            with(rsa(), "alg", json!("PS256")),
            with(rsa(), "alg", json!("RSA-OAEP")),
            with(rsa(), "use", json!("enc")),
            with(p256(), "key_ops", json!(["deriveBits"])),
            with(ed25519(), "crv", json!("X25519")),
            with(p256(), "crv", json!("P-384")),
            json!({"kty": "oct", "kid": "mac", "k": "c2VjcmV0", "alg": "HS256"}),
        ] {
            assert_eq!(used(&[ed25519(), with(other.clone(), "kid", json!("other"))]), ["ed"], "{other}");
        }
        assert_eq!(used(&[with(rsa(), "use", json!("sig"))]), ["rsa"]);
        assert_eq!(used(&[with(p256(), "key_ops", json!(["verify"]))]), ["ec"]);
    }

    #[test]
    fn a_weak_rsa_key_is_not_used_whatever_stands_before_it() {
        let n = rsa()["n"].as_str().map(ToOwned::to_owned).expect("a modulus");
        for weak in [n[..171].to_owned(), n[..340].to_owned(), format!("{}{}", "A".repeat(171), &n[..171])] {
            assert_eq!(used(&[ed25519(), with(rsa(), "n", json!(weak))]), ["ed"], "{weak}");
        }
    }

    #[test]
    fn a_key_that_is_not_understood_leaves_the_others() {
        for strange in [
            json!({"kty": "AKP", "kid": "other", "alg": "ML-DSA-44", "pub": "AAAA"}),
            json!({"kty": "RSA", "kid": "other", "n": 5}),
            json!({"kty": "EC", "kid": ["other"], "crv": "P-256"}),
            with(ed25519(), "kid", json!({"other": 1})),
            with(p256(), "alg", json!(7)),
            json!("other"),
            Value::Null,
        ] {
            assert_eq!(used(&[strange.clone(), ed25519()]), ["ed"], "{strange}");
        }
    }

    #[test]
    fn a_document_without_a_key_that_can_be_used_is_refused() {
        for document in ["", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":[]}"#, r#"{"keys":[{"kty":"oct","k":"AA"}]}"#] {
            assert!(matches!(read(document.as_bytes()), Err(JwksError::Unusable(_))), "{document}");
        }
        let nameless = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": ed25519()["x"]}]});
        assert!(read(nameless.to_string().as_bytes()).is_err(), "a token could not name it");
    }

    #[test]
    fn keys_beyond_the_bound_are_not_used() {
        let many: Vec<_> =
            (0..MAX_KEYS + 10).map(|number| with(ed25519(), "kid", json!(format!("{number}")))).collect();
        assert_eq!(used(&many).len(), MAX_KEYS);
    }

    #[tokio::test]
    async fn a_document_that_is_too_long_is_refused() {
        let path = std::env::temp_dir().join(format!("outcry-jwks-{}.json", std::process::id()));
        let padded = with(json!({"keys": [ed25519()]}), "padding", json!("x".repeat(MAX_DOCUMENT_BYTES)));
        std::fs::write(&path, padded.to_string()).expect("a file");
        let loaded = KeySet::load(Source::File(path.clone())).await;
        std::fs::remove_file(path).expect("the file");
        assert!(matches!(loaded, Err(JwksError::Unusable(_))));
    }
}
