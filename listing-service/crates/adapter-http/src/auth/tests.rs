//! Tokens of each algorithm, verified with keys that are fetched over https (RFC 7518 §3, RFC 8725 §3).

mod issuer;

use std::{
    net::TcpListener,
    sync::{Arc, LazyLock},
};

use aws_lc_rs::{
    hmac,
    signature::{RSA_PKCS1_SHA512, RSA_PSS_SHA256},
};
use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Request, StatusCode, header},
    middleware,
    routing::get,
};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::{Guard, Verifier, guard};
use crate::jwks::{KeySet, Source};
use issuer::{ALGORITHMS, AUDIENCE, Answer, Authority, HOST, ISSUER, Keys, Server, document, unsigned, with_signature};

const LET_IN: &str = "let in";
const WRONG_SIGNATURE: &str = "the token's signature is wrong";
const ANOTHER_ALGORITHM: &str = "the token's algorithm is not the key's";
const UNKNOWN_KEY: &str = "the token is signed by an unknown key";
/// The order of the group of P-256 (FIPS 186-5): zero to those who reckon with it and do not look first.
const ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa,
    0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

/// The issuer's.
static KEYS: LazyLock<Keys> = LazyLock::new(Keys::generate);
/// Somebody else's, under the same names.
static OTHERS: LazyLock<Keys> = LazyLock::new(Keys::generate);

/// Routes that need a token, and the keys that it is verified with.
struct Api {
    keys: Arc<KeySet>,
    routes: Router,
}

impl Api {
    async fn start(source: Source) -> Self {
        let keys = Arc::new(KeySet::load(source).await.expect("keys"));
        let verifier = Verifier::new(Arc::clone(&keys), ISSUER.to_owned(), AUDIENCE.to_owned());
        let guarded = middleware::from_fn_with_state(Arc::new(Guard { verifier, principals: None }), guard);
        Self { keys, routes: Router::new().route("/", get(|| async {})).layer(guarded) }
    }

    /// What becomes of a request with this token: it is let in, or told why not.
    async fn ask(&self, token: &str) -> String {
        let request = Request::get("/").header(header::AUTHORIZATION, format!("Bearer {token}"));
        let request = request.body(Body::empty()).expect("a request");
        let answer = self.routes.clone().oneshot(request).await.expect("an answer");
        if answer.status() == StatusCode::OK {
            return LET_IN.to_owned();
        }
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
        let problem = to_bytes(answer.into_body(), 64 * 1024).await.expect("a body");
        let problem: Value = serde_json::from_slice(&problem).expect("a problem");
        problem["detail"].as_str().expect("a detail").to_owned()
    }
}

/// An API that trusts the issuer's authority, and has the issuer's keys.
async fn started() -> (Authority, Server, Api) {
    let authority = Authority::new("The issuer's authority");
    let server = Server::start(&authority, KEYS.document(&ALGORITHMS)).await;
    let api = Api::start(server.source(Some(&authority))).await;
    (authority, server, api)
}

/// Why there are no keys to be had from a source.
async fn refused(source: Source) -> String {
    match KeySet::load(source).await {
        Ok(_) => panic!("its keys were believed"),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn a_token_of_each_algorithm_is_let_in_by_keys_that_came_over_https() {
    let (authority, server, _) = started().await;
    let bare = ALGORITHMS.map(|algorithm| KEYS.public(algorithm));
    let told = bare.clone().map(|mut key| {
        key["alg"] = key["kid"].clone();
        key["use"] = json!("sig");
        key
    });
    for keys in [bare, told] {
        server.says(Answer::Document(document(&keys)));
        let api = Api::start(server.source(Some(&authority))).await;
        for algorithm in ALGORITHMS {
            assert_eq!(api.ask(&KEYS.token(algorithm, "anna")).await, LET_IN, "{algorithm}");
        }
    }
}

#[tokio::test]
async fn a_token_is_good_when_kid_algorithm_and_key_belong_together_and_only_then() {
    let (_, _, api) = started().await;
    for kid in ALGORITHMS {
        for alg in ALGORITHMS {
            for signer in ALGORITHMS {
                let text = unsigned(kid, alg, "anna");
                let answer = api.ask(&with_signature(&text, &KEYS.sign(signer, &text))).await;
                let expected = match (kid == alg, alg == signer) {
                    (false, _) => ANOTHER_ALGORITHM,
                    (true, false) => WRONG_SIGNATURE,
                    (true, true) => LET_IN,
                };
                assert_eq!(answer, expected, "kid of {kid}, alg {alg}, signed by the key for {signer}");
            }
        }
    }
}

/// The set does not say what its RSA key is for: its kind does (RFC 8725 §3.1).
#[tokio::test]
async fn a_key_takes_no_other_algorithm_that_it_could_be_used_with() {
    let (_, _, api) = started().await;
    let text = unsigned("RS256", "PS256", "anna");
    let by_pss = with_signature(&text, &KEYS.sign_by_rsa(&RSA_PSS_SHA256, &text));
    assert_eq!(api.ask(&by_pss).await, ANOTHER_ALGORITHM);

    let text = unsigned("RS256", "RS512", "anna");
    let by_sha512 = with_signature(&text, &KEYS.sign_by_rsa(&RSA_PKCS1_SHA512, &text));
    assert_eq!(api.ask(&by_sha512).await, ANOTHER_ALGORITHM);

    for kid in ALGORITHMS {
        let text = unsigned(kid, "HS256", "anna");
        let secret = KEYS.public(kid).to_string();
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), text.as_bytes());
        assert_eq!(api.ask(&with_signature(&text, tag.as_ref())).await, ANOTHER_ALGORITHM, "{kid}");
    }
}

#[tokio::test]
async fn claims_that_another_signature_is_for_are_refused() {
    let (_, _, api) = started().await;
    for algorithm in ALGORITHMS {
        let (annas, berts) = (KEYS.token(algorithm, "anna"), KEYS.token(algorithm, "bert"));
        assert_eq!(api.ask(&annas).await, LET_IN, "{algorithm}");
        let (_, signature) = annas.rsplit_once('.').expect("a signature");
        let (claims, _) = berts.rsplit_once('.').expect("claims");
        assert_eq!(api.ask(&format!("{claims}.{signature}")).await, WRONG_SIGNATURE, "{algorithm}");
    }
}

#[tokio::test]
async fn a_signature_of_another_form_is_refused() {
    let (_, _, api) = started().await;
    for algorithm in ALGORITHMS {
        let text = unsigned(algorithm, algorithm, "anna");
        let good = KEYS.sign(algorithm, &text);
        let mut forms = vec![
            ("nothing", Vec::new()),
            ("zeros (CVE-2022-21449)", vec![0; good.len()]),
            ("the good one, cut by a byte", good[..good.len() - 1].to_vec()),
            ("the good one, longer by a byte", [good.as_slice(), &[0]].concat()),
            ("the good one after a zero", [&[0], good.as_slice()].concat()),
        ];
        match algorithm {
            "ES256" => forms.extend([
                ("the order of the group, twice", [ORDER, ORDER].concat()),
                ("the good one in DER", KEYS.sign_in_der(&text)),
            ]),
            "RS256" => forms.extend([
                ("one", [vec![0_u8; good.len() - 1], vec![1]].concat()),
                ("over SHA-512", KEYS.sign_by_rsa(&RSA_PKCS1_SHA512, &text)),
                ("padded by PSS", KEYS.sign_by_rsa(&RSA_PSS_SHA256, &text)),
            ]),
            _ => {}
        }
        for (form, signature) in forms {
            assert_eq!(api.ask(&with_signature(&text, &signature)).await, WRONG_SIGNATURE, "{algorithm}: {form}");
        }
        assert_eq!(api.ask(&with_signature(&text, &good)).await, LET_IN, "{algorithm}");
    }
}

#[tokio::test]
async fn a_key_that_was_taken_out_of_the_set_opens_nothing_once_the_set_is_read_again() {
    let (authority, server, api) = started().await;
    for gone in ALGORITHMS {
        server.says(KEYS.document(&ALGORITHMS));
        api.keys.refresh().await.expect("all keys");
        let of_before = KEYS.token(gone, "before");
        assert_eq!(api.ask(&of_before).await, LET_IN, "{gone}");

        let left: Vec<_> = ALGORITHMS.into_iter().filter(|algorithm| *algorithm != gone).collect();
        server.says(KEYS.document(&left));
        api.keys.refresh().await.expect("the other keys");

        // Each time another `sub`: what was let in once is remembered for a minute.
        let sub = format!("without {gone}");
        assert_eq!(api.ask(&KEYS.token(gone, &sub)).await, UNKNOWN_KEY, "{gone}");
        for algorithm in left {
            assert_eq!(api.ask(&KEYS.token(algorithm, &sub)).await, LET_IN, "{algorithm} without {gone}");
        }
        let restarted = Api::start(server.source(Some(&authority))).await;
        assert_eq!(restarted.ask(&of_before).await, UNKNOWN_KEY, "{gone}, after a restart");
    }
}

#[tokio::test]
async fn a_key_that_was_replaced_under_its_kid_opens_nothing() {
    let (_, server, api) = started().await;
    server.says(OTHERS.document(&ALGORITHMS));
    api.keys.refresh().await.expect("the new keys");
    for algorithm in ALGORITHMS {
        assert_eq!(api.ask(&KEYS.token(algorithm, "anna")).await, WRONG_SIGNATURE, "{algorithm}");
        assert_eq!(api.ask(&OTHERS.token(algorithm, "anna")).await, LET_IN, "{algorithm}");
    }
}

#[tokio::test]
async fn keys_are_believed_only_of_a_server_that_a_trusted_authority_vouches_for() {
    let (authority, server, api) = started().await;
    let stranger = Authority::new("Another authority");
    for trusted in [Some(&stranger), None] {
        let told = refused(server.source(trusted)).await;
        assert!(told.contains("certificate"), "{told}");
    }

    server.says(OTHERS.document(&ALGORITHMS));
    for (vouching, host) in [(&stranger, HOST), (&authority, "issuer.example")] {
        server.shows(vouching, host).await;
        let told = api.keys.refresh().await.expect_err("it is somebody else").to_string();
        assert!(told.contains("certificate"), "{told}");
    }
    assert_eq!(api.ask(&OTHERS.token("ES256", "anna")).await, WRONG_SIGNATURE);
    assert_eq!(api.ask(&KEYS.token("ES256", "anna")).await, LET_IN);

    server.shows(&authority, HOST).await;
    api.keys.refresh().await.expect("it is the issuer's server again");
    assert_eq!(api.ask(&OTHERS.token("ES256", "anna")).await, LET_IN);
}

#[tokio::test]
async fn a_set_that_cannot_be_used_leaves_the_former_keys() {
    let (authority, server, api) = started().await;
    let others = ALGORITHMS.map(|algorithm| OTHERS.public(algorithm));
    for (fault, answer) in [
        ("without end", Answer::Endless(document(&others))),
        ("no JSON", Answer::Document("<html></html>".to_owned())),
        ("no key", Answer::Document(document(&[]))),
        ("no kid", Answer::Document(document(&others).replace("\"kid\"", "\"name\""))),
        ("a failure", Answer::Failure),
    ] {
        server.says(answer);
        assert!(api.keys.refresh().await.is_err(), "{fault}");
        refused(server.source(Some(&authority))).await;
        for algorithm in ALGORITHMS {
            // Each time another `sub`: what was let in once is remembered for a minute.
            assert_eq!(api.ask(&KEYS.token(algorithm, fault)).await, LET_IN, "{fault}: {algorithm}");
            assert_eq!(api.ask(&OTHERS.token(algorithm, fault)).await, WRONG_SIGNATURE, "{fault}: {algorithm}");
        }
    }
}

#[tokio::test]
async fn nobody_is_asked_for_keys_over_plain_http() {
    let (authority, server, _) = started().await;
    let trap = TcpListener::bind((HOST, 0)).expect("a port");
    trap.set_nonblocking(true).expect("a listener that does not wait");
    let plain = format!("http://{}/jwks.json", trap.local_addr().expect("an address"));

    refused(Source::Url { url: plain.parse().expect("a URL"), ca: None }).await;
    server.says(Answer::Elsewhere(plain));
    refused(server.source(Some(&authority))).await;

    assert!(trap.accept().is_err(), "it was asked");
}
