//! The result of a run: tables for a person, one object for a program, and what was promised beside what was measured.

use std::collections::BTreeMap;
use std::fmt::{self, Display};

use serde::Serialize;
use serde_json::{Value, json};

use super::aftermath::Aftermath;
use super::counts::{Count, Counts};
use super::promises::{self, Check};
use super::sample::{Part, Sample, Seen, Table, mib};
use super::timeline::Timeline;
use crate::bench::report::{latency, row};
use crate::bench::tally::Percentiles;

/// Tables that are told of.
const TABLES: usize = 12;
/// Refusals that are told of.
const REFUSALS: usize = 12;
const MIB: f64 = 1024.0 * 1024.0;

/// What was run.
#[derive(Debug, Clone, Serialize)]
pub struct Setting {
    /// People.
    pub users: u16,
    /// How long they think on average, in milliseconds.
    pub think_ms: u32,
    /// Lots listed before the run.
    pub auctions: u32,
    /// Seconds of load before it was measured.
    pub warm_up_s: u32,
    /// Seconds that were to be measured.
    pub duration_s: u32,
    /// Whether the run had to be flat.
    pub flat: bool,
}

/// What came out.
pub struct Report {
    /// What was run.
    pub setting: Setting,
    /// Whether a person ended it early.
    pub interrupted: bool,
    /// Requests.
    pub counts: Counts,
    /// Looks while it ran.
    pub seen: Seen,
    /// Looks afterwards.
    pub aftermath: Aftermath,
}

impl Report {
    /// The looks of the measured time; all, if there is none.
    pub fn measured(&self) -> &[Sample] {
        let samples = &self.seen.samples;
        let from = samples.iter().position(|sample| sample.at_s > f64::from(self.setting.warm_up_s));
        &samples[from.unwrap_or(0)..]
    }

    /// What was promised, and whether it was kept.
    pub fn checks(&self) -> Vec<Check> {
        promises::of(self)
    }

    /// Whether all promises were kept.
    pub fn is_sound(&self) -> bool {
        self.checks().iter().all(|check| check.met)
    }

    /// Requests a second within the measured time.
    pub fn per_s(&self) -> f64 {
        self.counts.per_second(self.counts.all.requests)
    }

    /// Of each service, what was seen of it.
    pub fn parts(&self) -> BTreeMap<&'static str, Vec<&Part>> {
        let mut parts = BTreeMap::<&'static str, Vec<&Part>>::new();
        for (&service, part) in self.measured().iter().flat_map(|sample| &sample.parts) {
            parts.entry(service).or_default().push(part);
        }
        parts
    }

    /// Tables by how much they grew, with what they were and are.
    fn tables(&self) -> Vec<(&'static str, Table, Table)> {
        let mut tables = Vec::new();
        for (service, parts) in self.parts() {
            let (Some(first), Some(last)) = (parts.first(), parts.last()) else { continue };
            for now in &last.tables {
                let then = first.tables.iter().find(|table| table.name == now.name).cloned().unwrap_or_default();
                tables.push((service, then, now.clone()));
            }
        }
        tables.sort_by_key(|(_, then, now)| std::cmp::Reverse((now.bytes - then.bytes, now.bytes)));
        tables
    }

    /// Of a hundred requests, so many wrote.
    pub fn writes_percent(&self) -> f64 {
        let writes = self.counts.operations.iter().filter(|(operation, _)| operation.writes());
        percent(writes.map(|(_, count)| count.requests).sum(), self.counts.all.requests)
    }

    /// For a program.
    pub fn json(&self) -> Value {
        let counts = &self.counts;
        let figures = |count: &Count| {
            json!({"requests": count.requests, "refused": count.refused, "refused_for_load": count.overloaded,
                   "errors": count.errors, "latency": count.percentiles()})
        };
        let operations = counts.operations.iter().map(|(operation, count)| (operation.name(), figures(count)));
        let refusals = counts
            .refusals
            .iter()
            .map(|((operation, slug), count)| json!({"operation": operation.name(), "problem": slug, "count": count}));
        let samples = self.seen.samples.iter().map(|sample| {
            let sizes =
                sample.parts.iter().map(|(name, part)| (*name, json!({"bytes": part.bytes(), "dead": part.dead()})));
            json!({"sample": sample, "tables": sizes.collect::<BTreeMap<_, _>>()})
        });
        let tables = self
            .tables()
            .into_iter()
            .map(|(service, then, now)| json!({"service": service, "at_first": then, "at_last": now}));
        let Percentiles { p50_ms, p95_ms, p99_ms, max_ms, .. } = counts.all.percentiles();
        json!({
            "setting": self.setting,
            "interrupted": self.interrupted,
            "measured_s": counts.measured_s(),
            "requests": counts.all.requests,
            "requests_per_s": self.per_s(),
            "writes_percent": self.writes_percent(),
            "p50_ms": p50_ms, "p95_ms": p95_ms, "p99_ms": p99_ms, "max_ms": max_ms,
            "operations": operations.collect::<BTreeMap<_, _>>(),
            "quarters": counts.quarters(),
            "refusals": refusals.collect::<Vec<_>>(),
            "errors": counts.errors.values().sum::<u64>(),
            "errors_by_kind": counts.errors,
            "repeated": counts.repeated,
            "unsent": counts.unsent,
            "samples": samples.collect::<Vec<_>>(),
            "looks_failed": self.seen.failed.0,
            "tables": tables.collect::<Vec<_>>(),
            "aftermath": self.aftermath,
            "checks": self.checks(),
            "sound": self.is_sound(),
        })
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Setting { users, think_ms, warm_up_s, .. } = self.setting;
        let thinking = f64::from(think_ms) / 1000.0;
        let measured = self.counts.measured_s();
        writeln!(
            f,
            "\nA marketplace of {users} users who think {thinking} s on average: {measured:.0} s measured after {warm_up_s} s of warm-up"
        )?;
        if self.interrupted {
            writeln!(f, "INTERRUPTED: this is what was measured until then.")?;
        }
        self.operations(f)?;
        write!(f, "{}", Timeline(&self.seen.samples))?;
        self.services(f)?;
        self.growth(f)?;
        writeln!(f)?;
        for (service, (outbox, lag)) in &self.aftermath.still_there {
            writeln!(f, "  STILL ON THEIR WAY when they had to be there: {service}, outbox {outbox}, lag {lag}")?;
        }
        if let Some(fault) = &self.aftermath.fault {
            writeln!(f, "  COULD NOT LOOK at the end: {fault}")?;
        }
        for Check { name, value, must, met } in self.checks() {
            row(f, &name, &value, &format!("{must:<18} {}", if met { "met" } else { "NOT MET" }))?;
        }
        Ok(())
    }
}

impl Report {
    fn operations(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\n  {:<24} {:>9} {:>7} {:>8} {:>7} {:>9} {:>8} {:>8} {:>9}",
            "operation", "requests", "share", "refused", "errors", "p50 ms", "p95 ms", "p99 ms", "max ms"
        )?;
        let mut line = |name: &str, count: &Count| {
            let Percentiles { p50_ms, p95_ms, p99_ms, max_ms, .. } = count.percentiles();
            let share = percent(count.requests, self.counts.all.requests);
            let failed = count.errors + count.overloaded;
            writeln!(
                f,
                "  {name:<24} {:>9} {share:>6.1}% {:>8} {failed:>7} {p50_ms:>9.1} {p95_ms:>8.1} {p99_ms:>8.1} {max_ms:>9.1}",
                count.requests, count.refused
            )
        };
        for (operation, count) in self.counts.operations.iter().filter(|(_, count)| count.requests > 0) {
            line(operation.name(), count)?;
        }
        line("all", &self.counts.all)?;
        writeln!(f, "\n  {:.1} requests/s, {:.1} % of them writes", self.per_s(), self.writes_percent())?;
        let mut refusals: Vec<_> = self.counts.refusals.iter().collect();
        refusals.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        for ((operation, slug), count) in refusals.into_iter().take(REFUSALS) {
            writeln!(f, "  refused, as documented: {} × {count}, {slug}", operation.name())?;
        }
        for (kind, count) in &self.counts.errors {
            writeln!(f, "  ERROR × {count}: {kind}")?;
        }
        if self.counts.repeated > 0 {
            writeln!(f, "  repeated because their connection broke: {} requests", self.counts.repeated)?;
        }
        for (number, quarter) in self.counts.quarters().into_iter().enumerate().filter(|_| self.setting.flat) {
            if number == 0 {
                writeln!(
                    f,
                    "\n  {:<38} {:>10} {:>10} {:>10} {:>10}",
                    "latency in ms, by quarter", "p50", "p95", "p99", "max"
                )?;
            }
            latency(f, &format!("quarter {}", number + 1), quarter)?;
        }
        Ok(())
    }

    fn services(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = [
            "service",
            "memory MiB first",
            "last",
            "most",
            "sessions",
            "outbox",
            "lag",
            "tables MiB",
            "last",
            "dead rows",
        ];
        writeln!(
            f,
            "\n  {:<12} {:>17} {:>6} {:>6} {:>9} {:>8} {:>7} {:>11} {:>8} {:>10}",
            head[0], head[1], head[2], head[3], head[4], head[5], head[6], head[7], head[8], head[9]
        )?;
        for (service, parts) in self.parts() {
            let (Some(first), Some(last)) = (parts.first(), parts.last()) else { continue };
            let most = |of: &dyn Fn(&Part) -> u64| parts.iter().map(|part| of(part)).max().unwrap_or_default();
            let count = |value: i64| u64::try_from(value).unwrap_or_default();
            let sizes = [first, last].map(|part| in_mib(part.bytes()));
            writeln!(
                f,
                "  {service:<12} {:>17} {:>6} {:>6} {:>9} {:>8} {:>7} {:>11.1} {:>8.1} {:>10}",
                mib(first.memory),
                mib(last.memory),
                mib(most(&|part| part.memory)),
                most(&|part| count(part.sessions)),
                most(&|part| count(part.outbox)),
                most(&|part| part.lag),
                sizes[0],
                sizes[1],
                last.dead()
            )?;
        }
        writeln!(f, "  sessions, outbox, lag: the most at any look; dead rows: at the last")?;
        if let (failed @ 1.., Some(why)) = &self.seen.failed {
            writeln!(f, "  {failed} looks failed, the last one because: {why}")?;
        }
        Ok(())
    }

    fn growth(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\n  {:<34} {:>10} {:>10} {:>9} {:>9} {:>9} {:>10} {:>9} {:>8}",
            "tables that grew most", "rows", "rows/h", "dead", "MiB", "last", "bytes/row", "index", "vacuums"
        )?;
        let hours = self.counts.measured_s() / 3600.0;
        for (service, then, now) in self.tables().into_iter().take(TABLES) {
            let per_hour = if hours > 0.0 { count(now.rows - then.rows) / hours } else { 0.0 };
            let per_row =
                if now.rows > 0 { format!("{:.0}", count(now.bytes) / count(now.rows)) } else { "–".to_owned() };
            writeln!(
                f,
                "  {:<34} {:>10} {per_hour:>10.0} {:>9} {:>9.1} {:>9.1} {per_row:>10} {:>8.0}% {:>8}",
                format!("{service}.{}", now.name),
                now.rows,
                now.dead,
                in_mib(then.bytes),
                in_mib(now.bytes),
                100.0 * count(now.index_bytes) / count(now.bytes.max(1)),
                now.vacuums
            )?;
        }
        Ok(())
    }
}

#[allow(clippy::cast_precision_loss)] // Rows and bytes of a test's database.
fn count(of: i64) -> f64 {
    of as f64
}

fn in_mib(bytes: i64) -> f64 {
    count(bytes) / MIB
}

/// Of a hundred, so many.
#[allow(clippy::cast_precision_loss)] // Counts of one run.
pub fn percent(part: u64, of: u64) -> f64 {
    if of == 0 { 0.0 } else { 100.0 * part as f64 / of as f64 }
}

#[cfg(test)]
impl Report {
    /// Ten seconds of 20 people who think a second, and everything in order.
    pub fn in_order() -> Self {
        use std::time::Duration;

        use tokio::time::Instant;

        use super::counts::{Interval, Outcome};
        use super::mix::Operation;

        let start = Instant::now();
        let mut counts = Counts::new(start, start + Duration::from_secs(10)).unwrap();
        for number in 0..200 {
            let sent = start + Duration::from_millis(50 * number);
            let (operation, outcome) = match (number % 20, number % 60) {
                (_, 0) => (Operation::Bid, Outcome::Refused("bid-too-low".to_owned())),
                (0..=2, _) => (Operation::Bid, Outcome::Done),
                _ => (Operation::Auction, Outcome::Done),
            };
            counts.add(operation, sent, sent + Duration::from_millis(9), &outcome);
        }
        let tables =
            |rows| vec![Table { name: "bid".to_owned(), rows, dead: 5, bytes: rows << 20, index_bytes: 0, vacuums: 1 }];
        let part = |rows| Part { pid: 7, memory: 50 << 20, sessions: 20, outbox: 3, lag: 4, tables: tables(rows) };
        let requests = Interval { connected: 40, ..Interval::default() };
        let sample = |at_s, rows| Sample { at_s, requests, parts: [("bidding", part(rows))].into() };
        let seen = Seen { samples: vec![sample(0.0, 1), sample(5.0, 2), sample(10.0, 12)], failed: (0, None) };
        let aftermath = Aftermath {
            converged_after_s: Some(0.4),
            balanced: true,
            currencies: 1,
            debits: 12_050,
            completed: 2,
            ..Aftermath::default()
        };
        let setting = Setting { users: 20, think_ms: 1_000, auctions: 1, warm_up_s: 0, duration_s: 10, flat: false };
        Self { setting, interrupted: false, counts, seen, aftermath }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[test]
    fn a_run_in_order_is_sound_and_documented_refusals_are_in_order() {
        let report = Report::in_order();
        assert!(report.is_sound(), "{report}");
        let text = report.to_string();
        assert!(text.contains("refused, as documented: bid × 4, bid-too-low"), "{text}");
        assert!(text.contains("20.0 requests/s, 15.0 % of them writes"), "{text}");
        let grown = text.lines().find(|line| line.contains("bidding.bid")).unwrap();
        assert!(
            grown.split_whitespace().eq(["bidding.bid", "12", "3600", "5", "2.0", "12.0", "1048576", "0%", "1"]),
            "{grown}"
        );
    }

    #[test]
    fn what_was_still_on_its_way_or_could_not_be_seen_is_named() {
        let mut report = Report::in_order();
        report.aftermath.still_there = [("bidding", (3, 4))].into();
        report.aftermath.fault = Some("no Kafka".to_owned());
        let text = report.to_string();
        assert!(
            text.contains("bidding, outbox 3, lag 4") && text.contains("COULD NOT LOOK at the end: no Kafka"),
            "{text}"
        );
    }

    #[test]
    fn an_interrupted_run_says_so_and_tells_what_it_has() {
        let mut report = Report::in_order();
        report.interrupted = true;
        report.counts.end(Instant::now());
        report.seen.samples.clear();
        let text = report.to_string();
        assert!(text.contains("INTERRUPTED") && text.contains("view an auction"), "{text}");
    }
}
