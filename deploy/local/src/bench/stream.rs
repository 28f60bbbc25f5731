//! The live stream under load: one auction, many listeners, and whether every event reaches every one of them, how soon.

use std::collections::BTreeMap;
use std::fmt;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use chrono::{DateTime, Utc};
use futures::{StreamExt, TryStreamExt};
use http_body_util::BodyExt;
use hyper::header::HeaderValue;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::answer::Answer;
use super::client::{Connection, Target};
use super::field::Field;
use super::memory::{self, Peaks};
use super::report::{MEMORY_MAX_MIB, latency, mib, row};
use super::sse::Events;
use super::tally::{Latency, Percentiles};
use super::{Bench, on_one_thread, print};
use crate::cli::StreamArgs;

const BIDDERS: u32 = 100;
/// Streams that bidding gives one user at once.
const STREAMS_OF_ONE: u32 = 20;
/// Streams that are opened at the same time.
const OPENING: usize = 16;
/// After the last bid every listener must have everything within this.
const ARRIVES_WITHIN: Duration = Duration::from_secs(15);
const P99_MAX_MS: f64 = 250.0;

/// What one listener got: an event's number, and when, in microseconds of the Unix epoch.
type Arrivals = Vec<(u64, i64)>;

/// What a run brought.
struct Heard {
    listeners: Vec<Arrivals>,
    /// When each event was decided, in microseconds of the Unix epoch by the database's clock.
    decided: BTreeMap<u64, i64>,
    /// When the bid that caused each was answered.
    answered: BTreeMap<u64, i64>,
}

/// Follows one auction with many listeners while it takes bids.
pub async fn run(bench: &Bench<'_>, args: &StreamArgs) -> Result<ExitCode> {
    let targets = bench.targets(&args.urls)?;
    let bidders = u32::from(args.listeners).div_ceil(STREAMS_OF_ONE).max(BIDDERS);
    let field = bench.field(1, bidders, None).await?;
    let stop = CancellationToken::new();
    let memory = tokio::spawn(memory::watch(bench.data_dir.clone(), stop.clone()));
    let spinner = bench.console.spinner("Streaming");
    let (listeners, rate, duration) = (args.listeners, args.rate, Duration::from_secs(args.duration.into()));
    let heard = on_one_thread(move || listen(targets, field, listeners, rate, duration)).await?;
    spinner.finish_and_clear();
    stop.cancel();
    let report = Report::new(args, &heard, memory.await?)?;
    print(args.json, &report.json(), &report)?;
    Ok(if report.is_sound() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn listen(
    targets: Vec<Target>,
    mut field: Field,
    listeners: u16,
    rate: u32,
    duration: Duration,
) -> Result<Heard> {
    let (auction, targets) = (field.id(0), Arc::new(targets));
    let opened = (0..usize::from(listeners))
        .map(|number| open(Arc::clone(&targets), number, auction, field.bearer(number).clone()));
    let opened: Vec<_> = futures::stream::iter(opened).buffered(OPENING).try_collect().await?;
    // The last event that everybody is to get, once it is known.
    let (last, wanted) = tokio::sync::watch::channel(None);
    let mut tasks = JoinSet::new();
    for (number, stream) in opened.into_iter().enumerate() {
        let wanted = wanted.clone();
        tasks.spawn(async move { anyhow::Ok((number, follow(stream, number == 0, wanted).await)) });
    }
    let answered = bid(&targets[0], &mut field, rate, duration).await?;
    let end = answered.keys().next_back().copied().context("no bid was accepted")?;
    last.send_replace(Some((end, Instant::now() + ARRIVES_WITHIN)));
    let mut heard = Heard { listeners: vec![Arrivals::new(); listeners.into()], decided: BTreeMap::new(), answered };
    while let Some(task) = tasks.join_next().await {
        let (number, (arrivals, decided)) = task??;
        heard.listeners[number] = arrivals;
        heard.decided.extend(decided);
    }
    Ok(heard)
}

struct Stream {
    _connection: Connection,
    body: hyper::body::Incoming,
}

async fn open(targets: Arc<Vec<Target>>, number: usize, auction: Uuid, bearer: HeaderValue) -> Result<Stream> {
    let mut connection = targets[number % targets.len()].connect().await?;
    let response = connection.follow(&format!("/v1/auctions/{auction}/stream"), &bearer).await?;
    ensure!(response.status().is_success(), "listener {} is refused: {}", number + 1, response.status());
    Ok(Stream { _connection: connection, body: response.into_body() })
}

/// Reads until the last event is there, the time is over or the stream ends.
async fn follow(
    mut stream: Stream,
    reads_times: bool,
    mut wanted: tokio::sync::watch::Receiver<Option<(u64, Instant)>>,
) -> (Arrivals, BTreeMap<u64, i64>) {
    let (mut arrivals, mut decided, mut events) = (Arrivals::new(), BTreeMap::new(), Events::default());
    loop {
        let end = *wanted.borrow_and_update();
        let frame = match end {
            Some((last, _)) if arrivals.last().is_some_and(|(sequence, _)| *sequence >= last) => break,
            Some((_, deadline)) => match timeout_at(deadline, stream.body.frame()).await {
                Ok(frame) => frame,
                Err(_) => break,
            },
            None => tokio::select! {
                frame = stream.body.frame() => frame,
                _ = wanted.changed() => continue,
            },
        };
        let Some(Ok(frame)) = frame else { break };
        let Ok(data) = frame.into_data() else { continue };
        let now = now_us();
        for event in events.feed(&data) {
            arrivals.push((event.sequence, now));
            if reads_times && let Some(at) = decided_at(&event.data) {
                decided.insert(event.sequence, at);
            }
        }
    }
    (arrivals, decided)
}

fn decided_at(data: &[u8]) -> Option<i64> {
    let event: Value = serde_json::from_slice(data).ok()?;
    let at: DateTime<Utc> = event["at"].as_str()?.parse().ok()?;
    Some(at.timestamp_micros())
}

/// Bids at `rate`; when the bid of each sequence was answered.
async fn bid(target: &Target, field: &mut Field, rate: u32, duration: Duration) -> Result<BTreeMap<u64, i64>> {
    let mut connection = target.connect().await?;
    let mut answered = BTreeMap::new();
    let mut ticks = interval(Duration::from_secs(1) / rate);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let end = Instant::now() + duration;
    while ticks.tick().await < end {
        let draw = field.draw(None)?;
        let sent = Instant::now();
        let answer = Answer::from(&connection.post(&draw.post).await?);
        if let Answer::Accepted(accepted) = &answer {
            answered.insert(accepted.sequence, now_us());
        }
        ensure!(!matches!(answer, Answer::Fault(_)), "a bid is answered with {answer:?}");
        field.settle(draw.lot, sent, Instant::now(), &answer);
    }
    sleep_until(end).await;
    Ok(answered)
}

/// The clock of this machine, which is the database's as well.
fn now_us() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_micros()).unwrap_or(i64::MAX)
}

struct Report {
    listeners: u16,
    rate: u32,
    events: usize,
    delivered: usize,
    missing: usize,
    doubled: usize,
    from_decision: Percentiles,
    from_answer: Percentiles,
    memory: Peaks,
}

impl Report {
    fn new(args: &StreamArgs, heard: &Heard, memory: Peaks) -> Result<Self> {
        let (mut from_decision, mut from_answer) = (Latency::new()?, Latency::new()?);
        let (mut delivered, mut missing, mut doubled) = (0, 0, 0);
        for arrivals in &heard.listeners {
            let mut last = 0;
            let mut got = std::collections::BTreeSet::new();
            for &(sequence, at) in arrivals {
                doubled += usize::from(sequence <= last);
                last = last.max(sequence);
                if !heard.answered.contains_key(&sequence) || !got.insert(sequence) {
                    continue;
                }
                let since = |then: &i64| Duration::from_micros(u64::try_from(at - then).unwrap_or_default());
                heard.decided.get(&sequence).map(since).into_iter().for_each(|took| from_decision.record(took));
                heard.answered.get(&sequence).map(since).into_iter().for_each(|took| from_answer.record(took));
            }
            delivered += got.len();
            missing += heard.answered.len() - got.len();
        }
        Ok(Self {
            listeners: args.listeners,
            rate: args.rate,
            events: heard.answered.len(),
            delivered,
            missing,
            doubled,
            from_decision: from_decision.percentiles(),
            from_answer: from_answer.percentiles(),
            memory,
        })
    }

    fn is_sound(&self) -> bool {
        self.missing == 0 && self.doubled == 0
    }

    fn json(&self) -> Value {
        let Percentiles { p50_ms, p95_ms, p99_ms, max_ms, .. } = self.from_decision;
        json!({
            "listeners": self.listeners, "bids_per_s": self.rate, "events": self.events, "delivered": self.delivered,
            "missing": self.missing, "doubled": self.doubled,
            "p50_ms": p50_ms, "p95_ms": p95_ms, "p99_ms": p99_ms, "max_ms": max_ms,
            "from_answer": self.from_answer, "memory_max_mib": mib(&self.memory), "sound": self.is_sound(),
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\nOne auction, {} listeners, {} bids/s\n", self.listeners, self.rate)?;
        row(f, "events", &self.events.to_string(), "")?;
        row(f, "delivered", &self.delivered.to_string(), "")?;
        let met = |met| if met { "met" } else { "NOT MET" };
        row(f, "missing", &self.missing.to_string(), &format!("none           {}", met(self.missing == 0)))?;
        row(
            f,
            "doubled or out of order",
            &self.doubled.to_string(),
            &format!("none           {}", met(self.doubled == 0)),
        )?;
        writeln!(f, "\n  {:<38} {:>10} {:>10} {:>10} {:>10}", "latency in ms", "p50", "p95", "p99", "max")?;
        latency(f, "from the decision to the arrival", self.from_decision)?;
        latency(f, "from the bid's answer to the arrival", self.from_answer)?;
        writeln!(f)?;
        let p99_ms = self.from_decision.p99_ms;
        row(f, "p99", &format!("{p99_ms:.1} ms"), &format!("< {P99_MAX_MS} ms       {}", met(p99_ms < P99_MAX_MS)))?;
        for (service, peak) in mib(&self.memory) {
            let told = format!("< {MEMORY_MAX_MIB} MiB      {}", met(peak < MEMORY_MAX_MIB));
            row(f, &format!("memory of {service}"), &format!("{peak} MiB"), &told)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(listeners: Vec<Arrivals>) -> Report {
        let args = StreamArgs { listeners: 2, duration: 1, rate: 1, urls: Vec::new(), json: false };
        let decided = [(2, 1_000_000), (3, 2_000_000)].into();
        let answered = [(2, 1_004_000), (3, 2_009_000)].into();
        Report::new(&args, &Heard { listeners, decided, answered }, Peaks::new()).unwrap()
    }

    #[test]
    fn every_listener_must_have_every_event_once() {
        // The opening, number 1, came before the bids and is not asked for.
        let all = vec![(1, 0), (2, 1_010_000), (3, 2_020_000)];
        let whole = heard(vec![all.clone(), all.clone()]);
        assert!(whole.is_sound() && whole.delivered == 4);
        let gap = heard(vec![all.clone(), vec![(1, 0), (3, 2_020_000)]]);
        assert_eq!((gap.missing, gap.doubled, gap.is_sound()), (1, 0, false));
        let twice = heard(vec![all.clone(), vec![(2, 1_010_000), (2, 1_010_000), (3, 2_020_000)]]);
        assert_eq!((twice.missing, twice.doubled, twice.is_sound()), (0, 1, false));
    }

    #[test]
    fn latency_counts_from_the_decision_and_an_event_may_come_before_the_answer() {
        let report = heard(vec![vec![(2, 1_002_000), (3, 2_100_000)], vec![]]);
        assert!((report.from_decision.max_ms - 100.0).abs() < 0.2, "{:?}", report.from_decision);
        assert!((report.from_decision.p50_ms - 2.0).abs() < 0.01, "{:?}", report.from_decision);
        assert!((report.from_answer.max_ms - 91.0).abs() < 0.2 && report.from_answer.p50_ms < 0.01);
    }
}
