//! The run over time as a table: the curves for those who only read.

use std::fmt::{self, Display};

use super::sample::{Part, Sample, clock, mib, names};

/// Rows of the table; each stands for the same number of looks.
const ROWS: usize = 12;

/// All looks of a run, from its beginning.
pub struct Timeline<'a>(pub &'a [Sample]);

impl Display for Timeline<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // At the first look nothing has happened yet.
        let [first, looks @ ..] = self.0 else { return Ok(()) };
        if looks.is_empty() {
            return Ok(());
        }
        writeln!(f, "\n  over time; memory and sessions: {}", names(first))?;
        writeln!(
            f,
            "  {:>8} {:>11} {:>8} {:>8} {:>7} {:>10} {:>13} {:>12} {:>7} {:>6}",
            "until", "requests/s", "p95 ms", "p99 ms", "failed", "connected", "memory MiB", "sessions", "outbox", "lag"
        )?;
        for part in looks.chunks(looks.len().div_ceil(ROWS)) {
            row(f, part)?;
        }
        writeln!(
            f,
            "  requests/s: on average; failed: all; connected: users at the last look; the rest: the most at any look"
        )
    }
}

fn row(f: &mut fmt::Formatter<'_>, looks: &[Sample]) -> fmt::Result {
    let Some(last) = looks.last() else { return Ok(()) };
    let longest = |of: fn(&Sample) -> f64| looks.iter().map(of).fold(0.0, f64::max);
    let each = |of: fn(&Part) -> u64| {
        let of_one = |name: &&'static str| {
            looks.iter().filter_map(|look| look.parts.get(name)).map(of).max().unwrap_or_default()
        };
        last.parts.keys().map(|name| of_one(name).to_string()).collect::<Vec<_>>().join("/")
    };
    #[allow(clippy::cast_precision_loss)] // A few looks.
    let per_s = looks.iter().map(|look| look.requests.requests_per_s).sum::<f64>() / looks.len() as f64;
    let failed: u64 = looks.iter().map(|look| look.requests.failed).sum();
    let outbox = looks.iter().map(Sample::outbox).max().unwrap_or_default();
    let lag = looks.iter().map(Sample::lag).max().unwrap_or_default();
    writeln!(
        f,
        "  {:>8} {per_s:>11.1} {:>8.1} {:>8.1} {failed:>7} {:>10} {:>13} {:>12} {outbox:>7} {lag:>6}",
        clock(last.at_s),
        longest(|look| look.requests.p95_ms),
        longest(|look| look.requests.p99_ms),
        last.requests.connected,
        each(|part| mib(part.memory)),
        each(|part| u64::try_from(part.sessions).unwrap_or_default())
    )
}

#[cfg(test)]
mod tests {
    use super::super::counts::Interval;
    use super::*;

    fn sample(at_s: f64, failed: u64, p95_ms: f64) -> Sample {
        let part = Part { memory: 5 << 20, sessions: 7, outbox: 2, lag: 3, ..Part::default() };
        let requests = Interval { requests_per_s: 100.0, p95_ms, p99_ms: 2.0 * p95_ms, failed, connected: 20 };
        Sample { at_s, requests, parts: [("bidding", part.clone()), ("listing", part)].into() }
    }

    #[test]
    fn a_long_run_has_a_dozen_rows_that_hide_no_peak_and_no_failure() {
        let mut samples: Vec<Sample> = (0..=240).map(|n| sample(f64::from(n) * 5.0, 0, 10.0)).collect();
        samples[99] = sample(495.0, 3, 99.0);
        samples[101].parts.get_mut("listing").unwrap().memory = 9 << 20;
        let text = Timeline(&samples).to_string();
        let of_figures = |line: &&str| line.trim_start().starts_with(|first: char| first.is_ascii_digit());
        let rows: Vec<Vec<&str>> =
            text.lines().filter(of_figures).map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(rows.len(), ROWS);
        assert_eq!(rows[4], ["8:20", "100.0", "99.0", "198.0", "3", "20", "5/5", "7/7", "4", "6"]);
        assert_eq!(rows[5][6], "5/9");
        assert_eq!(rows[11], ["20:00", "100.0", "10.0", "20.0", "0", "20", "5/5", "7/7", "4", "6"]);
    }

    #[test]
    fn a_run_that_was_over_at_once_has_no_table() {
        assert_eq!(Timeline(&[]).to_string() + &Timeline(&[sample(0.0, 0, 0.0)]).to_string(), "");
    }
}
