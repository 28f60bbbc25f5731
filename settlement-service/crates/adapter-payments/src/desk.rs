//! Where the simulated gateway's book is kept: one thread that takes all calls that wait, works them off with the journal
//! to itself, brings them to disk together and answers them after that. So a call costs a share of a disk's sync.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use chrono::{DateTime, Utc};
use settlement_domain::{Answer, CallKey, Instruction};
use settlement_ports::{GatewayResult, Lookup};
use tokio::sync::oneshot;

use crate::book::{Book, Entry, Verdict};
use crate::faults::Fault;
use crate::journal::{Exclusive, Journal, JournalError};

/// Most calls that go to disk together.
const BATCH: usize = 512;

/// An executed call: what its caller hears, and its new answer, if it got one just now.
#[derive(Debug)]
pub struct Executed {
    /// For the caller.
    pub result: GatewayResult,
    /// What it came to, heard or not; none if it was answered before or came to nothing.
    pub news: Option<Answer>,
    /// The method it was paid by.
    pub method: String,
}

impl Executed {
    const fn silent(result: GatewayResult) -> Self {
        Self { result, news: None, method: String::new() }
    }
}

/// A call that waits.
enum Job {
    Execute { key: CallKey, instruction: Instruction, fault: Option<Fault>, answer: oneshot::Sender<Executed> },
    Lookup { key: CallKey, instruction: Instruction, answer: oneshot::Sender<Lookup> },
}

/// The way to the thread; it ends when the last desk is dropped.
#[derive(Clone)]
pub struct Desk(Sender<Job>);

impl Desk {
    /// Reads all of a journal and opens. `durable`: each batch is on disk before it is answered. Without that it is with
    /// the operating system, and so survives the end of this process but not of the machine.
    pub fn open(journal: Journal, durable: bool) -> Result<Self, JournalError> {
        let mut clerk = Clerk { journal, book: Book::default(), durable };
        follow(&mut clerk.journal, &mut clerk.book)?;
        let (sender, jobs) = channel();
        thread::Builder::new().name("simulated-gateway".to_owned()).spawn(move || clerk.work(&jobs))?;
        Ok(Self(sender))
    }

    /// Carries an instruction out.
    pub async fn execute(&self, key: &CallKey, instruction: &Instruction, fault: Option<Fault>) -> Executed {
        let (answer, heard) = oneshot::channel();
        let (key, instruction) = (key.clone(), instruction.clone());
        match self.0.send(Job::Execute { key, instruction, fault, answer }) {
            Ok(()) => heard.await.unwrap_or(Executed::silent(GatewayResult::Unknown)),
            Err(_) => Executed::silent(GatewayResult::Unavailable),
        }
    }

    /// Looks an answer up.
    pub async fn lookup(&self, key: &CallKey, instruction: &Instruction) -> Lookup {
        let (answer, heard) = oneshot::channel();
        let job = Job::Lookup { key: key.clone(), instruction: instruction.clone(), answer };
        match self.0.send(job) {
            Ok(()) => heard.await.unwrap_or(Lookup::Unavailable),
            Err(_) => Lookup::Unavailable,
        }
    }
}

struct Clerk {
    journal: Journal,
    book: Book,
    durable: bool,
}

/// An answer on its way to its caller.
enum Reply {
    Execute(oneshot::Sender<Executed>, Executed),
    Lookup(oneshot::Sender<Lookup>, Lookup),
}

impl Clerk {
    fn work(mut self, jobs: &Receiver<Job>) {
        while let Ok(first) = jobs.recv() {
            let mut batch = vec![first];
            batch.extend(jobs.try_iter().take(BATCH - 1));
            self.work_off(batch);
        }
    }

    fn work_off(&mut self, batch: Vec<Job>) {
        let Self { journal, book, durable } = self;
        // A journal that cannot be read is not added to either.
        let Ok(mut exclusive) = follow(journal, book) else { return refuse(batch) };
        let (now, mut entries, mut replies) = (now(), Vec::new(), Vec::with_capacity(batch.len()));
        for job in batch {
            replies.push(match job {
                Job::Lookup { key, instruction, answer } => {
                    let found = book.answer(&key, &instruction).map_or(Lookup::Absent, Lookup::Answered);
                    Reply::Lookup(answer, found)
                }
                Job::Execute { key, instruction, fault, answer } => {
                    let method = book.method(&instruction).to_owned();
                    let executed = match book.decide(&key, &instruction, fault, now) {
                        Verdict::Again(known) => Executed::silent(GatewayResult::Answered(known)),
                        Verdict::New(entry, heard) => {
                            book.take_in(entry.clone());
                            let executed = newly(&entry, heard, method);
                            entries.push(entry);
                            executed
                        }
                    };
                    Reply::Execute(answer, executed)
                }
            });
        }
        let kept = exclusive.append(&entries, *durable);
        drop(exclusive);
        if kept.is_err() {
            // Perhaps on disk and perhaps not: only the file can tell.
            *book = Book::default();
            journal.read_anew();
        }
        for reply in replies {
            reply.send(kept.is_ok());
        }
    }
}

/// The journal to ourselves, with the book following all of it.
fn follow<'a>(journal: &'a mut Journal, book: &mut Book) -> Result<Exclusive<'a>, JournalError> {
    let mut exclusive = journal.exclusive()?;
    exclusive.news(|entry| book.take_in(entry))?;
    Ok(exclusive)
}

#[allow(clippy::disallowed_methods)] // the gateway is another party: it has a clock of its own
fn now() -> DateTime<Utc> {
    Utc::now()
}

fn newly(entry: &Entry, heard: bool, method: String) -> Executed {
    let news = match entry {
        Entry::Answered { answer, .. } => Some(answer.clone()),
        Entry::Lost { .. } => None,
    };
    let result = news.clone().filter(|_| heard).map_or(GatewayResult::Unknown, GatewayResult::Answered);
    Executed { result, news, method }
}

fn refuse(batch: Vec<Job>) {
    for job in batch {
        match job {
            Job::Execute { answer, .. } => {
                Reply::Execute(answer, Executed::silent(GatewayResult::Unavailable)).send(true);
            }
            Job::Lookup { answer, .. } => Reply::Lookup(answer, Lookup::Unavailable).send(true),
        }
    }
}

impl Reply {
    /// A caller that went away does not hear it. What may not be kept is not known.
    fn send(self, kept: bool) {
        match self {
            Self::Execute(caller, executed) => {
                let _heard = caller.send(if kept { executed } else { Executed::silent(GatewayResult::Unknown) });
            }
            Self::Lookup(caller, found) => {
                let _heard = caller.send(if kept { found } else { Lookup::Unavailable });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use settlement_domain::{GatewayRef, Money, Operation};

    use super::*;

    fn usd(amount: i64) -> Money {
        Money::new(amount, "USD".parse().unwrap()).unwrap()
    }

    fn key(operation: Operation) -> CallKey {
        CallKey::new(settlement_domain::SettlementId::from(uuid::Uuid::now_v7()), operation, 1)
    }

    fn told(clerk: &mut Clerk, key: &CallKey, instruction: &Instruction) -> GatewayResult {
        let (answer, mut heard) = oneshot::channel();
        clerk.work_off(vec![Job::Execute { key: key.clone(), instruction: instruction.clone(), fault: None, answer }]);
        heard.try_recv().unwrap().result
    }

    fn reference(result: GatewayResult) -> GatewayRef {
        match result {
            GatewayResult::Answered(Answer::Succeeded { reference }) => reference,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_could_not_be_written_is_unknown_and_had_no_effect() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let mut clerk = Clerk { journal: Journal::open(&path).unwrap(), book: Book::default(), durable: true };
        let authorize = Instruction::Authorize { amount: usd(500), method: "pm_card_visa".parse().unwrap() };
        let hold = reference(told(&mut clerk, &key(Operation::Authorize), &authorize));
        let capture = Instruction::Capture { hold, amount: usd(500) };
        let charge = reference(told(&mut clerk, &key(Operation::Capture), &capture));
        let (refund_key, refund) = (key(Operation::Refund), Instruction::Refund { charge, amount: usd(500) });
        clerk.journal = Journal::full(&path);
        assert_eq!(told(&mut clerk, &refund_key, &refund), GatewayResult::Unknown);
        clerk.journal = Journal::open(&path).unwrap();
        reference(told(&mut clerk, &refund_key, &refund));
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 3, "each effect is in the journal");
    }
}
