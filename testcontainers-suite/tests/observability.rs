//! What `deploy/observability` asks for beside what the services tell. Rules and dashboard ask for no figure and no
//! label that nobody registers, and what somebody is woken for is shown by the one panel that names the rule, with its
//! bound. All of them are read as they are written.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use serde_json::Value;

use crate::{SERVICES, text};

const RULES: &str = "deploy/observability/alerts.yml";
const DASHBOARD: &str = "deploy/observability/dashboard.json";
/// Labels that Prometheus makes: of what it reads, of the parts of a histogram, of rules that speak.
const OF_PROMETHEUS: [&str; 6] = ["job", "instance", "le", "alertname", "alertstate", "severity"];

/// Names of figures, with their labels.
type Figures = BTreeMap<String, BTreeSet<String>>;

/// All that is written in Rust in a folder and below.
fn source(folder: &Path) -> String {
    let entries = fs::read_dir(folder).unwrap_or_else(|fault| panic!("{}: {fault}", folder.display()));
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let texts = paths.map(|path| match path.extension() {
        Some(end) if end == "rs" => fs::read_to_string(&path).expect("a text"),
        _ if path.is_dir() => source(&path),
        _ => String::new(),
    });
    texts.collect()
}

/// What a source registers, as `register_…_vec!("name", "help", &["label"])`, or without `_vec` and labels.
fn registered(source: &str) -> Figures {
    let figure = |part: &str| {
        let (kind, arguments) = part.split_once("!(")?;
        let is_call = kind.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_');
        let name = arguments.split('"').nth(1).filter(|_| is_call)?;
        let (_, labels) = if kind.ends_with("_vec") { arguments.split_once("&[")? } else { ("", "") };
        let labels = labels.split(']').next()?.split('"').skip(1).step_by(2);
        Some((name.to_owned(), labels.map(str::to_owned).collect()))
    };
    source.split("register_").skip(1).filter_map(figure).collect()
}

/// What the services tell.
fn told() -> Figures {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let sources = SERVICES.map(|service| source(&root.join(format!("{service}-service/crates"))));
    let told = registered(&sources.concat());
    let labelled = told.values().filter(|labels| !labels.is_empty()).count();
    assert!(told.len() > 20 && labelled > 5, "the figures are not read as they are registered: {told:?}");
    told
}

/// The names of our figures in a text, without what a histogram's parts are called by.
fn asked_for(text: &str) -> BTreeSet<&str> {
    let words = text.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'));
    words
        .filter(|word| word.starts_with("outcry_"))
        .map(|word| ["_bucket", "_count", "_sum"].iter().find_map(|part| word.strip_suffix(part)).unwrap_or(word))
        .collect()
}

/// The names of labels in a text: of `{label="a"}`, of `by (label)` and `on (label)`, of a legend's `{{label}}`.
fn labels_of(text: &str) -> BTreeSet<&str> {
    let lists = [("{", '}'), ("by (", ')'), ("on (", ')')].into_iter().flat_map(|(opens, closes)| {
        text.split(opens).skip(1).map(move |rest| rest.split(closes).next().unwrap_or_default())
    });
    let labels = lists.flat_map(|list| list.split(',')).filter_map(|label| label.split(['=', '!']).next());
    labels.map(str::trim).filter(|label| !label.is_empty()).collect()
}

/// What a query asks for and nobody tells: figures, and labels that none of its figures has.
fn untold(told: &Figures, query: &str) -> Vec<String> {
    let figures = asked_for(query);
    let own = figures.iter().filter_map(|figure| told.get(*figure)).flatten().map(String::as_str);
    let known: BTreeSet<&str> = own.chain(OF_PROMETHEUS).collect();
    let figures = figures.iter().filter(|figure| !told.contains_key(**figure));
    let labels = labels_of(query);
    let labels = labels.iter().filter(|label| !known.contains(*label));
    figures.chain(labels).map(|name| format!("nobody tells {name}: {query}")).collect()
}

/// When somebody is woken.
struct Rule<'a> {
    name: &'a str,
    asks: &'a str,
    /// What its figures are compared with.
    bound: &'a str,
}

fn rule(text: &str) -> Option<Rule<'_>> {
    let (name, rest) = text.split_once('\n')?;
    let (_, asks) = rest.split_once("expr: ")?;
    let (asks, _) = asks.split_once("labels: ")?;
    let (_, bound) = asks.split_once("> ").or_else(|| asks.split_once("== "))?;
    Some(Rule { name, asks, bound: bound.split_whitespace().next()? })
}

fn rules(text: &str) -> Vec<Rule<'_>> {
    let rules: Option<Vec<_>> = text.split("- alert: ").skip(1).map(rule).collect();
    rules.expect("each rule has an expression with a bound, and labels after it")
}

#[test]
fn the_rules_ask_for_what_is_told() {
    let (told, text) = (told(), text(RULES));
    let rules = rules(&text);
    assert!(rules.len() > 10, "the rules are not read as they are written");
    let unknown: Vec<_> = rules.iter().flat_map(|rule| untold(&told, rule.asks)).collect();
    assert!(unknown.is_empty(), "{unknown:#?}");

    for planted in [
        "rate(outcry_renamed_seconds_bucket[5m])",
        "outcry_bids_total{job=\"a\", outcome=\"b\"}",
        "sum by (job, step) (outcry_bids_total)",
        "a unless on (table) outcry_bids_total",
        "outcry_bids_total {{reason}}",
    ] {
        assert_eq!(untold(&told, planted).len(), 1, "{planted}");
    }
}

/// What a panel asks for: each expression with its legend.
fn queries(panel: &Value) -> Vec<String> {
    let targets = panel["targets"].as_array().map(Vec::as_slice).unwrap_or_default();
    let query = |target: &Value| {
        let [asks, legend] = ["expr", "legendFormat"].map(|part| target[part].as_str().unwrap_or_default());
        format!("{asks} {legend}")
    };
    targets.iter().map(query).collect()
}

/// What a panel's description names: rules, and pages to open.
fn named(panel: &Value) -> Vec<&str> {
    let words = panel["description"].as_str().unwrap_or_default().split_whitespace();
    words.map(|word| word.trim_matches(['(', ')', ',', ';', ':', '.'])).collect()
}

/// Why nobody can read a panel: it does not say what it is, or what to do then.
fn unsaid(panel: &Value) -> Vec<String> {
    let title = &panel["title"];
    let parts = [("title", title), ("unit", &panel["fieldConfig"]["defaults"]["unit"])];
    let missing = parts.into_iter().filter(|(_, part)| part.as_str().is_none_or(str::is_empty));
    let mut faults: Vec<_> = missing.map(|(part, _)| format!("{title} has no {part}")).collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let named = named(panel);
    let pages: Vec<_> = named.iter().filter(|word| word.starts_with("docs/")).collect();
    let is_there = |page: &str| page.split('#').next().is_some_and(|file| root.join(file).is_file());
    if pages.is_empty() || !pages.iter().all(|page| is_there(page)) {
        faults.push(format!("{title} names no page to open, or one that is not there: {pages:?}"));
    }
    faults
}

/// Why nobody sees what a rule speaks of.
fn unshown(rule: &Rule<'_>, panels: &[&Value]) -> Option<String> {
    let naming: Vec<_> = panels.iter().filter(|panel| named(panel).contains(&rule.name)).collect();
    let [panel] = naming[..] else { return Some(format!("{} panels name {}", naming.len(), rule.name)) };
    // A panel marks what has reached its bound, a rule speaks beyond it: what is counted is beyond 0 from 1 on.
    let bound = if rule.bound == "0" { "1" } else { rule.bound };
    let steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"].as_array().map(Vec::as_slice);
    let mut marks = steps.unwrap_or_default().iter().map(|step| step["value"].to_string());
    let queries = queries(panel).join(" ");
    let shown = marks.any(|mark| mark == bound) && asked_for(rule.asks).is_subset(&asked_for(&queries));
    (!shown).then(|| format!("{} does not show what {} asks for, with {bound}", panel["title"], rule.name))
}

/// What of a dashboard fits neither the services nor the rules.
fn faults(told: &Figures, dashboard: &str) -> Vec<String> {
    let dashboard: Value = serde_json::from_str(dashboard).expect("a dashboard is JSON");
    let all = dashboard["panels"].as_array().map(Vec::as_slice).unwrap_or_default();
    let panels: Vec<_> = all.iter().filter(|panel| panel["type"] != "row").collect();
    let queries = panels.iter().flat_map(|panel| queries(panel));
    let mut faults: Vec<_> = queries.flat_map(|query| untold(told, &query)).collect();
    faults.extend(panels.iter().flat_map(|panel| unsaid(panel)));
    faults.extend(rules(&text(RULES)).iter().filter_map(|rule| unshown(rule, &panels)));
    faults
}

#[test]
fn the_dashboard_shows_what_is_told_and_what_somebody_is_woken_for() {
    let found = faults(&told(), &text(DASHBOARD));
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn a_planted_fault_of_the_dashboard_is_found() {
    let (told, sound) = (told(), text(DASHBOARD));
    for (from, to) in [
        ("outcry_relay_failures_total", "outcry_relay_faults_total"),
        ("outcry_consumer_lag_messages", "outcry_events_published_total"),
        (r#"result=\"after_gap"#, r#"outcome=\"after_gap"#),
        ("by (job, status)", "by (job, code)"),
        ("{{incident}}", "{{kind}}"),
        ("OutcryBidsWait", "OutcryLotsWait"),
        (r#""value": 2048"#, r#""value": 4096"#),
        (r#""unit": "reqps""#, r#""unit": """#),
        ("operations/dead-letters.md", "operations/letters.md"),
    ] {
        assert!(sound.contains(from), "{from} is nowhere");
        let found = faults(&told, &sound.replace(from, to));
        assert!(!found.is_empty(), "{to} in place of {from} is not found");
    }
}

#[test]
fn the_dashboard_knows_how_many_requests_a_service_answers_at_once() {
    let dashboard = text(DASHBOARD);
    for service in SERVICES {
        let source = text(&format!("{service}-service/crates/adapter-http/src/app.rs"));
        let most = source.split_once("const MAX_IN_FLIGHT: usize = ").and_then(|(_, rest)| rest.split(';').next());
        let most = most.expect("the most requests at once").replace('_', "");
        assert!(dashboard.contains(&format!("}} / {most}")), "{service} answers {most}");
    }
}
