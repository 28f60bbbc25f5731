//! Any requests, of people who come with a token and of those who do not.

use crate::{
    http::{self, Answer, People},
    service::Service,
};

/// The service, and who may come in: `buyer`, `seller` and `root`.
pub struct Door {
    people: People,
    /// One that is as it begins, if there is one: to make it takes longer than most inputs do.
    service: Option<Service>,
}

impl Default for Door {
    fn default() -> Self {
        Self { people: People::new(&["buyer", "seller", "root"]), service: None }
    }
}

impl Door {
    /// Sends the requests of an input, one after the other, to a service that is as it begins: so an input that breaks it
    /// breaks it again. They are given as text, a line `---` between two: method and target, headers, an empty line, the
    /// body. `as: NAME` is that person's token, `{id}` the settlement. The answers; what no client could send has none.
    pub fn takes(&mut self, input: &[u8]) -> Vec<Answer> {
        let mut service = self.service.take().unwrap_or_else(|| Service::new(&self.people));
        let mut answers = Vec::new();
        for text in http::parts(input) {
            let Some(answer) = service.ask(text, &self.people) else { continue };
            if answer.is_ok() && !service.untouched {
                // What follows from it follows at once, so that later requests meet every state; and no money is lost.
                service.scene.worker_works();
                service.scene.books_are_sound();
            }
            answers.push(answer);
        }
        self.service = Some(service).filter(|service| service.untouched);
        answers
    }
}
