//! Judges events, one after the other, without knowing a broker: what an event may have against it, and what was seen.

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Write,
    path::PathBuf,
};

use anyhow::{Context, Result, ensure};
use event_contracts::{
    catalogue,
    envelope::{CONTENT_TYPE, Envelope},
};
use jsonschema::Validator;
use serde_json::Value;
use uuid::Uuid;

use crate::{openapi::shape, world::Service};

/// Most faults that are kept of each kind in a topic.
const MOST_FAULTS: usize = 50;

/// What an event may have against it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Its type is in no contract, or in another topic's.
    Unknown,
    /// An attribute is missing, unreadable, or not what the contract says.
    Envelope,
    /// Its data does not fit its schema.
    Schema,
    /// It does not follow the event of its key before it: one is missing, or another had its number.
    Sequence,
    /// It came before, and others of its key since. A relay that could not note what it had published begins again there;
    /// without a fault none has to.
    Again,
}

/// One record of a topic.
#[derive(Debug, Clone)]
pub struct Record<'r> {
    /// Whose topic it is in.
    pub service: Service,
    /// The record's key.
    pub key: &'r [u8],
    /// The headers.
    pub headers: HashMap<&'r str, &'r str>,
    /// The value.
    pub payload: &'r [u8],
}

struct Contract {
    topic: &'static str,
    key_field: &'static str,
    schema: Validator,
}

/// Judges events, one after the other.
pub struct Checker {
    contracts: HashMap<&'static str, Contract>,
    /// The numbers and ids of each key's events.
    seen: HashMap<(Service, String), BTreeMap<u64, Uuid>>,
    counts: BTreeMap<&'static str, u64>,
    repeated: u64,
    faults: BTreeMap<(Kind, Service), Vec<String>>,
}

impl Checker {
    /// Knows the schemas that `event-contracts` has committed.
    pub fn new() -> Result<Self> {
        let mut contracts = HashMap::new();
        let mut counts = BTreeMap::new();
        for event in catalogue::events()? {
            let file = schemas().join(format!("{}.json", event.event_type));
            let text = std::fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
            // Closed: an event that says more than its schema has a secret or a forgotten schema.
            let schema = shape::closed(&of_this_version(serde_json::from_slice(&text)?));
            let schema = shape::validator(&schema).with_context(|| event.event_type)?;
            contracts.insert(event.event_type, Contract { topic: event.topic, key_field: event.key_field, schema });
            counts.insert(event.event_type, 0);
        }
        Ok(Self { contracts, seen: HashMap::new(), counts, repeated: 0, faults: BTreeMap::new() })
    }

    /// Judges the next record.
    pub fn take(&mut self, record: &Record<'_>) {
        for (kind, fault) in self.judged(record) {
            let known = self.faults.entry((kind, record.service)).or_default();
            if known.len() < MOST_FAULTS {
                let key = String::from_utf8_lossy(record.key);
                let event_type = record.headers.get("ce_type").unwrap_or(&"no type");
                known.push(format!("{}: {event_type} of {key}: {fault}", record.service.topic()));
            }
        }
    }

    fn judged(&mut self, record: &Record<'_>) -> Vec<(Kind, String)> {
        let header = |name: &str| record.headers.get(name).copied();
        let envelope = match Envelope::from_headers(header) {
            Ok(envelope) => envelope,
            Err(fault) => return vec![(Kind::Envelope, fault.to_string())],
        };
        let mut faults = Vec::new();
        let mut expect = |name: &'static str, expected: &str| {
            if header(name) != Some(expected) {
                faults.push((Kind::Envelope, format!("{name} is {:?}, expected is {expected:?}", header(name))));
            }
        };
        let key = String::from_utf8_lossy(record.key).into_owned();
        expect("content-type", CONTENT_TYPE);
        expect("ce_subject", &key);
        expect("ce_partitionkey", &key);
        expect("ce_source", &format!("/outcry/{}", record.service.name()));
        if header("ce_traceparent").is_some_and(|value| !is_traceparent(value)) {
            faults.push((Kind::Envelope, format!("ce_traceparent is {:?}", header("ce_traceparent"))));
        }
        faults.extend(self.follows(record.service, &key, &envelope));
        let found = self.contracts.get_key_value(envelope.event_type.as_str());
        let Some((event_type, contract)) = found.filter(|(_, contract)| contract.topic == record.service.topic())
        else {
            faults.push((Kind::Unknown, "it is in no contract of this topic".to_owned()));
            return faults;
        };
        *self.counts.entry(*event_type).or_default() += 1;
        match serde_json::from_slice::<Value>(record.payload) {
            Ok(data) => {
                if data[contract.key_field] != key.as_str() {
                    faults
                        .push((Kind::Envelope, format!("its {} is {}", contract.key_field, data[contract.key_field])));
                }
                let found = shape::faults(&contract.schema, &data);
                faults.extend(found.into_iter().map(|fault| (Kind::Schema, format!("{fault} in {data}"))));
            }
            Err(fault) => faults.push((Kind::Schema, format!("its data is no JSON: {fault}"))),
        }
        faults
    }

    /// Delivery is at least once: the last event may come twice at any time.
    fn follows(&mut self, service: Service, key: &str, envelope: &Envelope) -> Option<(Kind, String)> {
        let seen = self.seen.entry((service, key.to_owned())).or_default();
        let last = seen.last_key_value().map_or(0, |(number, _)| *number);
        let number = envelope.sequence;
        match seen.insert(number, envelope.id) {
            Some(id) if id == envelope.id => {
                self.repeated += 1;
                (number != last).then(|| (Kind::Again, format!("number {number} comes once more after {last}")))
            }
            Some(id) => Some((Kind::Sequence, format!("number {number} was {id}, and now it is {}", envelope.id))),
            None => (number != last + 1).then(|| (Kind::Sequence, format!("number {number} follows {last}"))),
        }
    }

    /// The number of a key's last event, if there is one.
    #[must_use]
    pub fn last(&self, service: Service, key: &str) -> Option<u64> {
        let seen = self.seen.get(&(service, key.to_owned()))?;
        seen.last_key_value().map(|(number, _)| *number)
    }

    /// Tells the faults of these kinds in the topics of these services and forgets them: whoever asks next hears of later
    /// ones only.
    pub fn take_faults(&mut self, kinds: &[Kind], services: &[Service]) -> Vec<String> {
        places(kinds, services).filter_map(|place| self.faults.remove(&place)).flatten().collect()
    }

    /// No event so far has a fault of these kinds.
    pub fn holds(&self, kinds: &[Kind]) -> Result<()> {
        self.holds_of(kinds, &Service::ALL)
    }

    /// The same of the topics of these services.
    pub fn holds_of(&self, kinds: &[Kind], services: &[Service]) -> Result<()> {
        let total: u64 = self.counts.values().sum();
        ensure!(total > 0, "no event was seen");
        let found = places(kinds, services).filter_map(|place| self.faults.get(&place));
        let faults: Vec<&str> = found.flatten().map(String::as_str).collect();
        ensure!(faults.is_empty(), "of {total} events, these do not hold:\n{}", faults.join("\n"));
        Ok(())
    }

    /// Every type of event was seen, but those in `spared`, each left out for the reason beside it.
    pub fn every_type_was_seen(&self, spared: &[(&str, &str)]) -> Result<()> {
        let unseen = self.counts.iter().filter(|(_, count)| **count == 0).map(|(event_type, _)| *event_type);
        let missing: Vec<&str> = unseen.filter(|unseen| !spared.iter().any(|(spared, _)| spared == unseen)).collect();
        ensure!(missing.is_empty(), "never seen: {}", missing.join(", "));
        Ok(())
    }

    /// How many there were of each type, as a table.
    pub fn table(&self) -> Result<String> {
        let total: u64 = self.counts.values().sum();
        let keys = self.seen.len();
        let mut table =
            format!("{total} events of {keys} keys, checked as they passed ({} came twice):\n", self.repeated);
        for (event_type, count) in &self.counts {
            writeln!(table, "  {event_type:<46} {count:>6}")?;
        }
        Ok(table)
    }
}

/// Where faults of these kinds in the topics of these services are kept.
fn places(kinds: &[Kind], services: &[Service]) -> impl Iterator<Item = (Kind, Service)> {
    kinds.iter().flat_map(move |kind| services.iter().map(move |service| (*kind, *service)))
}

/// Without the alternative that lets readers take values of later versions: whoever sends now knows all values of now.
fn of_this_version(mut schema: Value) -> Value {
    match &mut schema {
        Value::Object(members) => {
            if let Some(Value::Array(choices)) = members.get_mut("anyOf")
                && choices.iter().any(|choice| choice.get("const").is_some())
            {
                choices.retain(|choice| choice.get("const").is_some() || choice["type"] != "string");
            }
            for member in members.values_mut() {
                *member = of_this_version(member.take());
            }
        }
        Value::Array(items) => {
            for item in items {
                *item = of_this_version(item.take());
            }
        }
        _ => {}
    }
    schema
}

/// W3C Trace Context: version, trace, parent, flags.
fn is_traceparent(value: &str) -> bool {
    let parts: Vec<&str> = value.split('-').collect();
    let hex = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    lengths == [2, 32, 16, 2] && parts.iter().all(|part| hex(part))
}

fn schemas() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../event-contracts/schemas")
}
