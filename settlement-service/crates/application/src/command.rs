//! What people do about a settlement. Once each, however often the request comes; what comes at the same time is decided
//! in one unit of work. Nobody waits there for a settlement that another unit of work has: who asks for it waits in a lane
//! of its own, and there no longer than the store lets anybody wait.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::join_all;
use settlement_domain::saga::{self, Act, Party};
use settlement_domain::{Role, Settlement, SettlementId};
use settlement_ports::{Claim, Free, Locked, RequestKey, SettlementStore, SettlementTx, StoreError, Viewer};
use tracing::Span;

use crate::batch::Batch;
use crate::lane::{Entry, Lane, Lead, Unanswered};
use crate::retry::on_conflict;
use crate::{Answered, Outcome, SettlementView, UseError};

/// So many requests that were to be decided together are under way at once when each is for itself: connections are left
/// for others.
const APART: usize = 8;

/// The use cases of buyers, sellers and admins.
#[derive(Clone)]
pub struct Settlements {
    pub(crate) store: Arc<dyn SettlementStore>,
    /// Decides what comes, and passes over what another unit of work has.
    quick: Arc<RequestLane>,
    /// Waits for that.
    patient: Arc<RequestLane>,
}

type RequestLane = Lane<Arc<Request>, Option<Answer>>;

/// What somebody asks for.
struct Request {
    actor: Viewer,
    key: RequestKey,
    id: SettlementId,
    act: Act,
    /// Its effect belongs to this span's trace.
    span: Span,
}

/// What becomes of it.
type Answer = Result<Answered<Outcome>, UseError>;

/// What a unit of work does about settlements that another one has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wait {
    /// Goes on without them.
    ForNone,
    /// Waits for them.
    ForAll,
}

impl Settlements {
    /// Over a store.
    #[must_use]
    pub fn new(store: Arc<dyn SettlementStore>) -> Self {
        Self { store, quick: Lane::new(), patient: Lane::new() }
    }

    /// Somebody acts. What the gateway has to do about it is planned, and comes later.
    ///
    /// Whoever asks may be the one who decides for others, too: the future MUST be driven to its end, even when nobody
    /// waits for the answer any more. One that is dropped leaves those others without one: they have to ask again.
    pub async fn act(&self, actor: &Viewer, key: &RequestKey, id: SettlementId, act: Act) -> Answer {
        let request = Arc::new(Request { actor: actor.clone(), key: key.clone(), id, act, span: Span::current() });
        if let Some(answer) = self.ask(&self.quick, &request, Wait::ForNone).await {
            return answer;
        }
        self.ask(&self.patient, &request, Wait::ForAll).await.unwrap_or(Err(UseError::Held))
    }

    /// None when another unit of work has the settlement.
    async fn ask(&self, lane: &Arc<RequestLane>, request: &Arc<Request>, wait: Wait) -> Option<Answer> {
        match lane.submit(Arc::clone(request), |batch, lead| self.work_off(batch, lead, wait)).await {
            Ok(answer) => answer,
            Err(Unanswered::Full) => Some(Err(UseError::Busy)),
            Err(Unanswered::Lost) => Some(Err(UseError::Unknown)),
        }
    }

    async fn work_off(
        &self,
        batch: Vec<Entry<Arc<Request>, Option<Answer>>>,
        lead: Lead<Arc<Request>, Option<Answer>>,
        wait: Wait,
    ) {
        let requests: Vec<&Request> = batch.iter().map(|entry| entry.job.as_ref()).collect();
        let answers = match self.decide(&requests, wait).await {
            Ok(answers) => answers,
            Err(error) if requests.len() == 1 => vec![Some(Err(error))],
            // Something about one of them spoils it for all: each for itself, and who comes next need not wait for that.
            Err(error) => {
                tracing::warn!(%error, requests = requests.len(), "requests that came together are decided one by one");
                drop(lead);
                let mut answers = Vec::with_capacity(requests.len());
                for some in requests.chunks(APART) {
                    answers.extend(join_all(some.iter().map(|request| self.decide_one(request, wait))).await);
                }
                answers
            }
        };
        for (entry, answer) in batch.into_iter().zip(answers) {
            entry.answer(answer);
        }
    }

    async fn decide_one(&self, request: &Request, wait: Wait) -> Option<Answer> {
        match self.decide(&[request], wait).await {
            Ok(answers) => answers.into_iter().next().flatten(),
            Err(error) => Some(Err(error)),
        }
    }

    /// A bug that panics spoils a unit of work like anything else; nothing of it is left over.
    async fn decide(&self, requests: &[&Request], wait: Wait) -> Result<Vec<Option<Answer>>, UseError> {
        let decided = AssertUnwindSafe(self.decide_patiently(requests, wait)).catch_unwind().await;
        let panicked = |_| Err(UseError::Defect("deciding it panicked".to_owned()));
        decided.map_or_else(panicked, |decided| decided.map_err(UseError::from))
    }

    /// Answers for each, in order; none where another unit of work has the settlement.
    async fn decide_patiently(&self, requests: &[&Request], wait: Wait) -> Result<Vec<Option<Answer>>, StoreError> {
        match on_conflict(|| self.decide_once(requests, wait)).await {
            // One of them was waited for in vain: the others have waited long enough.
            Err(StoreError::Locked) if wait == Wait::ForAll => {
                tracing::warn!(
                    requests = requests.len(),
                    "a settlement is kept locked for longer than it is waited for"
                );
                on_conflict(|| self.decide_once(requests, Wait::ForNone)).await
            }
            decided => decided,
        }
    }

    async fn decide_once(&self, requests: &[&Request], wait: Wait) -> Result<Vec<Option<Answer>>, StoreError> {
        let mut tx = self.store.begin().await?;
        let claims = claim(tx.as_mut(), requests).await?;
        let new = requests.iter().zip(&claims).filter(|(_, claim)| **claim == Claim::New);
        let ids: Vec<SettlementId> = new.map(|(request, _)| request.id).collect::<BTreeSet<_>>().into_iter().collect();
        let Free { locked, held } = match wait {
            _ if ids.is_empty() => Free::default(),
            Wait::ForNone => tx.lock_free(&ids).await?,
            Wait::ForAll => Free { locked: tx.lock_all(&ids).await?, held: Vec::new() },
        };
        let locked: BTreeMap<_, _> = locked.into_iter().map(|locked| (locked.aggregate.id(), locked)).collect();
        let (mut batch, mut answers, mut kept) = (Batch::default(), Vec::new(), Vec::new());
        for (request, claim) in requests.iter().zip(claims) {
            let answer = match claim {
                Claim::New if held.contains(&request.id) => {
                    answers.push(None);
                    continue;
                }
                Claim::New => decide(&mut batch, request, locked.get(&request.id)),
                Claim::Replay(answer) => replayed(answer),
                Claim::Mismatch => Err(UseError::KeyReused),
                Claim::Running => Err(UseError::KeyRunning),
            };
            if let Ok(Answered { outcome, replayed: false }) = &answer {
                let outcome = serde_json::to_value(outcome).map_err(|error| StoreError::Corrupt(error.to_string()))?;
                kept.push((request.key.clone(), outcome));
            }
            // A refusal writes nothing about the settlement: what another request writes is not its.
            if let Ok(Answered { outcome: Outcome::Done { .. }, replayed: false }) = &answer {
                tx.trace(request.id, &request.span);
            }
            answers.push(Some(answer));
        }
        if !kept.is_empty() {
            batch.write(tx.as_mut()).await?;
            tx.answer_all(&kept).await?;
        }
        // The keys of those that were passed over are free for the next claim as soon as this has ended: what is only
        // dropped may end later.
        if !kept.is_empty() || !held.is_empty() {
            tx.commit().await?;
        }
        Ok(answers)
    }
}

/// Of requests with the same new key the first one has it, and is running for the others.
async fn claim(tx: &mut dyn SettlementTx, requests: &[&Request]) -> Result<Vec<Claim>, StoreError> {
    let keys: Vec<RequestKey> = requests.iter().map(|request| request.key.clone()).collect();
    let mut claims = tx.claim_all(&keys).await?;
    let mut taken = BTreeSet::new();
    for (key, claim) in keys.iter().zip(&mut claims) {
        if *claim == Claim::New && !taken.insert((&key.principal, &key.key)) {
            *claim = Claim::Running;
        }
    }
    Ok(claims)
}

fn replayed(answer: serde_json::Value) -> Answer {
    Ok(Answered { outcome: serde_json::from_value(answer)?, replayed: true })
}

fn decide(batch: &mut Batch, request: &Request, locked: Option<&Locked<Settlement>>) -> Answer {
    let Request { actor, act, .. } = request;
    let locked = locked.filter(|locked| actor.may_see(&locked.aggregate)).ok_or(UseError::NotFound)?;
    authorize(actor, &locked.aggregate, act.by())?;
    let decided = batch.try_decide(locked.aggregate.clone(), |it| saga::begin(it, act.clone(), locked.now));
    let outcome = match decided {
        Ok(settlement) => Outcome::Done { settlement: Box::new(SettlementView::of(&settlement, actor)) },
        Err(error) => Outcome::of_refusal(&error)?,
    };
    Ok(Answered { outcome, replayed: false })
}

/// Only whom the saga's tables name acts. An operator does not decide in a matter of the own.
fn authorize(actor: &Viewer, settlement: &Settlement, party: Party) -> Result<(), UseError> {
    let role = settlement.role_of(&actor.user);
    let (buyer, operator) = (role == Some(Role::Buyer), actor.admin && role.is_none());
    let (may, who) = match party {
        Party::Buyer => (buyer, "the buyer"),
        Party::Seller => (role == Some(Role::Seller), "the seller"),
        Party::Parties => (role.is_some(), "the buyer or the seller"),
        Party::BuyerOrOperator => (buyer || operator, "the buyer or an admin who is not the seller"),
        Party::Operator => (operator, "an admin who is neither buyer nor seller"),
        Party::Saga => (false, "nobody"),
    };
    if may { Ok(()) } else { Err(UseError::Forbidden(who)) }
}
