//! Keeps a list of what the services answered, operation by operation, and of every answer that their OpenAPI documents
//! do not tell of.

use std::{
    collections::BTreeMap,
    fmt::Write,
    sync::{LazyLock, Mutex, MutexGuard, PoisonError},
};

use anyhow::{Result, anyhow, bail, ensure};
use serde_json::Value;

use crate::{
    client::Answer,
    openapi::{Document, Found, conformity::Told},
    world::Service,
};

/// Most faults that are kept: more of them tell nothing new.
const MOST_FAULTS: usize = 100;

static DOCUMENTS: LazyLock<Result<[(Service, Document); 3], String>> = LazyLock::new(|| {
    let of = |service| Document::of(service).map(|document| (service, document)).map_err(|fault| format!("{fault:#}"));
    Ok([of(Service::Listing)?, of(Service::Bidding)?, of(Service::Settlement)?])
});

/// The committed document of a service.
pub fn document(service: Service) -> Result<&'static Document> {
    let documents = DOCUMENTS.as_ref().map_err(|fault| anyhow!("{fault}"))?;
    let found = documents.iter().find(|(of, _)| *of == service);
    found.map(|(_, document)| document).ok_or_else(|| anyhow!("{service} has no document"))
}

/// Everything that was answered so far.
#[derive(Default)]
pub struct Answers {
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    /// How often, by operation and status.
    seen: BTreeMap<(Service, String), BTreeMap<u16, u64>>,
    faults: Vec<String>,
    checked: u64,
}

impl Answers {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps an answer, and fails when the service's document does not tell of it, or when it lacks what guards its reader.
    pub fn take(&self, service: Service, method: &str, path: &str, answer: &Answer) -> Result<()> {
        let document = document(service)?;
        let media_type = answer.header("content-type").and_then(|value| value.split(';').next()).map(str::trim);
        let headers: Vec<String> = answer.headers.keys().map(ToString::to_string).collect();
        let told = Told { status: answer.status, media_type, text: &answer.text, headers: &headers };
        let mut faults = document.faults(method, path, told);
        faults.extend(unguarded(answer));
        let mut kept = self.kept();
        kept.checked += 1;
        if let Found::Operation(operation) = document.find(method, path) {
            let statuses = kept.seen.entry((service, operation.id.clone())).or_default();
            *statuses.entry(answer.status).or_default() += 1;
        }
        keep(&mut kept, &format!("{service}: {method} {path:.200} answered {}", answer.status), &faults)
    }

    /// Keeps an event of a stream, likewise.
    pub fn take_event(&self, service: Service, path: &str, data: &Value) -> Result<()> {
        let faults = document(service)?.event_faults(path, data);
        keep(&mut self.kept(), &format!("{service}: an event of {path}"), &faults)
    }

    /// Every answer so far is one that a document tells of.
    pub fn all_fit(&self) -> Result<()> {
        let kept = self.kept();
        ensure!(kept.checked > 0, "nothing was answered");
        let faults = kept.faults.len();
        ensure!(faults == 0, "of {} answers, {faults} do not fit:\n{}", kept.checked, kept.faults.join("\n"));
        Ok(())
    }

    /// Every documented operation was called, with success in each way that the document tells of. Those in `spared` are
    /// left out, each for the reason beside it.
    pub fn all_operations_were_called(&self, spared: &[(&str, &str)]) -> Result<()> {
        let mut missing = Vec::new();
        for service in Service::ALL {
            for operation in document(service)?.operations() {
                let statuses = operation.value["responses"].as_object().into_iter().flatten();
                let successes = statuses.filter_map(|(status, _)| status.parse::<u16>().ok()).filter(|s| *s < 400);
                let kept = self.kept();
                let seen = kept.seen.get(&(service, operation.id.clone()));
                for status in successes.filter(|status| seen.is_none_or(|seen| !seen.contains_key(status))) {
                    let name = format!("{} {status}", operation.id);
                    if !spared.iter().any(|(spared, _)| *spared == name) {
                        missing.push(format!("{service}: {name} ({} {})", operation.method, operation.path));
                    }
                }
            }
        }
        if !missing.is_empty() {
            bail!("documented, and never seen:\n{}", missing.join("\n"));
        }
        Ok(())
    }

    /// Which operations were answered with which statuses, as a table.
    pub fn table(&self) -> Result<String> {
        let kept = self.kept();
        let mut table = format!("{} answers, checked against the OpenAPI documents:\n", kept.checked);
        for service in Service::ALL {
            for operation in document(service)?.operations() {
                let seen = kept.seen.get(&(service, operation.id.clone()));
                let statuses = seen.into_iter().flatten().map(|(status, times)| format!("{status}×{times}"));
                let statuses = statuses.collect::<Vec<_>>().join(" ");
                let statuses = if statuses.is_empty() { "never called" } else { &statuses };
                writeln!(table, "  {service:<11} {:<22} {statuses}", operation.id)?;
            }
        }
        Ok(table)
    }
}

/// Headers that guard a browser (OWASP Secure Headers), and say how to find the request again.
const GUARDS: [(&str, Option<&str>); 7] = [
    ("x-content-type-options", Some("nosniff")),
    ("x-frame-options", Some("DENY")),
    ("referrer-policy", Some("no-referrer")),
    ("strict-transport-security", None),
    ("content-security-policy", None),
    ("cache-control", None),
    ("x-trace-id", None),
];
/// Headers that tell strangers what they need not know.
const TALES: [&str; 2] = ["server", "x-powered-by"];
/// What the HTTP library answers by itself: no request was read that anything could be said of.
const UNREAD: [u16; 3] = [400, 414, 431];

/// Which headers an answer lacks, or has too many.
fn unguarded(answer: &Answer) -> Vec<String> {
    if UNREAD.contains(&answer.status) && answer.text.is_empty() {
        return Vec::new();
    }
    let lacks = GUARDS.iter().filter(|(name, value)| {
        let told = answer.header(name).filter(|told| !told.is_empty());
        value.map_or(told.is_none(), |value| told != Some(value))
    });
    let lacks = lacks.map(|(name, _)| format!("its header {name} is {:?}", answer.header(name)));
    let tells = TALES.iter().filter(|name| answer.header(name).is_some());
    lacks.chain(tells.map(|name| format!("its header {name} tells {:?}", answer.header(name)))).collect()
}

fn keep(kept: &mut Kept, what: &str, faults: &[String]) -> Result<()> {
    if faults.is_empty() {
        return Ok(());
    }
    let told = format!("{what}: {}", faults.join("; "));
    if kept.faults.len() < MOST_FAULTS && !kept.faults.contains(&told) {
        kept.faults.push(told.clone());
    }
    bail!("not what the service's OpenAPI document says, or not how it has to be said: {told}")
}
