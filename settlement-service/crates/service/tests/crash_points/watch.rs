//! Watches one settlement at a time from between the service and what it talks to, counts what happens for it, and kills
//! the service at the moment that was asked for.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;

use crate::frames::{Executed, Meant, Message};
use crate::party::Party;
use crate::point::Moment;
use crate::process::Service;

/// What happened for the settlement that is watched, by what it was.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The tables that each commit wrote to.
    pub commits: Vec<String>,
    /// The calls to the gateway.
    pub calls: Vec<String>,
    /// The types of the events that were taken up to be produced, by sequence.
    pub events: BTreeMap<usize, String>,
}

impl Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let commits = self.commits.join(" | ");
        let events: Vec<_> = self.events.iter().map(|(sequence, event)| format!("{sequence} {event}")).collect();
        write!(f, "commits: {commits}; calls: {}; events: {}", self.calls.join(" | "), events.join(", "))
    }
}

/// Something that is about to happen, and the moments before and after it.
#[derive(Debug, Default)]
pub struct Occurrence {
    numbers: Vec<usize>,
    before: Option<Moment>,
    after: Option<Moment>,
}

#[derive(Default)]
struct State {
    party: Option<Arc<Party>>,
    asked: Option<(Moment, usize)>,
    seen: Seen,
    /// The sequences of the watched settlement's events that the relay has read last.
    read: Vec<usize>,
    /// Whether it has the lease.
    leased: bool,
}

/// The watch.
pub struct Watch {
    service: Arc<Service>,
    state: Mutex<State>,
    killed: Notify,
}

impl Watch {
    pub fn new(service: Arc<Service>) -> Self {
        Self { service, state: Mutex::default(), killed: Notify::new() }
    }

    /// Watches the settlement of these two from now on, to kill when it is asked for.
    pub fn follow(&self, party: Arc<Party>, asked: Option<(Moment, usize)>) {
        *self.state.lock().unwrap() = State { party: Some(party), asked, ..State::default() };
    }

    /// What was seen since.
    pub fn seen(&self) -> Seen {
        self.state.lock().unwrap().seen.clone()
    }

    /// Returns once the service was killed.
    pub async fn killed(&self) {
        self.killed.notified().await;
    }

    /// What a group of messages to the database will do.
    pub fn foresees(&self, meant: &Meant) -> Occurrence {
        let mut state = self.state.lock().unwrap();
        match meant {
            Meant::Commit(statements) => state.commits(statements),
            Meant::Alone(statement) => match statement.writes_to() {
                Some("relay_lease") => state.relays(Some(Moment::BeforeLease), Some(Moment::AfterLease)),
                Some("outbox") => {
                    state.leased = false;
                    state.relays(Some(Moment::AfterProduce), Some(Moment::AfterRemoval))
                }
                Some(_) => state.commits(std::slice::from_ref(statement)),
                None if reads_the_outbox(&statement.sql) => {
                    state.read.clear();
                    Occurrence::default()
                }
                None => Occurrence::default(),
            },
            Meant::Nothing => Occurrence::default(),
        }
    }

    /// What the database's answer to it makes of that: only the answer says whether the relay got the lease, and which
    /// events it has read.
    pub fn learns(&self, meant: &Meant, answer: &[Message], foreseen: Occurrence) -> Occurrence {
        let Meant::Alone(statement) = meant else { return foreseen };
        let mut state = self.state.lock().unwrap();
        if statement.writes_to() == Some("relay_lease") {
            state.leased = answer.iter().any(|message| message.kind == b'D');
            return if state.leased { foreseen } else { Occurrence::default() };
        }
        if !reads_the_outbox(&statement.sql) {
            return foreseen;
        }
        state.reads(answer);
        if state.leased { state.relays(None, Some(Moment::BeforeProduce)) } else { Occurrence::default() }
    }

    /// A call, or a question, that is on its way to the gateway.
    pub fn calls(&self, request: &[u8]) -> Occurrence {
        let mut state = self.state.lock().unwrap();
        if !state.is_about(request) {
            return Occurrence::default();
        }
        state.seen.calls.push(what(request));
        let numbers = vec![state.seen.calls.len()];
        Occurrence { numbers, before: Some(Moment::BeforeCall), after: Some(Moment::AfterCall) }
    }

    /// Whether the service was killed right now, before it happened.
    pub async fn cuts_before(&self, occurrence: &Occurrence) -> bool {
        self.cuts(occurrence.before, &occurrence.numbers).await
    }

    /// Whether the service was killed right now, after it happened.
    pub async fn cuts_after(&self, occurrence: &Occurrence) -> bool {
        self.cuts(occurrence.after, &occurrence.numbers).await
    }

    async fn cuts(&self, moment: Option<Moment>, numbers: &[usize]) -> bool {
        {
            let mut state = self.state.lock().unwrap();
            let is_asked = |(asked, number)| moment == Some(asked) && numbers.contains(&number);
            if !state.asked.is_some_and(is_asked) {
                return false;
            }
            state.asked = None;
        }
        self.service.kill().await;
        self.killed.notify_one();
        true
    }
}

impl State {
    fn is_about(&self, bytes: &[u8]) -> bool {
        self.party.as_ref().is_some_and(|party| party.is_named_in(bytes))
    }

    fn commits(&mut self, statements: &[Executed]) -> Occurrence {
        let written: Vec<_> = statements.iter().filter_map(Executed::writes_to).collect();
        if written.is_empty() || !statements.iter().any(|statement| self.is_about(&statement.parameters)) {
            return Occurrence::default();
        }
        self.seen.commits.push(written.join(" "));
        let numbers = vec![self.seen.commits.len()];
        Occurrence { numbers, before: Some(Moment::BeforeCommit), after: Some(Moment::AfterCommit) }
    }

    fn relays(&self, before: Option<Moment>, after: Option<Moment>) -> Occurrence {
        Occurrence { numbers: self.read.clone(), before, after }
    }

    fn reads(&mut self, answer: &[Message]) {
        for row in answer.iter().filter(|message| message.kind == b'D') {
            let columns = row.columns();
            let [_, _, Some(event_type), _, _, Some(sequence), ..] = columns[..] else { continue };
            let Ok(sequence) = <[u8; 8]>::try_from(sequence).map(u64::from_be_bytes) else { continue };
            let sequence = usize::try_from(sequence).unwrap_or(usize::MAX);
            // Its key may be that of a settlement that only the service knows so far; what it tells names the auction.
            if self.is_about(&row.body) {
                self.read.push(sequence);
                if self.leased {
                    self.seen.events.insert(sequence, String::from_utf8_lossy(event_type).into_owned());
                }
            }
        }
    }
}

/// Method and path of a request, without the ids in it.
fn what(request: &[u8]) -> String {
    let text = String::from_utf8_lossy(request);
    let mut first = text.split(' ');
    let (method, path) = (first.next().unwrap_or_default(), first.next().unwrap_or_default());
    let path = path.split('?').next().unwrap_or_default();
    let path: Vec<_> = path.trim_start_matches("/v1/").split('/').filter(|part| !part.starts_with("pi_")).collect();
    format!("{method} {}", path.join(" "))
}

/// The relay's batch.
fn reads_the_outbox(sql: &str) -> bool {
    sql.starts_with("SELECT id, event_id, event_type, topic, key, sequence") && sql.contains("FROM outbox")
}
