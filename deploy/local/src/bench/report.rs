//! The result of a run of bids, as a table for a person and as one object for a program.

use std::collections::BTreeMap;
use std::fmt::{self, Display};

use serde::Serialize;
use serde_json::{Value, json};

use super::check::Checked;
use super::memory::Peaks;
use super::recovery::Recovery;
use super::tally::{Percentiles, Tally};
use super::yardstick::Yardsticks;

const MIB: u64 = 1024 * 1024;
/// No service takes more memory than this under load.
pub const MEMORY_MAX_MIB: u64 = 256;
/// Connections of thinking bidders from which their budget counts.
const CROWD: usize = 1_000;

/// What was run.
#[derive(Debug, Clone, Serialize)]
pub struct Setting {
    /// Open auctions.
    pub auctions: u32,
    /// Whether all bids went to one.
    pub hot: bool,
    /// Connections.
    pub connections: usize,
    /// Seconds measured.
    pub duration_s: u32,
    /// `closed`, `thinking`, `open` or `overload`.
    pub pace: &'static str,
    /// Bids due each second, when open.
    pub offered_per_s: Option<u32>,
}

/// What came out.
pub struct Report {
    /// What was run.
    pub setting: Setting,
    /// Bare SQL.
    pub yardsticks: Option<Yardsticks>,
    /// A bid alone on the idle service.
    pub alone: Option<Percentiles>,
    /// What a closed loop reached before the overload, a second.
    pub capacity_per_s: Option<f64>,
    /// The run.
    pub tally: Tally,
    /// After the overload.
    pub recovery: Option<Recovery>,
    /// Memory of the services.
    pub memory: Peaks,
    /// What the checker saw.
    pub checked: Option<Checked>,
}

/// A figure that has a target.
struct Budget {
    name: &'static str,
    value: String,
    must: &'static str,
    met: bool,
}

impl Report {
    fn accepted_per_s(&self) -> f64 {
        self.tally.per_second(self.tally.accepted)
    }

    fn decided_per_s(&self) -> f64 {
        self.tally.per_second(self.tally.accepted + self.tally.refusals())
    }

    /// Of what was accepted to what bare SQL reaches in the same situation.
    fn ratio(&self) -> Option<f64> {
        self.per_yardstick(self.accepted_per_s())
    }

    fn per_yardstick(&self, per_s: f64) -> Option<f64> {
        let bare =
            self.yardsticks.as_ref().map(|y| if self.setting.hot { y.sql_hot_per_s } else { y.sql_spread_per_s });
        bare.filter(|bare| *bare > 0.0).map(|bare| per_s / bare)
    }

    /// Whether nothing is wrong with the bids.
    pub fn is_sound(&self) -> bool {
        self.checked.as_ref().is_none_or(|checked| checked.findings.is_empty())
    }

    /// For a program.
    pub fn json(&self) -> Value {
        let tally = &self.tally;
        let accepted = tally.accepted_latency.percentiles();
        json!({
            "setting": self.setting,
            "accepted_per_s": rounded(self.accepted_per_s()),
            "refused_per_s": rounded(tally.per_second(tally.refusals())),
            "decided_per_s": rounded(self.decided_per_s()),
            "refused_for_load_per_s": rounded(tally.per_second(tally.refusals_for_load())),
            "refused": tally.refused,
            "refused_for_load": tally.overloaded,
            "errors": tally.errors.values().sum::<u64>(),
            "errors_by_kind": tally.errors,
            "replayed": tally.replayed,
            "unsent": tally.unsent,
            "p50_ms": accepted.p50_ms, "p95_ms": accepted.p95_ms, "p99_ms": accepted.p99_ms, "max_ms": accepted.max_ms,
            "accepted_from_sending": tally.accepted_service.percentiles(),
            "decided": tally.decided_latency.percentiles(),
            "refused_for_load_from_sending": tally.overloaded_latency.percentiles(),
            "alone": self.alone,
            "yardsticks": self.yardsticks,
            "ratio": self.ratio().map(rounded),
            "decided_ratio": self.per_yardstick(self.decided_per_s()).map(rounded),
            "alone_ratio": self.alone_ratio().map(rounded),
            "capacity_per_s": self.capacity_per_s.map(rounded),
            "recovery": self.recovery,
            "memory_max_mib": mib(&self.memory),
            "targets": self.targets().into_iter().map(|t| json!({"name": t.name, "value": t.value, "target": t.must, "met": t.met})).collect::<Vec<_>>(),
            "checked": self.checked,
            "sound": self.is_sound(),
        })
    }

    fn alone_ratio(&self) -> Option<f64> {
        let bare = self.yardsticks.as_ref()?.sql_alone.p50_ms;
        (bare > 0.0).then_some(self.alone?.p50_ms / bare)
    }

    fn targets(&self) -> Vec<Budget> {
        let mut targets = Vec::new();
        let mut target = |name, value: String, must, met| targets.push(Budget { name, value, must, met });
        let whole_load = matches!(self.setting.pace, "closed");
        if let Some(ratio) = self.ratio().filter(|_| whole_load) {
            if self.setting.hot {
                let decided = self.per_yardstick(self.decided_per_s()).unwrap_or_default();
                target("accepted / (b) one hot row", format!("{ratio:.2}"), "≥ 10", ratio >= 10.0);
                target("decided / (b) one hot row", format!("{decided:.2}"), "≥ 20", decided >= 20.0);
            } else {
                target("accepted / (a) spread", format!("{ratio:.2}"), "≥ 2, aim 3", ratio >= 2.0);
            }
        }
        if let Some(ratio) = self.alone_ratio() {
            target("a bid alone / a bare transaction, p50", format!("{ratio:.2}"), "< 3", ratio < 3.0);
        }
        let accepted = self.tally.accepted_latency.percentiles();
        if self.setting.pace == "thinking" && self.setting.connections >= CROWD {
            target("p95 of thinking bidders", ms(accepted.p95_ms), "< 50 ms", accepted.p95_ms < 50.0);
            let refused = self.tally.refusals_for_load();
            target("refused for load", refused.to_string(), "none", refused == 0);
        }
        if let Some(recovery) = self.recovery {
            target("p95 of accepted bids in overload", ms(accepted.p95_ms), "< 1 s", accepted.p95_ms < 1_000.0);
            let after = recovery.recovered_after_s;
            let told = after.map_or_else(|| "never".to_owned(), |after| format!("{after:.1} s"));
            target("recovered after", told, "≤ 5 s", after.is_some_and(|after| after <= 5.0));
        }
        for (service, peak) in mib(&self.memory) {
            let name = match service.as_str() {
                "bidding" => "memory of bidding",
                "listing" => "memory of listing",
                _ => "memory of settlement",
            };
            target(name, format!("{peak} MiB"), "< 256 MiB", peak < MEMORY_MAX_MIB);
        }
        targets
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Setting { auctions, hot, connections, duration_s, pace, offered_per_s } = &self.setting;
        let offered = offered_per_s.map_or_else(String::new, |rate| format!(", {rate} bids/s offered"));
        let (of, noun) = if *hot { ("one hot auction of", "") } else { ("spread over", " auctions") };
        writeln!(f, "\nBids, {of} {auctions}{noun}: {connections} connections, {pace}{offered}, {duration_s} s\n")?;
        let tally = &self.tally;
        row(f, "accepted", &per_s(self.accepted_per_s()), "")?;
        row(f, "refused by decision", &per_s(tally.per_second(tally.refusals())), &counts(&tally.refused))?;
        let for_load = tally.per_second(tally.refusals_for_load());
        row(f, "refused for load", &per_s(for_load), &counts(&tally.overloaded))?;
        row(f, "errors", &tally.errors.values().sum::<u64>().to_string(), &counts(&tally.errors))?;
        if tally.unsent + tally.replayed > 0 {
            let told = format!("{} answers came by a repeated request", tally.replayed);
            row(f, "due and not sent", &tally.unsent.to_string(), &told)?;
        }
        writeln!(f, "\n  {:<38} {:>10} {:>10} {:>10} {:>10}", "latency in ms", "p50", "p95", "p99", "max")?;
        latency(f, "accepted, from when due", tally.accepted_latency.percentiles())?;
        latency(f, "accepted, from sending", tally.accepted_service.percentiles())?;
        latency(f, "all decided, from when due", tally.decided_latency.percentiles())?;
        latency(f, "refused for load, from sending", tally.overloaded_latency.percentiles())?;
        latency(f, "a bid alone", self.alone.unwrap_or_default())?;
        if let Some(yardsticks) = &self.yardsticks {
            latency(f, "a bare transaction alone", yardsticks.sql_alone)?;
            writeln!(f)?;
            let (spread, hot) = (tried(&yardsticks.spread_tried), tried(&yardsticks.hot_tried));
            row(f, "(a) bare SQL, spread", &per_s(yardsticks.sql_spread_per_s), &spread)?;
            row(f, "(b) bare SQL, one hot row", &per_s(yardsticks.sql_hot_per_s), &hot)?;
        }
        if let Some(capacity) = self.capacity_per_s {
            row(f, "capacity before the overload", &per_s(capacity), "")?;
        }
        writeln!(f)?;
        for Budget { name, value, must, met } in self.targets() {
            row(f, name, &value, &format!("{must:<14} {}", if met { "met" } else { "NOT MET" }))?;
        }
        if let Some(checked) = &self.checked {
            write!(f, "\n{checked}")?;
        }
        Ok(())
    }
}

impl Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let after = |s: Option<f64>| s.map_or_else(|| "never".to_owned(), |s| format!("{s:.1} s after the end"));
        let told = format!("{} in the database, {} without a receipt", self.bids_in_database, self.without_receipt);
        row(f, "receipts compared", &self.receipts.to_string(), &told)?;
        row(f, "answers missing", &self.unknown.to_string(), "refused for load or lost; each may have left one bid")?;
        let told = format!("{} of them again, as delivery at least once allows", self.events_repeated);
        row(f, "events at the broker", &self.events.to_string(), &told)?;
        let empty = format!("empty {}", after(self.outbox_empty_after_s));
        row(f, "outbox at the end", &self.outbox_at_end.to_string(), &empty)?;
        let converged = format!("the same price {}", after(self.listings_converged_after_s));
        row(f, "listings compared", &self.listings.to_string(), &converged)?;
        row(f, "histories compared", &self.histories.to_string(), "")?;
        if self.findings.is_empty() {
            return writeln!(f, "\n  The checker found nothing: no accepted bid is lost, doubled or out of order.");
        }
        writeln!(f, "\n  THE CHECKER FOUND:")?;
        self.findings.iter().try_for_each(|finding| writeln!(f, "  - {finding}"))
    }
}

/// A line of a report.
pub fn row(f: &mut fmt::Formatter<'_>, name: &str, value: &str, more: &str) -> fmt::Result {
    writeln!(f, "{}", format!("  {name:<38} {value:>12}   {more}").trim_end())
}

/// A line of latencies, none if nothing was measured.
pub fn latency(f: &mut fmt::Formatter<'_>, name: &str, of: Percentiles) -> fmt::Result {
    let Percentiles { count, p50_ms, p95_ms, p99_ms, max_ms } = of;
    if count == 0 {
        return Ok(());
    }
    writeln!(f, "  {name:<38} {p50_ms:>10.2} {p95_ms:>10.2} {p99_ms:>10.2} {max_ms:>10.2}")
}

/// Peaks in MiB, rounded up.
pub fn mib(memory: &Peaks) -> BTreeMap<String, u64> {
    memory.iter().map(|(service, bytes)| (service.clone(), bytes.div_ceil(MIB))).collect()
}

/// A rate.
pub fn per_s(value: f64) -> String {
    format!("{value:.0} /s")
}

fn ms(value: f64) -> String {
    format!("{value:.1} ms")
}

/// To two digits.
pub fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// What was counted, by kind.
pub fn counts<K: Display>(counts: &BTreeMap<K, u64>) -> String {
    let told: Vec<String> =
        counts.iter().filter(|(_, count)| **count > 0).map(|(kind, count)| format!("{kind}: {count}")).collect();
    told.join(", ")
}

/// Numbers of clients that were tried.
pub fn tried(tried: &[(usize, f64)]) -> String {
    let told: Vec<String> = tried.iter().map(|(clients, per_s)| format!("{clients} clients: {per_s:.0}")).collect();
    told.join(", ")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;
    use uuid::Uuid;

    use super::super::answer::{Accepted, Answer};
    use super::super::tally::Times;
    use super::*;

    /// Ten seconds with 2 accepted, 2 refused and 1 refused for load each second.
    fn report(hot: bool) -> Report {
        let start = Instant::now();
        let mut tally = Tally::new(start, start + Duration::from_secs(10)).unwrap();
        let times = Times { due: start, sent: start, answered: start + Duration::from_millis(8) };
        let bid_id = Uuid::nil();
        let accepted = Accepted { bid_id, sequence: 2, price: 1, next_minimum: 2, replayed: false };
        for _ in 0..20 {
            tally.count(times, &Answer::Accepted(accepted));
            tally.count(times, &Answer::Refused { slug: "bid-too-low".to_owned(), next_minimum: None });
        }
        (0..10).for_each(|_| tally.count(times, &Answer::Overloaded(503)));
        let sql_alone = Percentiles { count: 9, p50_ms: 2.0, ..Percentiles::default() };
        let yardsticks = Yardsticks {
            sql_spread_per_s: 0.5,
            sql_spread_clients: 16,
            sql_hot_per_s: 0.25,
            sql_hot_clients: 8,
            sql_alone,
            spread_tried: vec![(16, 0.5)],
            hot_tried: vec![(8, 0.25)],
        };
        let setting =
            Setting { auctions: 10_000, hot, connections: 64, duration_s: 10, pace: "closed", offered_per_s: None };
        Report {
            setting,
            yardsticks: Some(yardsticks),
            alone: Some(Percentiles { count: 9, p50_ms: 7.0, ..Percentiles::default() }),
            capacity_per_s: None,
            tally,
            recovery: None,
            memory: [("bidding".to_owned(), 300 * MIB - 1)].into(),
            checked: Some(Checked::default()),
        }
    }

    #[test]
    fn ratios_compare_with_the_yardstick_of_the_same_situation() {
        let (spread, hot) = (report(false).json(), report(true).json());
        assert_eq!((spread["ratio"].clone(), hot["ratio"].clone()), (json!(4.0), json!(8.0)));
        assert_eq!(hot["decided_ratio"], json!(16.0));
        assert_eq!(spread["alone_ratio"], json!(3.5));
        assert_eq!(spread["yardsticks"]["sql_hot_per_s"], json!(0.25));
    }

    #[test]
    fn refusals_for_load_are_neither_refusals_nor_errors() {
        let json = report(false).json();
        assert_eq!((json["accepted_per_s"].clone(), json["refused_per_s"].clone()), (json!(2.0), json!(2.0)));
        assert_eq!((json["refused_for_load"]["503"].clone(), json["errors"].clone()), (json!(10), json!(0)));
    }

    #[test]
    fn a_target_that_is_missed_is_told() {
        let text = report(true).to_string();
        let line =
            |name: &str| text.lines().find(|line| line.contains(name)).unwrap_or_else(|| panic!("{name}: {text}"));
        assert!(line("accepted / (b)").ends_with("NOT MET"));
        assert!(line("memory of bidding").contains("300 MiB") && line("memory of bidding").ends_with("NOT MET"));
        assert!(report(false).to_string().lines().any(|line| line.contains("/ (a)") && line.ends_with(" met")));
    }

    #[test]
    fn a_finding_makes_the_run_unsound() {
        let mut report = report(false);
        assert!(report.is_sound() && report.to_string().contains("found nothing"));
        report.checked = Some(Checked { findings: vec!["bid 7 is lost".to_owned()], ..Checked::default() });
        assert!(!report.is_sound() && report.to_string().contains("bid 7 is lost"));
        assert_eq!(report.json()["sound"], json!(false));
    }
}
