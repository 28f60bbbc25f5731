//! Any requests, to a bidding service in memory behind its own HTTP door.

use std::sync::Arc;

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

use crate::http::{self, Answer, People};

/// The service, and who may come in: `anna`, `bert`, who has a bid on an open lot, and `root`.
pub struct Door {
    people: People,
    /// One that is as it begins, if there is one: to make it takes longer than most inputs do.
    service: Option<Service>,
}

struct Service {
    runtime: Runtime,
    router: Router,
    places: Vec<(String, String)>,
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
    /// body. `as: NAME` is that person's token, `{open}` the lot with the bid `{bid}`, `{lot0}` to `{lot4}` are a lot of
    /// each format. The answers; what no client could send has none.
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

async fn begin(people: &People) -> (Router, Vec<(String, String)>) {
    let world = World::default();
    let open = world.given_open(lot()).await;
    let bid = world.given_bid("bert", open, 1_000).await;
    let mut places = vec![http::place("open", open), http::place("bid", bid)];
    for (number, terms) in of_each_format().into_iter().enumerate() {
        places.push(http::place(&format!("lot{number}"), world.given_open(terms).await));
    }
    let (_folder, file) = people.key_file();
    let keys = KeySet::load(Source::File(file)).await.expect("the keys");
    let verifier = Verifier::new(Arc::new(keys), http::ISSUER.to_owned(), http::AUDIENCE.to_owned());
    let router = app::router(App {
        auctions: world.auctions,
        signer: signer(),
        end_streams: CancellationToken::new(),
        guard: Arc::new(Guard { verifier, principals: None }),
        addresses: Arc::new(Addresses { limiter: None, trusted_proxies: Vec::new() }),
        checks: Arc::new(Checks::default()),
    });
    (router, places)
}

/// The key that signs receipts.
fn signer() -> Signer {
    let key = Ed25519KeyPair::generate().and_then(|key| key.to_pkcs8v1()).expect("a key");
    let (label, body) = ("PRIVATE KEY", STANDARD.encode(key));
    Signer::new(&format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")).expect("a key in PEM")
}
