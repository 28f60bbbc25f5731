//! What the tests share: decoding by type alone, as a consumer of all topics would.
#![allow(dead_code, reason = "each test file uses its part")]

use std::fs;
use std::path::Path;

use event_contracts::bidding::BiddingEvent;
use event_contracts::event::DataError;
use event_contracts::listing::ListingEvent;
use event_contracts::settlement::SettlementEvent;
use serde_json::Value;

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub fn json(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub fn files_in(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{} is empty", folder.display());
    files
}

/// Type, key and data of what was decoded; `None` if no context knows the type.
pub fn decode(event_type: &str, data: &Value) -> Result<Option<(&'static str, String, Value)>, DataError> {
    let bytes = data.to_string().into_bytes();
    if let Some(event) = ListingEvent::decode(event_type, &bytes)? {
        return Ok(Some((event.event_type(), event.key(), event.to_data().unwrap())));
    }
    if let Some(event) = BiddingEvent::decode(event_type, &bytes)? {
        return Ok(Some((event.event_type(), event.key(), event.to_data().unwrap())));
    }
    if let Some(event) = SettlementEvent::decode(event_type, &bytes)? {
        return Ok(Some((event.event_type(), event.key(), event.to_data().unwrap())));
    }
    Ok(None)
}

/// The value with a field that no version has in each of its objects.
pub fn with_unknown_fields(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut fields: serde_json::Map<_, _> =
                fields.iter().map(|(name, value)| (name.clone(), with_unknown_fields(value))).collect();
            fields.insert("field_of_a_later_version".to_owned(), serde_json::json!({ "deep": [1, null] }));
            Value::Object(fields)
        }
        Value::Array(items) => items.iter().map(with_unknown_fields).collect(),
        other => other.clone(),
    }
}

pub fn assert_fits(schema: &Value, data: &Value, what: &str) {
    let validator = jsonschema::options().should_validate_formats(true).build(schema).unwrap();
    let faults: Vec<String> =
        validator.iter_errors(data).map(|fault| format!("{}: {fault}", fault.instance_path())).collect();
    assert!(faults.is_empty(), "{what} does not fit its schema:\n{}", faults.join("\n"));
}
