//! The people of a run at work: connections that take turns, and one task that hears what settlement publishes. All on one
//! thread, so that the load takes as little as it can of the machine that it shares with what it measures.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use hyper::StatusCode;
use hyper::header::HeaderValue;
use kafka_protocol::records::Record;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::cast::{Cast, Person};
use super::floor::{Act, Floor, Told, Turn};
use crate::bench::client::{Connection, Post, Request, Target};
use crate::bench::on_one_thread;
use crate::kafka::reader::Reader;

/// Connections that are opened at the same time.
const OPENING: usize = 32;
/// After an answer that says later, and how long a request is repeated.
const PAUSE: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(20);
/// A run in which nothing happens for so long is over.
const STILL: Duration = Duration::from_secs(60);
const TYPE: &str = "outcry.settlement.";

/// Until when a phase goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// So many settlements have started; nobody acts.
    Started(usize),
    /// So many sales are completed.
    Completed(usize),
}

/// What a phase needs.
pub struct Stage {
    /// Settlement's topic.
    pub reader: Reader,
    /// From where it is read.
    pub next: Vec<i64>,
    /// What is known.
    pub floor: Floor,
}

/// The people, and how they reach the service.
#[derive(Clone)]
pub struct Company {
    /// The service.
    pub target: Target,
    /// Who they are.
    pub cast: Arc<Cast>,
    /// How many connections they have in all.
    pub connections: usize,
    /// Begins the idempotency keys of the run.
    pub run: String,
}

/// Plays a phase to its end and gives back what it was played with, and how long it took from the beginning, or from the
/// first payment if there are any.
pub async fn play(company: Company, stage: Stage, until: Until) -> Result<(Stage, Duration)> {
    on_one_thread(move || run(company, stage, until)).await
}

struct House {
    company: Company,
    floor: Mutex<Floor>,
    news: Notify,
    until: Until,
}

impl House {
    fn floor(&self) -> MutexGuard<'_, Floor> {
        self.floor.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_over(&self, floor: &Floor) -> bool {
        let enough = match self.until {
            Until::Started(count) => floor.started() >= count,
            Until::Completed(count) => floor.completed >= count,
        };
        enough || floor.last_event.elapsed() > STILL
    }
}

async fn run(company: Company, stage: Stage, until: Until) -> Result<(Stage, Duration)> {
    let Stage { mut reader, mut next, mut floor } = stage;
    let people = if matches!(until, Until::Started(_)) { 0 } else { company.connections };
    let opened = futures::stream::iter(0..people).map(|_| company.target.connect());
    let connections: Vec<Connection> = opened.buffered(OPENING).try_collect().await?;
    let begun = Instant::now();
    floor.last_event = begun;
    let house = Arc::new(House { company, floor: Mutex::new(floor), news: Notify::new(), until });
    let mut workers = JoinSet::new();
    for connection in connections {
        workers.spawn(work(Arc::clone(&house), connection));
    }
    while !house.is_over(&house.floor()) {
        let hear = |record: &Record| {
            let Some(told) = told(record) else { return Ok(()) };
            house.floor().hear(&told, Instant::now())
        };
        reader.follow(&mut next, hear).await.context("cannot follow settlement's events")?;
        house.news.notify_waiters();
    }
    let ended = Instant::now();
    house.news.notify_waiters();
    while let Some(worker) = workers.join_next().await {
        worker?;
    }
    let house = Arc::into_inner(house).context("a task outlived its phase")?;
    let mut floor = house.floor.into_inner().unwrap_or_else(PoisonError::into_inner);
    let (wanted, there) = match until {
        Until::Started(count) => (count, floor.started()),
        Until::Completed(count) => (count, floor.completed),
    };
    if there < wanted {
        let finding = format!("{there} of {wanted} settlements got there, then nothing happened for {STILL:?}");
        floor.findings.push(finding);
    }
    let took = ended - floor.first_pay.unwrap_or(begun);
    Ok((Stage { reader, next, floor }, took))
}

/// An event about a settlement; none if it is about something else.
fn told(record: &Record) -> Option<Told<'_>> {
    let header = |name: &str| {
        let value = record.headers.iter().find(|(key, _)| key.as_str() == name)?.1.as_deref()?;
        std::str::from_utf8(value).ok()
    };
    let what = header("ce_type")?.strip_prefix(TYPE)?.strip_suffix(".v1")?;
    let settlement = Uuid::try_parse_ascii(record.key.as_deref()?).ok()?;
    let sequence = header("ce_sequence")?.parse().ok()?;
    Some(Told { what, settlement, sequence, data: record.value.as_deref()? })
}

async fn work(house: Arc<House>, mut connection: Connection) {
    loop {
        // Made before it is looked: news between the look and the wait are not missed.
        let news = house.news.notified();
        let turn = {
            let mut floor = house.floor();
            if house.is_over(&floor) {
                return;
            }
            floor.next(Instant::now())
        };
        match turn {
            Some(turn) => take(&house, &mut connection, turn).await,
            None => news.await,
        }
    }
}

/// Sends a request, over new connections and with the same key as often as it takes.
async fn take(house: &House, connection: &mut Connection, turn: Turn) {
    let Ok(post) = post(&house.company, turn) else { return house.floor().fault("a request that cannot be made") };
    let request = Request::Post(post);
    let sent = Instant::now();
    house.floor().sent(turn, sent);
    loop {
        match attempt(&house.company, connection, &request).await {
            Ok(()) => return house.floor().answered(turn.act, sent, Instant::now()),
            Err(kind) => house.floor().fault(&kind),
        }
        if sent.elapsed() > PATIENCE {
            return house.floor().fault("a request that is never answered well");
        }
        sleep(PAUSE).await;
    }
}

async fn attempt(company: &Company, connection: &mut Connection, request: &Request) -> Result<(), String> {
    match company.target.attempt(connection, request).await?.status {
        StatusCode::OK | StatusCode::ACCEPTED => Ok(()),
        status => Err(format!("status {}", status.as_u16())),
    }
}

fn post(company: &Company, turn: Turn) -> Result<Post> {
    let Turn { act, settlement, lot } = turn;
    let (person, body): (&Person, &'static [u8]) = match act {
        Act::Pay => (company.cast.buyer(lot), br#"{"payment_method":"pm_card_visa"}"#),
        Act::Ship => (company.cast.seller(lot), br#"{"carrier":"UPS","tracking_number":"1Z999AA10123456784"}"#),
        Act::Receive => (company.cast.buyer(lot), b"{}"),
    };
    Ok(Post {
        path: Bytes::from(format!("/v1/settlements/{settlement}/{}", act.name())),
        bearer: person.bearer.clone(),
        key: HeaderValue::from_maybe_shared(Bytes::from(format!("bench-{}-{settlement}-{}", company.run, act.name())))?,
        body: Bytes::from_static(body),
    })
}
