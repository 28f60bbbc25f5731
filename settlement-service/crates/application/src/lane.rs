//! The lane: what people ask for at the same time is done together.
//!
//! While one batch is worked off, the next gathers; so the batch grows with the load by itself, and a request that comes
//! alone waits for nobody. There is no worker, and so no runtime to know of: of those who wait the first one leads, works
//! off one batch, its own job among them, and hands the lead to the next. A lane is only an optimisation: what is right is
//! decided under the row locks, and any number of lanes may be at work on one store.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::channel::oneshot;
use futures::future::{Either, select};

/// Most jobs of one batch.
const BATCH: usize = 128;
/// Most jobs that wait; one more is refused.
const WAITING: usize = 4_096;

/// Jobs that wait for one batch after the other, and what they are answered.
pub(crate) struct Lane<J, A>(Mutex<Queue<J, A>>);

struct Queue<J, A> {
    waiting: VecDeque<Waiting<J, A>>,
    /// Whether somebody leads. If nobody does, nothing waits.
    led: bool,
}

struct Waiting<J, A> {
    entry: Entry<J, A>,
    /// Makes who waits for it the leader.
    lead: Option<oneshot::Sender<Lead<J, A>>>,
}

/// A job of a batch.
pub(crate) struct Entry<J, A> {
    /// What is to be done.
    pub job: J,
    answer: oneshot::Sender<A>,
}

impl<J, A> Entry<J, A> {
    /// Tells who waits for it, if still there.
    pub(crate) fn answer(self, answer: A) {
        let _gone = self.answer.send(answer);
    }
}

/// The right to work off one batch. However its holder ends, or as soon as it gives the right up, the next one has it.
pub(crate) struct Lead<J, A>(Option<Arc<Lane<J, A>>>);

impl<J, A> Drop for Lead<J, A> {
    fn drop(&mut self) {
        if let Some(lane) = self.0.take() {
            lane.pass_on();
        }
    }
}

/// Why a job has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unanswered {
    /// So many wait that it is not even begun.
    Full,
    /// Whoever was at it ended before it was done; what became of it is not known here.
    Lost,
}

impl<J, A> Lane<J, A> {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(Queue { waiting: VecDeque::new(), led: false })))
    }

    /// Waits until `job` is answered, and works off a batch meanwhile if it is this caller's turn to. A caller that goes
    /// away takes the batch with it that it is working off: the others of it learn that at once.
    pub(crate) async fn submit<F>(
        self: &Arc<Self>,
        job: J,
        work: impl FnOnce(Vec<Entry<J, A>>, Lead<J, A>) -> F,
    ) -> Result<A, Unanswered>
    where
        F: Future<Output = ()>,
    {
        let (answer, mut answered) = oneshot::channel();
        let (lead, turn) = oneshot::channel();
        let lead = self.enter(Waiting { entry: Entry { job, answer }, lead: Some(lead) })?;
        let lead = match lead {
            Some(lead) => Some(lead),
            None => match select(&mut answered, turn).await {
                Either::Left((answer, _)) => return answer.map_err(|_| Unanswered::Lost),
                // Taken into another one's batch: nobody makes a leader of it any more.
                Either::Right((lead, _)) => lead.ok(),
            },
        };
        if let Some(lead) = lead {
            work(self.next_batch(), lead).await;
        }
        answered.await.map_err(|_| Unanswered::Lost)
    }

    /// Waits from now on; the lead, if nobody has it.
    fn enter(self: &Arc<Self>, waiting: Waiting<J, A>) -> Result<Option<Lead<J, A>>, Unanswered> {
        let mut queue = self.queue();
        if queue.waiting.len() >= WAITING {
            return Err(Unanswered::Full);
        }
        queue.waiting.push_back(waiting);
        let led = std::mem::replace(&mut queue.led, true);
        Ok((!led).then(|| Lead(Some(Arc::clone(self)))))
    }

    fn next_batch(&self) -> Vec<Entry<J, A>> {
        let mut queue = self.queue();
        let count = queue.waiting.len().min(BATCH);
        queue.waiting.drain(..count).map(|waiting| waiting.entry).collect()
    }

    /// The first one that is still there leads. What nobody waits for any more is not begun.
    fn pass_on(self: &Arc<Self>) {
        while let Some(sender) = self.next_leader() {
            // Not under the queue's lock: a lead that does not arrive is dropped, and so passed on.
            match sender.send(Lead(Some(Arc::clone(self)))) {
                Ok(()) => return,
                Err(mut lead) => lead.0 = None,
            }
        }
    }

    /// The way to the first one that waits; if there is none, nobody leads.
    fn next_leader(&self) -> Option<oneshot::Sender<Lead<J, A>>> {
        let mut queue = self.queue();
        while queue.waiting.front().is_some_and(|first| first.lead.is_none() || first.entry.answer.is_canceled()) {
            queue.waiting.pop_front();
        }
        let leader = queue.waiting.front_mut().and_then(|first| first.lead.take());
        queue.led = leader.is_some();
        leader
    }

    fn queue(&self) -> MutexGuard<'_, Queue<J, A>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::future::{Ready, ready};
    use std::pin::pin;

    use futures::executor::block_on;
    use futures::future::join_all;
    use futures::poll;

    use super::*;

    type Doubling = Lane<u32, u32>;

    type Batch = Vec<Entry<u32, u32>>;
    type Led = Lead<u32, u32>;

    /// Answers each with its double, notes how many were done together, and gives the lead up.
    fn double(batch: Batch, _lead: Led, sizes: &Mutex<Vec<usize>>) -> Ready<()> {
        sizes.lock().unwrap().push(batch.len());
        for entry in batch {
            let job = entry.job;
            entry.answer(job * 2);
        }
        ready(())
    }

    /// Waits to be told, then doubles.
    async fn wait_and_double(batch: Batch, lead: Led, go: oneshot::Receiver<()>, sizes: &Mutex<Vec<usize>>) {
        let _ = go.await;
        double(batch, lead, sizes).await;
    }

    #[test]
    fn who_comes_alone_is_served_alone() {
        let (lane, sizes) = (Doubling::new(), Mutex::default());
        for job in [1, 2] {
            assert_eq!(block_on(lane.submit(job, |batch, lead| double(batch, lead, &sizes))), Ok(job * 2));
        }
        assert_eq!(*sizes.lock().unwrap(), [1, 1]);
    }

    #[test]
    fn what_comes_while_a_batch_is_worked_off_is_done_together_by_the_first_of_them() {
        let (lane, sizes) = (Doubling::new(), Mutex::default());
        block_on(async {
            let (go, wait) = oneshot::channel();
            let mut first = pin!(lane.submit(1, |batch, lead| wait_and_double(batch, lead, wait, &sizes)));
            assert!(poll!(&mut first).is_pending());
            let mut others =
                pin!(join_all((2..10).map(|job| lane.submit(job, |batch, lead| double(batch, lead, &sizes)))));
            assert!(poll!(&mut others).is_pending());
            go.send(()).unwrap();
            assert_eq!(first.await, Ok(2));
            assert_eq!(others.await, (2..10).map(|job| Ok(job * 2)).collect::<Vec<_>>());
        });
        assert_eq!(*sizes.lock().unwrap(), [1, 8]);
    }

    #[test]
    fn a_leader_that_goes_away_takes_its_batch_with_it_and_the_next_one_leads() {
        let (lane, sizes) = (Doubling::new(), Mutex::default());
        block_on(async {
            let (_never, wait) = oneshot::channel();
            let mut first = Box::pin(lane.submit(1, |batch, lead| wait_and_double(batch, lead, wait, &sizes)));
            assert!(poll!(&mut first).is_pending());
            let mut second = pin!(lane.submit(2, |batch, lead| double(batch, lead, &sizes)));
            assert!(poll!(&mut second).is_pending());
            drop(first);
            assert_eq!(second.await, Ok(4));
        });
    }

    #[test]
    fn who_shared_the_batch_of_a_leader_that_went_away_learns_that_nothing_is_known() {
        let (lane, sizes) = (Doubling::new(), Mutex::default());
        block_on(async {
            let (go, wait) = oneshot::channel();
            let (_never, wait_for_ever) = oneshot::channel();
            let mut first = pin!(lane.submit(1, |batch, lead| wait_and_double(batch, lead, wait, &sizes)));
            assert!(poll!(&mut first).is_pending());
            let mut second =
                Box::pin(lane.submit(2, |batch, lead| wait_and_double(batch, lead, wait_for_ever, &sizes)));
            let mut third = pin!(lane.submit(3, |batch, lead| double(batch, lead, &sizes)));
            assert!(poll!(&mut second).is_pending() && poll!(&mut third).is_pending());
            go.send(()).unwrap();
            assert_eq!(first.await, Ok(2));
            assert!(poll!(&mut second).is_pending() && poll!(&mut third).is_pending());
            drop(second);
            assert_eq!(third.await, Err(Unanswered::Lost));
            assert_eq!(lane.submit(4, |batch, lead| double(batch, lead, &sizes)).await, Ok(8), "the lane goes on");
        });
    }

    #[test]
    fn a_leader_that_gives_the_lead_up_holds_nobody_up_any_more() {
        let (lane, sizes) = (Doubling::new(), Mutex::default());
        block_on(async {
            let (go, wait) = oneshot::channel();
            let mut first = pin!(lane.submit(1, |batch, lead| {
                drop(lead);
                async move {
                    let _ = wait.await;
                    for entry in batch {
                        entry.answer(0);
                    }
                }
            }));
            assert!(poll!(&mut first).is_pending());
            assert_eq!(lane.submit(2, |batch, lead| double(batch, lead, &sizes)).await, Ok(4));
            go.send(()).unwrap();
            assert_eq!(first.await, Ok(0));
        });
    }

    #[test]
    fn who_went_away_before_the_turn_came_is_passed_over() {
        let (lane, sizes) = (Doubling::new(), Mutex::default());
        block_on(async {
            let (go, wait) = oneshot::channel();
            let mut first = pin!(lane.submit(1, |batch, lead| wait_and_double(batch, lead, wait, &sizes)));
            assert!(poll!(&mut first).is_pending());
            let mut second = Box::pin(lane.submit(2, |batch, lead| double(batch, lead, &sizes)));
            assert!(poll!(&mut second).is_pending());
            let mut third = pin!(lane.submit(3, |batch, lead| double(batch, lead, &sizes)));
            assert!(poll!(&mut third).is_pending());
            drop(second);
            go.send(()).unwrap();
            assert_eq!((first.await, third.await), (Ok(2), Ok(6)));
        });
        assert_eq!(*sizes.lock().unwrap(), [1, 1], "the second one was not even begun");
    }

    #[test]
    fn a_lead_that_does_not_arrive_goes_to_the_next() {
        let (lane, sizes) = (Doubling::new(), Mutex::default());
        block_on(async {
            let (go, wait) = oneshot::channel();
            let mut first = pin!(lane.submit(1, |batch, lead| wait_and_double(batch, lead, wait, &sizes)));
            assert!(poll!(&mut first).is_pending());
            let mut second = Box::pin(lane.submit(2, |batch, lead| double(batch, lead, &sizes)));
            let mut third = pin!(lane.submit(3, |batch, lead| double(batch, lead, &sizes)));
            assert!(poll!(&mut second).is_pending() && poll!(&mut third).is_pending());
            go.send(()).unwrap();
            assert_eq!(first.await, Ok(2));
            // The second one has the lead now and goes away before it learns of it.
            drop(second);
            assert_eq!(third.await, Ok(6));
        });
    }

    #[test]
    fn a_lane_that_is_full_refuses_at_once() {
        let (lane, sizes) = (Doubling::new(), Mutex::default());
        block_on(async {
            let (_never, wait) = oneshot::channel();
            let mut first = pin!(lane.submit(0, |batch, lead| wait_and_double(batch, lead, wait, &sizes)));
            assert!(poll!(&mut first).is_pending());
            let jobs = 0..u32::try_from(WAITING).unwrap();
            let mut others =
                pin!(join_all(jobs.map(|job| lane.submit(job, |batch, lead| double(batch, lead, &sizes)))));
            assert!(poll!(&mut others).is_pending());
            assert_eq!(lane.submit(1, |batch, lead| double(batch, lead, &sizes)).await, Err(Unanswered::Full));
        });
    }
}
