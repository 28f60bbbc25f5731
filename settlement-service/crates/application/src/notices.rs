//! What the gateway tells by itself. A notice of what a call of ours came to counts like the answer a worker heard:
//! whichever comes first moves the settlement, the other one is an echo. One of a chargeback names its charge alone: the
//! gateway is asked which call of ours made that, and the call knows its settlement.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::TimeDelta;
use settlement_domain::call::CallStatus;
use settlement_domain::saga;
use settlement_domain::settlement::Claim;
use settlement_domain::{
    Answer, CallKey, Contact, GatewayCall, GatewayRef, MovementKind, Report, SettlementId, Status, Subject, Way,
};
use settlement_ports::{
    GatewayStatement, Incident, Locked, News, Notice, NoticeVerifier, Receipt, Seen, SettlementStore, SettlementTx,
    StatementError, StoreError, TOLERANCE_S, Unsigned,
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
    statement: Arc<dyn GatewayStatement>,
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
    /// What it told was known already.
    Echo,
    /// This very notice had been taken in before.
    Duplicate,
    /// It names a call that is none of ours: another installation shares the gateway's account, or the store has lost it.
    UnknownCall(CallKey),
    /// The buyer's bank took back what was paid for a settlement. That is noted there, and a person has to look.
    ChargedBack {
        /// For which.
        settlement: SettlementId,
        /// Where it stands now: stopped, unless it was too late for that.
        status: Status,
        /// What the gateway calls the charge.
        charge: GatewayRef,
    },
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
    /// It cannot be told now what it is about: to be sent again.
    #[error("to be sent again: {0}")]
    Gateway(#[from] StatementError),
}

impl MaybeConflict for NoticeError {
    fn is_conflict(&self) -> bool {
        matches!(self, Self::Store(StoreError::Conflict))
    }
}

impl Notices {
    /// Over a store, for notices that the verifier knows; by the gateway's list it is known whose charge was taken back.
    #[must_use]
    pub fn new(
        store: Arc<dyn SettlementStore>,
        verifier: Arc<dyn NoticeVerifier>,
        statement: Arc<dyn GatewayStatement>,
    ) -> Self {
        Self { store, verifier, statement }
    }

    /// Takes a message in, once. What nobody signed costs no contact with the store.
    pub async fn take_in(&self, signature: &str, body: &[u8]) -> Result<Noticed, NoticeError> {
        let notice = self.verifier.read(signature, body)?;
        let charged_by = self.charged_by(&notice).await?;
        let effect = on_conflict(|| self.once(&notice, charged_by.as_ref())).await?;
        Ok(Noticed { kind: notice.kind, effect })
    }

    /// The call that made the charge which a notice is about, if it is about one. It is asked for outside any unit of work,
    /// and not for a recording. While there is no answer that can be read, nothing is stopped: it has to be told again.
    async fn charged_by(&self, notice: &Notice) -> Result<Option<CallKey>, NoticeError> {
        let News::Chargeback { charge, .. } = &notice.news else { return Ok(None) };
        drop(self.begin(notice).await?);
        Ok(self.statement.movement(MovementKind::Charge, charge).await?.and_then(|movement| movement.key))
    }

    /// A unit of work for a notice that was signed a moment ago.
    async fn begin(&self, notice: &Notice) -> Result<Box<dyn SettlementTx>, NoticeError> {
        let mut tx = self.store.begin().await?;
        let age = tx.now().await? - notice.signed_at;
        if age.abs() > TimeDelta::seconds(TOLERANCE_S) {
            return Err(NoticeError::Stale(age.num_seconds()));
        }
        Ok(tx)
    }

    async fn once(&self, notice: &Notice, charged_by: Option<&CallKey>) -> Result<Effect, NoticeError> {
        let mut tx = self.begin(notice).await?;
        if notice.news == News::Other {
            return Ok(Effect::Ignored);
        }
        let first = tx.receive(&receipt(notice)).await? != Seen::Duplicate;
        let effect = match notice.news.clone() {
            News::Answer { key, answer } => answered(tx.as_mut(), key, answer, first).await?,
            News::Chargeback { charge, claim } => charged_back(tx.as_mut(), charge, claim, charged_by, first).await?,
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

/// A chargeback is told by more than one event, and known by its own id. Of what cannot be found here somebody is told, too.
async fn charged_back(
    tx: &mut dyn SettlementTx,
    about: GatewayRef,
    claim: Claim,
    charged_by: Option<&CallKey>,
    first: bool,
) -> Result<Effect, StoreError> {
    let not_noted = Effect::Incident { what: Incident::Chargeback, about: about.clone(), key: charged_by.cloned() };
    let Some(id) = charged_by.and_then(CallKey::subject).and_then(Subject::settlement_id) else {
        return Ok(not_noted);
    };
    let Some(Locked { aggregate, now }) = tx.lock(id).await? else { return Ok(not_noted) };
    let noted = |status| Effect::ChargedBack { settlement: id, status, charge: about };
    if aggregate.knows_of(&claim.id) {
        // Told once more if the event comes again: what is told before the gateway has our answer may have reached nobody.
        return Ok(if first { Effect::Echo } else { noted(aggregate.status()) });
    }
    let chargeback = claim.id.clone();
    let change = saga::charged_back(aggregate, claim, now);
    if !change.settlement.knows_of(&chargeback) {
        return Ok(not_noted);
    }
    let effect = noted(change.settlement.status());
    let mut batch = Batch::default();
    batch.decide(change.settlement.clone(), |_| change);
    batch.write(tx).await?;
    Ok(effect)
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
