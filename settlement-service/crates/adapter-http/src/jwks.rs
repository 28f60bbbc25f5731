//! The keys that tokens are verified with: a JWKS (RFC 7517) from a file or an https URL, kept and
//! refreshed.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm},
};
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
    let unreadable = |error: &dyn std::fmt::Display| JwksError::Unreadable(error.to_string());
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

fn read(document: &[u8]) -> Result<HashMap<String, Key>, JwksError> {
    let set: JwkSet = serde_json::from_slice(document).map_err(|error| JwksError::Unusable(error.to_string()))?;
    let keys: HashMap<_, _> = set.keys.iter().take(MAX_KEYS).filter_map(usable).collect();
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
        // 2048 bits are 342 characters of base64url.
        AlgorithmParameters::RSA(rsa) if rsa.n.len() >= 342 => (Algorithm::RS256, KeyAlgorithm::RS256),
        _ => return None,
    };
    if jwk.common.key_algorithm.is_some_and(|claimed| claimed != declared) {
        return None;
    }
    let decoding = DecodingKey::from_jwk(jwk).ok()?;
    Some((jwk.common.key_id.clone()?, Key { decoding, algorithm }))
}
