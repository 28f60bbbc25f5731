//! Every golden example fits its schema and its Rust type; what a later version adds is tolerated.

mod support;

use std::collections::BTreeSet;

use event_contracts::auth::{Audience, Claims, Role};
use event_contracts::bidding::BiddingEvent;
use event_contracts::catalogue::{self, Example, events};
use event_contracts::envelope::Envelope;
use event_contracts::listing::{Increments, ListingEvent, SoftClose};
use event_contracts::money::{MAX_AMOUNT, Money};
use event_contracts::problem::{FieldError, Problem};
use event_contracts::settlement::SettlementEvent;
use serde_json::{Value, json};
use support::{assert_fits, decode, files_in, json as read, root, with_unknown_fields};

fn shape(name: &str) -> Value {
    catalogue::shapes().into_iter().find(|(shape, _)| *shape == name).unwrap().1
}

#[test]
fn the_catalogue_has_every_event_of_every_context_once() {
    let known: Vec<&str> = [ListingEvent::TYPES, BiddingEvent::TYPES, SettlementEvent::TYPES].concat();
    let catalogued: Vec<&str> = events().unwrap().iter().map(|event| event.event_type).collect();
    assert_eq!(catalogued, known);
}

#[test]
fn every_type_is_named_by_the_rule() {
    for event in events().unwrap() {
        assert_eq!(event.topic, format!("outcry.{}.v1", event.context));
        let name = event.event_type.strip_prefix(&format!("outcry.{}.", event.context)).unwrap();
        let name = name.strip_suffix(".v1").unwrap();
        let parts: Vec<&str> = name.split('.').collect();
        assert!(parts.len() <= 2 && parts.iter().all(|part| !part.is_empty()), "{}", event.event_type);
        assert_ne!(parts[0], event.context, "the context's own noun is left out");
    }
}

#[test]
fn every_schema_is_a_valid_draft_2020_12_schema() {
    for event in events().unwrap() {
        jsonschema::draft202012::meta::validate(&event.schema).unwrap();
    }
    for (_, schema) in catalogue::shapes() {
        jsonschema::draft202012::meta::validate(&schema).unwrap();
    }
}

#[test]
fn every_schema_says_what_the_event_and_each_field_mean() {
    for event in events().unwrap() {
        assert!(!event.summary().is_empty(), "{}", event.event_type);
        for (field, schema) in event.schema["properties"].as_object().unwrap() {
            assert!(schema["description"].is_string(), "{} says nothing about {field}", event.event_type);
        }
    }
}

#[test]
fn every_example_fits_its_schema() {
    for event in events().unwrap() {
        for example in event.examples() {
            assert_fits(&event.schema, &example.data, event.event_type);
        }
    }
}

#[test]
fn every_example_decodes_and_encodes_back_to_the_same_data() {
    for event in events().unwrap() {
        for example in event.examples() {
            let (event_type, key, data) = decode(event.event_type, &example.data).unwrap().unwrap();
            assert_eq!(event_type, event.event_type);
            assert_eq!(key, example.envelope.subject);
            assert_eq!(data, example.data);
        }
    }
}

#[test]
fn every_example_is_keyed_by_a_field_of_its_data() {
    for event in events().unwrap() {
        for example in event.examples() {
            assert_eq!(example.data[event.key_field], example.envelope.subject, "{}", event.event_type);
        }
    }
}

#[test]
fn every_example_has_a_readable_envelope_of_its_own() {
    let mut ids = BTreeSet::new();
    let mut places = BTreeSet::new();
    for event in events().unwrap() {
        for Example { envelope, .. } in event.examples() {
            let headers = envelope.to_headers();
            let read = Envelope::from_headers(|name| {
                headers.iter().find(|(header, _)| *header == name).map(|(_, value)| value.as_str())
            });
            assert_eq!(read.as_ref(), Ok(envelope));
            assert_eq!(envelope.event_type, event.event_type);
            assert_eq!(envelope.source, format!("/outcry/{}-service", event.context));
            assert!(ids.insert(envelope.id), "{} shares its id", event.event_type);
            assert!(
                places.insert((event.topic, envelope.subject.clone(), envelope.sequence)),
                "{} shares its sequence",
                event.event_type
            );
        }
    }
}

#[test]
fn the_examples_show_every_field_every_format_and_every_soft_close() {
    for event in events().unwrap() {
        for field in event.schema["properties"].as_object().unwrap().keys() {
            let shown = event.examples().any(|example| !example.data[field].is_null());
            assert!(shown, "no example of {} shows {field}", event.event_type);
        }
    }
    let published = events().unwrap().remove(0);
    for (union, tag, pointer) in
        [("AuctionFormat", "kind", "/format/kind"), ("SoftClose", "mode", "/format/soft_close/mode")]
    {
        for branch in published.schema["$defs"][union]["oneOf"].as_array().unwrap() {
            let value = &branch["properties"][tag]["const"];
            assert!(published.examples().any(|example| example.data.pointer(pointer) == Some(value)), "{value}");
        }
    }
}

#[test]
fn unknown_fields_are_tolerated_at_every_depth() {
    for event in events().unwrap() {
        for example in event.examples() {
            let later = with_unknown_fields(&example.data);
            assert_ne!(later, example.data);
            assert_fits(&event.schema, &later, event.event_type);
            let (_, _, data) = decode(event.event_type, &later).unwrap().unwrap();
            assert_eq!(data, example.data, "{}", event.event_type);
        }
    }
}

#[test]
fn unknown_types_are_skipped() {
    for unknown in ["outcry.listing.praised.v1", "outcry.listing.published.v2", "", "something.else"] {
        assert!(decode(unknown, &json!({ "any": "thing" })).unwrap().is_none(), "{unknown}");
    }
    assert!(ListingEvent::decode("outcry.listing.published.v9", b"not even JSON").unwrap().is_none());
}

#[test]
fn an_optional_field_may_be_absent_and_a_required_one_may_not() {
    for event in events().unwrap() {
        let required = event.schema["required"].as_array().unwrap();
        for field in event.schema["properties"].as_object().unwrap().keys() {
            let mut without = event.example.data.clone();
            without.as_object_mut().unwrap().remove(field);
            let decoded = decode(event.event_type, &without);
            if required.contains(&json!(field)) {
                let error = decoded.expect_err(field).to_string();
                assert!(error.contains(event.event_type) && error.contains(field), "{error}");
            } else {
                assert!(decoded.unwrap().is_some(), "{} without {field}", event.event_type);
            }
        }
    }
}

#[test]
fn data_of_the_wrong_shape_is_refused_by_type() {
    for event in events().unwrap() {
        for wrong in [json!([]), json!("text"), json!(null), json!(7), json!({})] {
            let error = decode(event.event_type, &wrong).expect_err(event.event_type);
            assert_eq!(error.event_type, event.event_type);
        }
    }
}

#[test]
fn money_is_never_a_fraction() {
    for event in events().unwrap() {
        for field in ["amount", "price", "next_minimum", "payout", "commission", "refunded"] {
            let mut data = event.example.data.clone();
            if data.get(field).is_some() {
                data[field] = json!(12.5);
                assert!(decode(event.event_type, &data).is_err(), "{} {field}", event.event_type);
            }
        }
    }
}

#[test]
fn each_way_to_set_increments_and_soft_close_fits_its_schema() {
    let published = events().unwrap().remove(0);
    let table = json!([{ "from": 0, "increment": 100 }, { "from": 10_000, "increment": 500 }]);
    for (increments, soft_close) in
        [(table, json!({ "mode": "off" })), (json!("trade-me"), published.example.data["format"]["soft_close"].clone())]
    {
        let mut data = published.example.data.clone();
        data["format"]["increments"] = increments.clone();
        data["format"]["soft_close"] = soft_close.clone();
        assert_fits(&published.schema, &data, published.event_type);
        assert_eq!(decode(published.event_type, &data).unwrap().unwrap().2, data);
        assert!(serde_json::from_value::<Increments>(increments).is_ok());
        assert!(serde_json::from_value::<SoftClose>(soft_close).is_ok());
    }
}

#[test]
fn every_published_example_is_read_by_the_current_types() {
    for release in files_in(&root().join("published")) {
        for file in files_in(&release.join("examples")) {
            let example = read(&file);
            let event_type = example["headers"]["ce_type"].as_str().unwrap();
            let event = events().unwrap().into_iter().find(|event| event.event_type == event_type).unwrap();
            assert_fits(&event.schema, &example["data"], event_type);
            let (_, _, data) = decode(event_type, &example["data"]).unwrap().unwrap();
            for (field, value) in example["data"].as_object().unwrap() {
                assert_eq!(&data[field], value, "{event_type} changes {field}");
            }
        }
    }
}

#[test]
fn every_current_example_fits_its_published_schema() {
    for release in files_in(&root().join("published")) {
        for event in events().unwrap() {
            let schema = release.join(format!("schemas/{}.json", event.event_type));
            if schema.exists() {
                assert_fits(&read(&schema), &event.example.data, event.event_type);
            }
        }
    }
}

#[test]
fn a_problem_keeps_the_members_of_its_type() {
    let written = json!({
        "type": "urn:outcry:problem:validation",
        "title": "The request has faults",
        "status": 422,
        "detail": "Mend the fields that errors names.",
        "errors": [{ "pointer": "/max_amount", "detail": "must be a positive integer", "later": 1 }],
        "next_minimum": 12_050,
    });
    assert_fits(&shape("problem"), &written, "problem");
    let problem: Problem = serde_json::from_value(written.clone()).unwrap();
    assert_eq!(problem.extensions["next_minimum"], 12_050);
    assert_eq!(serde_json::to_value(&problem).unwrap(), written);

    assert_fits(&shape("field_error"), &written["errors"][0], "field error");
    let error: FieldError = serde_json::from_value(written["errors"][0].clone()).unwrap();
    assert_eq!(error.pointer, "/max_amount");
}

#[test]
fn money_tolerates_unknown_fields_and_is_exact_up_to_its_largest_amount() {
    let written = json!({ "amount": MAX_AMOUNT, "currency": "USD", "later": true });
    assert_fits(&shape("money"), &written, "money");
    let money: Money = serde_json::from_value(written).unwrap();
    assert_eq!(money, Money { amount: 9_007_199_254_740_991, currency: "USD".to_owned() });
}

#[test]
fn claims_tolerate_other_claims_and_roles_of_a_later_version() {
    for (audience, expected) in [
        (json!("outcry"), Audience::One("outcry".to_owned())),
        (json!(["outcry", "other"]), Audience::Many(vec!["outcry".to_owned(), "other".to_owned()])),
    ] {
        let written = json!({
            "iss": "https://issuer.example", "aud": audience, "sub": "seller-41", "exp": 1_900_000_000_u64,
            "roles": ["seller", "auctioneer"], "jti": "x", "nbf": 1,
        });
        assert_fits(&shape("claims"), &written, "claims");
        let claims: Claims = serde_json::from_value(written).unwrap();
        assert_eq!(claims.aud, expected);
        assert_eq!(claims.roles, [Role::Seller, Role::Unknown]);
    }
}

#[test]
fn a_format_of_a_later_version_is_refused_and_a_status_of_one_is_not() {
    let event = |event_type: &str| events().unwrap().into_iter().find(|event| event.event_type == event_type).unwrap();
    let published = event("outcry.listing.published.v1");
    let mut later = published.example.data.clone();
    later["format"] = json!({ "kind": "candle", "start_price": 1 });
    assert!(decode(published.event_type, &later).is_err(), "it waits among the dead letters");

    let paused = event("outcry.bidding.auction.paused.v1");
    let mut later = paused.example.data.clone();
    later["by"] = json!("weather");
    assert!(decode(paused.event_type, &later).unwrap().is_some());
    assert_fits(&paused.schema, &later, "a later reason");
}

#[test]
fn what_an_event_of_1_0_0_does_not_say_is_one_unit_and_no_award() {
    let published = root().join("published/1.0.0/examples");
    let data = |name: &str| read(&published.join(name))["data"].to_string().into_bytes();
    let bid = BiddingEvent::decode("outcry.bidding.bid.placed.v1", &data("outcry.bidding.bid.placed.v1.json"));
    assert!(matches!(bid.unwrap(), Some(BiddingEvent::BidPlaced(bid)) if bid.quantity.is_none()));
    let close =
        BiddingEvent::decode("outcry.bidding.auction.closed.v1", &data("outcry.bidding.auction.closed.v1.json"));
    assert!(matches!(close.unwrap(), Some(BiddingEvent::AuctionClosed(close)) if close.awards.is_empty()));
}
