//! The fuzzer's inputs as tests: what it starts from is what the service takes, and what broke the service once breaks it
//! no more.

use std::{fs, path::Path};

use bidding_fuzz::Door;
use serde_json::Value;

const SERVICE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// Problems of requests that are not what the API takes: a seed that meets one of them leads nowhere.
const NOT_TAKEN: [&str; 8] = [
    "idempotency-key",
    "malformed-body",
    "malformed-header",
    "malformed-json",
    "method-not-allowed",
    "unauthenticated",
    "unsupported-media-type",
    "validation",
];

/// The inputs of a target by their names: `seeds` to start from, or `findings` that broke it once.
fn inputs(kind: &str, target: &str) -> Vec<(String, Vec<u8>)> {
    let Ok(files) = fs::read_dir(Path::new(SERVICE).join("fuzz").join(kind).join(target)) else { return Vec::new() };
    let mut paths: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.display().to_string(), fs::read(path).expect("an input"))).collect()
}

/// How many requests an input has.
fn requests(input: &[u8]) -> usize {
    1 + input.windows(5).filter(|line| *line == b"\n---\n").count()
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
    let mut door = Door::default();
    for (name, text) in inputs("seeds", "requests") {
        let answers = door.takes(&text);
        assert_eq!(answers.len(), requests(&text), "{name}: not all of it are requests");
        for problem in answers.into_iter().filter_map(Result::err) {
            assert!(!NOT_TAKEN.contains(&problem.as_str()), "{name}: {problem}");
        }
    }
}

#[test]
fn what_an_input_meets_does_not_depend_on_those_before_it() {
    let mut door = Door::default();
    for (name, text) in inputs("seeds", "requests") {
        let alone = Door::default().takes(&text);
        assert_eq!(door.takes(&text), alone, "{name}");
        assert_eq!(door.takes(&text), alone, "{name} once more");
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
fn what_broke_the_service_once_does_so_no_more() {
    let mut door = Door::default();
    for (name, text) in inputs("findings", "requests") {
        println!("{name}");
        assert!(!door.takes(&text).is_empty(), "it is no request");
    }
}
