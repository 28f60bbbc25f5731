//! The committed document is the one that the routes make.

#[test]
fn openapi_json_is_up_to_date() {
    let committed = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../openapi.json"))
        .expect("openapi.json is committed");
    let made = listing_adapter_http::openapi::document().to_pretty_json().expect("a document");
    assert!(
        committed.trim_end() == made,
        "openapi.json differs from the routes; write it again:\n  cargo run -p listing-service -- openapi > openapi.json"
    );
}

#[test]
fn every_operation_has_a_name_and_every_schema_of_an_answer_is_known() {
    let document = serde_json::to_value(listing_adapter_http::openapi::document()).expect("a document");
    let text = document.to_string();
    assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")));
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            assert!(operation["operationId"].is_string(), "{method} {path}");
        }
    }
    let schemas = document["components"]["schemas"].as_object().expect("schemas");
    for reference in text.split("#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap_or_default();
        assert!(schemas.contains_key(name), "{name} is referred to and missing");
    }
}

#[test]
fn formats_and_soft_closes_are_named_variants_told_apart_by_their_tag() {
    let document = serde_json::to_value(listing_adapter_http::openapi::document()).expect("a document");
    let schemas = &document["components"]["schemas"];
    for (union, tag, count) in [("AuctionFormat", "kind", 5), ("SoftCloseRule", "mode", 3)] {
        let schema = &schemas[union];
        assert_eq!(schema["discriminator"]["propertyName"], tag);
        let mapping = schema["discriminator"]["mapping"].as_object().expect("a mapping");
        let variants = schema["oneOf"].as_array().expect("variants");
        assert_eq!((mapping.len(), variants.len()), (count, count));
        for (value, reference) in mapping {
            assert!(variants.iter().any(|variant| variant["$ref"] == *reference), "{reference}");
            let variant = &schemas[reference.as_str().and_then(|name| name.rsplit('/').next()).expect("a name")];
            assert_eq!(variant["properties"][tag]["enum"], serde_json::json!([value]));
            assert!(variant["required"].as_array().is_some_and(|names| names.contains(&tag.into())));
            assert_eq!(variant["additionalProperties"], false);
        }
    }
}
