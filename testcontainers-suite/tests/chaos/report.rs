//! A line for each fault as it is over, and all of them in a table at the end.

use std::{
    fmt::Write,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::load::{observer::Reads, record::Seen};

/// What a fault did.
#[derive(Debug, Clone)]
pub struct Line {
    /// What was wrong.
    pub what: String,
    /// How long it was wrong.
    pub lasted: Duration,
    /// What shows that it was.
    pub proof: String,
    /// What users saw meanwhile.
    pub seen: Seen,
    /// Reads of the books meanwhile.
    pub reads: Reads,
    /// How long after the cause was gone everything agreed.
    pub converged: Option<Duration>,
    /// It has to within this time.
    pub agrees_within: Duration,
    /// Bids in the logs of the hot lots.
    pub bids: usize,
    /// Sales that were paid out.
    pub sales: usize,
    /// Most sessions of a service with its database.
    pub sessions: i64,
    /// What is wrong.
    pub findings: usize,
}

static LINES: Mutex<Vec<Line>> = Mutex::new(Vec::new());
static LEFT_OUT: Mutex<Vec<String>> = Mutex::new(Vec::new());

const HEAD: &str = "\
| what was wrong | for | ok | refused | come again | lost | no answer | p95 | slowest | books read | agreed after | bids | sales | sessions | findings |
|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|
";

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Prints a line and keeps it for the table.
pub fn print(line: Line) {
    let Line { what, lasted, proof, seen, reads, converged, agrees_within, bids, sales, sessions, findings } = &line;
    let allowed = seconds(*agrees_within);
    let converged = converged.map_or("did not converge".to_owned(), |time| {
        format!("converged {} later, of {allowed} that are allowed", seconds(time))
    });
    println!(
        "   {what}, {} ({proof}): users saw {seen}; the books balanced in {} reads ({} not answered); {converged}; \
         {bids} bids on hot lots, {sales} sales paid out; at most {sessions} sessions with a database; {findings} findings",
        seconds(*lasted),
        reads.shown,
        reads.missed,
    );
    locked(&LINES).push(line);
}

/// Says loudly that something was not tried.
pub fn leave_out(what: &str, why: &str) {
    println!("   LEFT OUT: {what}: {why}");
    locked(&LEFT_OUT).push(format!("{what}: {why}"));
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

/// Prints everything as a table in Markdown, if there is anything.
pub fn print_table() {
    let (lines, left_out) = (locked(&LINES), locked(&LEFT_OUT));
    let mut table = String::new();
    for line in lines.iter() {
        let Line { what, lasted, seen, reads, converged, agrees_within, bids, sales, sessions, findings, .. } = line;
        let Seen { ok, refused, busy, lost, unanswered, p95, slowest, .. } = seen;
        let _ = writeln!(
            table,
            "| {what} | {} | {ok} | {refused} | {busy} | {lost} | {unanswered} | {} ms | {} ms | {} | {} of {} | {bids} | {sales} | {sessions} | {findings} |",
            seconds(*lasted),
            p95.as_millis(),
            slowest.as_millis(),
            reads.shown,
            converged.map_or("never".to_owned(), seconds),
            seconds(*agrees_within),
        );
    }
    if !table.is_empty() {
        println!("\n{HEAD}{table}");
    }
    for left_out in left_out.iter() {
        println!("LEFT OUT: {left_out}");
    }
}
