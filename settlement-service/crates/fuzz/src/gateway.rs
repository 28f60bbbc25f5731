//! Any event of the payment gateway. It is signed, or nothing of it would be read.

use axum::http::StatusCode;
use settlement_domain::ledger::TrialBalance;

use crate::{
    http::{Answer, People},
    service::Service,
};

/// After so many events the service begins anew: after a few there is nothing left that one could move.
const EVENTS: u32 = 20;

/// A gateway that says anything, to a service that waits for its answer to a payment. The worker is not there: it would
/// ask the harness's own gateway, which knows nothing of what is told here.
pub struct Gateway {
    people: People,
    service: Option<Service>,
}

impl Default for Gateway {
    fn default() -> Self {
        Self { people: People::new(&[]), service: None }
    }
}

impl Gateway {
    /// Tells an event by its body, in which `{id}` is the settlement. The answer is the same whatever it meant, and the
    /// ledger sums to zero.
    pub fn tells(&mut self, body: &str) -> Answer {
        if self.service.as_ref().is_some_and(|service| service.requests >= EVENTS) {
            self.service = None;
        }
        let service = self.service.get_or_insert_with(|| {
            let mut service = Service::new(&self.people);
            service.scene.buyer_pays("pm_card_visa");
            service
        });
        let answer = service.hear(body, &self.people);
        let same = match &answer {
            Ok(status) => *status == StatusCode::NO_CONTENT,
            Err(problem) => problem == "malformed-body",
        };
        assert!(same, "{answer:?}: {body}");
        assert!(
            TrialBalance::of(&service.scene.store.ledger()).is_balanced(),
            "the ledger does not sum to zero: {body}"
        );
        answer
    }
}
