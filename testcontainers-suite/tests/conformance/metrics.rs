//! Metrics: a page that every reader of Prometheus' text format understands, named by its conventions.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use anyhow::{Context, Result, bail, ensure};
use libtest_mimic::Trial;
use reqwest::Method;
use testcontainers_suite::{
    story::Terms,
    trials, trials_of_each_service,
    wait::{CONVERGES_WITHIN, eventually},
    world::{Service, World},
};

use super::samples::{body, read_route, write_route, writer};

pub fn trials() -> Vec<Trial> {
    let mut trials = trials!("conformance::metrics":
        what_somebody_is_woken_for_is_told_before_it_happens,
    );
    trials.extend(trials_of_each_service!("conformance::metrics":
        the_metrics_are_on_the_operators_port_only,
        rate_errors_and_duration_are_counted_by_route,
        every_figure_is_told_and_no_other,
        who_takes_events_says_from_how_many_partitions,
        every_metric_says_what_it_is_once_and_before_its_samples,
        metric_names_follow_the_convention,
        labels_follow_the_convention,
        the_buckets_of_a_histogram_add_up,
    ));
    trials
}

/// What every service tells.
const EACH: [&str; 13] = [
    "outcry_consumer_lag_messages",
    "outcry_consumer_partitions",
    "outcry_database_sessions_in_use",
    "outcry_database_sessions_max",
    "outcry_database_sessions_refused_total",
    "outcry_dead_letters_total",
    "outcry_event_delay_seconds",
    "outcry_events_consumed_total",
    "outcry_events_published_total",
    "outcry_http_request_duration_seconds",
    "outcry_http_requests_in_flight",
    "outcry_outbox_age_seconds",
    "outcry_relay_failures_total",
];
/// What bidding tells besides.
const BIDDING: [&str; 4] =
    ["outcry_bids_total", "outcry_lane_batches_total", "outcry_lane_bids_total", "outcry_lane_waiting_bids"];
/// What settlement tells besides.
const SETTLEMENT: [&str; 11] = [
    "outcry_gateway_breaker_state",
    "outcry_gateway_call_duration_seconds",
    "outcry_gateway_held_back_total",
    "outcry_gateway_incidents_total",
    "outcry_gateway_notices_total",
    "outcry_outage_grace_until_timestamp_seconds",
    "outcry_reconciliation_differences",
    "outcry_reconciliation_last_success_timestamp_seconds",
    "outcry_saga_steps_total",
    "outcry_settlements_ended_total",
    "outcry_unreadable_rows_total",
];

/// A line of the page: name, labels, value.
#[derive(Debug, Clone)]
struct Sample {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

/// What is told under one name, as one `HELP` and one `TYPE` announce it.
#[derive(Debug, Default)]
struct Family {
    help: String,
    kind: String,
    samples: Vec<Sample>,
}

type Families = BTreeMap<String, Family>;

async fn page(world: &World, service: Service) -> Result<String> {
    let admin = world.endpoints.admin.get(service.context()).context("no operator's port")?;
    let answer = world.ask(world.http.get(format!("{admin}/metrics"))).await?;
    ensure!(answer.header("content-type").is_some_and(|kind| kind.starts_with("text/plain")), "{:?}", answer.headers);
    ensure!(answer.status == 200, "answered {}", answer.status);
    Ok(answer.text)
}

async fn families(world: &World, service: Service) -> Result<Families> {
    read(&page(world, service).await?)
}

/// Reads Prometheus' text format 0.0.4, and nothing that is not it: each family is announced by `HELP` and `TYPE`, once,
/// before its samples, which stand together.
fn read(page: &str) -> Result<Families> {
    let mut families = Families::new();
    let mut current = String::new();
    ensure!(page.ends_with('\n'), "the last line is cut off");
    for line in page.lines().filter(|line| !line.is_empty()) {
        if let Some(comment) = line.strip_prefix("# ") {
            let mut words = comment.splitn(3, ' ');
            let (Some(keyword), Some(name), Some(text)) = (words.next(), words.next(), words.next()) else {
                bail!("no comment of the format: {line}")
            };
            if keyword == "HELP" {
                ensure!(!families.contains_key(name), "{name} is announced twice");
                name.clone_into(&mut current);
            }
            ensure!(current == name, "{line} stands among the samples of {current}");
            let family = families.entry(name.to_owned()).or_default();
            let told = match keyword {
                "HELP" => &mut family.help,
                "TYPE" => &mut family.kind,
                _ => bail!("no comment of the format: {line}"),
            };
            ensure!(told.is_empty() && family.samples.is_empty(), "{keyword} of {name} comes twice or too late");
            text.trim().clone_into(told);
            continue;
        }
        let sample = sample(line)?;
        let family = families.get_mut(&current).with_context(|| format!("announced by nothing: {line}"))?;
        let suffix = sample.name.strip_prefix(current.as_str());
        let fits = match family.kind.as_str() {
            "histogram" => matches!(suffix, Some("_bucket" | "_sum" | "_count")),
            _ => suffix == Some(""),
        };
        ensure!(fits, "among the samples of {current} stands {line}");
        family.samples.push(sample);
    }
    Ok(families)
}

fn sample(line: &str) -> Result<Sample> {
    let (series, value) = line.rsplit_once(' ').with_context(|| format!("no sample: {line}"))?;
    let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
    let labels = labels.strip_suffix('}').with_context(|| format!("no labels: {line}"))?;
    let value = value.parse().with_context(|| format!("no number: {line}"))?;
    let mut known = BTreeMap::new();
    for pair in labels.split("\",").filter(|pair| !pair.is_empty()) {
        let (label, text) = pair.split_once("=\"").with_context(|| format!("no label: {line}"))?;
        let before = known.insert(label.to_owned(), text.trim_end_matches('"').to_owned());
        ensure!(before.is_none(), "a label is there twice: {line}");
    }
    Ok(Sample { name: name.to_owned(), labels: known, value })
}

async fn the_metrics_are_on_the_operators_port_only(world: Arc<World>, service: Service) -> Result<()> {
    families(&world, service).await?;
    let person = writer(&world, service);
    person.get(service, "/metrics").await?.is_problem(404, "not-found")?;
    let admin = world.endpoints.admin.get(service.context()).context("no operator's port")?;
    let request = world.http.get(format!("{admin}{}", read_route(service))).bearer_auth(&person.token);
    let answer = world.ask(request).await?;
    ensure!(answer.status == 404, "the API is on the operator's port, too: {}", answer.status);
    Ok(())
}

async fn rate_errors_and_duration_are_counted_by_route(world: Arc<World>, service: Service) -> Result<()> {
    const NAME: &str = "outcry_http_request_duration_seconds";
    let route = match service {
        Service::Listing => "/v1/listings",
        Service::Bidding => "/v1/auctions/{id}/bids",
        Service::Settlement => "/v1/settlements/{id}/pay",
    };
    let count = async || {
        let families = families(&world, service).await?;
        let family = families.get(NAME).with_context(|| format!("no {NAME}"))?;
        ensure!(family.kind == "histogram", "{NAME} is a {}", family.kind);
        let samples = &family.samples;
        let labels = [("method", "POST"), ("route", route), ("status", "400")];
        let of_route = |sample: &&Sample| {
            labels.iter().all(|(label, value)| sample.labels.get(*label).is_some_and(|is| is == value))
        };
        let total = samples.iter().filter(|sample| sample.name == format!("{NAME}_count")).find(of_route);
        let buckets = samples.iter().filter(|sample| sample.name == format!("{NAME}_bucket")).filter(of_route).count();
        let total = total.map_or(0.0, |sample| sample.value);
        ensure!(total < 1.0 || buckets >= 5, "{buckets} buckets");
        Ok(total)
    };
    let before = count().await?;
    let person = writer(&world, service);
    let malformed = person.request(Method::POST, service, &write_route(service)).json(&body(service));
    person.send(malformed).await?.is_problem(400, "idempotency-key")?;
    eventually("the request is counted", || async {
        let after = count().await?;
        ensure!(after > before, "{after} after {before}");
        Ok(())
    })
    .await?;
    // An id must not become a label: there would be as many series as resources.
    let families = families(&world, service).await?;
    let hex = |label: &String| label.len() >= 36 && label.matches('-').count() >= 4 && !label.contains('{');
    let mut samples = families.values().flat_map(|family| &family.samples);
    let series = samples.find(|sample| sample.labels.values().any(hex));
    ensure!(series.is_none(), "a label looks like an id: {series:?}");
    Ok(())
}

/// What some services count only once there was one: a bid, and a sale from the hammer to the payout.
async fn one_of_each_happens(world: &World, service: Service) -> Result<()> {
    let (anna, bert) = (world.seller("anna"), world.bidder("bert"));
    anna.get(service, &read_route(service)).await?;
    if service == Service::Listing {
        return Ok(());
    }
    let lot = anna.opens(&Terms::from(100)).await?;
    bert.bids(&lot, 500).await?;
    if service == Service::Settlement {
        let sale = bert.awaits_sale(&lot).await?;
        bert.pays(&sale, "pm_card_visa").await?;
        bert.awaits_sale_status(&sale, "escrowed", CONVERGES_WITHIN).await?;
        anna.ships(&sale).await?;
        bert.receives(&sale).await?;
        anna.awaits_sale_status(&sale, "completed", CONVERGES_WITHIN).await?;
    }
    Ok(())
}

async fn every_figure_is_told_and_no_other(world: Arc<World>, service: Service) -> Result<()> {
    one_of_each_happens(&world, service).await?;
    let further: &[&str] = match service {
        Service::Listing => &[],
        Service::Bidding => &BIDDING,
        Service::Settlement => &SETTLEMENT,
    };
    let expected: BTreeSet<&str> = EACH.iter().chain(further).copied().collect();
    eventually("every figure is told", || async {
        let families = families(&world, service).await?;
        let missing: Vec<_> = expected.iter().filter(|name| !families.contains_key(**name)).collect();
        ensure!(missing.is_empty(), "these are not told: {missing:?}");
        let unknown: Vec<_> = families.keys().filter(|name| !expected.contains(name.as_str())).collect();
        ensure!(unknown.is_empty(), "these stand in no list: {unknown:?}");
        Ok(())
    })
    .await
}

/// Without a partition nothing is behind: the lag of such a service is 0.
async fn who_takes_events_says_from_how_many_partitions(world: Arc<World>, service: Service) -> Result<()> {
    eventually("it takes events", || async {
        let families = families(&world, service).await?;
        let partitions = families.get("outcry_consumer_partitions").and_then(|family| family.samples.first());
        let partitions = partitions.context("it does not say from how many partitions")?.value;
        ensure!(partitions > 0.0, "it takes events from {partitions} partitions");
        Ok(())
    })
    .await
}

async fn every_metric_says_what_it_is_once_and_before_its_samples(world: Arc<World>, service: Service) -> Result<()> {
    let families = families(&world, service).await?;
    ensure!(!families.is_empty(), "no metric is told");
    for (name, family) in &families {
        ensure!(["counter", "gauge", "histogram"].contains(&family.kind.as_str()), "{name} is a {:?}", family.kind);
        ensure!(family.help.split(' ').count() >= 3, "{name} says too little of itself: {:?}", family.help);
        ensure!(!family.samples.is_empty(), "{name} has no sample");
    }
    let mut broken = 0;
    for page in [
        "# HELP a_total What it is.\n# TYPE a_total counter\nb_total 1\n",
        "# TYPE a_total counter\n# TYPE a_total counter\na_total 1\n",
        "a_total 1\n",
        "# HELP a_total What it is.\n# TYPE a_total counter\na_total one\n",
    ] {
        broken += usize::from(read(page).is_err());
    }
    ensure!(broken == 4, "a broken page was read");
    Ok(())
}

/// "Metric and label naming" of Prometheus' documentation, and what its own checker reports.
async fn metric_names_follow_the_convention(world: Arc<World>, service: Service) -> Result<()> {
    /// Not base units, and what is told by the type.
    const NEVER: [&str; 14] = [
        "milliseconds",
        "microseconds",
        "nanoseconds",
        "minutes",
        "hours",
        "days",
        "ms",
        "kilobytes",
        "megabytes",
        "kb",
        "counter",
        "gauge",
        "histogram",
        "percent",
    ];
    const OF_SAMPLES: [&str; 4] = ["_count", "_sum", "_bucket", "_info"];
    let families = families(&world, service).await?;
    for (name, family) in &families {
        let kind = family.kind.as_str();
        let plain = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        ensure!(plain && !name.contains("__") && !name.ends_with('_'), "{name} is not in snake case");
        ensure!(name.starts_with("outcry_"), "{name} does not say whose it is");
        ensure!((kind == "counter") == name.ends_with("_total"), "{name} is a {kind}");
        ensure!(kind != "histogram" || name.ends_with("_seconds") || name.ends_with("_bytes"), "{name} has no unit");
        let banned = name.split('_').find(|word| NEVER.contains(word));
        ensure!(banned.is_none(), "{name} speaks of {banned:?}");
        ensure!(!OF_SAMPLES.iter().any(|suffix| name.ends_with(suffix)), "{name} ends as samples do");
        let amounts = family.samples.iter().all(|sample| sample.value.is_finite() || kind == "gauge");
        ensure!(amounts && (kind == "gauge" || family.samples.iter().all(|sample| sample.value >= 0.0)), "{family:?}");
    }
    Ok(())
}

async fn labels_follow_the_convention(world: Arc<World>, service: Service) -> Result<()> {
    let families = families(&world, service).await?;
    for (name, family) in &families {
        let mut names = BTreeSet::new();
        let mut series = BTreeSet::new();
        for sample in &family.samples {
            for label in sample.labels.keys() {
                let plain = label.chars().all(|c| c.is_ascii_lowercase() || c == '_') && !label.starts_with('_');
                ensure!(plain, "{name} has the label {label}");
                ensure!(
                    (label == "le") == sample.name.ends_with("_bucket") || label != "le",
                    "{name} has the label le"
                );
                ensure!(!name.contains(&format!("_by_{label}")), "{name} names its label {label}");
            }
            names.insert(sample.labels.keys().filter(|label| *label != "le").collect::<Vec<_>>());
            ensure!(series.insert((&sample.name, &sample.labels)), "it is told twice: {sample:?}");
        }
        ensure!(names.len() == 1, "{name} has these labels here and those there: {names:?}");
        ensure!(series.len() < 2_000, "{name} has {} series", series.len());
    }
    Ok(())
}

async fn the_buckets_of_a_histogram_add_up(world: Arc<World>, service: Service) -> Result<()> {
    let families = families(&world, service).await?;
    let mut histograms = 0;
    for (name, family) in families.iter().filter(|(_, family)| family.kind == "histogram") {
        let counts = family.samples.iter().filter(|sample| sample.name.ends_with("_count"));
        for count in counts {
            let buckets = family.samples.iter().filter(|sample| {
                let own = sample.labels.iter().filter(|(label, _)| *label != "le");
                sample.name.ends_with("_bucket") && own.eq(count.labels.iter())
            });
            let (mut bound, mut below) = (f64::NEG_INFINITY, 0.0);
            for bucket in buckets {
                let le = bucket.labels.get("le").with_context(|| format!("no le: {bucket:?}"))?;
                let le: f64 = le.parse().with_context(|| format!("no bound: {bucket:?}"))?;
                ensure!(le > bound && bucket.value >= below, "{name}: the buckets do not rise: {bucket:?}");
                (bound, below) = (le, bucket.value);
            }
            let all = (below - count.value).abs() < 0.5;
            ensure!(bound.is_infinite() && all, "{name}: {below} in the last bucket, and {count:?}");
            histograms += 1;
        }
    }
    ensure!(histograms > 0, "there is no histogram");
    Ok(())
}

/// A counter that first appears when something has happened does not rise, and wakes nobody.
async fn what_somebody_is_woken_for_is_told_before_it_happens(world: Arc<World>) -> Result<()> {
    for (service, name, label, values) in [
        (Service::Listing, "outcry_events_consumed_total", "result", &["after_gap", "buried"][..]),
        (Service::Listing, "outcry_database_sessions_refused_total", "pool", &["events", "requests"]),
        (Service::Bidding, "outcry_events_consumed_total", "result", &["after_gap", "buried"]),
        (Service::Bidding, "outcry_database_sessions_refused_total", "pool", &["decisions", "requests"]),
        (Service::Settlement, "outcry_database_sessions_refused_total", "pool", &["events", "requests"]),
        (Service::Settlement, "outcry_settlements_ended_total", "end", &["needs_operator"]),
        (Service::Settlement, "outcry_unreadable_rows_total", "table", &["gateway_call", "settlement", "standing"]),
        (Service::Settlement, "outcry_gateway_incidents_total", "incident", &[]),
    ] {
        let families = families(&world, service).await?;
        let family = families.get(name).with_context(|| format!("{service} does not tell {name}"))?;
        ensure!(!family.samples.is_empty(), "{service} does not tell {name} of anything");
        for value in values {
            let told = family.samples.iter().any(|sample| sample.labels.get(label).is_some_and(|told| told == value));
            ensure!(told, "{service} does not tell {name} with {label} {value}");
        }
    }
    Ok(())
}
