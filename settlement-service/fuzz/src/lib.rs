//! A settlement service in memory behind its own HTTP door, with a lot that was sold.

pub mod http;

use std::{cell::RefCell, path::Path, sync::Arc};

use axum::Router;
use secrecy::SecretString;
use settlement_adapter_http::{
    app::{self, Api, App},
    auth::{Guard, Verifier},
    health::Checks,
    jwks::{KeySet, Source},
    limits::Addresses,
};
use settlement_adapter_payments::{Secret, Webhooks, sign};
use settlement_application::Notices;
use settlement_harness::Scene;
use tokio::runtime::{Builder, Runtime};

/// After so many requests the service begins anew: what they have made would make it slower and slower.
const REQUESTS: u32 = 500;
/// What the payment gateway signs with.
const SECRET: &str = "whsec_of_the_fuzzer";
/// Its route.
const WEBHOOK: &[u8] = b"POST /v1/payments/webhook\n";

/// The service, and who may come in.
pub struct Door {
    runtime: Runtime,
    jwks: Arc<Path>,
    tokens: [(&'static str, String); 3],
    inside: Option<Inside>,
}

struct Inside {
    scene: Scene,
    router: Router,
    ids: [(&'static str, String); 1],
    requests: u32,
}

impl Default for Door {
    fn default() -> Self {
        let jwks = http::jwks_file();
        let tokens = http::tokens(["buyer", "seller", "root"], &jwks);
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        Self { runtime, jwks, tokens, inside: None }
    }
}

fn secret() -> Secret {
    SecretString::from(SECRET).into()
}

async fn begin(scene: Scene, jwks: &Path) -> Inside {
    let keys = KeySet::load(Source::File(jwks.to_owned())).await.expect("the keys");
    let verifier = Verifier::new(Arc::new(keys), http::ISSUER.to_owned(), http::AUDIENCE.to_owned());
    let router = app::router(App {
        api: Api { settlements: scene.settlements.clone(), books: scene.books.clone() },
        notices: Notices::new(Arc::new(scene.store.clone()), Arc::new(Webhooks::new(vec![secret()]))),
        guard: Arc::new(Guard { verifier, principals: None }),
        addresses: Arc::new(Addresses { limiter: None, trusted_proxies: Vec::new() }),
        checks: Arc::new(Checks::default()),
    });
    let ids = [("{id}", scene.id().to_string())];
    Inside { scene, router, ids, requests: 0 }
}

impl Door {
    /// Sends a request that is given as text (see [`http::request`]), if it can be sent at all. What the gateway is made to
    /// say is signed by it: otherwise nothing of it would be read.
    pub fn takes(&mut self, text: &[u8]) {
        let Self { runtime, jwks, tokens, inside } = self;
        if inside.as_ref().is_none_or(|inside| inside.requests >= REQUESTS) {
            *inside = Some(runtime.block_on(begin(Scene::sold(), jwks)));
        }
        let Some(inside) = inside else { return };
        let request = if let Some(body) = text.strip_prefix(WEBHOOK) {
            let body = String::from_utf8_lossy(body).replace(inside.ids[0].0, &inside.ids[0].1);
            let signature = sign(&secret(), inside.scene.clock.now().timestamp(), body.as_bytes());
            let head = format!("POST /v1/payments/webhook\nstripe-signature: {signature}\n\n{body}");
            http::request(head.as_bytes(), tokens, &inside.ids)
        } else {
            http::request(text, tokens, &inside.ids)
        };
        let Some(request) = request else { return };
        inside.requests += 1;
        runtime.block_on(http::ask(&inside.router, request));
        // Payments that were asked for are made, so that later requests meet every state.
        if inside.requests % 8 == 0 {
            inside.scene.worker_works();
            inside.scene.books_are_sound();
        }
    }
}

thread_local! {
    static DOOR: RefCell<Door> = RefCell::default();
}

/// Sends a request to the one service of this thread.
pub fn ask(text: &[u8]) {
    DOOR.with_borrow_mut(|door| door.takes(text));
}
