//! What people do about a settlement. Once each, however often the request comes.

use std::sync::Arc;

use settlement_domain::saga::{self, Act, Party};
use settlement_domain::{Role, Settlement, SettlementId};
use settlement_ports::{RequestKey, SettlementStore, SettlementTx, Viewer};

use crate::batch::Batch;
use crate::once::{Opened, close, open};
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

    /// Somebody acts. What the gateway has to do about it is planned, and comes later.
    pub async fn act(
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
        let mut tx = match open(self.store.as_ref(), key).await? {
            Opened::Fresh(tx) => tx,
            Opened::Replayed(answered) => return Ok(answered),
        };
        let outcome = decide(tx.as_mut(), actor, id, act).await?;
        close(tx, key, outcome).await
    }
}

async fn decide(tx: &mut dyn SettlementTx, actor: &Viewer, id: SettlementId, act: Act) -> Result<Outcome, UseError> {
    let locked = tx.lock(id).await?.filter(|locked| actor.may_see(&locked.aggregate)).ok_or(UseError::NotFound)?;
    authorize(actor, &locked.aggregate, act.by())?;
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

/// Only whom the saga's tables name acts. An operator does not decide in a matter of the own.
fn authorize(actor: &Viewer, settlement: &Settlement, party: Party) -> Result<(), UseError> {
    let role = settlement.role_of(&actor.user);
    let (may, who) = match party {
        Party::Buyer => (role == Some(Role::Buyer), "the buyer"),
        Party::Seller => (role == Some(Role::Seller), "the seller"),
        Party::Parties => (role.is_some(), "the buyer or the seller"),
        Party::Operator => (actor.admin && role.is_none(), "an admin who is neither buyer nor seller"),
        Party::Saga => (false, "nobody"),
    };
    if may { Ok(()) } else { Err(UseError::Forbidden(who)) }
}
