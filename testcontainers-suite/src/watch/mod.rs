//! Watches every event as it passes the broker, from the marketplace's start to the end of all tests: each has to fit its
//! committed JSON Schema, have a complete envelope, be about the key it is sent under, and follow the one before.

mod checker;

use std::{
    collections::HashSet,
    sync::{
        Arc, LazyLock, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow, bail};
use rdkafka::{Message, message::Headers};
use uuid::Uuid;

pub use checker::{Checker, Kind, Record};

use crate::{
    broker::Reader,
    world::{Endpoints, Service},
};

/// How long the end of the topics may be away once all is over.
const ENDS_WITHIN: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(200);
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

/// A thread that reads all topics from their beginning.
pub struct Watch {
    over: Arc<AtomicBool>,
    thread: JoinHandle<Result<Checker>>,
}

impl Watch {
    /// Begins to watch.
    pub fn start(endpoints: &Endpoints) -> Result<Self> {
        let (endpoints, over) = (endpoints.clone(), Arc::new(AtomicBool::new(false)));
        let mut checker = Checker::new()?;
        let told = Arc::clone(&over);
        let thread = std::thread::Builder::new().name("watch".to_owned()).spawn(move || {
            watch(&endpoints, &told, &mut checker)?;
            Ok(checker)
        })?;
        Ok(Self { over, thread })
    }

    /// Reads what has been published up to now, and ends.
    pub fn finish(self) -> Result<Checker> {
        self.over.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow!("the watch ended abnormally"))?
    }
}

fn watch(endpoints: &Endpoints, over: &AtomicBool, checker: &mut Checker) -> Result<()> {
    let mut readers = Vec::new();
    for service in Service::ALL {
        readers.push((service, Reader::of(endpoints, service)?));
    }
    let mut ends_by = None;
    let mut silent = None;
    loop {
        // Asked before the topics are read: what is published later is not waited for.
        if over.load(Ordering::Relaxed) && ends_by.is_none() {
            ends_by = Some(Instant::now() + ENDS_WITHIN);
            for (_, reader) in &mut readers {
                reader.mark_end()?;
            }
        }
        for (service, reader) in &mut readers {
            for _ in 0..AT_ONCE {
                let message = match reader.next(PAUSE) {
                    Ok(Some(message)) => message,
                    Ok(None) => break,
                    // A busy broker may be away for a moment; the client goes on where it was.
                    Err(fault) => {
                        silent = Some(fault);
                        break;
                    }
                };
                let headers = message.headers().into_iter().flat_map(Headers::iter);
                let headers = headers.filter_map(|header| Some((header.key, std::str::from_utf8(header.value?).ok()?)));
                let record = Record {
                    service: *service,
                    key: message.key().unwrap_or_default(),
                    headers: headers.collect(),
                    payload: message.payload().unwrap_or_default(),
                };
                if !is_planted(&record) {
                    checker.take(&record);
                }
            }
        }
        if ends_by.is_some() && readers.iter().all(|(_, reader)| reader.has_ended()) {
            return Ok(());
        }
        if ends_by.is_some_and(|deadline| Instant::now() > deadline) {
            bail!("the topics were not read to their end within {ENDS_WITHIN:?}; the broker said last: {silent:?}");
        }
    }
}
