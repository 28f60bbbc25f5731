//! A bidder bids, or buys at once.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bidding_domain::{
    auction::{Auction, Transition},
    bid::{Ask, BidOutcome, Order, Refusal},
    halt::Halt,
    ids::{AuctionId, BidId},
    views::AuctionView,
};
use bidding_ports::{
    error::StoreError,
    idempotency::{Claim, RequestKey},
    store::{Caused, Changes, Floor, Known, Request, Wait},
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::{NoContext, Timestamp, Uuid};

use crate::{
    Answered, Auctions,
    close::{DOWNTIME, SILENCE, due},
    error::{ATTEMPTS, UseError},
    lane::{Answer, Job, Lane, Submitted},
};

/// A unit of work that lost against another rests so long before the next attempt, and longer each time.
const BACK_OFF: Duration = Duration::from_millis(5);

/// What became of a bid. Both are decided, and both are kept for replays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "decision", rename_all = "snake_case")]
pub enum BidReply {
    /// The bid counts.
    Accepted {
        /// Its id.
        bid_id: BidId,
        /// What it did.
        outcome: BidOutcome,
        /// The auction after it, as the bidder sees it.
        auction: Box<AuctionView>,
    },
    /// The bid changed nothing.
    Refused {
        /// Why.
        refusal: Refusal,
    },
}

impl Auctions {
    /// Decides a bid of the key's principal, once for each idempotency key. Once submitted the bid is decided
    /// even if the caller goes away.
    ///
    /// # Errors
    /// [`UseError::NotFound`], [`UseError::Busy`]; the key's and the store's. A refused bid is no error.
    pub async fn place_bid(&self, key: RequestKey, auction: AuctionId, ask: Ask) -> Answer {
        let lane = self.lane_of(auction);
        match lane.submit(Request { auction, key }, ask) {
            Submitted::Refused(error) => Err(error),
            Submitted::Waits { answer, start } => {
                if start {
                    tokio::spawn(self.clone().work(Arc::clone(lane)));
                }
                answer.await.unwrap_or_else(|_| Err(StoreError::Unavailable("the bid was not decided".into()).into()))
            }
        }
    }

    /// Decides batch after batch until nothing waits.
    async fn work(self, lane: Arc<Lane>) {
        while let Some(jobs) = lane.next_batch() {
            let (deciding, lane) = (self.clone(), Arc::clone(&lane));
            // A task of its own: a bug that panics costs its batch, and not the lane.
            let decided = tokio::spawn(async move { deciding.decide(&lane, jobs).await });
            if let Err(error) = decided.await {
                tracing::error!(%error, "a batch of bids ended abnormally");
            }
        }
    }

    async fn decide(&self, lane: &Lane, jobs: Vec<Job>) {
        self.batches.decided(jobs.len());
        let answers = match self.decide_patiently(lane, &jobs).await {
            Ok(answers) => answers,
            // Something in one of them spoils it for all: each for itself.
            Err(StoreError::Corrupt(_) | StoreError::Conflict) if jobs.len() > 1 => {
                for job in jobs {
                    let answer = self.decide_patiently(lane, std::slice::from_ref(&job)).await;
                    job.answer(answer.map_or_else(|error| Err(given_up(error)), only));
                }
                return;
            }
            Err(error) => jobs.iter().map(|_| Err(given_up(error.clone()))).collect(),
        };
        for (job, answer) in jobs.into_iter().zip(answers) {
            job.answer(answer);
        }
    }

    /// Waits for auctions that another unit of work has. When one of them is not granted in time, that must not
    /// become the others' loss: for a while the lane then goes on without what it does not get at once.
    async fn decide_patiently(&self, lane: &Lane, jobs: &[Job]) -> Result<Vec<Answer>, StoreError> {
        match self.decide_together(jobs, lane.wait()).await {
            Err(StoreError::Locked) => {
                lane.lost_patience();
                self.decide_together(jobs, Wait::ForNone).await
            }
            decided => decided,
        }
    }

    async fn decide_together(&self, jobs: &[Job], wait: Wait) -> Result<Vec<Answer>, StoreError> {
        for attempt in 1..=ATTEMPTS {
            match self.decide_once(jobs, wait).await {
                Err(StoreError::Conflict) => tokio::time::sleep(BACK_OFF * attempt * attempt).await,
                decided => return decided,
            }
        }
        Err(StoreError::Conflict)
    }

    async fn decide_once(&self, jobs: &[Job], wait: Wait) -> Result<Vec<Answer>, StoreError> {
        let requests: Vec<_> = jobs.iter().map(|job| job.request.clone()).collect();
        let mut tx = self.store.begin().await?;
        let Floor { auctions, known, halts, now, silence } = tx.enter(&requests, wait).await?;
        if silence > SILENCE {
            // After an outage nothing is late before the time that was lost is known.
            drop(tx);
            self.store.beat(DOWNTIME).await?;
            return Err(StoreError::Conflict);
        }
        let mut batch = Batch { auctions, touched: BTreeMap::new(), halts, now, changes: Changes::default() };
        let answers = jobs.iter().zip(known).map(|(job, known)| batch.decide(self, job, known)).collect();
        let changes = batch.finish();
        if !changes.answers.is_empty() {
            tx.save(changes).await?;
            tx.commit().await?;
        }
        Ok(answers)
    }
}

/// A conflict that does not end is told as what it is to the caller: try again later.
fn given_up(error: StoreError) -> UseError {
    match error {
        StoreError::Conflict => StoreError::Unavailable(format!("{ATTEMPTS} attempts ran into conflicts")).into(),
        other => other.into(),
    }
}

fn only(answers: Vec<Answer>) -> Answer {
    answers.into_iter().next().unwrap_or(Err(UseError::NotFound))
}

/// One batch while it is decided.
struct Batch {
    auctions: BTreeMap<AuctionId, Result<Auction, StoreError>>,
    /// Auctions that have caught up with the time, and whether they changed.
    touched: BTreeMap<AuctionId, bool>,
    halts: Arc<[Halt]>,
    now: DateTime<Utc>,
    changes: Changes,
}

impl Batch {
    fn decide(&mut self, auctions: &Auctions, job: &Job, known: Known) -> Answer {
        match known.claim {
            Claim::New => {}
            Claim::Replay(answer) => {
                let outcome = serde_json::from_str(&answer).map_err(|error| corrupt(&error))?;
                return Ok(Answered { outcome, replayed: true });
            }
            Claim::Mismatch => return Err(UseError::KeyReused),
        }
        let id = job.request.auction;
        let auction = self.caught_up(id, &job.span)?;
        let bidder = &job.request.key.principal;
        let bid_id = new_bid_id(self.now);
        let order = Order { bid_id, bidder: bidder.clone(), ask: job.ask, suspended: known.suspended };
        let decision = auction.place_bid(&order, self.now);
        let outcome = match decision.answer {
            Ok(bid) => {
                let view = AuctionView::of(&decision.auction, self.now, bidder, &auctions.aliases);
                self.touched.insert(id, true);
                let caused = decision.entry.map(|entry| Caused { entry, span: job.span.clone() });
                self.changes.entries.extend(caused);
                BidReply::Accepted { bid_id: bid.id, outcome: bid.outcome, auction: Box::new(view) }
            }
            Err(refusal) => BidReply::Refused { refusal },
        };
        self.auctions.insert(id, Ok(decision.auction));
        let answer = serde_json::to_string(&outcome).map_err(|error| corrupt(&error))?;
        self.changes.answers.push((job.request.key.clone(), answer));
        Ok(Answered { outcome, replayed: false })
    }

    /// Takes the auction out, with everything that time alone has decided.
    fn caught_up(&mut self, id: AuctionId, span: &tracing::Span) -> Result<Auction, UseError> {
        let auction = match self.auctions.remove(&id) {
            None => return Err(UseError::NotFound),
            Some(Ok(auction)) => auction,
            Some(Err(error)) => {
                self.auctions.insert(id, Err(error.clone()));
                return Err(error.into());
            }
        };
        if self.touched.contains_key(&id) {
            return Ok(auction);
        }
        // What has ended is closed here, too: the closer leaves out what a lane has, and a busy lane has it always.
        let Transition { auction, entries } = due(auction, &self.halts, self.now);
        self.touched.insert(id, !entries.is_empty());
        self.changes.entries.extend(entries.into_iter().map(|entry| Caused { entry, span: span.clone() }));
        Ok(auction)
    }

    fn finish(mut self) -> Changes {
        for (id, auction) in self.auctions {
            if self.touched.get(&id) == Some(&true) {
                self.changes.auctions.extend(auction.ok());
            }
        }
        self.changes
    }
}

/// A `UUIDv7` of the database's time.
fn new_bid_id(now: DateTime<Utc>) -> BidId {
    let seconds = u64::try_from(now.timestamp()).unwrap_or_default();
    BidId(Uuid::new_v7(Timestamp::from_unix(NoContext, seconds, now.timestamp_subsec_nanos())))
}

fn corrupt(error: &serde_json::Error) -> StoreError {
    StoreError::Corrupt(error.to_string())
}
