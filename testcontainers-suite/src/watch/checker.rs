//! Judges events, one after the other, without knowing a broker: what an event may have against it, and what was seen.

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

/// Most faults that are kept of each kind.
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

    /// No event so far has a fault of these kinds.
    pub fn holds(&self, kinds: &[Kind]) -> Result<()> {
        self.holds_of(kinds, &Service::ALL)
    }

    /// The same of the topics of these services.
    pub fn holds_of(&self, kinds: &[Kind], services: &[Service]) -> Result<()> {
        let total: u64 = self.counts.values().sum();
        ensure!(total > 0, "no event was seen");
        let meant = |kind: &Kind, service: &Service| kinds.contains(kind) && services.contains(service);
        let found = self.faults.iter().filter(|((kind, service), _)| meant(kind, service));
        let faults: Vec<&str> = found.flat_map(|(_, faults)| faults).map(String::as_str).collect();
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The golden example of a type, changed, as the record that follows `before` others of its key.
    fn judged(checker: &mut Checker, event_type: &str, change: impl FnOnce(&mut HashMap<String, String>, &mut Value)) {
        let event = catalogue::events().expect("a catalogue").into_iter().find(|event| event.event_type == event_type);
        let event = event.expect("a known type");
        let mut headers: HashMap<String, String> =
            event.example.envelope.to_headers().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        headers.insert("ce_sequence".to_owned(), "1".to_owned());
        let mut data = event.example.data.clone();
        let key = event.example.envelope.subject;
        change(&mut headers, &mut data);
        let service = Service::ALL.into_iter().find(|service| service.topic() == event.topic).expect("a service");
        checker.take(&Record {
            service,
            key: key.as_bytes(),
            headers: headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect(),
            payload: data.to_string().as_bytes(),
        });
    }

    fn faults(event_type: &str, change: impl FnOnce(&mut HashMap<String, String>, &mut Value)) -> Vec<Kind> {
        let mut checker = Checker::new().expect("the committed schemas");
        judged(&mut checker, event_type, change);
        kinds(checker)
    }

    fn kinds(checker: Checker) -> Vec<Kind> {
        checker.faults.into_keys().map(|(kind, _)| kind).collect()
    }

    #[test]
    fn every_golden_example_passes() {
        for event in catalogue::events().expect("a catalogue") {
            assert_eq!(faults(event.event_type, |_, _| ()), [], "{}", event.event_type);
        }
    }

    const BID: &str = "outcry.bidding.bid.placed.v1";
    const STARTED: &str = "outcry.settlement.started.v1";

    fn without(member: &str) -> impl FnOnce(&mut HashMap<String, String>, &mut Value) {
        move |_, data| drop(data.as_object_mut().expect("an object").remove(member).expect("it was there"))
    }

    #[test]
    fn what_does_not_fit_its_schema_is_found() {
        assert_eq!(faults(BID, without("price")), [Kind::Schema], "a member dropped");
        assert_eq!(faults(BID, |_, data| data["price"] = json!("7")), [Kind::Schema], "another type");
        assert_eq!(faults(BID, |_, data| data["max_amount"] = json!(7)), [Kind::Schema], "a member too many");
        assert_eq!(faults(STARTED, |_, data| data["status"] = json!("unknown")), [Kind::Schema], "no value of now");
    }

    #[test]
    fn an_envelope_that_is_not_whole_is_found() {
        for name in ["content-type", "ce_specversion", "ce_id", "ce_source", "ce_subject", "ce_time", "ce_partitionkey"]
        {
            assert_eq!(faults(BID, |headers, _| drop(headers.remove(name))), [Kind::Envelope], "without {name}");
        }
        let of = |name: &'static str, value: &'static str| {
            faults(BID, move |headers, _| drop(headers.insert(name.to_owned(), value.to_owned())))
        };
        assert_eq!(of("ce_subject", "another"), [Kind::Envelope]);
        assert_eq!(of("ce_source", "/outcry/listing-service"), [Kind::Envelope]);
        assert_eq!(of("ce_traceparent", "00-7-7-01"), [Kind::Envelope]);
        assert_eq!(of("ce_type", "outcry.bidding.bid.placed.v2"), [Kind::Unknown]);
        assert_eq!(of("ce_type", STARTED), [Kind::Unknown], "in another topic");
        assert_eq!(
            faults(BID, |_, data| data["auction_id"] = json!(Uuid::nil())),
            [Kind::Envelope],
            "about another key"
        );
    }

    /// What is wrong with the numbers of a key's events, each with its id.
    fn in_this_order(numbers: &[(&str, u128)]) -> Vec<Kind> {
        let mut checker = Checker::new().expect("the committed schemas");
        for (sequence, id) in numbers {
            judged(&mut checker, BID, |headers, _| {
                headers.insert("ce_sequence".to_owned(), (*sequence).to_owned());
                headers.insert("ce_id".to_owned(), Uuid::from_u128(*id).to_string());
            });
        }
        kinds(checker)
    }

    #[test]
    fn a_gap_and_a_step_back_are_found_and_a_repetition_is_not() {
        assert_eq!(in_this_order(&[("1", 1), ("2", 2), ("3", 3)]), []);
        assert_eq!(in_this_order(&[("1", 1), ("2", 2), ("2", 2), ("3", 3)]), [], "delivery is at least once");
        assert_eq!(in_this_order(&[("1", 1), ("3", 3)]), [Kind::Sequence], "a gap");
        assert_eq!(in_this_order(&[("2", 2)]), [Kind::Sequence], "the first is missing");
        assert_eq!(in_this_order(&[("1", 1), ("2", 2), ("2", 9)]), [Kind::Sequence], "two of the same number");
        assert_eq!(in_this_order(&[("1", 1), ("2", 2), ("1", 9)]), [Kind::Sequence], "another first one");
    }

    #[test]
    fn what_is_published_once_more_from_some_place_on_is_told_apart_from_what_is_missing() {
        assert_eq!(in_this_order(&[("1", 1), ("2", 2), ("1", 1)]), [Kind::Again], "a step back");
        let again = [("1", 1), ("2", 2), ("3", 3), ("2", 2), ("3", 3), ("4", 4)];
        assert_eq!(in_this_order(&again), [Kind::Again]);
        let and_a_gap = [("1", 1), ("2", 2), ("1", 1), ("2", 2), ("4", 4)];
        assert_eq!(in_this_order(&and_a_gap), [Kind::Sequence, Kind::Again]);
    }

    #[test]
    fn a_fault_in_the_topic_of_one_service_is_none_of_the_others() {
        let mut checker = Checker::new().expect("the committed schemas");
        judged(&mut checker, BID, |headers, _| drop(headers.insert("ce_sequence".to_owned(), "2".to_owned())));
        assert!(checker.holds_of(&[Kind::Sequence], &[Service::Bidding]).is_err());
        assert!(checker.holds_of(&[Kind::Sequence], &[Service::Listing, Service::Settlement]).is_ok());
        assert!(checker.holds(&[Kind::Sequence]).is_err());
    }

    #[test]
    fn a_run_without_events_shows_nothing() {
        let checker = Checker::new().expect("the committed schemas");
        assert!(checker.holds(&[Kind::Schema]).is_err() && checker.every_type_was_seen(&[]).is_err());
    }
}
