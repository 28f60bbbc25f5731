//! Any requests, to a listing service in memory behind its own HTTP door.

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

/// The service, and who may come in: `anna`, who has a draft and a live listing, `bert`, and `root`.
pub struct Door {
    people: People,
    /// One that is as it begins, if there is one: to make it takes longer than most inputs do.
    service: Option<Service>,
}

struct Service {
    runtime: Runtime,
    router: Router,
    places: [(String, String); 2],
    /// Whether it is as it began.
    untouched: bool,
}

impl Default for Door {
    fn default() -> Self {
        Self { people: People::new(&["anna", "bert", "root"]), service: None }
    }
}

impl Door {
    /// Sends the requests of an input, one after the other, to a service that is as it begins: so an input that breaks it
    /// breaks it again. They are given as text, a line `---` between two: method and target, headers, an empty line, the
    /// body. `as: NAME` is that person's token, `{draft}` and `{live}` are the listings. The answers; what no client could
    /// send has none.
    pub fn takes(&mut self, input: &[u8]) -> Vec<Answer> {
        let mut service = self.service.take().unwrap_or_else(|| Service::new(&self.people));
        let requests = http::parts(input);
        let answers = requests.into_iter().filter_map(|text| service.ask(text, &self.people)).collect();
        self.service = Some(service).filter(|service| service.untouched);
        answers
    }
}

impl Service {
    fn new(people: &People) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let (router, places) = runtime.block_on(begin(people));
        Self { runtime, router, places, untouched: true }
    }

    fn ask(&mut self, text: &[u8], people: &People) -> Option<Answer> {
        let request = http::request(text, people, &self.places)?;
        let method = request.method().clone();
        let answer = self.runtime.block_on(http::ask(&self.router, request));
        self.untouched &= http::left_no_trace(&method, &answer);
        Some(answer)
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
