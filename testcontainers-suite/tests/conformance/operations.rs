//! What operators see: probes, metrics, logs.

use std::{collections::BTreeMap, fs, sync::Arc};

use anyhow::{Context, Result, bail, ensure};
use libtest_mimic::Trial;
use reqwest::Method;
use serde_json::Value;
use testcontainers_suite::{
    client::anonymous,
    trials_of_each_service,
    wait::eventually,
    world::{Service, World},
};

use super::samples::{body, read_route, write_route, writer};

pub fn trials() -> Vec<Trial> {
    trials_of_each_service!("conformance::operations":
        the_probes_answer_without_a_token_and_name_their_parts,
        the_metrics_are_on_the_operators_port_only,
        rate_errors_and_duration_are_counted_by_route,
        metric_names_follow_the_convention,
        logs_are_json_line_by_line,
        logs_hold_no_token_and_no_secret,
    )
}

async fn the_probes_answer_without_a_token_and_name_their_parts(world: Arc<World>, service: Service) -> Result<()> {
    let address = world.person("any", &[]).address;
    for (path, parts) in [("/healthz/live", &["consumer"][..]), ("/healthz/ready", &["postgres", "kafka"])] {
        let answer = world.ask(anonymous(&world, Method::GET, service, path, address)).await?;
        ensure!(answer.status == 200, "{path} was answered {}: {}", answer.status, answer.text);
        ensure!(answer.body["status"] == "ok", "{path}: {}", answer.text);
        let told: Vec<_> = answer.body["parts"].as_array().into_iter().flatten().map(|part| &part["name"]).collect();
        for part in parts {
            ensure!(told.iter().any(|name| *name == part), "{path} does not say how {part} is: {}", answer.text);
        }
    }
    Ok(())
}

/// A line of the page: name, labels, value.
#[derive(Debug, Clone)]
struct Sample {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

async fn page(world: &World, service: Service) -> Result<String> {
    let admin = world.endpoints.admin.get(service.context()).context("no operator's port")?;
    let answer = world.ask(world.http.get(format!("{admin}/metrics"))).await?;
    ensure!(answer.header("content-type").is_some_and(|kind| kind.starts_with("text/plain")), "{:?}", answer.headers);
    ensure!(answer.status == 200, "answered {}", answer.status);
    Ok(answer.text)
}

/// Reads Prometheus' text format 0.0.4, and nothing that is not it.
fn read(page: &str) -> Result<(BTreeMap<String, String>, Vec<Sample>)> {
    let (mut types, mut samples) = (BTreeMap::new(), Vec::new());
    for line in page.lines().filter(|line| !line.is_empty()) {
        if let Some(comment) = line.strip_prefix("# ") {
            let mut words = comment.splitn(3, ' ');
            match (words.next(), words.next(), words.next()) {
                (Some("TYPE"), Some(name), Some(kind)) => drop(types.insert(name.to_owned(), kind.to_owned())),
                (Some("HELP"), Some(_), Some(help)) if !help.trim().is_empty() => {}
                _ => bail!("no comment of the format: {line}"),
            }
            continue;
        }
        let (series, value) = line.rsplit_once(' ').with_context(|| format!("no sample: {line}"))?;
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        let labels = labels.strip_suffix('}').with_context(|| format!("no labels: {line}"))?;
        let value = value.parse().with_context(|| format!("no number: {line}"))?;
        let mut known = BTreeMap::new();
        for pair in labels.split("\",").filter(|pair| !pair.is_empty()) {
            let (label, text) = pair.split_once("=\"").with_context(|| format!("no label: {line}"))?;
            known.insert(label.to_owned(), text.trim_end_matches('"').to_owned());
        }
        samples.push(Sample { name: name.to_owned(), labels: known, value });
    }
    Ok((types, samples))
}

async fn the_metrics_are_on_the_operators_port_only(world: Arc<World>, service: Service) -> Result<()> {
    read(&page(&world, service).await?)?;
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
        let (types, samples) = read(&page(&world, service).await?)?;
        ensure!(types.get(NAME).is_some_and(|kind| kind == "histogram"), "{NAME} is {:?}", types.get(NAME));
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
    let (_, samples) = read(&page(&world, service).await?)?;
    let hex = |label: &String| label.len() >= 36 && label.matches('-').count() >= 4 && !label.contains('{');
    let series = samples.iter().find(|sample| sample.labels.values().any(hex));
    ensure!(series.is_none(), "a label looks like an id: {series:?}");
    Ok(())
}

async fn metric_names_follow_the_convention(world: Arc<World>, service: Service) -> Result<()> {
    let (types, _) = read(&page(&world, service).await?)?;
    for (name, kind) in types.iter().filter(|(name, _)| name.starts_with("outcry_")) {
        ensure!((kind == "counter") == name.ends_with("_total"), "{name} is a {kind}");
        ensure!(kind != "histogram" || name.ends_with("_seconds") || name.ends_with("_bytes"), "{name} has no unit");
    }
    for part in ["outbox", "consumer", "dead_letters"] {
        ensure!(types.keys().any(|name| name.starts_with("outcry_") && name.contains(part)), "nothing tells of {part}");
    }
    Ok(())
}

async fn logs_are_json_line_by_line(world: Arc<World>, service: Service) -> Result<()> {
    let person = writer(&world, service);
    person.get(service, "/v1/unknown").await?.is_problem(404, "not-found")?;
    let lines = world.log(service)?;
    ensure!(!lines.is_empty(), "the log is empty");
    for line in lines {
        let entry: Value = serde_json::from_str(&line).with_context(|| format!("no JSON: {line}"))?;
        for member in ["timestamp", "level", "target"] {
            ensure!(entry[member].is_string(), "no {member}: {line}");
        }
    }
    Ok(())
}

async fn logs_hold_no_token_and_no_secret(world: Arc<World>, service: Service) -> Result<()> {
    // Whoever logged requests would log these.
    let person = writer(&world, service);
    person.get(service, &read_route(service)).await?;
    person.post(service, &write_route(service), &body(service)).await?;
    person.post(service, &format!("/v1/unknown?token={}", person.token), &body(service)).await?;
    let mut secrets = vec![person.token.clone(), "eyJ".to_owned(), "BEGIN PRIVATE KEY".to_owned()];
    for url in world.endpoints.postgres.values() {
        secrets.extend(reqwest::Url::parse(url)?.password().map(ToOwned::to_owned));
    }
    let directory = world.data_dir.as_ref().context("the data directory")?.join("secrets");
    for file in fs::read_dir(directory)? {
        let secret = fs::read_to_string(file?.path()).unwrap_or_default();
        secrets.extend(secret.lines().map(str::trim).filter(|line| line.len() >= 16).map(ToOwned::to_owned));
    }
    ensure!(secrets.len() > 5, "these are too few secrets to look for: {}", secrets.len());
    for line in world.log(service)? {
        let leaked = secrets.iter().find(|secret| line.contains(secret.as_str()));
        ensure!(leaked.is_none(), "the log holds a secret that begins with {:?}", leaked.map(|secret| &secret[..6]));
    }
    Ok(())
}
