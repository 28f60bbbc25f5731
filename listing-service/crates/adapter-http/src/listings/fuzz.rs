//! Bodies of any shape: never a panic, and what is taken means what was sent.

use chrono::{DateTime, TimeDelta};
use listing_domain::{
    ids::{ListingId, UserId},
    listing::Listing,
    terms::DurationLimits,
};
use proptest::{
    collection::{btree_map, vec},
    prelude::*,
    sample::select,
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::dto::{ListingPatch, NewListing};
use crate::input::parse;

const LIMITS: DurationLimits = DurationLimits { min: TimeDelta::seconds(5), max: TimeDelta::days(3_000) };
const NAMES: &[&str] = &[
    "title",
    "description",
    "category",
    "currency",
    "format",
    "starts_at",
    "ends_at",
    "second_chance",
    "second_chance_days",
    "kind",
    "english",
    "vickrey",
    "dutch",
    "uniform_multi_unit",
    "start_price",
    "reserve_price",
    "floor_price",
    "step",
    "step_every_s",
    "quantity",
    "increments",
    "soft_close",
    "mode",
    "reset",
    "add",
    "off",
    "window_s",
    "hard_stop_s",
    "extension_s",
    "from",
    "increment",
    "decline_within_s",
    "USD",
    "2030-01-01T00:00:00Z",
];

/// JSON of any shape, with the names and the kinds of value that the body knows more often than chance has it.
fn bodies(names: &'static [&'static str]) -> impl Strategy<Value = Value> {
    let text = prop_oneof![select(names).prop_map(str::to_owned), ".{0,20}", "[0-9-]{1,25}"];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text.prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 64, 8, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..8).prop_map(Value::from),
            btree_map(select(names).prop_map(str::to_owned), inner, 0..8)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Members of the formats, most of them plausible.
fn formats() -> impl Strategy<Value = Value> {
    let number = prop_oneof![any::<i64>(), 0..200_i64, Just(i64::MAX), Just((1 << 53) - 1)];
    let kind = select(vec!["english", "sealed_first_price", "vickrey", "dutch", "uniform_multi_unit", "other"]);
    let tiers = vec((number.clone(), number.clone()), 0..4).prop_map(|tiers| {
        Value::from(
            tiers
                .into_iter()
                .map(|(from, increment)| json!({"from": from, "increment": increment}))
                .collect::<Vec<_>>(),
        )
    });
    let increments = prop_oneof![Just(json!("ebay-us")), Just(json!("none")), tiers];
    (kind, vec(number, 11), increments, select(vec!["off", "reset", "add", "?"]), any::<u16>()).prop_map(
        |(kind, numbers, increments, mode, left_out)| {
            let soft_close = match mode {
                "reset" => json!({"mode": mode, "window_s": numbers[0], "hard_stop_s": numbers[1]}),
                "add" => {
                    json!({"mode": mode, "window_s": numbers[0], "hard_stop_s": numbers[1], "extension_s": numbers[2]})
                }
                _ => json!({"mode": mode}),
            };
            let members = [
                ("start_price", json!(numbers[3])),
                ("reserve_price", json!(numbers[4])),
                ("buy_now_price", json!(numbers[5])),
                ("floor_price", json!(numbers[6])),
                ("step", json!(numbers[7])),
                ("step_every_s", json!(numbers[8])),
                ("quantity", json!(numbers[9])),
                ("decline_within_s", json!(numbers[10])),
                ("increments", increments),
                ("soft_close", soft_close),
            ];
            let known: &[&str] = match kind {
                "english" => &["start_price", "reserve_price", "buy_now_price", "increments", "soft_close"],
                "dutch" => &["start_price", "floor_price", "step", "step_every_s"],
                "uniform_multi_unit" => &["start_price", "quantity", "increments", "soft_close", "decline_within_s"],
                _ => &["start_price", "reserve_price"],
            };
            let mut format = serde_json::Map::from_iter([("kind".to_owned(), json!(kind))]);
            for (place, (name, value)) in members.into_iter().enumerate() {
                // Now and then a member is missing, or one too many.
                if known.contains(&name) != (left_out & 0x1111 == 0 && usize::from(left_out % 10) == place) {
                    format.insert(name.to_owned(), value);
                }
            }
            Value::Object(format)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_taken_or_refused(body in vec(any::<u8>(), 0..512)) {
        let _ = parse::<NewListing>(&body);
        let _ = parse::<ListingPatch>(&body);
    }

    #[test]
    fn any_shape_is_taken_or_refused(body in bodies(NAMES)) {
        let _ = parse::<NewListing>(body.to_string().as_bytes());
        let _ = parse::<ListingPatch>(body.to_string().as_bytes());
    }

    #[test]
    fn any_format_in_a_sound_listing_is_taken_or_refused(format in prop_oneof![formats(), bodies(NAMES)]) {
        let body = json!({"title": "A watch", "description": "", "category": "watches", "currency": "USD", "format": format,
            "starts_at": null, "ends_at": "2030-01-01T00:00:00Z", "second_chance": false});
        let Ok(listing) = parse::<NewListing>(body.to_string().as_bytes()) else { return Ok(()) };
        let Ok((description, terms)) = listing.into_domain() else { return Ok(()) };
        let (id, now) = (ListingId(Uuid::from_u128(1)), DateTime::from_timestamp(1_800_000_000, 0).unwrap_or_default());
        let _ = Listing::draft(id, UserId("anna".into()), description, terms, now, LIMITS);
    }
}
