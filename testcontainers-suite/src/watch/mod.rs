//! Watches every event as it passes the broker, from the marketplace's start to the end of all tests: each has to fit its
//! committed JSON Schema, have a complete envelope, be about the key it is sent under, and follow the one before. Whoever
//! wants to know earlier asks for what was wrong so far.

mod checker;

use std::{
    collections::HashSet,
    sync::{
        Arc, LazyLock, Mutex, MutexGuard, PoisonError,
        mpsc::{Receiver, Sender, TryRecvError, channel},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow};
use rdkafka::{Message, message::Headers};
use uuid::Uuid;

pub use checker::{Checker, Kind, Record};

use crate::{
    broker::Reader,
    world::{Endpoints, Service},
};

/// How long the end of the topics may be away once all is over.
const ENDS_WITHIN: Duration = Duration::from_secs(60);
/// How long a topic without news is waited at.
const PAUSE: Duration = Duration::from_millis(50);
/// Most records of one topic before the others have their turn.
const AT_ONCE: usize = 500;

/// Ids of events that a test put on the broker itself: they are no service's word.
static PLANTED: LazyLock<Mutex<HashSet<Uuid>>> = LazyLock::new(Mutex::default);

/// Says that the event of this id comes from a test.
pub fn planted(event_id: Uuid) {
    PLANTED.lock().unwrap_or_else(PoisonError::into_inner).insert(event_id);
}

fn is_planted(record: &Record<'_>) -> bool {
    let planted = PLANTED.lock().unwrap_or_else(PoisonError::into_inner);
    record.headers.get("ce_id").is_some_and(|id| id.parse().is_ok_and(|id: Uuid| planted.contains(&id)))
}

/// Who wants to be told when the topics were read up to their ends of now.
type Asker = Sender<Result<(), String>>;

/// A thread that reads all topics from their beginning; it ends with this.
pub struct Watch {
    asks: Sender<Asker>,
    checker: Arc<Mutex<Checker>>,
    thread: JoinHandle<Result<()>>,
}

impl Watch {
    /// Begins to watch.
    pub fn start(endpoints: &Endpoints) -> Result<Self> {
        let (asks, asked) = channel();
        let (endpoints, checker) = (endpoints.clone(), Arc::new(Mutex::new(Checker::new()?)));
        let shared = Arc::clone(&checker);
        let thread = std::thread::Builder::new().name("watch".to_owned());
        let thread = thread.spawn(move || watch(&endpoints, &asked, &shared))?;
        Ok(Self { asks, checker, thread })
    }

    /// Reads what has been published up to now. Takes as long as that does: not for a thread that others wait for.
    pub fn catch_up(&self) -> Result<()> {
        let (asker, told) = channel();
        let read = self.asks.send(asker).ok().and_then(|()| told.recv().ok());
        read.context("the watch has ended: nobody reads the events")?.map_err(|fault| anyhow!(fault))
    }

    /// What is wrong by these kinds with the events of these services that were read since somebody asked last.
    #[must_use]
    pub fn faults(&self, kinds: &[Kind], services: &[Service]) -> Vec<String> {
        locked(&self.checker).take_faults(kinds, services)
    }

    /// The number of a key's last event of those that were read.
    #[must_use]
    pub fn last(&self, service: Service, key: &str) -> Option<u64> {
        locked(&self.checker).last(service, key)
    }

    /// Reads what has been published up to now, and ends.
    pub fn finish(self) -> Result<Checker> {
        let caught_up = self.catch_up();
        let Self { asks, checker, thread } = self;
        drop(asks);
        thread.join().map_err(|_| anyhow!("the watch ended abnormally"))??;
        caught_up?;
        let checker = Arc::into_inner(checker).context("somebody still looks at the events")?;
        Ok(checker.into_inner().unwrap_or_else(PoisonError::into_inner))
    }
}

fn locked(checker: &Mutex<Checker>) -> MutexGuard<'_, Checker> {
    checker.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Those who wait for the topics' ends as they were when the last of them asked.
struct Waiting {
    askers: Vec<Asker>,
    until: Instant,
}

fn watch(endpoints: &Endpoints, asked: &Receiver<Asker>, checker: &Mutex<Checker>) -> Result<()> {
    let mut readers = Vec::new();
    for service in Service::ALL {
        readers.push((service, Reader::of(endpoints, service)?));
    }
    let mut waiting = Waiting { askers: Vec::new(), until: Instant::now() };
    let mut silent = None;
    loop {
        // Asked before the topics are read: what is published later is not waited for.
        match asked.try_recv() {
            Ok(somebody) => {
                waiting.askers.push(somebody);
                waiting.until = Instant::now() + ENDS_WITHIN;
                if let Err(fault) = readers.iter_mut().try_for_each(|(_, reader)| reader.mark_end()) {
                    waiting.tell(&Err(format!("the topics' ends are not known: {fault:#}")));
                }
            }
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) => return Ok(()),
        }
        for (service, reader) in &mut readers {
            if let Err(fault) = read(*service, reader, checker) {
                // A busy broker may be away for a moment; the client goes on where it was.
                silent = Some(fault);
            }
        }
        if readers.iter().all(|(_, reader)| reader.has_ended()) {
            waiting.tell(&Ok(()));
        } else if !waiting.askers.is_empty() && Instant::now() > waiting.until {
            let last = silent.as_ref().map(|fault| format!("{fault:#}"));
            waiting.tell(&Err(format!(
                "the topics were not read to their end within {ENDS_WITHIN:?}; the broker said last: {last:?}"
            )));
        }
    }
}

impl Waiting {
    /// Tells all of them. One that has gone meanwhile does not hear it.
    fn tell(&mut self, outcome: &Result<(), String>) {
        for asker in self.askers.drain(..) {
            let _ = asker.send(outcome.clone());
        }
    }
}

/// Has some records of a topic judged, as many as there are, or until the others have their turn.
fn read(service: Service, reader: &mut Reader, checker: &Mutex<Checker>) -> Result<()> {
    for _ in 0..AT_ONCE {
        let Some(message) = reader.next(PAUSE)? else { break };
        let headers = message.headers().into_iter().flat_map(Headers::iter);
        let headers = headers.filter_map(|header| Some((header.key, std::str::from_utf8(header.value?).ok()?)));
        let record = Record {
            service,
            key: message.key().unwrap_or_default(),
            headers: headers.collect(),
            payload: message.payload().unwrap_or_default(),
        };
        if !is_planted(&record) {
            locked(checker).take(&record);
        }
    }
    Ok(())
}
