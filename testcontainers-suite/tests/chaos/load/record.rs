//! What was answered to whom, and when.

use std::{
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use testcontainers_suite::history::{Call, Look};
use tokio::time::Instant;

/// How one attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Done.
    Ok,
    /// Refused by the rules.
    Refused,
    /// To come again: 503, 429, or the first request with the key is still running.
    Busy,
    /// The connection could not be made, or broke.
    Lost,
    /// Nothing came within a user's patience.
    Unanswered,
}

#[derive(Debug, Clone, Copy)]
struct Attempt {
    began: Duration,
    ended: Duration,
    end: End,
}

/// What users saw in a time.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// Answers by kind.
    pub ok: usize,
    /// Refused by the rules of the trade.
    pub refused: usize,
    /// Told to come again.
    pub busy: usize,
    /// Broken connections.
    pub lost: usize,
    /// No answer at all.
    pub unanswered: usize,
    /// 95 of a hundred answers came within this time.
    pub p95: Duration,
    /// The slowest answer.
    pub slowest: Duration,
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { ok, refused, busy, lost, unanswered, p95, slowest } = self;
        let (p95, slowest) = (p95.as_millis(), slowest.as_millis());
        write!(f, "{ok} ok, {refused} refused, {busy} told to come again, {lost} connections lost")?;
        if *unanswered > 0 {
            write!(f, ", {unanswered} never answered")?;
        }
        write!(f, ", p95 {p95} ms, slowest {slowest} ms")
    }
}

/// Everything that a run has seen.
pub struct Record {
    begun: Instant,
    attempts: Mutex<Vec<Attempt>>,
    /// Bids, each with its auction.
    bids: Mutex<Vec<(String, Call)>>,
    looks: Mutex<Vec<(String, Look)>>,
    findings: Mutex<Vec<String>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Record {
    /// An empty one; its time begins now.
    pub fn new() -> Self {
        Self {
            begun: Instant::now(),
            attempts: Mutex::default(),
            bids: Mutex::default(),
            looks: Mutex::default(),
            findings: Mutex::default(),
        }
    }

    /// Time since the run began.
    pub fn now(&self) -> Duration {
        self.begun.elapsed()
    }

    /// An attempt has ended.
    pub fn attempt(&self, began: Duration, ended: Duration, end: End) {
        locked(&self.attempts).push(Attempt { began, ended, end });
    }

    /// Somebody bid.
    pub fn bid(&self, auction: &str, call: Call) {
        locked(&self.bids).push((auction.to_owned(), call));
    }

    /// Somebody looked.
    pub fn look(&self, auction: &str, look: Look) {
        locked(&self.looks).push((auction.to_owned(), look));
    }

    /// Something is wrong.
    pub fn finding(&self, said: String) {
        locked(&self.findings).push(said);
    }

    /// Everything that is wrong so far.
    pub fn findings(&self) -> Vec<String> {
        locked(&self.findings).clone()
    }

    /// The bids and reads of an auction.
    pub fn of_auction(&self, auction: &str) -> (Vec<Call>, Vec<Look>) {
        let calls = locked(&self.bids).iter().filter(|(of, _)| of == auction).map(|(_, call)| call.clone()).collect();
        let looks = locked(&self.looks).iter().filter(|(of, _)| of == auction).map(|(_, look)| look.clone()).collect();
        (calls, looks)
    }

    /// What users saw whose requests were under way between two times.
    pub fn seen(&self, from: Duration, to: Duration) -> Seen {
        let attempts = locked(&self.attempts);
        let mut seen = Seen::default();
        let mut times = Vec::new();
        for attempt in attempts.iter().filter(|attempt| attempt.ended >= from && attempt.began <= to) {
            match attempt.end {
                End::Ok => seen.ok += 1,
                End::Refused => seen.refused += 1,
                End::Busy => seen.busy += 1,
                End::Lost => seen.lost += 1,
                End::Unanswered => seen.unanswered += 1,
            }
            if matches!(attempt.end, End::Ok | End::Refused | End::Busy) {
                times.push(attempt.ended.saturating_sub(attempt.began));
            }
        }
        times.sort_unstable();
        seen.p95 = times.get(times.len() * 95 / 100).copied().unwrap_or_default();
        seen.slowest = times.last().copied().unwrap_or_default();
        seen
    }
}
