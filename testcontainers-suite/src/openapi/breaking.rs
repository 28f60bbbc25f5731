//! Whether a service's document keeps what a released one said. Whoever was built with the released document must get on
//! with a service of the current one: what such a client sends is still taken, what it is answered it still understands.
//!
//! | change | allowed |
//! |---|---|
//! | a new operation, optional parameter, optional member of a request, member of an answer | yes |
//! | a status of an error more or less, other words | yes |
//! | an operation, parameter, media type or success gone, another `operationId` | no |
//! | a parameter, body or member of a request that is needed now; a narrower type, bound, pattern or set of values | no |
//! | a member of an answer gone or optional now; a wider type or bound, a new value that it may have | no |
//! | a documented header of an answer gone, a token needed where none was | no |
//!
//! What is not allowed may still happen to an operation that some released document marks `deprecated`, with a date
//! `x-sunset` that has passed. Schemas are compared by the rules of the events (`event_contracts::compatibility`), each in
//! the one direction in which it is sent.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use event_contracts::compatibility::{self, Direction};
use serde_json::{Map, Value, json};

use super::{METHODS, shape};

/// The date in a document's operation from which on it may be gone.
pub const SUNSET: &str = "x-sunset";
/// The date since which it is deprecated.
pub const DEPRECATED_AT: &str = "x-deprecated-at";

/// Keywords of OpenAPI that say nothing about which values fit.
const ANNOTATIONS: [&str; 4] = ["example", "discriminator", "externalDocs", "xml"];

/// Everything that breaks for clients of the released document when `current` takes its place on the day `today`. What
/// any document of `announced` (all released ones) announced to go by then may be gone.
#[must_use]
pub fn breaks(released: &Value, current: &Value, announced: &[&Value], today: NaiveDate) -> Vec<String> {
    let comparison = Comparison { released, current };
    let paths = released["paths"].as_object().into_iter().flatten();
    let operations = paths.flat_map(|(path, item)| {
        let methods = METHODS.iter().filter_map(move |method| Some((*method, item.get(*method)?)));
        methods.map(move |(method, operation)| (path, method, operation))
    });
    let standing = operations.filter(|(path, method, _)| {
        !announced.iter().any(|document| is_past(&document["paths"][path.as_str()][*method], today))
    });
    standing.flat_map(|(path, method, operation)| comparison.operation(path, method, operation)).collect()
}

/// Whether an operation was announced to go, and the day has come.
fn is_past(operation: &Value, today: NaiveDate) -> bool {
    operation["deprecated"] == true && date(operation, SUNSET).is_some_and(|sunset| sunset <= today)
}

fn date(operation: &Value, extension: &str) -> Option<NaiveDate> {
    operation[extension].as_str()?.parse().ok()
}

/// What is wrong with how a document marks operations that are to go: each says since when and until when, at least
/// `notice_days` apart.
#[must_use]
pub fn careless_deprecations(document: &Value, notice_days: i64) -> Vec<String> {
    let paths = document["paths"].as_object().into_iter().flatten();
    let operations = paths.flat_map(|(path, item)| {
        METHODS.iter().filter_map(move |method| Some((format!("{method} {path}"), item.get(*method)?)))
    });
    let careless = operations.filter_map(|(name, operation)| {
        let marked = operation["deprecated"] == true;
        let dated = [DEPRECATED_AT, SUNSET].iter().any(|extension| operation.get(*extension).is_some());
        if !marked && !dated {
            return None;
        }
        let fault = match (marked, date(operation, DEPRECATED_AT), date(operation, SUNSET)) {
            (false, ..) => "has dates and is not marked `deprecated`".to_owned(),
            (true, Some(since), Some(until)) if (until - since).num_days() >= notice_days => return None,
            (true, Some(_), Some(_)) => format!("goes less than {notice_days} days after its deprecation"),
            (true, ..) => format!("does not say {DEPRECATED_AT} and {SUNSET} (dates like 2027-01-31)"),
        };
        Some(format!("{name} {fault}"))
    });
    careless.collect()
}

struct Comparison<'d> {
    released: &'d Value,
    current: &'d Value,
}

impl Comparison<'_> {
    fn operation(&self, path: &str, method: &str, old: &Value) -> Vec<String> {
        let name = format!("{} {path}", method.to_uppercase());
        let Some(new) = self.current["paths"][path].get(method) else {
            return vec![format!("{name}: the operation was removed")];
        };
        let mut found = Vec::new();
        if old["operationId"] != new["operationId"] {
            found.push(format!("its operationId {} is {} now", old["operationId"], new["operationId"]));
        }
        if is_open(self.released, old) && !is_open(self.current, new) {
            found.push("it needs a token now".to_owned());
        }
        found.extend(self.parameters(old, new));
        found.extend(self.request(&old["requestBody"], &new["requestBody"]));
        found.extend(self.responses(&old["responses"], &new["responses"]));
        found.into_iter().map(|what| format!("{name}: {what}")).collect()
    }

    fn parameters(&self, old: &Value, new: &Value) -> Vec<String> {
        let (old, new) = (parameters(self.released, old), parameters(self.current, new));
        let mut found = Vec::new();
        for (name, parameter) in &new {
            let needed = parameter["required"] == true;
            if needed && old.get(name).is_none_or(|before| before["required"] != true) {
                found.push(format!("the {name} is needed now"));
            }
        }
        for (name, parameter) in &old {
            match new.get(name) {
                None => found.push(format!("the {name} was removed")),
                Some(now) => {
                    let schemas = (&parameter["schema"], &now["schema"]);
                    found.extend(self.schemas(&format!("the {name}"), schemas, Direction::NewReadsOld));
                }
            }
        }
        found
    }

    fn request(&self, old: &Value, new: &Value) -> Vec<String> {
        let mut found = Vec::new();
        if new["required"] == true && old["required"] != true {
            found.push("a body is needed now".to_owned());
        }
        for (media_type, content) in old["content"].as_object().into_iter().flatten() {
            match new["content"].get(media_type) {
                None => found.push(format!("a body of {media_type} is no longer taken")),
                Some(now) => {
                    let schemas = (&content["schema"], &now["schema"]);
                    found.extend(self.schemas(&format!("the body ({media_type})"), schemas, Direction::NewReadsOld));
                }
            }
        }
        found
    }

    fn responses(&self, old: &Value, new: &Value) -> Vec<String> {
        let (Some(old), Some(new)) = (old.as_object(), new.as_object()) else {
            return vec!["its answers are not documented".to_owned()];
        };
        let success = |status: &str| status.starts_with('2') || status.starts_with('3');
        let added = new.keys().filter(|status| success(status) && !old.contains_key(*status));
        let mut found: Vec<String> = added.map(|status| format!("it may be answered {status} now")).collect();
        for (status, before) in old {
            let Some(now) = new.get(status) else {
                if success(status) {
                    found.push(format!("it is never answered {status} now"));
                }
                continue;
            };
            let followed = (shape::resolved(self.released, before), shape::resolved(self.current, now));
            let (Ok(before), Ok(now)) = followed else {
                found.push(format!("the answer {status} refers to nothing"));
                continue;
            };
            found.extend(self.answer(status, before, now));
        }
        found
    }

    fn answer(&self, status: &str, old: &Value, new: &Value) -> Vec<String> {
        let mut found = Vec::new();
        for name in old["headers"].as_object().into_iter().flat_map(Map::keys) {
            if new["headers"].get(name).is_none() {
                found.push(format!("the answer {status} has no header {name} now"));
            }
        }
        for (media_type, content) in old["content"].as_object().into_iter().flatten() {
            match new["content"].get(media_type) {
                None => found.push(format!("the answer {status} is no longer {media_type}")),
                Some(now) => {
                    let schemas = (&content["schema"], &now["schema"]);
                    found.extend(self.schemas(&format!("the answer {status}"), schemas, Direction::OldReadsNew));
                }
            }
        }
        found
    }

    fn schemas(&self, what: &str, (old, new): (&Value, &Value), direction: Direction) -> Vec<String> {
        let breaks = compatibility::breaks(&standalone(self.released, old), &standalone(self.current, new));
        let sent = breaks.into_iter().filter(|broken| broken.direction == direction);
        sent.map(|broken| {
            format!("{what}, {}: {}", if broken.at.is_empty() { "as a whole" } else { &broken.at }, broken.reason)
        })
        .collect()
    }
}

/// Whether it may be called without a token.
fn is_open(document: &Value, operation: &Value) -> bool {
    let security = if operation["security"].is_null() { &document["security"] } else { &operation["security"] };
    security.as_array().is_none_or(|ways| ways.is_empty() || ways.contains(&json!({})))
}

/// By place and name, e.g. `query parameter limit`.
fn parameters<'d>(document: &'d Value, operation: &'d Value) -> BTreeMap<String, &'d Value> {
    let all = operation["parameters"].as_array().into_iter().flatten();
    let followed = all.filter_map(|parameter| shape::resolved(document, parameter).ok());
    let text = |parameter: &Value, member: &str| parameter[member].as_str().unwrap_or_default().to_owned();
    followed.map(|one| (format!("{} parameter {}", text(one, "in"), text(one, "name")), one)).collect()
}

/// A schema of the document with its definitions in itself, as the comparison of events wants it.
fn standalone(document: &Value, schema: &Value) -> Value {
    if schema.is_null() {
        return Value::Bool(true);
    }
    let mut whole = plain(schema);
    if let (Some(members), Some(named)) = (whole.as_object_mut(), document["components"]["schemas"].as_object()) {
        let definitions: Map<String, Value> =
            named.iter().map(|(name, schema)| (name.clone(), plain(schema))).collect();
        members.insert("$defs".to_owned(), Value::Object(definitions));
    }
    whole
}

/// The same in words of JSON Schema alone. A set of one value is a constant: that is how unions are told apart.
fn plain(schema: &Value) -> Value {
    match schema {
        Value::Object(members) => {
            let kept = members.iter().filter(|(name, _)| !ANNOTATIONS.contains(&name.as_str()));
            kept.map(|(name, value)| match (name.as_str(), value) {
                ("$ref", Value::String(reference)) => {
                    (name.clone(), json!(reference.replace("#/components/schemas/", "#/$defs/")))
                }
                ("enum", Value::Array(values)) if values.len() == 1 => ("const".to_owned(), values[0].clone()),
                ("properties", Value::Object(fields)) => {
                    let fields = fields.iter().map(|(field, schema)| (field.clone(), plain(schema)));
                    (name.clone(), Value::Object(fields.collect()))
                }
                ("enum" | "const" | "default" | "required" | "examples", value) => (name.clone(), value.clone()),
                (_, value) => (name.clone(), plain(value)),
            })
            .collect()
        }
        Value::Array(items) => items.iter().map(plain).collect(),
        other => other.clone(),
    }
}
