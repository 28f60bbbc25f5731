//! The envelope survives the way through headers, and a broken one is refused by name.

use chrono::{DateTime, TimeZone, Utc};
use event_contracts::catalogue::events;
use event_contracts::envelope::{Envelope, EnvelopeError};
use proptest::prelude::*;
use uuid::Uuid;

const REQUIRED: [&str; 7] = ["ce_specversion", "ce_id", "ce_source", "ce_type", "ce_subject", "ce_time", "ce_sequence"];

fn read(headers: &[(&'static str, String)]) -> Result<Envelope, EnvelopeError> {
    Envelope::from_headers(|name| headers.iter().find(|(header, _)| *header == name).map(|(_, value)| value.as_str()))
}

fn golden() -> Vec<(&'static str, String)> {
    events().unwrap().remove(0).example.envelope.to_headers()
}

fn with(name: &str, value: &str) -> Vec<(&'static str, String)> {
    let mut headers = golden();
    let (_, replaced) = headers.iter_mut().find(|(header, _)| *header == name).unwrap();
    value.clone_into(replaced);
    headers
}

/// Times in microseconds, between the years 1 and 9999.
fn times() -> impl Strategy<Value = DateTime<Utc>> {
    (-62_135_596_800_000_000..=253_402_300_799_999_999_i64).prop_map(|us| Utc.timestamp_micros(us).unwrap())
}

proptest! {
    #[test]
    fn an_envelope_is_read_as_it_was_written(
        id in any::<u128>(), source in ".+", event_type in ".+", subject in ".+", time in times(),
        sequence in any::<u64>(), traceparent in proptest::option::of(".*"),
    ) {
        let envelope = Envelope { id: Uuid::from_u128(id), source, event_type, subject, time, sequence, traceparent };
        prop_assert_eq!(read(&envelope.to_headers()), Ok(envelope));
    }

    #[test]
    fn no_header_value_makes_reading_panic(name in 0..REQUIRED.len(), value in ".*") {
        let headers = with(REQUIRED[name], &value);
        if let Err(EnvelopeError::Unreadable { name: named, value: shown }) = read(&headers) {
            prop_assert_eq!(named, REQUIRED[name]);
            prop_assert!(value.starts_with(&shown) && shown.chars().count() <= 100);
        }
    }
}

#[test]
fn each_missing_header_is_refused_by_name() {
    for name in REQUIRED {
        let headers: Vec<_> = golden().into_iter().filter(|(header, _)| *header != name).collect();
        assert_eq!(read(&headers), Err(EnvelopeError::Missing(name)));
    }
}

#[test]
fn each_unreadable_header_is_refused_by_name_and_value() {
    for (name, wrong) in [
        ("ce_specversion", "0.3"),
        ("ce_id", "17"),
        ("ce_source", ""),
        ("ce_type", ""),
        ("ce_subject", ""),
        ("ce_time", "yesterday"),
        ("ce_time", "2030-03-01T12:00:00"),
        ("ce_sequence", "-1"),
        ("ce_sequence", "18446744073709551616"),
    ] {
        assert_eq!(read(&with(name, wrong)), Err(EnvelopeError::Unreadable { name, value: wrong.to_owned() }));
    }
}

#[test]
fn an_unreadable_value_is_cut_to_100_characters() {
    let Err(EnvelopeError::Unreadable { value, .. }) = read(&with("ce_id", &"ü".repeat(10_000))) else {
        panic!("10,000 characters are no id");
    };
    assert_eq!(value, "ü".repeat(100));
}

#[test]
fn a_trace_context_is_optional() {
    let headers: Vec<_> = golden().into_iter().filter(|(header, _)| *header != "ce_traceparent").collect();
    assert_eq!(read(&headers).unwrap().traceparent, None);
}

#[test]
fn a_time_with_an_offset_is_read_as_utc() {
    let envelope = read(&with("ce_time", "2030-03-01T14:00:00.000001+02:00")).unwrap();
    assert_eq!(envelope.time.to_rfc3339(), "2030-03-01T12:00:00.000001+00:00");
}

#[test]
fn the_partition_key_is_the_subject() {
    let headers = golden();
    let value = |name| headers.iter().find(|(header, _)| *header == name).map(|(_, value)| value);
    assert_eq!(value("ce_partitionkey"), value("ce_subject"));
}
