//! Any events of the payment gateway. They are signed, or nothing of them would be read.

use axum::http::StatusCode;
use settlement_domain::{CallKey, GatewayRef, Movement, MovementKind, Operation, ledger::TrialBalance};

use crate::{
    http::{self, Answer, People},
    service::Service,
};

/// A gateway that says anything, to a service that waits for its answer to a payment. The worker is not there: it would
/// ask the harness's own gateway, which knows nothing of what is told here.
pub struct Gateway {
    people: People,
    /// One that waits, if there is one: to make it takes longer than most inputs do.
    service: Option<Service>,
}

impl Default for Gateway {
    fn default() -> Self {
        Self { people: People::new(&[]), service: None }
    }
}

impl Gateway {
    /// Tells the events of an input, one after the other, to a service that waits and has heard nothing: so an input that
    /// breaks it breaks it again. They are bodies, in which `{id}` is the settlement, a line `---` between two. Each
    /// answer is the same whatever was meant, and the ledger sums to zero.
    pub fn tells(&mut self, input: &str) -> Vec<Answer> {
        let mut service = self.service.take().unwrap_or_else(|| {
            let mut service = Service::new(&self.people);
            service.scene.buyer_pays("pm_card_visa");
            lists_the_charge(&service);
            service
        });
        let bodies = http::parts(input.as_bytes());
        let answers = bodies.into_iter().map(|body| heard(&mut service, body, &self.people)).collect();
        self.service = Some(service).filter(|service| service.untouched);
        answers
    }
}

/// The one charge that the gateway knows is the payment's: so a dispute of it finds the settlement.
fn lists_the_charge(service: &Service) {
    let settlement = service.scene.settlement();
    let charge = Movement {
        kind: MovementKind::Charge,
        key: Some(CallKey::new(settlement.id(), Operation::Capture, 1)),
        reference: GatewayRef::from("pi_1".to_owned()),
        charge: None,
        amount: settlement.price(),
        at: service.scene.clock.now(),
    };
    service.scene.gateway.tampers(|moved| moved.push(charge));
}

fn heard(service: &mut Service, body: &[u8], people: &People) -> Answer {
    let body = String::from_utf8_lossy(body);
    let answer = service.hear(&body, people);
    let same = match &answer {
        Ok(status) => *status == StatusCode::NO_CONTENT,
        Err(problem) => problem == "malformed-body",
    };
    assert!(same, "{answer:?}: {body}");
    let balance = TrialBalance::of(&service.scene.store.ledger());
    assert!(balance.is_balanced(), "the ledger does not sum to zero: {body}");
    answer
}
