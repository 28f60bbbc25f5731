//! An issuer of tokens: a key of each algorithm, and a server that hands out the public ones over https, behind an authority
//! of its own.

use std::{
    convert::Infallible,
    net::{SocketAddr, TcpListener},
    sync::{Arc, Mutex, PoisonError},
};

use aws_lc_rs::{
    rand::SystemRandom,
    rsa::KeySize,
    signature::{
        ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
        RSA_PKCS1_SHA256, RsaEncoding, RsaKeyPair, RsaPublicKeyComponents,
    },
};
use axum::{
    Router,
    body::Body,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use axum_server::tls_rustls::RustlsConfig;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use futures::{StreamExt, stream};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa};
use serde_json::{Value, json};

use crate::jwks::Source;

/// Who issues the tokens.
pub const ISSUER: &str = "https://issuer.example";
/// Whom they are for.
pub const AUDIENCE: &str = "outcry";
/// When they expire, Unix seconds: in the year 2100.
const EXPIRES_S: u64 = 4_102_444_800;
/// The algorithms of which the issuer has a key. The key's `kid` is the algorithm's name.
pub const ALGORITHMS: [&str; 3] = ["EdDSA", "ES256", "RS256"];
/// Where the issuer's server is, and what its certificate has to name.
pub const HOST: &str = "127.0.0.1";

/// A key of each algorithm.
pub struct Keys {
    ed25519: Ed25519KeyPair,
    p256: EcdsaKeyPair,
    rsa: RsaKeyPair,
}

impl Keys {
    pub fn generate() -> Self {
        Self {
            ed25519: Ed25519KeyPair::generate().expect("a key"),
            p256: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key"),
            rsa: RsaKeyPair::generate(KeySize::Rsa2048).expect("a key"),
        }
    }

    /// The public key for an algorithm, without saying which (RFC 7518 §6, RFC 8037 §2).
    pub fn public(&self, algorithm: &str) -> Value {
        match algorithm {
            "EdDSA" => {
                json!({"kty": "OKP", "crv": "Ed25519", "kid": algorithm, "x": base64url(self.ed25519.public_key())})
            }
            "ES256" => {
                // A byte for the form, then x and y.
                let (x, y) = self.p256.public_key().as_ref()[1..].split_at(32);
                json!({"kty": "EC", "crv": "P-256", "kid": algorithm, "x": base64url(x), "y": base64url(y)})
            }
            "RS256" => {
                let RsaPublicKeyComponents { n, e } = RsaPublicKeyComponents::<Vec<u8>>::from(self.rsa.public_key());
                json!({"kty": "RSA", "kid": algorithm, "n": base64url(n), "e": base64url(e)})
            }
            _ => panic!("the issuer has no key for {algorithm}"),
        }
    }

    /// What the issuer's server says: its public keys for these algorithms.
    pub fn document(&self, algorithms: &[&str]) -> Answer {
        let keys: Vec<_> = algorithms.iter().map(|algorithm| self.public(algorithm)).collect();
        Answer::Document(document(&keys))
    }

    /// A signature by the key for an algorithm.
    pub fn sign(&self, algorithm: &str, text: &str) -> Vec<u8> {
        match algorithm {
            "EdDSA" => self.ed25519.sign(text.as_bytes()).as_ref().to_vec(),
            "ES256" => by_ecdsa(&self.p256, text),
            "RS256" => self.sign_by_rsa(&RSA_PKCS1_SHA256, text),
            _ => panic!("the issuer has no key for {algorithm}"),
        }
    }

    /// A signature by the RSA key, padded and hashed otherwise than RS256 wants it.
    pub fn sign_by_rsa(&self, padding: &'static dyn RsaEncoding, text: &str) -> Vec<u8> {
        let mut signature = vec![0; self.rsa.public_modulus_len()];
        self.rsa.sign(padding, &SystemRandom::new(), text.as_bytes(), &mut signature).expect("a signature");
        signature
    }

    /// A signature by the EC key in ASN.1, as certificates have it and tokens do not (RFC 7518 §3.4).
    pub fn sign_in_der(&self, text: &str) -> Vec<u8> {
        let key = self.p256.to_pkcs8v1().expect("a document");
        by_ecdsa(&EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, key.as_ref()).expect("the key"), text)
    }

    /// A good token for `sub`, signed by the key for an algorithm.
    pub fn token(&self, algorithm: &str, sub: &str) -> String {
        let text = unsigned(algorithm, algorithm, sub);
        let signature = self.sign(algorithm, &text);
        with_signature(&text, &signature)
    }
}

fn by_ecdsa(key: &EcdsaKeyPair, text: &str) -> Vec<u8> {
    key.sign(&SystemRandom::new(), text.as_bytes()).expect("a signature").as_ref().to_vec()
}

/// A token for `sub` up to its signature, with this `kid` and this `alg` in its header.
pub fn unsigned(kid: &str, alg: &str, sub: &str) -> String {
    let header = json!({"alg": alg, "typ": "JWT", "kid": kid});
    let claims = json!({"iss": ISSUER, "aud": AUDIENCE, "sub": sub, "roles": ["seller", "bidder"], "exp": EXPIRES_S});
    format!("{}.{}", base64url(header.to_string()), base64url(claims.to_string()))
}

pub fn with_signature(text: &str, signature: &[u8]) -> String {
    format!("{text}.{}", base64url(signature))
}

/// A key set (RFC 7517 §5).
pub fn document(keys: &[Value]) -> String {
    json!({"keys": keys}).to_string()
}

fn base64url(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Who vouches for servers.
pub struct Authority(CertifiedIssuer<'static, rcgen::KeyPair>);

impl Authority {
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = rcgen::KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(params, key).expect("a certificate"))
    }

    /// A certificate for `host`, as a chain, and its key: DER.
    fn issue(&self, host: &str) -> (Vec<Vec<u8>>, Vec<u8>) {
        let key = rcgen::KeyPair::generate().expect("a key");
        let params = CertificateParams::new([host.to_owned()]).expect("a name");
        let certificate = params.signed_by(&key, &self.0).expect("a certificate");
        (vec![certificate.der().to_vec()], key.serialize_der())
    }
}

/// What the issuer's server says when it is asked for its keys.
#[derive(Clone)]
pub enum Answer {
    /// This document.
    Document(String),
    /// This document, and blanks without end.
    Endless(String),
    /// That the document is at another address.
    Elsewhere(String),
    /// That it failed.
    Failure,
}

async fn answered(State(answer): State<Arc<Mutex<Answer>>>) -> Response {
    let answer = answer.lock().unwrap_or_else(PoisonError::into_inner).clone();
    match answer {
        Answer::Document(document) => document.into_response(),
        Answer::Endless(document) => {
            let blanks = stream::repeat_with(|| Ok::<_, Infallible>(" ".repeat(64 * 1024)));
            Body::from_stream(stream::iter([Ok(document)]).chain(blanks)).into_response()
        }
        Answer::Elsewhere(address) => Redirect::temporary(&address).into_response(),
        Answer::Failure => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// The issuer's server. It ends with the test.
pub struct Server {
    address: SocketAddr,
    tls: RustlsConfig,
    answer: Arc<Mutex<Answer>>,
}

impl Server {
    /// Starts it with a certificate of this authority.
    pub async fn start(authority: &Authority, answer: Answer) -> Self {
        let (chain, key) = authority.issue(HOST);
        let tls = RustlsConfig::from_der(chain, key).await.expect("a certificate and its key");
        let listener = TcpListener::bind((HOST, 0)).expect("a port");
        let address = listener.local_addr().expect("an address");
        let answer = Arc::new(Mutex::new(answer));
        let router = Router::new().route("/jwks.json", get(answered)).with_state(Arc::clone(&answer));
        let server = axum_server::from_tcp_rustls(listener, tls.clone()).expect("a server");
        tokio::spawn(server.serve(router.into_make_service()));
        Self { address, tls, answer }
    }

    /// From now on it says this.
    pub fn says(&self, answer: Answer) {
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = answer;
    }

    /// From now on it shows a certificate of this authority for `host`.
    pub async fn shows(&self, authority: &Authority, host: &str) {
        let (chain, key) = authority.issue(host);
        self.tls.reload_from_der(chain, key).await.expect("a certificate and its key");
    }

    /// Its keys, for one who trusts this authority beside the system's.
    pub fn source(&self, trusted: Option<&Authority>) -> Source {
        let url = format!("https://{}/jwks.json", self.address).parse().expect("a URL");
        Source::Url { url, ca: trusted.map(|authority| authority.0.pem().into_bytes()) }
    }
}
