//! The load: one task a person, all on one thread, each with connections of their own that stay open.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use hyper::header::HeaderValue;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::counts::{Counts, Outcome};
use super::user::User;
use crate::bench::answer::Answer;
use crate::bench::client::{Connection, Reply, Request, Target};
use crate::bench::on_one_thread;
use crate::bench::pace::{Clicks, Thinking};
use crate::layout::Service;

/// What load to make.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// How people think between two steps.
    pub thinking: Thinking,
    /// When it ends.
    pub until: Instant,
}

/// Sends everybody on their way, until the time is over or `stop`; returns when the last answer is there.
pub async fn run(
    targets: [Target; 3],
    people: Vec<(String, HeaderValue)>,
    plan: Plan,
    counts: Arc<Mutex<Counts>>,
    stop: CancellationToken,
) -> Result<()> {
    on_one_thread(move || async move {
        let targets = Arc::new(targets);
        let mut crowd = JoinSet::new();
        for (sub, bearer) in people {
            let person = Person {
                user: User::new(sub, bearer),
                connections: [0, 1, 2].map(|index| targets[index].unopened()),
                targets: Arc::clone(&targets),
                counts: Arc::clone(&counts),
                connected: false,
            };
            crowd.spawn(person.lives(plan, stop.clone()));
        }
        while let Some(person) = crowd.join_next().await {
            person??;
        }
        Ok(())
    })
    .await
}

struct Person {
    user: User,
    /// By [`Service::index`]; opened when first needed, as a program of a user does.
    connections: [Connection; 3],
    targets: Arc<[Target; 3]>,
    counts: Arc<Mutex<Counts>>,
    /// Whether any connection was open after the last step.
    connected: bool,
}

impl Person {
    async fn lives(mut self, plan: Plan, stop: CancellationToken) -> Result<()> {
        let mut clicks = Clicks::new(plan.thinking, Instant::now(), plan.until);
        while let Some(due) = clicks.next(Instant::now()) {
            if stopped_before(due, &stop).await {
                return Ok(());
            }
            self.step(due).await?;
        }
        self.counts().unsent += clicks.unsent();
        // Whoever would do nothing any more stays connected to the end.
        stopped_before(plan.until, &stop).await;
        Ok(())
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The click that is due since `due`.
    async fn step(&mut self, due: Instant) -> Result<()> {
        let (operation, request) = self.user.next()?;
        let (answer, repeated) = self.ask(operation.service(), &request).await;
        let answered = Instant::now();
        let outcome = match answer {
            Ok(reply) if reply.status.is_success() => {
                let understood = self.user.learns(operation, &reply.body);
                if understood { Outcome::Done } else { Outcome::Fault("an answer that cannot be read".to_owned()) }
            }
            Ok(reply) => Answer::refusal(&reply).into(),
            Err(kind) => Outcome::Fault(kind.to_owned()),
        };
        let connected = self.connections.iter().any(|connection| !connection.is_closed());
        let before = std::mem::replace(&mut self.connected, connected);
        let mut counts = self.counts();
        counts.connects(before, connected);
        counts.repeated += u64::from(repeated);
        counts.add(operation, due, answered, &outcome);
        Ok(())
    }

    /// A connection may break just as it is used: then a request is repeated once, as browsers do it; a write has its
    /// idempotency key for that. What a second connection does not bring is an error.
    async fn ask(&mut self, service: Service, request: &Request) -> (Result<Reply, &'static str>, bool) {
        let (target, connection) = (&self.targets[service.index()], &mut self.connections[service.index()]);
        match target.attempt(connection, request).await {
            Err("lost connection") => (target.attempt(connection, request).await, true),
            answer => (answer, false),
        }
    }
}

/// Waits until `at`; true if `stop` comes before.
async fn stopped_before(at: Instant, stop: &CancellationToken) -> bool {
    tokio::select! {
        // Even if many clicks are overdue.
        biased;
        () = stop.cancelled() => true,
        () = sleep_until(at) => false,
    }
}
