//! What the gateway tells by itself. A notice of what a call of ours came to counts like the answer a worker heard:
//! whichever comes first moves the settlement, the other one is an echo.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::TimeDelta;
use settlement_domain::call::CallStatus;
use settlement_domain::{Answer, CallKey, Contact, GatewayCall, GatewayRef, Report, Way};
use settlement_ports::{
    Incident, News, Notice, NoticeVerifier, Receipt, Seen, SettlementStore, SettlementTx, StoreError, TOLERANCE_S,
    Unsigned,
};
use uuid::Uuid;

use crate::batch::Batch;
use crate::called;
use crate::retry::{MaybeConflict, on_conflict};

/// The `source` of notices in the inbox. Their rows are removed after a month: a signature is refused as stale long before.
pub const SOURCE: &str = "/gateway";

/// Takes notices in.
#[derive(Clone)]
pub struct Notices {
    store: Arc<dyn SettlementStore>,
    verifier: Arc<dyn NoticeVerifier>,
}

/// What a notice came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Noticed {
    /// What kind of event, in the gateway's words.
    pub kind: String,
    /// What it came to here.
    pub effect: Effect,
}

/// What became of a notice; the gateway need not send it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// It told the answer to a call, before anybody else did.
    Moved(CallKey),
    /// The answer was known already.
    Echo,
    /// This very notice had been taken in before.
    Duplicate,
    /// It names a call that is none of ours: another installation shares the gateway's account, or the store has lost it.
    UnknownCall(CallKey),
    /// A person has to look.
    Incident {
        /// At what.
        what: Incident,
        /// At what of the gateway's.
        about: GatewayRef,
        /// At which call, if that is known.
        key: Option<CallKey>,
    },
    /// Nothing that matters here.
    Ignored,
}

/// Why a notice was not taken in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoticeError {
    /// Not the gateway's.
    #[error(transparent)]
    Unsigned(#[from] Unsigned),
    /// Signed too long ago, or in the future.
    #[error("the signature's time is {0} s from ours")]
    Stale(i64),
    /// To be sent again.
    #[error("to be sent again: {0}")]
    Store(#[from] StoreError),
}

impl MaybeConflict for NoticeError {
    fn is_conflict(&self) -> bool {
        matches!(self, Self::Store(StoreError::Conflict))
    }
}

impl Notices {
    /// Over a store, for notices that the verifier knows.
    #[must_use]
    pub fn new(store: Arc<dyn SettlementStore>, verifier: Arc<dyn NoticeVerifier>) -> Self {
        Self { store, verifier }
    }

    /// Takes a message in, once. What nobody signed costs no contact with the store.
    pub async fn take_in(&self, signature: &str, body: &[u8]) -> Result<Noticed, NoticeError> {
        let notice = self.verifier.read(signature, body)?;
        let effect = on_conflict(|| self.once(&notice)).await?;
        Ok(Noticed { kind: notice.kind, effect })
    }

    async fn once(&self, notice: &Notice) -> Result<Effect, NoticeError> {
        let mut tx = self.store.begin().await?;
        let now = tx.now().await?;
        let age = now - notice.signed_at;
        if age.abs() > TimeDelta::seconds(TOLERANCE_S) {
            return Err(NoticeError::Stale(age.num_seconds()));
        }
        if notice.news == News::Other {
            return Ok(Effect::Ignored);
        }
        let first = tx.receive(&receipt(notice)).await? != Seen::Duplicate;
        let effect = match notice.news.clone() {
            News::Answer { key, answer } => answered(tx.as_mut(), key, answer, first).await?,
            // Told each time it comes: what is told before the gateway has our answer may have reached nobody.
            News::Incident { what, about, key } => Effect::Incident { what, about, key },
            News::Other => Effect::Ignored,
        };
        tx.commit().await?;
        Ok(effect)
    }
}

/// Each notice is alone under its key in the inbox: they have no order.
fn receipt(notice: &Notice) -> Receipt {
    let event_id = Uuid::new_v5(&Uuid::NAMESPACE_URL, notice.event_id.as_bytes());
    Receipt { event_id, source: SOURCE.to_owned(), key: notice.event_id.clone(), sequence: 1 }
}

async fn answered(tx: &mut dyn SettlementTx, key: CallKey, answer: Answer, first: bool) -> Result<Effect, StoreError> {
    let subject: BTreeSet<_> = key.subject().into_iter().collect();
    let Some(locked) = called::lock(tx, &subject).await?.into_values().next() else {
        return Ok(Effect::UnknownCall(key));
    };
    let Some(call) = tx.call(&key).await? else { return Ok(Effect::UnknownCall(key)) };
    match known(&call, &answer) {
        Some(incident @ Effect::Incident { .. }) => Ok(incident),
        _ if !first => Ok(Effect::Duplicate),
        Some(effect) => Ok(effect),
        None => {
            // As if somebody had asked: a definite answer counts whoever heard it, so the number does not matter.
            let contact = Contact { way: Way::Ask, number: call.tries() };
            let mut batch = Batch::default();
            batch.report(locked, call, contact, Report::Answered(answer));
            batch.write(tx).await?;
            Ok(Effect::Moved(key))
        }
    }
}

/// What a notice comes to if the call is over: an echo, or another story than the one that counts here.
fn known(call: &GatewayCall, told: &Answer) -> Option<Effect> {
    let contradiction = |about: &GatewayRef| {
        Some(Effect::Incident { what: Incident::Contradiction, about: about.clone(), key: Some(call.key()) })
    };
    match (call.status(), told) {
        (CallStatus::Ready | CallStatus::InDoubt, _) => None,
        (CallStatus::Answered(Answer::Succeeded { reference: ours }), Answer::Succeeded { reference })
            if ours != reference =>
        {
            contradiction(reference)
        }
        (CallStatus::Answered(Answer::Declined(_)) | CallStatus::Dropped, Answer::Succeeded { reference }) => {
            contradiction(reference)
        }
        (CallStatus::Answered(Answer::Succeeded { reference }), Answer::Declined(_)) => contradiction(reference),
        _ => Some(Effect::Echo),
    }
}
