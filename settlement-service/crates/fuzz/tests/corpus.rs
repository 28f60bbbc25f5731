//! The fuzzer's inputs as tests: what it starts from is what the service takes, and what broke the service once breaks it
//! no more.

use std::{fs, path::Path};

use serde_json::Value;
use settlement_fuzz::{Door, Gateway, money};

const SERVICE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// Problems of requests that are not what the API takes: a seed that meets one of them leads nowhere.
const NOT_TAKEN: [&str; 7] = [
    "idempotency-key",
    "malformed-body",
    "malformed-json",
    "method-not-allowed",
    "unauthenticated",
    "unsupported-media-type",
    "validation",
];

/// The inputs of a target, each with its name: `seeds` to start from, or `findings` that broke it once.
fn inputs(kind: &str, target: &str) -> Vec<(String, Vec<u8>)> {
    let Ok(files) = fs::read_dir(Path::new(SERVICE).join("fuzz").join(kind).join(target)) else { return Vec::new() };
    let paths = files.map(|file| file.expect("a file").path());
    paths.map(|path| (path.display().to_string(), fs::read(path).expect("an input"))).collect()
}

/// Whether a request is of this operation; a part of a path like `{id}` is anything.
fn is_of(text: &[u8], method: &str, path: &str) -> bool {
    let text = String::from_utf8_lossy(text);
    let Some((its_method, target)) = text.lines().next().and_then(|line| line.split_once(' ')) else { return false };
    let its_path = target.split('?').next().unwrap_or_default();
    its_method.eq_ignore_ascii_case(method)
        && its_path.split('/').count() == path.split('/').count()
        && its_path.split('/').zip(path.split('/')).all(|(its, part)| its == part || part.starts_with('{'))
}

#[test]
fn every_seed_is_a_request_that_the_api_takes() {
    for (name, text) in inputs("seeds", "requests") {
        // Each finds the service as it begins: none is in another one's way.
        let answer = Door::default().takes(&text).unwrap_or_else(|| panic!("{name} is no request"));
        if let Err(problem) = answer {
            assert!(!NOT_TAKEN.contains(&problem.as_str()), "{name}: {problem}");
        }
    }
}

#[test]
fn every_operation_has_a_seed() {
    let seeds = inputs("seeds", "requests");
    let document = fs::read(Path::new(SERVICE).join("openapi.json")).expect("the document");
    let document: Value = serde_json::from_slice(&document).expect("JSON");
    for (path, operations) in document["paths"].as_object().expect("paths") {
        for method in operations.as_object().expect("operations").keys() {
            assert!(seeds.iter().any(|(_, text)| is_of(text, method, path)), "fuzz/seeds/requests: {method} {path}?");
        }
    }
}

#[test]
fn the_seeds_of_a_sale_lead_through_it() {
    let (mut door, seeds) = (Door::default(), inputs("seeds", "requests"));
    for step in ["pay", "ship", "receive"] {
        let (_, text) = seeds.iter().find(|(name, _)| Path::new(name).ends_with(step)).expect(step);
        assert!(matches!(door.takes(text), Some(Ok(_))), "{step}");
    }
}

#[test]
fn every_seed_of_the_gateways_events_is_taken_in() {
    let seeds = inputs("seeds", "webhook");
    assert!(!seeds.is_empty());
    for (name, body) in seeds {
        let body = String::from_utf8(body).expect("text");
        assert!(Gateway::default().tells(&body).is_ok(), "{name}");
    }
}

#[test]
fn every_seed_of_money_comes_to_something() {
    let seeds = inputs("seeds", "money");
    assert!(!seeds.is_empty());
    for (name, input) in seeds {
        assert!(money(&input), "{name}");
    }
}

#[test]
fn what_broke_the_service_once_does_so_no_more() {
    let (mut door, mut gateway) = (Door::default(), Gateway::default());
    for (name, text) in inputs("findings", "requests") {
        println!("{name}");
        assert!(door.takes(&text).is_some(), "it is no request");
    }
    for (name, body) in inputs("findings", "webhook") {
        println!("{name}");
        let _ = gateway.tells(&String::from_utf8_lossy(&body));
    }
    for (name, input) in inputs("findings", "money") {
        println!("{name}");
        let _ = money(&input);
    }
}
