//! The lane: bids that wait are decided together, many bids of many auctions in one unit of work.
//!
//! While one batch commits, the next gathers; so the batch grows with the load by itself, and a bid that
//! comes alone waits for nobody. A lane is only an optimisation: any instance may serve any auction, and
//! what is right is decided under the row lock.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bidding_domain::{
    bid::Ask,
    ids::{AuctionId, UserId},
};
use bidding_ports::{
    idempotency::RequestKey,
    store::{Request, Wait},
};
use tokio::{sync::oneshot, time::Instant};

use crate::{Answered, error::UseError, place_bid::BidReply};

/// How long a lane waits for no auction after one had kept it waiting.
const HURRY: Duration = Duration::from_secs(10);

/// What becomes of a bid.
pub(crate) type Answer = Result<Answered<BidReply>, UseError>;

/// How much a lane takes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaneLimits {
    /// Most bids of one unit of work.
    pub batch: usize,
    /// Most bids that wait; one more is refused as busy.
    pub waiting: usize,
    /// Most bids of one auction that wait, so that one auction never fills the lane.
    pub waiting_of_one: usize,
}

impl Default for LaneLimits {
    fn default() -> Self {
        Self { batch: 512, waiting: 4_096, waiting_of_one: 1_024 }
    }
}

/// A bid that waits, and who waits for its answer.
#[derive(Debug)]
pub(crate) struct Job {
    pub request: Request,
    pub ask: Ask,
    /// The trace goes on with the bid's events.
    pub span: tracing::Span,
    answer: oneshot::Sender<Answer>,
    /// The key is in use until the job is answered.
    running: Running,
}

impl Job {
    /// Tells the bidder, if still there.
    pub(crate) fn answer(self, answer: Answer) {
        // First, so that who has the answer can use the key again.
        drop(self.running);
        let _ = self.answer.send(answer);
    }
}

/// Bids that wait for one unit of work after the other.
#[derive(Debug, Default)]
pub(crate) struct Lane {
    limits: LaneLimits,
    queue: Mutex<Queue>,
    running: Arc<RunningKeys>,
    /// Until when it waits for no auction that another unit of work has.
    hurries_until: Mutex<Option<Instant>>,
}

#[derive(Debug, Default)]
struct Queue {
    /// Of each auction that has any, in the order in which they came.
    jobs: HashMap<AuctionId, VecDeque<Job>>,
    /// Whose turn it is.
    turns: VecDeque<AuctionId>,
    waiting: usize,
    /// Whether somebody works on it.
    busy: bool,
}

/// What became of a submission.
pub(crate) enum Submitted {
    /// It waits; when `start`, nobody works on the lane: the caller has to.
    Waits { answer: oneshot::Receiver<Answer>, start: bool },
    /// It does not.
    Refused(UseError),
}

impl Lane {
    pub(crate) fn new(limits: LaneLimits, running: Arc<RunningKeys>) -> Self {
        Self { limits, queue: Mutex::default(), running, hurries_until: Mutex::default() }
    }

    /// Puts a bid into the queue.
    pub(crate) fn submit(&self, request: Request, ask: Ask) -> Submitted {
        let Some(running) = self.running.start(&request.key) else { return Submitted::Refused(UseError::KeyRunning) };
        let mut queue = self.queue();
        let auction = request.auction;
        let of_one = queue.jobs.get(&auction).map_or(0, VecDeque::len);
        if queue.waiting >= self.limits.waiting || of_one >= self.limits.waiting_of_one {
            return Submitted::Refused(UseError::Busy);
        }
        let (sender, answer) = oneshot::channel();
        let job = Job { request, ask, span: tracing::Span::current(), answer: sender, running };
        queue.jobs.entry(auction).or_default().push_back(job);
        if of_one == 0 {
            queue.turns.push_back(auction);
        }
        queue.waiting += 1;
        let start = !std::mem::replace(&mut queue.busy, true);
        Submitted::Waits { answer, start }
    }

    /// The next batch: auctions take turns, and each keeps the order of its bids. `None` when nothing waits:
    /// then nobody works on the lane any more.
    pub(crate) fn next_batch(&self) -> Option<Vec<Job>> {
        let mut queue = self.queue();
        let mut batch = Vec::with_capacity(queue.waiting.min(self.limits.batch));
        while batch.len() < self.limits.batch {
            let Some(auction) = queue.turns.pop_front() else { break };
            let Some(jobs) = queue.jobs.get_mut(&auction) else { continue };
            batch.extend(jobs.pop_front());
            if jobs.is_empty() {
                queue.jobs.remove(&auction);
            } else {
                queue.turns.push_back(auction);
            }
        }
        queue.waiting -= batch.len();
        queue.busy = !batch.is_empty();
        Some(batch).filter(|batch| !batch.is_empty())
    }

    /// Whether to wait for auctions that another unit of work has.
    pub(crate) fn wait(&self) -> Wait {
        let until = *self.hurries_until.lock().unwrap_or_else(PoisonError::into_inner);
        if until.is_some_and(|until| Instant::now() < until) { Wait::ForNone } else { Wait::ForAll }
    }

    /// One auction kept all others waiting: it does so once in [`HURRY`].
    pub(crate) fn lost_patience(&self) {
        *self.hurries_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + HURRY);
    }

    /// Bids that wait now.
    pub(crate) fn waiting(&self) -> usize {
        self.queue().waiting
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The idempotency keys whose requests are being worked on in this process. Between processes the store
/// decides: of two answers to one key, the later conflicts.
#[derive(Debug, Default)]
pub(crate) struct RunningKeys(Mutex<HashSet<(UserId, String)>>);

impl RunningKeys {
    fn start(self: &Arc<Self>, key: &RequestKey) -> Option<Running> {
        let key = (key.principal.clone(), key.key.clone());
        self.keys().insert(key.clone()).then(|| Running { keys: Arc::clone(self), key })
    }

    fn keys(&self) -> MutexGuard<'_, HashSet<(UserId, String)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A key in use.
#[derive(Debug)]
struct Running {
    keys: Arc<RunningKeys>,
    key: (UserId, String),
}

impl Drop for Running {
    fn drop(&mut self) {
        self.keys.keys().remove(&self.key);
    }
}
