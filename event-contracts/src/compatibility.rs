//! Whether a schema may take the place of a published one. Both directions are asked: can a new
//! consumer read old messages, and can an old consumer read new ones?
//!
//! A reader tolerates unknown fields (unless its schema refuses them) and no unknown values. So within
//! a version these pass: a new optional field, and other words in titles and descriptions. These break:
//!
//! | change | who fails |
//! |---|---|
//! | a field removed, optional ones too | an old consumer that relies on it |
//! | a new required field, an optional field made required | a new consumer, of old messages |
//! | a required field made optional or nullable | an old consumer, of new messages |
//! | a type, format, bound or pattern narrowed | a new consumer, of old messages |
//! | a type, format, bound or pattern widened | an old consumer, of new messages |
//! | a tag or constant changed | both |
//! | a value or variant removed | a new consumer, of old messages |
//! | a value or variant added | an old consumer, of new messages, unless the enum is open or a tagged union |
//!
//! An enum is *open* when its schema has an alternative for any other value, which its Rust type must
//! keep by `#[serde(other)]`: values may then be added. A *tagged union* is told apart by one required field with a
//! constant in every branch: branches may be added, because a consumer that does not know one puts the event among its
//! dead letters and replays it after its upgrade, and readers are upgraded before writers. Branches are neither removed
//! nor changed. Doubt is reported, never passed over: a keyword
//! that the checker does not know, or a constant where the other side has a pattern.

mod alternatives;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::Value;

use alternatives::{Alternative, alternatives, describe, is_new_branch, same_kind};

/// Schemas by file name, e.g. `outcry.listing.published.v1.json`.
pub type Schemas = BTreeMap<String, Value>;

/// Nesting at which the comparison gives up: a schema that refers to itself.
const MAX_DEPTH: usize = 64;

/// Who reads whose messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// A consumer built with the current schema reads a message of the published one.
    NewReadsOld,
    /// A consumer built with the published schema reads a message of the current one.
    OldReadsNew,
}

/// One reason why the current schema may not take the place of the published one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Break {
    /// Who fails.
    pub direction: Direction,
    /// Where in a message, as a JSON Pointer in which `*` is every item of an array; led by the file's
    /// name when whole releases are compared.
    pub at: String,
    /// What is wrong.
    pub reason: String,
}

impl fmt::Display for Break {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let who = match self.direction {
            Direction::NewReadsOld => "a new consumer cannot read old messages",
            Direction::OldReadsNew => "an old consumer cannot read new messages",
        };
        write!(f, "{}: {} ({who})", self.at, self.reason)
    }
}

/// Everything that breaks when the `current` schema takes the place of the `published` one.
#[must_use]
pub fn breaks(published: &Value, current: &Value) -> Vec<Break> {
    let new_reads_old = Comparison { writer: published, reader: current, direction: Direction::NewReadsOld };
    let old_reads_new = Comparison { writer: current, reader: published, direction: Direction::OldReadsNew };
    let mut found = new_reads_old.schema(published, current, "", 0);
    found.extend(old_reads_new.schema(current, published, "", 0));
    found
}

/// Everything that breaks for users of a published release. A schema may be added, never removed.
#[must_use]
pub fn release_breaks(published: &Schemas, current: &Schemas) -> Vec<Break> {
    let in_file = |file: &str, broken: Break| Break { at: format!("{file}#{}", broken.at), ..broken };
    let removed = |file: &str| Break {
        direction: Direction::OldReadsNew,
        at: file.to_owned(),
        reason: "the schema was removed".to_owned(),
    };
    published
        .iter()
        .flat_map(|(file, old)| match current.get(file) {
            Some(new) => breaks(old, new).into_iter().map(|broken| in_file(file, broken)).collect(),
            None => vec![removed(file)],
        })
        .collect()
}

/// One direction: whatever the writer's schema allows, the reader's must.
struct Comparison<'a> {
    writer: &'a Value,
    reader: &'a Value,
    direction: Direction,
}

impl Comparison<'_> {
    fn broken(&self, at: &str, reason: impl Into<String>) -> Break {
        Break { direction: self.direction, at: at.to_owned(), reason: reason.into() }
    }

    fn schema(&self, written: &Value, read: &Value, at: &str, depth: usize) -> Vec<Break> {
        if depth > MAX_DEPTH {
            return vec![self.broken(at, "the checker cannot follow a schema that refers to itself")];
        }
        match (alternatives(self.writer, written), alternatives(self.reader, read)) {
            (Ok(written), Ok(read)) => {
                written.iter().flat_map(|alternative| self.one_of(alternative, &read, at, depth)).collect()
            }
            (Err(fault), _) | (_, Err(fault)) => vec![self.broken(at, format!("the checker cannot judge it: {fault}"))],
        }
    }

    /// One of the reader's alternatives must read all that the writer's allows; if none does, what the
    /// closest one lacks is the reason.
    fn one_of(&self, written: &Alternative, read: &[Alternative], at: &str, depth: usize) -> Vec<Break> {
        read.iter()
            .filter(|candidate| same_kind(written, candidate))
            .map(|candidate| self.alternative(written, candidate, at, depth))
            .min_by_key(Vec::len)
            .or_else(|| self.adds_a_branch(written, read).then(Vec::new))
            .unwrap_or_else(|| vec![self.broken(at, format!("{} may be written and is not read", describe(written)))])
    }

    /// Whether `written` is a branch that the old reader's tagged union lacks.
    fn adds_a_branch(&self, written: &Alternative, read: &[Alternative]) -> bool {
        self.direction == Direction::OldReadsNew && is_new_branch(written, read)
    }

    fn alternative(&self, written: &Alternative, read: &Alternative, at: &str, depth: usize) -> Vec<Break> {
        if read.contains_key("const") {
            return Vec::new(); // Of the same kind, so it is the same constant.
        }
        let mut found = self.bounds(written, read, at);
        if read.get("type").is_none_or(|kind| kind == "object") {
            found.extend(self.fields(written, read, at, depth));
        }
        if let Some(read) = read.get("items") {
            let written = written.get("items").unwrap_or(&Value::Bool(true));
            found.extend(self.schema(written, read, &format!("{at}/*"), depth + 1));
        }
        found
    }

    /// Bounds, pattern and format: the reader's must be no tighter than the writer's.
    fn bounds(&self, written: &Alternative, read: &Alternative, at: &str) -> Vec<Break> {
        let holds = |name: &str| {
            let (Some(read), written) = (read.get(name), written.get(name)) else { return true };
            let numbers = || written.and_then(Value::as_f64).zip(read.as_f64());
            match name {
                _ if written == Some(read) => true,
                "minimum" | "exclusiveMinimum" | "minLength" | "minItems" => numbers().is_some_and(|(w, r)| w > r),
                "maximum" | "exclusiveMaximum" | "maxLength" | "maxItems" => numbers().is_some_and(|(w, r)| w < r),
                "uniqueItems" => *read == Value::Bool(false),
                _ => false,
            }
        };
        alternatives::BOUNDS
            .iter()
            .filter(|name| !holds(name))
            .map(|name| {
                let shown = |of: &Alternative| of.get(*name).map_or_else(|| "no limit".to_owned(), Value::to_string);
                self.broken(at, format!("{name}: {} is written, {} is read", shown(written), shown(read)))
            })
            .collect()
    }

    fn fields(&self, written: &Alternative, read: &Alternative, at: &str, depth: usize) -> Vec<Break> {
        let (written_fields, read_fields) = (properties(written), properties(read));
        let (always_written, needed) = (required(written), required(read));
        let others = read.get("additionalProperties").unwrap_or(&Value::Bool(true));

        let mut found = Vec::new();
        for name in read_fields.keys().chain(&needed).copied().collect::<BTreeSet<_>>() {
            let at = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
            match (written_fields.get(name), self.direction) {
                (None, Direction::OldReadsNew) => found.push(self.broken(&at, "the field was removed")),
                (None, Direction::NewReadsOld) if needed.contains(name) => {
                    found.push(self.broken(&at, "the new field is required"));
                }
                (None, Direction::NewReadsOld) => {}
                (Some(written), _) => {
                    if needed.contains(name) && !always_written.contains(name) {
                        found.push(self.broken(&at, "the reader requires the field, the writer may leave it out"));
                    }
                    let read = read_fields.get(name).copied().unwrap_or(others);
                    found.extend(self.schema(written, read, &at, depth + 1));
                }
            }
        }
        // Fields that the reader does not know: welcome, unless its schema restricts them.
        if *others != Value::Bool(true) {
            for (name, written) in written_fields.iter().filter(|(name, _)| !read_fields.contains_key(*name)) {
                found.extend(self.schema(written, others, &format!("{at}/{name}"), depth + 1));
            }
            let written = written.get("additionalProperties").unwrap_or(&Value::Bool(true));
            found.extend(self.schema(written, others, &format!("{at}/(unknown fields)"), depth + 1));
        }
        found
    }
}

fn properties(of: &Alternative) -> BTreeMap<&str, &Value> {
    let fields = of.get("properties").and_then(Value::as_object).into_iter().flatten();
    fields.map(|(name, schema)| (name.as_str(), schema)).collect()
}

fn required(of: &Alternative) -> BTreeSet<&str> {
    of.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
}
