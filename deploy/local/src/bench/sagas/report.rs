//! The result of a run of sagas, as a table for a person and as one object for a program.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

use super::check::Checked;
use super::idle::Idle;
use super::meters::Meters;
use super::yardstick::Yardstick;
use crate::bench::memory::Peaks;
use crate::bench::report::{MEMORY_MAX_MIB, counts, latency, mib, per_s, rounded, row, tried};
use crate::bench::tally::Percentiles;

/// A waiting settlement costs nothing that can be measured: less than so much of a core, per cent.
const IDLE_MORE_PERCENT: f64 = 1.0;
/// The gateway is to take so long for a call, milliseconds.
const GATEWAY_MS: f64 = 5.0;

/// What was run.
#[derive(Debug, Clone, Serialize)]
pub struct Setting {
    /// Sales that went from the hammer to the payout over the API.
    pub settlements: u32,
    /// Their sellers.
    pub sellers: u32,
    /// Connections.
    pub connections: u16,
    /// Most sales under way.
    pub at_once: u32,
    /// Settlements that became due in the same moment.
    pub due: u32,
    /// Settlements that waited meanwhile.
    pub waiting: u32,
    /// Settlements that had been finished before.
    pub finished: u32,
}

/// From the hammer to the payout.
pub struct Sales {
    /// From the first event to the last settlement that started.
    pub intake: Duration,
    /// From the first payment to the last payout.
    pub settling: Duration,
    /// What both cost.
    pub meters: Meters,
    /// From the payment to the money in escrow.
    pub pay_to_escrowed: Percentiles,
    /// From the reception to the payout.
    pub receive_to_completed: Percentiles,
    /// Of the API, by what was asked.
    pub requests: BTreeMap<&'static str, Percentiles>,
    /// Faults by kind.
    pub errors: BTreeMap<String, u64>,
    /// Events that came more than once.
    pub repeated: u64,
}

/// From the inspection's end to the payout.
pub struct Due {
    /// From the moment on which all became due to the last payout.
    pub took: Duration,
    /// What it cost.
    pub meters: Meters,
}

/// What came out.
pub struct Report {
    /// What was run.
    pub setting: Setting,
    /// Bare SQL.
    pub yardstick: Option<Yardstick>,
    /// What waiting costs.
    pub idle: Vec<Idle>,
    /// The sales.
    pub sales: Sales,
    /// What became due together, if anything did.
    pub due: Option<Due>,
    /// Memory of the services.
    pub memory: Peaks,
    /// What the checker saw.
    pub checked: Checked,
}

struct Budget {
    name: &'static str,
    value: String,
    must: &'static str,
    met: bool,
}

impl Report {
    fn sales_per_s(&self) -> f64 {
        f64::from(self.setting.settlements) / (self.sales.intake + self.sales.settling).as_secs_f64()
    }

    fn due_per_s(&self) -> Option<f64> {
        self.due.as_ref().map(|due| f64::from(self.setting.due) / due.took.as_secs_f64())
    }

    /// Of whole sales to what bare SQL reaches with as many commits for each.
    fn ratio(&self) -> Option<f64> {
        let bare = self.yardstick.as_ref()?.sagas_per_s;
        (bare > 0.0).then(|| self.sales_per_s() / bare)
    }

    fn due_ratio(&self) -> Option<f64> {
        let bare = self.yardstick.as_ref()?.due_sagas_per_s;
        (bare > 0.0).then_some(self.due_per_s()? / bare)
    }

    /// Whether nothing is wrong with the sales.
    pub fn is_sound(&self) -> bool {
        self.checked.findings.is_empty()
    }

    /// For a program.
    pub fn json(&self) -> Value {
        let Sales { intake, settling, meters, pay_to_escrowed, receive_to_completed, requests, errors, repeated } =
            &self.sales;
        let count = f64::from(self.setting.settlements);
        json!({
            "setting": self.setting,
            "completed_per_s": rounded(self.sales_per_s()),
            "intake_per_s": rounded(count / intake.as_secs_f64()),
            "settling_per_s": rounded(count / settling.as_secs_f64()),
            "errors": errors.values().sum::<u64>(), "errors_by_kind": errors, "events_repeated": repeated,
            "pay_to_escrowed": pay_to_escrowed, "receive_to_completed": receive_to_completed, "requests": requests,
            "cost": cost(*meters, self.setting.settlements),
            "yardstick": self.yardstick,
            "ratio": self.ratio().map(rounded),
            "due": self.due.as_ref().map(|due| json!({
                "completed_per_s": self.due_per_s().map(rounded), "took_s": rounded(due.took.as_secs_f64()),
                "cost": cost(due.meters, self.setting.due), "ratio": self.due_ratio().map(rounded),
            })),
            "idle": self.idle,
            "memory_max_mib": mib(&self.memory),
            "targets": self.targets().into_iter().map(|t| json!({"name": t.name, "value": t.value, "target": t.must, "met": t.met})).collect::<Vec<_>>(),
            "checked": self.checked,
            "sound": self.is_sound(),
        })
    }

    fn targets(&self) -> Vec<Budget> {
        let mut targets = Vec::new();
        let mut target = |name, value: String, must, met| targets.push(Budget { name, value, must, met });
        if let Some(ratio) = self.ratio() {
            target("whole sales / bare SQL", format!("{ratio:.2}"), "≥ 1, aim 2", ratio >= 1.0);
        }
        if let Some(ratio) = self.due_ratio() {
            target("due together / bare SQL", format!("{ratio:.2}"), "≥ 1, aim 2", ratio >= 1.0);
        }
        if let Some((first, rest)) = self.idle.split_first() {
            let cpu = |idle: &Idle| idle.service_cpu_percent + idle.sessions_cpu_percent;
            let more = rest.iter().map(|idle| cpu(idle) - cpu(first)).fold(0.0, f64::max);
            let scans: i64 = rest.iter().map(|idle| idle.sequential_scans).sum();
            target("more processor time while waiting", format!("{more:.2} %"), "< 1 %", more < IDLE_MORE_PERCENT);
            target("sequential scans while waiting", scans.to_string(), "none", scans == 0);
        }
        for (service, peak) in mib(&self.memory) {
            if service == "settlement" {
                target("memory of settlement", format!("{peak} MiB"), "< 256 MiB", peak < MEMORY_MAX_MIB);
            }
        }
        targets
    }
}

fn cost(meters: Meters, settlements: u32) -> Value {
    let each = |count: f64| rounded(count / f64::from(settlements.max(1)));
    #[allow(clippy::cast_precision_loss)] // Counts far below 2^53.
    let (transactions, calls) = (meters.writing_transactions as f64, meters.gateway_calls as f64);
    json!({
        "writing_transactions": meters.writing_transactions, "writing_transactions_per_settlement": each(transactions),
        "gateway_calls": meters.gateway_calls, "gateway_calls_per_settlement": each(calls),
        "gateway_mean_ms": meters.gateway_mean_ms().map(rounded),
    })
}

impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Setting { settlements, sellers, connections, at_once, due, waiting, finished } = self.setting;
        let there = format!("{waiting} waiting and {finished} finished settlements beside them");
        writeln!(
            f,
            "\n{settlements} sales of {sellers} sellers, {connections} connections, {at_once} under way, {there}\n"
        )?;
        let sales = &self.sales;
        let seconds = |duration: Duration| format!("{:.2} s", duration.as_secs_f64());
        let count = f64::from(settlements);
        let from = format!("{} from the hammer to the payout", seconds(sales.intake + sales.settling));
        row(f, "completed", &per_s(self.sales_per_s()), &from)?;
        row(f, "taken in", &per_s(count / sales.intake.as_secs_f64()), "auction.closed to settlement.started")?;
        row(f, "settled", &per_s(count / sales.settling.as_secs_f64()), "first payment to last payout")?;
        row(f, "errors", &sales.errors.values().sum::<u64>().to_string(), &counts(&sales.errors))?;
        spent(f, sales.meters, settlements)?;
        writeln!(f, "\n  {:<38} {:>10} {:>10} {:>10} {:>10}", "latency in ms", "p50", "p95", "p99", "max")?;
        latency(f, "paying to the money in escrow", sales.pay_to_escrowed)?;
        latency(f, "reception to the payout", sales.receive_to_completed)?;
        for (act, percentiles) in &sales.requests {
            latency(f, &format!("the answer to {act}"), *percentiles)?;
        }
        if let (Some(phase), Some(per_second)) = (&self.due, self.due_per_s()) {
            writeln!(f, "\nThe inspection of {due} lots ends in the same moment\n")?;
            row(f, "completed", &per_s(per_second), &format!("the last one after {}", seconds(phase.took)))?;
            spent(f, phase.meters, due)?;
        }
        if let Some(bare) = &self.yardstick {
            writeln!(f)?;
            let told = format!("{} commits each; {}", bare.commits_per_saga, tried(&bare.tried));
            row(f, "bare SQL, whole sagas", &per_s(bare.sagas_per_s), &told)?;
            let told = format!("{} commits each; {} clients", bare.commits_per_due_saga, bare.clients);
            row(f, "bare SQL, from the inspection's end", &per_s(bare.due_sagas_per_s), &told)?;
        }
        if !self.idle.is_empty() {
            let (service, sessions) = ("service", "sessions");
            writeln!(
                f,
                "\n  {:<38} {service:>10} {sessions:>10} {:>10} {:>10}",
                "idle, % of a core", "rows/s", "scans"
            )?;
            for Idle { with, service_cpu_percent, sessions_cpu_percent, due_rows_read_per_s, sequential_scans } in
                &self.idle
            {
                writeln!(
                    f,
                    "  {with:<38} {service_cpu_percent:>10.2} {sessions_cpu_percent:>10.2} {due_rows_read_per_s:>10.2} {sequential_scans:>10}"
                )?;
            }
        }
        writeln!(f)?;
        for Budget { name, value, must, met } in self.targets() {
            row(f, name, &value, &format!("{must:<14} {}", if met { "met" } else { "NOT MET" }))?;
        }
        write!(f, "\n{}", self.checked)
    }
}

fn spent(f: &mut fmt::Formatter<'_>, meters: Meters, settlements: u32) -> fmt::Result {
    #[allow(clippy::cast_precision_loss)] // Counts far below 2^53.
    let each = |count: i64| format!("{:.2} for each settlement", count as f64 / f64::from(settlements.max(1)));
    let Meters { writing_transactions, gateway_calls, .. } = meters;
    row(f, "transactions that wrote", &writing_transactions.to_string(), &each(writing_transactions))?;
    let mean = meters.gateway_mean_ms().map_or_else(String::new, |mean| {
        let quick = mean < GATEWAY_MS;
        let hint = if quick { "; start it with OUTCRY_SIMULATED_GATEWAY_FAULTS=slow_ms=5" } else { "" };
        format!(", {mean:.1} ms on average{hint}")
    });
    let told = each(i64::try_from(gateway_calls).unwrap_or(i64::MAX)) + &mean;
    row(f, "calls of the payment gateway", &gateway_calls.to_string(), &told)
}

impl Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        row(f, "completed", &self.completed.to_string(), &format!("of {}", self.settlements))?;
        row(f, "captured, released, paid out once", &self.booked.to_string(), &format!("of {}", self.settlements))?;
        let balanced = if self.balanced { "yes" } else { "NO" };
        row(f, "the ledger balances", balanced, "")?;
        let empty = self.outbox_empty_after_s.map_or_else(|| "never".to_owned(), |s| format!("after {s:.1} s"));
        row(f, "the outbox is empty", &empty, "")?;
        if self.findings.is_empty() {
            return writeln!(
                f,
                "\n  The checker found nothing: every sale is completed and every cent is where it belongs."
            );
        }
        writeln!(f, "\n  THE CHECKER FOUND:")?;
        self.findings.iter().try_for_each(|finding| writeln!(f, "  - {finding}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn idle(cpu: f64, sequential_scans: i64) -> Idle {
        Idle {
            with: "something".to_owned(),
            service_cpu_percent: cpu,
            sessions_cpu_percent: 1.0,
            due_rows_read_per_s: 0.0,
            sequential_scans,
        }
    }

    /// 1,000 sales in ten seconds, 500 due in two.
    fn report() -> Report {
        let meters = Meters { writing_transactions: 4_000, gateway_calls: 2_500, gateway_seconds: 12.5 };
        let sales = Sales {
            intake: Duration::from_secs(2),
            settling: Duration::from_secs(8),
            meters,
            pay_to_escrowed: Percentiles { count: 1_000, p50_ms: 30.0, ..Percentiles::default() },
            receive_to_completed: Percentiles::default(),
            requests: BTreeMap::new(),
            errors: BTreeMap::new(),
            repeated: 0,
        };
        let yardstick = Yardstick {
            commits_per_saga: 11,
            sagas_per_s: 50.0,
            clients: 16,
            tried: vec![(16, 50.0)],
            commits_per_due_saga: 4,
            due_sagas_per_s: 500.0,
        };
        Report {
            setting: Setting {
                settlements: 1_000,
                sellers: 100,
                connections: 64,
                at_once: 256,
                due: 500,
                waiting: 10,
                finished: 0,
            },
            yardstick: Some(yardstick),
            idle: vec![idle(0.5, 3), idle(2.0, 0)],
            sales,
            due: Some(Due { took: Duration::from_secs(2), meters }),
            memory: Peaks::new(),
            checked: Checked::default(),
        }
    }

    #[test]
    fn a_sale_counts_from_the_hammer_to_the_payout() {
        let json = report().json();
        assert_eq!((json["completed_per_s"].clone(), json["ratio"].clone()), (json!(100.0), json!(2.0)));
        assert_eq!((json["intake_per_s"].clone(), json["settling_per_s"].clone()), (json!(500.0), json!(125.0)));
        assert_eq!(json["cost"]["writing_transactions_per_settlement"], json!(4.0));
        assert_eq!(json["cost"]["gateway_mean_ms"], json!(5.0));
    }

    #[test]
    fn what_is_due_together_is_compared_with_its_own_commits() {
        assert_eq!(report().json()["due"]["ratio"], json!(0.5));
        let text = report().to_string();
        assert!(text.lines().any(|line| line.contains("due together") && line.ends_with("NOT MET")), "{text}");
    }

    #[test]
    fn waiting_that_costs_something_is_told() {
        let text = report().to_string();
        let line = |name: &str| text.lines().find(|line| line.contains(name)).unwrap().to_owned();
        assert!(line("more processor time").contains("1.50 %") && line("more processor time").ends_with("NOT MET"));
        assert!(line("sequential scans").ends_with(" met"), "those before anything waited are not asked for: {text}");
    }

    #[test]
    fn findings_make_a_run_unsound() {
        let mut report = report();
        assert!(report.is_sound());
        report.checked.findings.push("1 settlements are shipped".to_owned());
        assert!(!report.is_sound() && report.to_string().contains("THE CHECKER FOUND"));
    }
}
