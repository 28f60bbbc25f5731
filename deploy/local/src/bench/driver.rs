//! The load: one task a connection, all on one thread, so that the generator takes as little as it can of the machine
//! that it shares with what it measures.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use futures::{StreamExt, TryStreamExt};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, sleep_until};

use super::answer::Answer;
use super::client::{Connection, Post, Request, Target};
use super::field::Field;
use super::on_one_thread;
use super::pace::{Pace, Schedule};
use super::recovery::{self, Recovery};
use super::tally::{Tally, Times};
use crate::console::Console;

/// Connections that are opened at the same time.
const OPENING: usize = 32;
/// After a lost connection, and how long after the end of the run it is still tried to learn a bid's fate.
const PAUSE: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(15);

/// What load to make.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// How many connections.
    pub connections: usize,
    /// How bids follow each other.
    pub pace: Pace,
    /// Load before it is measured.
    pub warm_up: Duration,
    /// What is measured.
    pub duration: Duration,
    /// Watch the service recover: it has when a bid takes no longer than this.
    pub normal: Option<Duration>,
}

/// What came of it.
pub struct Outcome {
    /// What was counted.
    pub tally: Tally,
    /// When the last bid was answered.
    pub ended: Instant,
    /// How the service recovered, when that was watched.
    pub recovery: Option<Recovery>,
}

/// Runs `plan` on `field` and gives the field back.
pub async fn drive(targets: Vec<Target>, field: Field, plan: Plan, console: Console) -> Result<(Field, Outcome)> {
    on_one_thread(move || run(targets, field, plan, console)).await
}

async fn run(targets: Vec<Target>, field: Field, plan: Plan, console: Console) -> Result<(Field, Outcome)> {
    // One more for the probe, which must not wait for a handshake.
    let wanted = plan.connections + usize::from(plan.normal.is_some());
    let opened = futures::stream::iter(0..wanted).map(|number| targets[number % targets.len()].connect());
    let mut connections: Vec<Connection> = opened.buffered(OPENING).try_collect().await?;
    let probe = plan.normal.and_then(|normal| Some((normal, connections.pop()?)));

    let start = Instant::now();
    let from = start + plan.warm_up;
    let until = from + plan.duration;
    let schedule = Schedule::new(plan.pace, start, until);
    let state = Mutex::new(State { field, tally: Tally::new(from, until)?, schedule });
    let load = Arc::new(Load { targets, plan, until, state });

    let ticker = tokio::spawn(tick(Arc::clone(&load), console));
    let probe = probe.map(|(normal, connection)| tokio::spawn(recovery::watch(Arc::clone(&load), connection, normal)));
    let mut workers = JoinSet::new();
    for (number, connection) in connections.into_iter().enumerate() {
        workers.spawn(work(Arc::clone(&load), number, connection));
    }
    while let Some(worker) = workers.join_next().await {
        worker??;
    }
    let ended = Instant::now();
    let recovery = match probe {
        Some(probe) => Some(probe.await??),
        None => None,
    };
    ticker.abort();
    let _ = ticker.await;
    let load = Arc::into_inner(load).context("a task outlived its run")?;
    let State { field, mut tally, schedule } = load.state.into_inner().unwrap_or_else(PoisonError::into_inner);
    tally.unsent = schedule.unsent();
    Ok((field, Outcome { tally, ended, recovery }))
}

/// What the tasks of a run share; they run on one thread, so that nobody ever waits for the lock.
pub struct Load {
    targets: Vec<Target>,
    plan: Plan,
    until: Instant,
    state: Mutex<State>,
}

/// What changes during a run.
pub struct State {
    /// Auctions and receipts.
    pub field: Field,
    /// Counts.
    pub tally: Tally,
    schedule: Schedule,
}

impl Load {
    /// What changes.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When the load ends.
    pub fn until(&self) -> Instant {
        self.until
    }

    /// Sends `post`, over new connections and with the same key as often as the answer is lost.
    pub async fn ask(&self, connection: &mut Connection, number: usize, post: &Post) -> Answer {
        let deadline = self.until.max(Instant::now()) + PATIENCE;
        let mut doubtful = false;
        let request = Request::Post(post.clone());
        for attempt in 0.. {
            let target = &self.targets[(number + attempt) % self.targets.len()];
            let answer = target.attempt(connection, &request).await;
            let late = Instant::now() > deadline;
            match answer.as_ref().map(Answer::from) {
                Ok(answer) if late || is_final(&answer, doubtful) => return answer,
                Ok(_) => {}
                Err(kind) => {
                    doubtful = true;
                    self.state().tally.fault(kind);
                }
            }
            if late {
                break;
            }
            sleep(PAUSE).await;
        }
        Answer::Fault("a bid that is never answered".to_owned())
    }
}

/// A bid whose answer was lost may have been accepted: then a refusal for load does not tell its fate.
fn is_final(answer: &Answer, doubtful: bool) -> bool {
    match answer {
        Answer::Accepted(_) | Answer::Refused { .. } | Answer::Fault(_) => true,
        Answer::Overloaded(_) => !doubtful,
        Answer::Running => false,
    }
}

async fn work(load: Arc<Load>, number: usize, mut connection: Connection) -> Result<()> {
    let thinks = matches!(load.plan.pace, Pace::Thinking(_));
    let mut first = true;
    loop {
        let Some(due) = load.state().schedule.next(Instant::now(), first) else { return Ok(()) };
        if due > Instant::now() {
            sleep_until(due).await;
        }
        let draw = load.state().field.draw(thinks.then_some(number))?;
        let sent = Instant::now();
        let due = if thinks || matches!(load.plan.pace, Pace::Closed) { sent } else { due };
        let answer = load.ask(&mut connection, number, &draw.post).await;
        let answered = Instant::now();
        let mut state = load.state();
        state.field.settle(draw.lot, sent, answered, &answer);
        state.tally.count(Times { due, sent, answered }, &answer);
        first = false;
    }
}

async fn tick(load: Arc<Load>, console: Console) {
    const SECOND: Duration = Duration::from_secs(1);
    let mut ticks = interval_at(Instant::now() + SECOND, SECOND);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        let line = load.state().tally.line();
        if Console::is_terminal() {
            console.say(line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_for_load_is_an_answer_unless_an_earlier_one_was_lost() {
        assert!(is_final(&Answer::Overloaded(503), false));
        assert!(!is_final(&Answer::Overloaded(503), true), "the bid may be in the database");
        assert!(!is_final(&Answer::Running, false));
        assert!(is_final(&Answer::Refused { slug: "bid-too-low".to_owned(), next_minimum: None }, true));
    }
}
