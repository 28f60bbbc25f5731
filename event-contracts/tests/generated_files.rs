//! What is committed is what the types say; a published version stays as it is.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use event_contracts::asyncapi::PARTITIONS;
use event_contracts::catalogue::events;
use event_contracts::generated::{self, GenerateError, VERSION};
use serde_json::Value;
use support::{json, root};

/// An empty folder of this test's own.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder).unwrap();
    }
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn asyncapi() -> Value {
    serde_saphyr::from_str(&fs::read_to_string(root().join("asyncapi.yaml")).unwrap()).unwrap()
}

#[test]
fn the_committed_files_are_what_the_types_say() {
    let drift = generated::drift(root()).unwrap();
    assert!(drift.is_empty(), "\n{}\n", drift.join("\n"));
}

#[test]
fn the_current_version_is_published() {
    assert!(root().join("published").join(VERSION).exists(), "run `cargo run --bin contracts -- publish`");
}

#[test]
fn a_changed_a_missing_and_a_foreign_file_are_drift_and_writing_mends_it() {
    let folder = folder("drift");
    generated::write(&folder).unwrap();
    assert_eq!(generated::drift(&folder).unwrap(), Vec::<String>::new());

    fs::write(folder.join("schemas/money.json"), "{}\n").unwrap();
    fs::remove_file(folder.join("examples/outcry.bidding.bid.placed.v1.json")).unwrap();
    fs::write(folder.join("schemas/outcry.listing.praised.v1.json"), "{}\n").unwrap();
    let drift = generated::drift(&folder).unwrap();
    assert_eq!(drift.len(), 3, "{drift:?}");
    for (sentence, file) in drift.iter().zip(["praised", "bid.placed", "money.json"]) {
        assert!(sentence.contains(file) && sentence.contains(generated::WRITE_COMMAND), "{sentence}");
    }

    generated::write(&folder).unwrap();
    assert_eq!(generated::drift(&folder).unwrap(), Vec::<String>::new());
}

#[test]
fn a_version_is_published_once_and_never_written_again() {
    let folder = folder("publish");
    let published = generated::publish(&folder).unwrap();
    let schema = published.join("schemas/money.json");
    assert_eq!(json(&schema), generated::current_schemas().unwrap()["money.json"]);

    fs::write(&schema, "{}").unwrap();
    assert!(matches!(generated::publish(&folder), Err(GenerateError::AlreadyPublished(VERSION))));
    assert_eq!(fs::read_to_string(&schema).unwrap(), "{}");
}

#[test]
fn types_that_differ_from_their_published_version_are_drift() {
    let folder = folder("changed-after-publication");
    generated::write(&folder).unwrap();
    let published = generated::publish(&folder).unwrap();
    fs::write(published.join("schemas/money.json"), "{}").unwrap();
    let drift = generated::drift(&folder).unwrap();
    assert!(drift.len() == 1 && drift[0].contains("raise the version"), "{drift:?}");
}

#[test]
fn a_release_that_breaks_an_earlier_one_is_not_published() {
    let folder = folder("publish-breaking");
    let earlier = folder.join("published/0.9.0/schemas");
    fs::create_dir_all(&earlier).unwrap();
    fs::write(earlier.join("outcry.listing.praised.v1.json"), r#"{"type":"object"}"#).unwrap();
    let Err(GenerateError::Incompatible(breaks)) = generated::publish(&folder) else { panic!("it was published") };
    assert!(breaks[0].starts_with("0.9.0/outcry.listing.praised.v1.json"), "{breaks:?}");
    assert!(!folder.join("published").join(VERSION).exists());
}

#[test]
fn every_reference_of_the_asyncapi_document_leads_somewhere() {
    let document = asyncapi();
    let mut references = BTreeSet::new();
    collect_references(&document, &mut references);
    assert!(references.len() > 60, "{}", references.len());
    for reference in references {
        match reference.strip_prefix('#') {
            Some(pointer) => assert!(document.pointer(pointer).is_some(), "{reference}"),
            None => assert!(root().join(&reference).is_file(), "{reference}"),
        }
    }
}

fn collect_references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
            fields.values().for_each(|value| collect_references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| collect_references(value, found)),
        _ => {}
    }
}

#[test]
fn the_asyncapi_document_tells_each_event_its_channel_sender_and_receivers() {
    let document = asyncapi();
    let receivers = |context: &str| -> BTreeSet<String> {
        let operations = document["operations"].as_object().unwrap().iter();
        let of_context = operations.filter(|(_, operation)| {
            operation["action"] == "receive" && operation["channel"]["$ref"] == format!("#/channels/{context}")
        });
        of_context
            .map(|(_, operation)| operation["bindings"]["kafka"]["groupId"]["const"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(receivers("listing"), BTreeSet::from(["bidding-service", "settlement-service"].map(str::to_owned)));
    assert_eq!(receivers("bidding"), BTreeSet::from(["listing-service", "settlement-service"].map(str::to_owned)));
    assert_eq!(receivers("settlement"), BTreeSet::from(["bidding-service", "listing-service"].map(str::to_owned)));

    for event in events().unwrap() {
        let channel = &document["channels"][event.context];
        assert_eq!(channel["address"], event.topic);
        assert_eq!(channel["bindings"]["kafka"]["partitions"], PARTITIONS);
        assert!(channel["messages"][event.name()].is_object());
        let sender = &document["operations"][format!("{0}-service.send.{0}", event.context)];
        let message = format!("#/channels/{}/messages/{}", event.context, event.name());
        assert!(sender["messages"].as_array().unwrap().iter().any(|sent| sent["$ref"] == message), "{message}");
    }
}

#[test]
fn the_asyncapi_document_shows_the_golden_examples_and_all_their_headers() {
    let document = asyncapi();
    let headers = &document["components"]["schemas"]["CloudEventHeaders"];
    for event in events().unwrap() {
        let message = &document["components"]["messages"][event.name()];
        let example = event.example.to_json();
        assert_eq!(message["examples"][0]["payload"], example["data"]);
        assert_eq!(message["examples"][0]["headers"], example["headers"]);
        support::assert_fits(headers, &example["headers"], event.event_type);
        for header in example["headers"].as_object().unwrap().keys() {
            assert!(headers["properties"][header].is_object(), "{header} is not described");
        }
        assert_eq!(message["headers"]["allOf"][1]["properties"]["ce_type"]["const"], event.event_type);
    }
}
