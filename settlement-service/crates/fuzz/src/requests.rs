//! Any request, of people who come with a token and of those who do not.

use crate::{
    http::{Answer, People},
    service::Service,
};

/// After so many requests the service begins anew: what they have made would make it slower and slower.
const REQUESTS: u32 = 500;

/// The service, and who may come in: `buyer`, `seller` and `root`.
pub struct Door {
    people: People,
    service: Option<Service>,
}

impl Default for Door {
    fn default() -> Self {
        Self { people: People::new(&["buyer", "seller", "root"]), service: None }
    }
}

impl Door {
    /// Sends a request that is given as text: method and target, headers, an empty line, the body. `as: NAME` is that
    /// person's token, `{id}` the settlement. None if no client could send it.
    pub fn takes(&mut self, text: &[u8]) -> Option<Answer> {
        if self.service.as_ref().is_some_and(|service| service.requests >= REQUESTS) {
            self.service = None;
        }
        let service = self.service.get_or_insert_with(|| Service::new(&self.people));
        let answer = service.ask(text, &self.people)?;
        if answer.is_ok() {
            // What follows from it follows at once, so that later requests meet every state; and no money is lost.
            service.scene.worker_works();
            service.scene.books_are_sound();
        }
        Some(answer)
    }
}
