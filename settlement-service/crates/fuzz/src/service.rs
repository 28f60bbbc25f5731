//! A settlement service in memory behind its own HTTP door, with a lot that was sold.

use std::sync::Arc;

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

use crate::http::{self, Answer, People};

/// What the payment gateway signs with.
const SECRET: &str = "whsec_of_the_fuzzer";

/// The service.
pub struct Service {
    /// The lot, its parties and the gateway.
    pub scene: Scene,
    /// Whether nothing was asked of it that could have changed it.
    pub untouched: bool,
    runtime: Runtime,
    router: Router,
    places: [(String, String); 1],
}

impl Service {
    /// A service that nobody has asked anything yet.
    pub fn new(people: &People) -> Self {
        let scene = Scene::sold();
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let router = runtime.block_on(begin(&scene, people));
        let places = [http::place("id", scene.id())];
        Self { scene, untouched: true, runtime, router, places }
    }

    /// Sends a request that is given as text, if any client could send it.
    pub fn ask(&mut self, text: &[u8], people: &People) -> Option<Answer> {
        let request = http::request(text, people, &self.places)?;
        let method = request.method().clone();
        let answer = self.runtime.block_on(http::ask(&self.router, request));
        self.untouched &= http::left_no_trace(&method, &answer);
        Some(answer)
    }

    /// Sends a body to where the gateway tells, signed by it.
    pub fn hear(&mut self, body: &str, people: &People) -> Answer {
        let body = http::filled(body, &self.places);
        let signature = sign(&secret(), self.scene.clock.now().timestamp(), body.as_bytes());
        let text = format!("POST /v1/payments/webhook\nstripe-signature: {signature}\n\n{body}");
        self.ask(text.as_bytes(), people).expect("a request")
    }
}

fn secret() -> Secret {
    SecretString::from(SECRET).into()
}

async fn begin(scene: &Scene, people: &People) -> Router {
    let (_folder, file) = people.key_file();
    let keys = KeySet::load(Source::File(file)).await.expect("the keys");
    let verifier = Verifier::new(Arc::new(keys), http::ISSUER.to_owned(), http::AUDIENCE.to_owned());
    app::router(App {
        api: Api { settlements: scene.settlements.clone(), books: scene.books.clone() },
        notices: Notices::new(
            Arc::new(scene.store.clone()),
            Arc::new(Webhooks::new(vec![secret()])),
            scene.gateway.clone(),
        ),
        guard: Arc::new(Guard { verifier, principals: None }),
        addresses: Arc::new(Addresses { limiter: None, trusted_proxies: Vec::new() }),
        checks: Arc::new(Checks::default()),
    })
}
