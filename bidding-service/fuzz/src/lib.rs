//! A bidding service in memory behind its own HTTP door.

pub mod http;

use std::{cell::RefCell, path::Path, sync::Arc};

use aws_lc_rs::signature::Ed25519KeyPair;
use axum::Router;
use base64::{Engine, engine::general_purpose::STANDARD};
use bidding_adapter_http::{
    app::{self, App},
    auctions::receipt::Signer,
    auth::{Guard, Verifier},
    health::Checks,
    jwks::{KeySet, Source},
    limits::Addresses,
};
use bidding_harness::{
    lots::{lot, of_each_format},
    world::World,
};
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;

/// After so many requests the service begins anew: what they have made would make it slower and slower.
const REQUESTS: u32 = 500;

/// The service, and who may come in.
pub struct Door {
    runtime: Runtime,
    jwks: Arc<Path>,
    tokens: [(&'static str, String); 3],
    inside: Option<Inside>,
}

struct Inside {
    router: Router,
    ids: Vec<(&'static str, String)>,
    requests: u32,
}

impl Default for Door {
    fn default() -> Self {
        let jwks = http::jwks_file();
        let tokens = http::tokens(["anna", "bert", "root"], &jwks);
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        Self { runtime, jwks, tokens, inside: None }
    }
}

/// The key that signs receipts.
fn signer() -> Signer {
    let key = Ed25519KeyPair::generate_pkcs8v1().expect("a key");
    let label = "PRIVATE KEY";
    let body = STANDARD.encode(key.as_ref());
    Signer::new(&format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")).expect("a key in PEM")
}

async fn begin(jwks: &Path) -> Inside {
    const NAMES: [&str; 5] = ["{lot0}", "{lot1}", "{lot2}", "{lot3}", "{lot4}"];
    let world = World::default();
    let open = world.given_open(lot()).await;
    let bid = world.given_bid("bert", open, 1_000).await;
    let mut ids = vec![("{open}", open.to_string()), ("{bid}", bid.to_string())];
    for (name, terms) in NAMES.into_iter().zip(of_each_format()) {
        ids.push((name, world.given_open(terms).await.to_string()));
    }
    let keys = KeySet::load(Source::File(jwks.to_owned())).await.expect("the keys");
    let verifier = Verifier::new(Arc::new(keys), http::ISSUER.to_owned(), http::AUDIENCE.to_owned());
    let router = app::router(App {
        auctions: world.auctions,
        signer: signer(),
        end_streams: CancellationToken::new(),
        guard: Arc::new(Guard { verifier, principals: None }),
        addresses: Arc::new(Addresses { limiter: None, trusted_proxies: Vec::new() }),
        checks: Arc::new(Checks::default()),
    });
    Inside { router, ids, requests: 0 }
}

impl Door {
    /// Sends a request that is given as text (see [`http::request`]), if it can be sent at all.
    pub fn takes(&mut self, text: &[u8]) {
        let Self { runtime, jwks, tokens, inside } = self;
        if inside.as_ref().is_none_or(|inside| inside.requests >= REQUESTS) {
            *inside = Some(runtime.block_on(begin(jwks)));
        }
        let Some(inside) = inside else { return };
        let Some(request) = http::request(text, tokens, &inside.ids) else { return };
        inside.requests += 1;
        runtime.block_on(http::ask(&inside.router, request));
    }
}

thread_local! {
    static DOOR: RefCell<Door> = RefCell::default();
}

/// Sends a request to the one service of this thread.
pub fn ask(text: &[u8]) {
    DOOR.with_borrow_mut(|door| door.takes(text));
}
