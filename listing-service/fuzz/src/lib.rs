//! A listing service in memory behind its own HTTP door.

pub mod http;

use std::{cell::RefCell, path::Path, sync::Arc};

use axum::Router;
use listing_adapter_http::{
    app::{self, App},
    auth::{Guard, Verifier},
    health::Checks,
    jwks::{KeySet, Source},
    limits::Addresses,
};
use listing_harness::world::{World, seller};
use tokio::runtime::{Builder, Runtime};

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
    ids: [(&'static str, String); 2],
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

async fn begin(jwks: &Path) -> Inside {
    let world = World::default();
    let anna = seller("anna");
    let draft = world.draft(&anna, "draft").await.unwrap_or_else(|error| panic!("{error}")).outcome.id;
    let live = world.live(&anna).await.unwrap_or_else(|error| panic!("{error}")).id;
    let keys = KeySet::load(Source::File(jwks.to_owned())).await.expect("the keys");
    let verifier = Verifier::new(Arc::new(keys), http::ISSUER.to_owned(), http::AUDIENCE.to_owned());
    let router = app::router(App {
        listings: world.listings,
        guard: Arc::new(Guard { verifier, principals: None }),
        addresses: Arc::new(Addresses { limiter: None, trusted_proxies: Vec::new() }),
        checks: Arc::new(Checks::default()),
    });
    Inside { router, ids: [("{draft}", draft.to_string()), ("{live}", live.to_string())], requests: 0 }
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
