//! What people do: pay, ship, receive. Once each, however often the request comes.

use std::sync::Arc;

use settlement_domain::saga::{self, Act, Party};
use settlement_domain::{Parcel, PaymentMethod, Settlement, SettlementId};
use settlement_ports::{Claim, RequestKey, SettlementStore, SettlementTx, Viewer};

use crate::batch::Batch;
use crate::retry::on_conflict;
use crate::{Answered, Outcome, SettlementView, UseError};

/// The use cases of buyers, sellers and admins.
#[derive(Clone)]
pub struct Settlements {
    pub(crate) store: Arc<dyn SettlementStore>,
}

impl Settlements {
    /// Over a store.
    #[must_use]
    pub fn new(store: Arc<dyn SettlementStore>) -> Self {
        Self { store }
    }

    /// The buyer pays by a method; the gateway's answer comes later.
    pub async fn pay(
        &self,
        actor: &Viewer,
        key: &RequestKey,
        id: SettlementId,
        method: PaymentMethod,
    ) -> Result<Answered<Outcome>, UseError> {
        self.act(actor, key, id, Act::Pay(method)).await
    }

    /// The seller hands the lot to a carrier.
    pub async fn ship(
        &self,
        actor: &Viewer,
        key: &RequestKey,
        id: SettlementId,
        parcel: Parcel,
    ) -> Result<Answered<Outcome>, UseError> {
        self.act(actor, key, id, Act::Ship(parcel)).await
    }

    /// The buyer has the lot; the seller's payout comes later.
    pub async fn receive(
        &self,
        actor: &Viewer,
        key: &RequestKey,
        id: SettlementId,
    ) -> Result<Answered<Outcome>, UseError> {
        self.act(actor, key, id, Act::Receive).await
    }

    async fn act(
        &self,
        actor: &Viewer,
        key: &RequestKey,
        id: SettlementId,
        act: Act,
    ) -> Result<Answered<Outcome>, UseError> {
        on_conflict(|| self.act_once(actor, key, id, act.clone())).await
    }

    async fn act_once(
        &self,
        actor: &Viewer,
        key: &RequestKey,
        id: SettlementId,
        act: Act,
    ) -> Result<Answered<Outcome>, UseError> {
        let mut tx = self.store.begin().await?;
        match tx.claim(key).await? {
            Claim::New => {}
            Claim::Replay(answer) => {
                return Ok(Answered { outcome: serde_json::from_value(answer)?, replayed: true });
            }
            Claim::Mismatch => return Err(UseError::KeyReused),
            Claim::Running => return Err(UseError::KeyRunning),
        }
        let outcome = decide(tx.as_mut(), actor, id, act).await?;
        tx.answer(key, &serde_json::to_value(&outcome)?).await?;
        tx.commit().await?;
        Ok(Answered { outcome, replayed: false })
    }
}

async fn decide(tx: &mut dyn SettlementTx, actor: &Viewer, id: SettlementId, act: Act) -> Result<Outcome, UseError> {
    let locked = tx.lock(id).await?.filter(|locked| actor.may_see(&locked.aggregate)).ok_or(UseError::NotFound)?;
    authorize(actor, &locked.aggregate, &act)?;
    match saga::begin(locked.aggregate, act, locked.now) {
        Ok(change) => {
            let settlement = Box::new(SettlementView::of(&change.settlement, actor));
            let mut batch = Batch::default();
            batch.add(change);
            batch.write(tx).await?;
            Ok(Outcome::Done { settlement })
        }
        Err(error) => Outcome::of_refusal(&error),
    }
}

/// Only the party that the saga's table names begins a step.
fn authorize(actor: &Viewer, settlement: &Settlement, act: &Act) -> Result<(), UseError> {
    let (party, name) = match act.step().row().begun_by {
        Party::Buyer => (settlement.buyer_id(), "the buyer"),
        Party::Seller => (settlement.seller_id(), "the seller"),
        Party::Saga => return Err(UseError::Forbidden("nobody")),
    };
    if actor.user == *party { Ok(()) } else { Err(UseError::Forbidden(name)) }
}
