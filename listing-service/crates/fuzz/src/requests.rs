//! Any request, to a listing service in memory behind its own HTTP door.

use std::sync::Arc;

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

use crate::http::{self, Answer, People};

/// After so many requests the service begins anew: what they have made would make it slower and slower.
const REQUESTS: u32 = 500;

/// The service, and who may come in: `anna`, who has a draft and a live listing, `bert`, and `root`.
pub struct Door {
    people: People,
    service: Option<Service>,
}

struct Service {
    runtime: Runtime,
    router: Router,
    places: [(String, String); 2],
    requests: u32,
}

impl Default for Door {
    fn default() -> Self {
        Self { people: People::new(&["anna", "bert", "root"]), service: None }
    }
}

impl Door {
    /// Sends a request that is given as text: method and target, headers, an empty line, the body. `as: NAME` is that
    /// person's token, `{draft}` and `{live}` are the listings. None if no client could send it.
    pub fn takes(&mut self, text: &[u8]) -> Option<Answer> {
        if self.service.as_ref().is_some_and(|service| service.requests >= REQUESTS) {
            self.service = None;
        }
        let service = self.service.get_or_insert_with(|| Service::new(&self.people));
        let request = http::request(text, &self.people, &service.places)?;
        service.requests += 1;
        Some(service.runtime.block_on(http::ask(&service.router, request)))
    }
}

impl Service {
    fn new(people: &People) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let (router, places) = runtime.block_on(begin(people));
        Self { runtime, router, places, requests: 0 }
    }
}

async fn begin(people: &People) -> (Router, [(String, String); 2]) {
    let world = World::default();
    let anna = seller("anna");
    let draft = world.draft(&anna, "draft").await.expect("a draft").outcome;
    let live = world.live(&anna).await.expect("a live listing");
    let (_folder, file) = people.key_file();
    let keys = KeySet::load(Source::File(file)).await.expect("the keys");
    let verifier = Verifier::new(Arc::new(keys), http::ISSUER.to_owned(), http::AUDIENCE.to_owned());
    let router = app::router(App {
        listings: world.listings,
        guard: Arc::new(Guard { verifier, principals: None }),
        addresses: Arc::new(Addresses { limiter: None, trusted_proxies: Vec::new() }),
        checks: Arc::new(Checks::default()),
    });
    (router, [http::place("draft", draft.id), http::place("live", live.id)])
}
