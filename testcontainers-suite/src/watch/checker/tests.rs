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
    for name in ["content-type", "ce_specversion", "ce_id", "ce_source", "ce_subject", "ce_time", "ce_partitionkey"] {
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
    assert_eq!(faults(BID, |_, data| data["auction_id"] = json!(Uuid::nil())), [Kind::Envelope], "about another key");
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
    let others = [Service::Listing, Service::Settlement];
    assert!(checker.holds_of(&[Kind::Sequence], &[Service::Bidding]).is_err());
    assert!(checker.holds_of(&[Kind::Sequence], &others).is_ok());
    assert!(checker.holds(&[Kind::Sequence]).is_err());
    assert!(checker.take_faults(&[Kind::Sequence], &others).is_empty());
    assert_eq!(checker.take_faults(&[Kind::Sequence], &[Service::Bidding]).len(), 1);
}

#[test]
fn a_run_without_events_shows_nothing() {
    let checker = Checker::new().expect("the committed schemas");
    assert!(checker.holds(&[Kind::Schema]).is_err() && checker.every_type_was_seen(&[]).is_err());
}

#[test]
fn a_fault_is_told_once_and_later_ones_are_told_then() {
    let mut checker = Checker::new().expect("the committed schemas");
    let comes = |checker: &mut Checker, sequence: &str, id: u128| {
        judged(checker, BID, |headers, _| {
            headers.insert("ce_sequence".to_owned(), sequence.to_owned());
            headers.insert("ce_id".to_owned(), Uuid::from_u128(id).to_string());
        });
    };
    comes(&mut checker, "1", 1);
    comes(&mut checker, "3", 3);
    assert!(checker.take_faults(&[Kind::Schema], &Service::ALL).is_empty(), "of another kind");
    assert_eq!(checker.take_faults(&[Kind::Schema, Kind::Sequence], &Service::ALL).len(), 1);
    assert!(checker.take_faults(&[Kind::Sequence], &Service::ALL).is_empty(), "it was told");
    comes(&mut checker, "7", 7);
    assert_eq!(checker.take_faults(&[Kind::Sequence], &Service::ALL).len(), 1);
}

#[test]
fn the_last_number_of_a_key_is_known() {
    let mut checker = Checker::new().expect("the committed schemas");
    judged(&mut checker, BID, |_, _| ());
    let event = catalogue::events().expect("a catalogue").into_iter().find(|event| event.event_type == BID);
    let key = event.expect("a known type").example.envelope.subject;
    assert_eq!(checker.last(Service::Bidding, &key), Some(1));
    assert_eq!(checker.last(Service::Listing, &key), None, "another service numbers for itself");
}
