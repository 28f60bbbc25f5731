//! The curves of a run.

use super::promises::P95_MAX_MS;
use super::report::Report;
use super::sample::{Part, Sample};
use super::svg::{Curve, Grouping, Panel, Plot};
use crate::layout::Service;

const MIB: f64 = 1024.0 * 1024.0;

/// The curves of `report` as SVG.
pub fn of(report: &Report) -> String {
    let samples = &report.seen.samples;
    let setting = &report.setting;
    let over = |name: &str, value: &dyn Fn(&Sample) -> f64| Curve {
        name: name.to_owned(),
        values: samples.iter().map(|sample| Some(value(sample))).collect(),
    };
    let each = |value: &dyn Fn(&Part) -> f64| -> Vec<Curve> {
        let curve = |service: Service| Curve {
            name: service.context().to_owned(),
            values: samples.iter().map(|sample| sample.parts.get(service.context()).map(value)).collect(),
        };
        Service::ALL.into_iter().map(curve).collect()
    };
    let panel = |title: &str, grouping, curves| Panel { title: title.to_owned(), grouping, limit: None, curves };
    let of_all = |value: fn(&Part) -> f64| move |sample: &Sample| sample.parts.values().map(value).sum::<f64>();
    let latency = Panel {
        limit: Some((P95_MAX_MS, format!("p95 of the whole run: below {P95_MAX_MS:.0} ms"))),
        ..panel(
            "p95 and p99 of all operations (ms)",
            Grouping::Highest,
            vec![over("p95", &|sample| sample.requests.p95_ms), over("p99", &|sample| sample.requests.p99_ms)],
        )
    };
    #[allow(clippy::cast_precision_loss)] // A few users and errors.
    let (failed, connected) = (
        over("errors, and refusals for load", &|sample| sample.requests.failed as f64),
        over("users", &|sample| sample.requests.connected as f64),
    );
    let waiting = vec![
        over("outboxes (waiting for the broker)", &of_all(outbox)),
        over("lag (waiting for a consumer)", &of_all(lag)),
    ];
    let panels = vec![
        panel(
            "requests a second (1/s)",
            Grouping::Mean,
            vec![over("all operations", &|sample| sample.requests.requests_per_s)],
        ),
        latency,
        panel("requests that failed at each look", Grouping::Highest, vec![failed]),
        panel("connected users", Grouping::Highest, vec![connected]),
        panel("resident memory of each service (MiB)", Grouping::Highest, each(&memory)),
        panel("database sessions of each service", Grouping::Highest, each(&sessions)),
        panel("events on their way, all services", Grouping::Highest, waiting),
        panel("tables and indexes of each service (MiB)", Grouping::Highest, each(&size)),
        panel("dead rows of each service (thousands)", Grouping::Highest, each(&dead)),
    ];
    let plot = Plot {
        title: format!("A marketplace of {} users over time", setting.users),
        subtitle: format!(
            "thinking {} s on average; a look every few seconds; shaded: warm-up",
            f64::from(setting.think_ms) / 1000.0
        ),
        times_s: samples.iter().map(|sample| sample.at_s).collect(),
        measured_from_s: setting.warm_up_s.into(),
        panels,
    };
    plot.svg()
}

#[allow(clippy::cast_precision_loss)] // All far below 2^53, here and below.
fn memory(part: &Part) -> f64 {
    part.memory as f64 / MIB
}

#[allow(clippy::cast_precision_loss)]
fn sessions(part: &Part) -> f64 {
    part.sessions as f64
}

#[allow(clippy::cast_precision_loss)]
fn outbox(part: &Part) -> f64 {
    part.outbox as f64
}

#[allow(clippy::cast_precision_loss)]
fn lag(part: &Part) -> f64 {
    part.lag as f64
}

#[allow(clippy::cast_precision_loss)]
fn size(part: &Part) -> f64 {
    part.bytes() as f64 / MIB
}

#[allow(clippy::cast_precision_loss)]
fn dead(part: &Part) -> f64 {
    part.dead() as f64 / 1000.0
}
