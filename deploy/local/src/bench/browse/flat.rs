//! Whether a long run was flat: its later quarters are compared with its first. A marketplace that keeps what it is told
//! grows; so tables are compared by what a row takes, and those that only hold what is under way by their size.

use std::collections::BTreeMap;

use super::promises::Check;
use super::sample::Sample;
use crate::bench::tally::Percentiles;

/// In a day a service may grow by so much, MiB: one that begins it within its 256 MiB ends it within the 512 MiB that its
/// container gets. A straight line through all looks finds what two quarters hide.
const DAY_MIB: f64 = 256.0;
const DAY_H: f64 = 24.0;
/// Memory may be so much more in the last quarter …
const MEMORY_FACTOR: f64 = 1.10;
/// … and so much besides, MiB.
const MEMORY_MIB: f64 = 8.0;
/// A row may take so much more room.
const ROW_FACTOR: f64 = 1.25;
/// It takes less than a page of the database with all its indexes, bytes: for tables that had too few rows before.
const ROW_BYTES: f64 = 8_192.0;
/// Tables of fewer rows are judged by their size, MiB.
const FEW_ROWS: f64 = 1_000.0;
const FEW_ROWS_MIB: f64 = 16.0;
/// Answers may take so much longer in any later quarter than in the first …
const LATENCY_FACTOR: f64 = 1.25;
/// … or so much, ms, which is what a neighbour on the machine takes.
const LATENCY_MS: f64 = 5.0;
const MIB: f64 = 1024.0 * 1024.0;

/// Judges the samples of the measured time, and the latencies of its quarters.
pub fn judge(samples: &[Sample], quarters: &[Percentiles]) -> Vec<Check> {
    let part = samples.len() / 4;
    if part == 0 || quarters.len() < 2 {
        let value = format!("{} samples", samples.len());
        return vec![Check {
            name: "flat: samples to compare".to_owned(), value, must: "≥ 4".to_owned(), met: false
        }];
    }
    let (first, last) = (&samples[..part], &samples[samples.len() - part..]);
    let mut checks = memory(first, last);
    checks.extend(growth(samples));
    checks.extend(tables(first, last));
    checks.push(latency("p95", quarters, |quarter| quarter.p95_ms));
    checks.push(latency("p99", quarters, |quarter| quarter.p99_ms));
    checks
}

/// Every quarter against the first.
fn latency(name: &str, quarters: &[Percentiles], of: fn(&Percentiles) -> f64) -> Check {
    let each: Vec<f64> = quarters.iter().map(of).collect();
    let first = each.first().copied().unwrap_or_default();
    let limit = (first * LATENCY_FACTOR).max(first + LATENCY_MS);
    let told: Vec<String> = each.iter().map(|ms| format!("{ms:.1}")).collect();
    // A quarter in which nobody was answered is no quick one.
    let answered = quarters.iter().all(|quarter| quarter.count > 0);
    Check {
        name: format!("flat: {name} of each quarter"),
        value: format!("{} ms", told.join(" → ")),
        must: format!("≤ {limit:.1} ms"),
        met: answered && each.iter().all(|ms| *ms <= limit),
    }
}

fn memory(first: &[Sample], last: &[Sample]) -> Vec<Check> {
    #[allow(clippy::cast_precision_loss)] // Bytes of memory.
    let of = |samples: &[Sample], name: &str| {
        mean(samples.iter().filter_map(|sample| Some(sample.parts.get(name)?.memory as f64 / MIB)))
    };
    let services = last.iter().flat_map(|sample| sample.parts.keys().copied());
    let services: std::collections::BTreeSet<&str> = services.collect();
    let check = |name| {
        let (before, after) = (of(first, name), of(last, name));
        let limit = before * MEMORY_FACTOR + MEMORY_MIB;
        Check {
            name: format!("flat: memory of {name}"),
            value: format!("{before:.1} → {after:.1} MiB"),
            must: format!("≤ {limit:.1} MiB"),
            met: after <= limit,
        }
    };
    services.into_iter().map(check).collect()
}

/// What each service would have grown by in a day, had it gone on as it did.
fn growth(samples: &[Sample]) -> Vec<Check> {
    let mut looks = BTreeMap::<&str, Vec<(f64, f64)>>::new();
    for sample in samples {
        for (&name, part) in &sample.parts {
            #[allow(clippy::cast_precision_loss)] // Bytes of memory.
            let mib = part.memory as f64 / MIB;
            looks.entry(name).or_default().push((sample.at_s / 3600.0, mib));
        }
    }
    let check = |(name, looks): (&str, Vec<(f64, f64)>)| {
        let in_a_day = slope(&looks) * DAY_H;
        Check {
            name: format!("flat: memory of {name} in a day"),
            value: format!("{in_a_day:+.0} MiB"),
            must: format!("≤ +{DAY_MIB:.0} MiB"),
            met: in_a_day <= DAY_MIB,
        }
    };
    looks.into_iter().map(check).collect()
}

/// By how much y grows with each x, by least squares; not a number if there is but one x.
fn slope(points: &[(f64, f64)]) -> f64 {
    let (x_mean, y_mean) = (mean(points.iter().map(|of| of.0)), mean(points.iter().map(|of| of.1)));
    let sum = |of: fn(f64, f64) -> f64| points.iter().map(|(x, y)| of(x - x_mean, y - y_mean)).sum::<f64>();
    sum(|x, y| x * y) / sum(|x, _| x * x)
}

/// A line for each table that takes too much room, and one for all of them that says by what they were judged.
fn tables(first: &[Sample], last: &[Sample]) -> Vec<Check> {
    let (before, after) = (sizes(first), sizes(last));
    let (mut by_row, mut filled, mut few) = (0, 0, 0);
    let mut checks = Vec::new();
    for (table, &(rows, bytes)) in &after {
        let (rows_before, bytes_before) = before.get(table).copied().unwrap_or_default();
        let (value, must, met) = if rows < FEW_ROWS {
            few += 1;
            let mib = bytes / MIB;
            (format!("{mib:.1} MiB"), format!("≤ {FEW_ROWS_MIB:.0} MiB of few rows"), mib <= FEW_ROWS_MIB)
        } else if rows_before < FEW_ROWS {
            // What a row took when there were few is mostly what an empty table takes.
            filled += 1;
            let is = bytes / rows;
            (format!("{is:.0} bytes a row"), format!("≤ {ROW_BYTES:.0}"), is <= ROW_BYTES)
        } else {
            by_row += 1;
            let (was, is) = (bytes_before / rows_before, bytes / rows);
            let limit = was * ROW_FACTOR;
            (format!("{was:.0} → {is:.0} bytes a row"), format!("≤ {limit:.0}"), is <= limit)
        };
        checks.push(Check { name: format!("flat: {}.{}", table.0, table.1), value, must, met });
    }
    let judged = checks.len();
    checks.retain(|check| !check.met);
    let sound = judged - checks.len();
    let gone = before.keys().filter(|table| !after.contains_key(*table)).count();
    let must = format!(
        "{by_row} by a row ≤ × {ROW_FACTOR}, {filled} filled meanwhile by a row ≤ {ROW_BYTES:.0} bytes, \
         {few} of few rows by their size ≤ {FEW_ROWS_MIB:.0} MiB; {gone} skipped because they are gone"
    );
    let value = format!("{sound} of {judged}");
    checks.push(Check {
        name: "flat: tables without bloat".to_owned(),
        value,
        must,
        met: judged > 0 && sound == judged,
    });
    checks
}

/// Rows and bytes of each table, on average.
#[allow(clippy::cast_precision_loss)] // Rows and bytes of a test's database.
fn sizes(samples: &[Sample]) -> BTreeMap<(&'static str, String), (f64, f64)> {
    let mut seen = BTreeMap::<(&'static str, String), Vec<(f64, f64)>>::new();
    for (&service, part) in samples.iter().flat_map(|sample| &sample.parts) {
        for table in &part.tables {
            seen.entry((service, table.name.clone())).or_default().push((table.rows as f64, table.bytes as f64));
        }
    }
    let average = |seen: Vec<(f64, f64)>| (mean(seen.iter().map(|of| of.0)), mean(seen.iter().map(|of| of.1)));
    seen.into_iter().map(|(table, seen)| (table, average(seen))).collect()
}

#[allow(clippy::cast_precision_loss)] // Numbers of samples.
fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (count, sum) = values.fold((0_u32, 0.0), |(count, sum), value| (count + 1, sum + value));
    if count == 0 { 0.0 } else { sum / f64::from(count) }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{Part, Table};
    use super::*;

    const BLOATED: [&str; 2] = ["flat: bidding.inbox", "flat: tables without bloat"];

    /// Forty samples of an hour with what `at` says of each; a small table, unless it has any.
    fn samples(at: impl Fn(u32) -> Part) -> Vec<Sample> {
        let sample = |n: u32| {
            let mut part = at(n);
            if part.tables.is_empty() {
                part.tables = table(10, 1 << 20);
            }
            Sample { at_s: 90.0 * f64::from(n), parts: [("bidding", part)].into(), ..Sample::default() }
        };
        (0..40).map(sample).collect()
    }

    fn table(rows: i64, bytes: i64) -> Vec<Table> {
        vec![Table { name: "inbox".to_owned(), rows, bytes, ..Table::default() }]
    }

    fn quarters(p95: [f64; 4], p99: [f64; 4]) -> Vec<Percentiles> {
        let quarter = |(p95_ms, p99_ms)| Percentiles { count: 9, p95_ms, p99_ms, ..Percentiles::default() };
        p95.into_iter().zip(p99).map(quarter).collect()
    }

    /// Quarters like each other.
    fn calm() -> Vec<Percentiles> {
        quarters([10.0; 4], [20.0; 4])
    }

    fn unmet(samples: &[Sample], quarters: &[Percentiles]) -> Vec<String> {
        judge(samples, quarters).into_iter().filter(|check| !check.met).map(|check| check.name).collect()
    }

    #[test]
    fn a_service_that_leaks_is_not_flat_and_one_that_settles_is() {
        let leaks = samples(|n| Part { memory: (100 << 20) + u64::from(n) * (1 << 20), ..Part::default() });
        assert_eq!(unmet(&leaks, &calm()), ["flat: memory of bidding", "flat: memory of bidding in a day"]);
        let settles = samples(|n| Part { memory: (100 << 20) + u64::from(n.min(8)) * (1 << 20), ..Part::default() });
        assert!(unmet(&settles, &calm()).is_empty());
    }

    #[test]
    fn a_slow_leak_that_the_quarters_hide_is_seen_by_what_it_comes_to_in_a_day() {
        let leaks = |kib_a_look: u64| {
            samples(move |n| Part { memory: (100 << 20) + u64::from(n) * (kib_a_look << 10), ..Part::default() })
        };
        // Twelve MiB in an hour, from a hundred: the quarters differ by nine, and they may by eighteen.
        assert_eq!(unmet(&leaks(307), &calm()), ["flat: memory of bidding in a day"]);
        assert!(unmet(&leaks(256), &calm()).is_empty());
    }

    #[test]
    fn a_slope_is_that_of_the_line_through_the_points() {
        let on_a_line: Vec<(f64, f64)> = (0..9).map(|n| (f64::from(n), 3.0 - 2.0 * f64::from(n))).collect();
        assert!((slope(&on_a_line) + 2.0).abs() < 1e-9);
        assert!((slope(&[(0.0, 0.0), (1.0, 3.0), (2.0, 0.0), (3.0, 3.0)]) - 0.6).abs() < 1e-9);
        assert!(slope(&[(1.0, 5.0)]).is_nan(), "nothing can be said of one look");
    }

    #[test]
    fn a_table_may_grow_with_its_rows_and_not_faster() {
        let grows = samples(|n| Part {
            tables: table(10_000 + 1_000 * i64::from(n), 100 * (10_000 + 1_000 * i64::from(n))),
            ..Part::default()
        });
        assert!(unmet(&grows, &calm()).is_empty());
        let bloats = samples(|n| Part { tables: table(10_000, 1_000_000 + 20_000 * i64::from(n)), ..Part::default() });
        assert_eq!(unmet(&bloats, &calm()), BLOATED);
    }

    #[test]
    fn a_table_that_fills_meanwhile_is_judged_by_what_its_rows_take() {
        let fills = |row_bytes: i64| {
            samples(move |n| {
                let rows = 100 * i64::from(n);
                Part { tables: table(rows, row_bytes * rows), ..Part::default() }
            })
        };
        assert!(unmet(&fills(700), &calm()).is_empty());
        assert_eq!(unmet(&fills(9_000), &calm()), BLOATED);
    }

    #[test]
    fn it_is_told_how_tables_were_judged_and_which_were_not() {
        let of_each_kind = samples(|n| {
            let named = |name: &str, rows: i64| Table { name: name.to_owned(), ..table(rows, 100 * rows).remove(0) };
            let mut tables =
                vec![named("old", 5_000), named("filled", if n < 10 { 0 } else { 5_000 }), named("few", 9)];
            tables.extend((n < 10).then(|| named("gone", 5_000)));
            Part { tables, ..Part::default() }
        });
        let judged = judge(&of_each_kind, &calm());
        let told = judged.iter().find(|check| check.name == "flat: tables without bloat").unwrap();
        assert_eq!((told.value.as_str(), told.met), ("3 of 3", true));
        for part in ["1 by a row", "1 filled meanwhile", "1 of few rows", "1 skipped because they are gone"] {
            assert!(told.must.contains(part), "{part}: {}", told.must);
        }
    }

    #[test]
    fn a_run_in_which_no_table_was_seen_is_not_flat() {
        let mut blind = samples(|_| Part::default());
        for sample in &mut blind {
            sample.parts.get_mut("bidding").unwrap().tables.clear();
        }
        assert_eq!(unmet(&blind, &calm()), ["flat: tables without bloat"]);
    }

    #[test]
    fn a_table_that_holds_what_is_under_way_stays_small() {
        let small = samples(|n| Part { tables: table(i64::from(n), 64_000 * i64::from(n)), ..Part::default() });
        assert!(unmet(&small, &calm()).is_empty());
        let large = samples(|n| Part { tables: table(3, (1 << 20) * i64::from(n)), ..Part::default() });
        assert_eq!(unmet(&large, &calm()), BLOATED);
    }

    #[test]
    fn people_who_wait_longer_and_longer_are_noticed() {
        let still = samples(|_| Part::default());
        let unmet_with = |p95, p99| unmet(&still, &quarters(p95, p99));
        assert!(unmet_with([8.0, 13.0, 3.0, 12.9], [80.0, 100.0, 99.0, 20.0]).is_empty());
        assert_eq!(unmet_with([8.0, 8.0, 8.0, 13.1], [80.0; 4]), ["flat: p95 of each quarter"]);
        assert_eq!(unmet_with([8.0, 22.0, 8.0, 8.0], [80.0; 4]), ["flat: p95 of each quarter"], "between, too");
        assert_eq!(unmet_with([8.0; 4], [80.0, 80.0, 101.0, 80.0]), ["flat: p99 of each quarter"]);
    }

    #[test]
    fn a_quarter_in_which_nobody_was_answered_is_not_flat() {
        let mut silent = calm();
        silent[2] = Percentiles::default();
        let expected = ["flat: p95 of each quarter", "flat: p99 of each quarter"];
        assert_eq!(unmet(&samples(|_| Part::default()), &silent), expected);
    }

    #[test]
    fn a_run_too_short_to_be_judged_is_not_flat() {
        assert_eq!(unmet(&samples(|_| Part::default())[..3], &calm()), ["flat: samples to compare"]);
    }
}
