//! The gateway's own word, as settlement hears it.

use std::sync::Arc;

use futures::executor::block_on;
use settlement_application::{Effect, NoticeError, Notices};
use settlement_domain::settlement::Claim;
use settlement_domain::{CallKey, GatewayRef, Operation};
use settlement_ports::{News, Notice, NoticeVerifier, Unsigned};

use crate::Scene;

/// Believes one notice, by whatever body, if the signature says `signed`.
pub struct Believed(pub Notice);

impl NoticeVerifier for Believed {
    fn read(&self, signature: &str, _: &[u8]) -> Result<Notice, Unsigned> {
        if signature == "signed" { Ok(self.0.clone()) } else { Err(Unsigned::Signature) }
    }
}

impl Scene {
    /// What the gateway calls the charge of the settlement, whether or not it was told of it.
    #[must_use]
    pub fn charge(&self) -> GatewayRef {
        let settlement = self.settlement();
        let capture = CallKey::new(settlement.id(), Operation::Capture, settlement.attempts(Operation::Capture));
        GatewayRef::from(format!("mem_{capture}"))
    }

    /// The buyer's bank takes all of the charge back, and the gateway tells that once, by an event.
    pub fn bank_takes_it_back(&self, event_id: &str, dispute: &str) -> Result<Effect, NoticeError> {
        self.gateway.bank_takes(&self.charge());
        self.gateway_tells(self.chargeback(event_id, dispute))
    }

    /// What the gateway tells of that.
    #[must_use]
    pub fn chargeback(&self, event_id: &str, dispute: &str) -> Notice {
        let claim = Claim {
            id: GatewayRef::from(dispute.to_owned()),
            amount: Some(self.settlement().price()),
            reason: Some("fraudulent".to_owned()),
        };
        Notice {
            event_id: event_id.to_owned(),
            kind: "charge.dispute.created".to_owned(),
            signed_at: self.clock.now(),
            news: News::Chargeback { charge: self.charge(), claim },
        }
    }

    /// The gateway tells something, signed now. What is not taken in it tells again.
    pub fn gateway_tells(&self, notice: Notice) -> Result<Effect, NoticeError> {
        let notice = Notice { signed_at: self.clock.now(), ..notice };
        let notices = Notices::new(Arc::new(self.store.clone()), Arc::new(Believed(notice)), self.gateway.clone());
        block_on(notices.take_in("signed", b"")).map(|noticed| noticed.effect)
    }
}
