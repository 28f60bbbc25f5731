//! Who may import whom, read from `cargo metadata`: every service keeps the order of its rooms, and no two services
//! share anything but the contracts. What therefore stands in each of them is the same in all. And neither the README nor
//! the threat model names a test that is not there. The manifests for Kubernetes are held against the services by
//! [`kubernetes`], the rules and the dashboard for operators by [`observability`].

mod kubernetes;
mod observability;

use std::{fs, iter, path::Path, process::Command};

use serde_json::{Value, json};

const SERVICES: [&str; 3] = ["listing", "bidding", "settlement"];
const CONTRACTS: &str = "event-contracts";

/// A file of the project, by its path from the root.
fn text(file: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
    fs::read_to_string(&file).unwrap_or_else(|fault| panic!("{}: {fault}", file.display()))
}

/// What the crates of one kind may depend on.
struct Room {
    kind: &'static str,
    /// Crates of the same service.
    own: &'static [&'static str],
    /// Whether it may know the contracts.
    contracts: bool,
    /// The framework that is at home here.
    framework: Option<&'static str>,
}

/// The rule. `service` may all.
const ROOMS: [Room; 9] = [
    Room { kind: "domain", own: &[], contracts: false, framework: None },
    Room { kind: "ports", own: &["domain"], contracts: false, framework: None },
    Room { kind: "application", own: &["domain", "ports"], contracts: false, framework: None },
    Room { kind: "harness", own: &["domain", "ports", "application"], contracts: false, framework: None },
    Room { kind: "adapter-http", own: &["domain", "ports", "application"], contracts: true, framework: Some("axum") },
    Room { kind: "adapter-postgres", own: &["domain", "ports"], contracts: true, framework: Some("sqlx") },
    Room { kind: "adapter-kafka", own: &["domain", "ports"], contracts: true, framework: Some("rdkafka") },
    Room { kind: "adapter-payments", own: &["domain", "ports"], contracts: true, framework: None },
    Room {
        kind: "fuzz",
        own: &["domain", "ports", "application", "harness", "adapter-http", "adapter-payments"],
        contracts: false,
        framework: Some("axum"),
    },
];
const FRAMEWORKS: [&str; 3] = ["sqlx", "axum", "rdkafka"];
/// IO, runtimes and clocks: nothing for a pure core.
const IMPURE: [&str; 5] = ["tokio", "async-trait", "futures", "reqwest", "rand"];
/// What tests may use beside what their crate may: the doubles.
const FOR_TESTS: &str = "harness";

/// Every edge of a service's workspace that the rule forbids.
fn violations(service: &str, metadata: &Value) -> Vec<String> {
    let packages = metadata["packages"].as_array().map(Vec::as_slice).unwrap_or_default();
    packages.iter().flat_map(|package| violations_of(service, package)).collect()
}

fn violations_of(service: &str, package: &Value) -> Vec<String> {
    let name = package["name"].as_str().unwrap_or_default();
    let Some(kind) = name.strip_prefix(service).and_then(|rest| rest.strip_prefix('-')) else {
        return vec![format!("{name} is not called {service}-…")];
    };
    if kind == "service" {
        return forbidden(service, package, |_, _| true);
    }
    let Some(room) = ROOMS.iter().find(|room| room.kind == kind) else {
        return vec![format!("{name} is no room of the map")];
    };
    let allowed = |dependency: &str, for_tests: bool| {
        if let Some(own) = dependency.strip_prefix(service).and_then(|rest| rest.strip_prefix('-')) {
            return room.own.contains(&own) || for_tests && own == FOR_TESTS;
        }
        if dependency == CONTRACTS {
            return room.contracts;
        }
        if FRAMEWORKS.contains(&dependency) {
            return room.framework == Some(dependency);
        }
        kind != "domain" || for_tests || !IMPURE.contains(&dependency)
    };
    forbidden(service, package, allowed)
}

fn forbidden(service: &str, package: &Value, allowed: impl Fn(&str, bool) -> bool) -> Vec<String> {
    let name = package["name"].as_str().unwrap_or_default();
    let dependencies = package["dependencies"].as_array().map(Vec::as_slice).unwrap_or_default();
    let of_another = |dependency: &str| {
        SERVICES.iter().filter(|other| **other != service).any(|other| dependency.starts_with(&format!("{other}-")))
    };
    let unknown_path = |dependency: &Value| {
        let own = dependency["name"].as_str().is_some_and(|own| own.starts_with(&format!("{service}-")));
        dependency["path"].is_string() && !own && dependency["name"] != CONTRACTS
    };
    let bad = dependencies.iter().filter(|dependency| {
        let to = dependency["name"].as_str().unwrap_or_default();
        let for_tests = dependency["kind"] == "dev";
        of_another(to) || unknown_path(dependency) || !allowed(to, for_tests)
    });
    bad.map(|dependency| format!("{name} → {}", dependency["name"].as_str().unwrap_or_default())).collect()
}

fn metadata(service: &str) -> Value {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../{service}-service/Cargo.toml"));
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version=1", "--manifest-path"])
        .arg(&manifest)
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}: {}", manifest.display(), String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON")
}

#[test]
fn every_service_keeps_the_order_of_its_rooms() {
    for service in SERVICES {
        let found = violations(service, &metadata(service));
        assert!(found.is_empty(), "{service}-service: these dependencies are against the rule: {found:#?}");
    }
}

#[test]
fn every_service_has_all_rooms() {
    for service in SERVICES {
        let metadata = metadata(service);
        let packages = metadata["packages"].as_array().expect("packages");
        let rooms =
            ROOMS.iter().map(|room| room.kind).filter(|kind| *kind != "adapter-payments" || service == "settlement");
        for kind in rooms.chain(["service"]) {
            let name = format!("{service}-{kind}");
            assert!(packages.iter().any(|package| package["name"] == *name), "{name} is missing");
        }
    }
}

#[test]
fn a_planted_violation_is_found() {
    for (from, to, kind) in [
        ("settlement-domain", "settlement-ports", Value::Null),
        ("settlement-domain", "tokio", Value::Null),
        ("settlement-domain", CONTRACTS, Value::Null),
        ("settlement-ports", "settlement-application", Value::Null),
        ("settlement-ports", "sqlx", Value::Null),
        ("settlement-application", "settlement-adapter-postgres", Value::Null),
        ("settlement-application", "settlement-harness", Value::Null),
        ("settlement-application", CONTRACTS, Value::Null),
        ("settlement-application", "axum", json!("dev")),
        ("settlement-harness", "settlement-adapter-payments", Value::Null),
        ("settlement-adapter-http", "settlement-adapter-postgres", Value::Null),
        ("settlement-adapter-http", "sqlx", Value::Null),
        ("settlement-adapter-http", "rdkafka", json!("build")),
        ("settlement-adapter-postgres", "axum", Value::Null),
        ("settlement-adapter-postgres", "settlement-application", Value::Null),
        ("settlement-adapter-kafka", "settlement-adapter-payments", json!("dev")),
        ("settlement-adapter-kafka", "bidding-domain", Value::Null),
        ("settlement-fuzz", "settlement-adapter-postgres", Value::Null),
        ("settlement-adapter-http", "settlement-fuzz", json!("dev")),
        ("settlement-service", "listing-domain", Value::Null),
        ("settlement-glue", "serde", Value::Null),
    ] {
        let planted = json!({"packages": [{"name": from, "dependencies": [{"name": to, "kind": kind}]}]});
        assert_eq!(violations("settlement", &planted).len(), 1, "{from} → {to} ({kind}) should be refused");
    }
    let shared = json!({"name": "outcry-common", "kind": null, "path": "/somewhere/common"});
    let planted = json!({"packages": [{"name": "settlement-domain", "dependencies": [shared]}]});
    assert_eq!(violations("settlement", &planted).len(), 1, "a shared crate should be refused");
}

#[test]
fn the_allowed_edges_are_allowed() {
    for (from, to, kind) in [
        ("settlement-ports", "settlement-domain", Value::Null),
        ("settlement-ports", "async-trait", Value::Null),
        ("settlement-application", "settlement-harness", json!("dev")),
        ("settlement-adapter-http", "settlement-application", Value::Null),
        ("settlement-adapter-postgres", "sqlx", Value::Null),
        ("settlement-adapter-postgres", CONTRACTS, Value::Null),
        ("settlement-adapter-kafka", "rdkafka", Value::Null),
        ("settlement-domain", "proptest", json!("dev")),
        ("settlement-fuzz", "settlement-adapter-http", Value::Null),
        ("settlement-service", "settlement-adapter-payments", Value::Null),
        ("settlement-service", "sqlx", Value::Null),
    ] {
        let planted = json!({"packages": [{"name": from, "dependencies": [{"name": to, "kind": kind}]}]});
        assert_eq!(violations("settlement", &planted), [""; 0], "{from} → {to} ({kind})");
    }
}

/// What a page in `folder` cites and is not there: references without a file, links to none, and tests that their file does
/// not have.
fn citations_without_a_test(page: &str, folder: &Path) -> Vec<String> {
    let (text, definitions) = page.split_once("\n[").unwrap_or((page, ""));
    let definitions = format!("[{definitions}");
    let defined: Vec<_> =
        definitions.lines().filter_map(|line| line.strip_prefix('[').and_then(|line| line.split_once("]: "))).collect();
    let cited = text.split('[').skip(1).filter_map(|rest| rest.split_once(']'));
    // A link with its address beside it needs no definition.
    let (links, cited): (Vec<_>, Vec<_>) = cited.partition(|(_, after)| after.starts_with('('));
    let dead = links.into_iter().filter_map(|(label, after)| {
        let address = after.trim_start_matches('(').split([')', '#']).next().unwrap_or_default();
        let leads = address.contains("://") || folder.join(address).exists();
        (!leads).then(|| format!("{label} leads to {address}, which is not there"))
    });
    let unknown = cited.into_iter().map(|(label, _)| label);
    let unknown = unknown.filter(|label| !defined.iter().any(|(known, _)| known == label));
    let mut missing: Vec<_> = unknown.map(|label| format!("{label} is cited and leads nowhere")).chain(dead).collect();
    for (label, file) in defined {
        let source = fs::read_to_string(folder.join(file)).unwrap_or_default();
        let there = match label.split_once("::") {
            // A test whose name is made where it is listed.
            Some(_) => source.contains(&format!("\"{label}")),
            None if file.contains("/fuzz_targets/") => !source.is_empty(),
            None => source.contains(&format!("fn {label}")),
        };
        if !there {
            missing.push(format!("{label} is not in {file}"));
        }
    }
    missing
}

#[test]
fn every_test_that_the_threat_model_names_is_there() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let page = fs::read_to_string(docs.join("security.md")).expect("the threat model");
    let missing = citations_without_a_test(&page, &docs);
    assert!(missing.is_empty(), "{missing:#?}");
    let cited = page.lines().filter(|line| line.starts_with('[') && line.contains("]: ../")).count();
    assert!(cited > 100, "only {cited} tests are cited: the page is not read as it is written");

    let planted = "|S|a|b|[there_is_none], [nowhere], [a](b.md)|\n\n[there_is_none]: ../testcontainers-suite/tests/structure.rs\n";
    assert_eq!(citations_without_a_test(planted, &docs).len(), 3, "a planted citation is not found");
}

/// Threats of whom nothing is told: neither a test nor why there is none.
fn untold_threats(page: &str) -> Vec<&str> {
    let is_threat =
        |row: &&str| ["S", "T", "R", "I", "D", "E"].iter().any(|kind| row.starts_with(&format!("| {kind} |")));
    let told = |row: &str| {
        let row = row.trim_end();
        let last = row.strip_suffix('|').unwrap_or(row).rsplit('|').next().unwrap_or_default().trim();
        !last.is_empty() && (last != "none" || row.contains("ccepted: "))
    };
    page.lines().filter(is_threat).filter(|row| !told(row)).collect()
}

#[test]
fn every_threat_has_a_test_or_a_reason_why_there_is_none() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let page = fs::read_to_string(docs.join("security.md")).expect("the threat model");
    assert_eq!(untold_threats(&page), [""; 0], "these say neither what tests them nor why nothing does");
    let planted =
        "| S | a | b | [a_test] |\n| T | a | accepted: so be it | none |\n| E | a | b | none |\n| D | a | b | |";
    assert_eq!(untold_threats(planted), ["| E | a | b | none |", "| D | a | b | |"]);
}

/// The services' tests fail where there is neither a database nor a broker.
#[test]
fn the_pipelines_test_services_beside_a_database_and_a_broker() {
    let workflow = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.github/workflows/workspace.yml");
    let workflow = fs::read_to_string(workflow).expect("the pipeline of a workspace");
    let tests = |how: &str| {
        workflow.lines().any(|line| line.trim() == format!("run: {how}cargo test --locked --workspace --all-features"))
    };
    assert!(tests("../scripts/with-infrastructure.sh ") && tests(""), "{workflow}");
    assert!(workflow.contains("if: ${{ !endsWith(inputs.workspace, '-service') }}"), "{workflow}");
}

/// Bugs that `make planted` builds in one after the other.
#[test]
fn every_planted_bug_can_still_be_built_in() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let files = fs::read_dir(root.join("testcontainers-suite/planted")).expect("the planted bugs");
    let patches: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
    assert!(patches.len() >= 10, "{patches:?}");
    for patch in patches {
        let text = fs::read_to_string(&patch).expect("a text");
        for head in ["What: ", "Service: ", "Trial: "] {
            assert!(text.lines().any(|line| line.starts_with(head)), "{} has no line `{head}`", patch.display());
        }
        let applied = Command::new("git").args(["apply", "--check"]).arg(&patch).current_dir(&root).output();
        let applied = applied.expect("git runs");
        let told = String::from_utf8_lossy(&applied.stderr);
        assert!(applied.status.success(), "{}, make it anew: {told}", patch.display());
    }
}

/// The README's section of promises.
fn promises(readme: &str) -> &str {
    let (_, section) = readme.split_once("## What you can rely on").expect("the section of promises");
    section.split_once("\n## ").map_or(section, |(section, _)| section)
}

/// The rows of the table of promises that name no test.
fn bare_promises(section: &str) -> Vec<&str> {
    let rows = section.lines().filter(|line| line.starts_with("| ")).skip(1);
    rows.filter(|row| {
        let mut cited = row.split('[').skip(1).filter_map(|rest| rest.split_once(']'));
        !cited.any(|(_, after)| !after.starts_with('('))
    })
    .collect()
}

#[test]
fn every_promise_of_the_readme_names_tests_that_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let readme = fs::read_to_string(root.join("README.md")).expect("the README");
    let section = promises(&readme);
    let missing = citations_without_a_test(section, &root);
    assert!(missing.is_empty(), "{missing:#?}");
    assert_eq!(bare_promises(section), [""; 0], "these name no test");
    let rows = section.lines().filter(|line| line.starts_with("| ")).count();
    assert!(rows > 10, "only {rows} rows: the page is not read as it is written");

    let planted = "|a|b|\n|---|---|\n| promise | shown by |\n| kept | [there] |\n| bare | [a](README.md), by eye |\n";
    assert_eq!(bare_promises(planted), ["| bare | [a](README.md), by eye |"]);
}

/// The table of units in a source: all of it, on however many lines.
fn units(source: &str) -> Option<&str> {
    let (_, rest) = source.split_once("\nconst COARSE: ")?;
    rest.split_once("];").map(|(table, _)| table)
}

/// What amounts of some currencies have to be multiples of: what settlement could not move is neither listed nor bid.
#[test]
fn the_units_of_money_are_the_same_in_every_service() {
    let sources = [
        "listing-service/crates/domain/src/money.rs",
        "bidding-service/crates/domain/src/money.rs",
        "settlement-service/crates/adapter-payments/src/stripe/amount.rs",
    ]
    .map(text);
    let tables = sources.each_ref().map(|source| units(source));
    assert!(tables[0].is_some() && tables.iter().all(|table| *table == tables[0]), "{tables:#?}");

    let wrapped = "\nconst COARSE: [(&str, u32); 2] =\n    [(\"BHD\", 10), (\"MGA\", 100)];\n";
    assert_ne!(units(wrapped), units(&wrapped.replace("100", "10")), "a planted difference is not found");
}

/// Files that stand in each service, because services share nothing, and are the same in all: who mends one mends three. Only
/// the service's name and the imports differ.
const ALIKE: [&str; 27] = [
    "clippy.toml",
    "rustfmt.toml",
    "crates/adapter-http/src/auth/tests.rs",
    "crates/adapter-http/src/auth/tests/issuer.rs",
    "crates/adapter-http/src/deprecation.rs",
    "crates/adapter-http/src/health.rs",
    "crates/adapter-http/src/idempotency.rs",
    "crates/adapter-http/src/jwks.rs",
    "crates/adapter-http/src/limits.rs",
    "crates/adapter-http/src/telemetry.rs",
    "crates/adapter-kafka/src/attempts.rs",
    "crates/adapter-kafka/src/client.rs",
    "crates/adapter-kafka/src/metrics.rs",
    "crates/adapter-kafka/src/record.rs",
    "crates/adapter-kafka/src/trace.rs",
    "crates/adapter-postgres/src/address.rs",
    "crates/adapter-postgres/src/session.rs",
    "crates/adapter-postgres/src/session/metrics.rs",
    "crates/adapter-postgres/tests/session.rs",
    "crates/adapter-postgres/tests/support/mod.rs",
    "crates/adapter-postgres/tests/upkeep.rs",
    "crates/fuzz/src/http.rs",
    "crates/ports/src/retries.rs",
    "crates/service/src/certificate.rs",
    "crates/service/src/telemetry.rs",
    "crates/service/src/tls.rs",
    "fuzz/fuzz_targets/requests.rs",
];
/// Items that are the same in files that are not.
const ALIKE_IN_PART: [(&str, &[&str]); 6] = [
    (
        "crates/adapter-http/src/app.rs",
        &["fn probes(", "async fn wrong_method(", "async fn bounded(", "async fn security_headers("],
    ),
    (
        "crates/adapter-kafka/src/consumer.rs",
        &["pub struct Progress", "pub async fn run(", "fn subscribe(", "const fn passes(", "async fn bury("],
    ),
    (
        "crates/adapter-kafka/src/dead_letters.rs",
        &["impl DeadLetters", "fn producer(", "pub async fn replay(", "fn ends("],
    ),
    (
        "crates/adapter-kafka/src/relay.rs",
        &["async fn measure(", "async fn patience(", "fn enqueue(", "async fn discard(", "async fn pause("],
    ),
    ("crates/adapter-postgres/src/database.rs", &["pub async fn migrate(", "async fn in_steps<"]),
    ("crates/service/src/serve.rs", &["fn checks(", "async fn refresh(", "impl Signals"]),
];

/// The item that begins with `head`, up to the brace that closes it; the whole text if no head is named.
fn item<'a>(text: &'a str, head: &str) -> Option<&'a str> {
    if head.is_empty() {
        return Some(text);
    }
    let start = text.find(&format!("\n{head}"))? + 1;
    let length = text[start..].find("\n}")? + 2;
    Some(&text[start..start + length])
}

/// A service's text without the service's name and without imports.
fn in_common(service: &str, text: &str) -> String {
    let (initial, rest) = service.split_at(1);
    let text = text.replace(service, "<name>").replace(&(initial.to_uppercase() + rest), "<Name>");
    let mut imports = false;
    let lines = text.lines().filter(|line| {
        imports |= line.trim_start().starts_with("use ");
        let is_import = imports;
        imports &= !line.ends_with(';');
        !is_import
    });
    lines.map(|line| line.to_owned() + "\n").collect()
}

/// Where two texts differ first, if they do.
fn first_difference(one: &str, other: &str) -> Option<String> {
    fn lines(text: &str) -> impl Iterator<Item = Option<&str>> {
        text.lines().map(Some).chain(iter::repeat(None))
    }
    let longest = one.lines().count().max(other.lines().count());
    let mut pairs = (1..=longest).zip(lines(one).zip(lines(other)));
    let (number, (one, other)) = pairs.find(|(_, (one, other))| one != other)?;
    Some(format!("line {number}, without imports: {one:?} and {other:?}"))
}

/// What a service has in common with the others of a file, or of the item in it that begins with `head`.
fn part(service: &str, file: &str, head: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../{service}-service/{file}"));
    let text = fs::read_to_string(&path).unwrap_or_else(|fault| panic!("{}: {fault}", path.display()));
    let part = item(&text, head).unwrap_or_else(|| panic!("{}: nothing begins with `{head}`", path.display()));
    in_common(service, part)
}

#[test]
fn what_stands_in_each_service_is_the_same_in_all() {
    let parts = ALIKE_IN_PART.into_iter().flat_map(|(file, heads)| heads.iter().map(move |head| (file, *head)));
    let mut different = Vec::new();
    for (file, head) in ALIKE.map(|file| (file, "")).into_iter().chain(parts) {
        let [(first, pattern), others @ ..] = SERVICES.map(|service| (service, part(service, file, head)));
        for (service, text) in others {
            if let Some(difference) = first_difference(&pattern, &text) {
                different.push(format!("{file} {head} of {first} and {service}: {difference}"));
            }
        }
    }
    assert!(different.is_empty(), "mended in one service and forgotten in another: {different:#?}");
}

#[test]
fn a_planted_unlikeness_is_found() {
    let listing = "use listing_ports::{\n    Outbox,\n};\nuse sqlx::Pool;\n\nfn of_listing() -> Listing {\n    1\n}\n";
    let bidding = "use bidding_ports::Outbox;\nuse sqlx::Pool;\n\nfn of_bidding() -> Bidding {\n    1\n}\n";
    let (one, other) = (in_common("listing", listing), in_common("bidding", bidding));
    assert_eq!(first_difference(&one, &other), None, "names and imports do not count");
    let mended = first_difference(&one, &other.replace('1', "2")).expect("a line differs");
    assert!(mended.starts_with("line 3"), "{mended}");
    assert!(first_difference(&one, &format!("{other}// more\n")).is_some(), "one is longer");
    assert!(first_difference(&format!("{one}// more\n"), &other).is_some(), "the other is longer");

    assert_eq!(item(listing, "fn of_listing("), Some("fn of_listing() -> Listing {\n    1\n}"));
    assert_eq!(item(listing, "fn of_bidding("), None);
}
