//! Bodies of any shape: never a panic, and what is taken means what was sent.

use proptest::{
    collection::{btree_map, vec},
    prelude::*,
    sample::select,
};
use serde_json::Value;

use super::dto::{NewBid, NewRetraction, Reason};
use crate::input::parse;

const NAMES: &[&str] = &["max_amount", "quantity", "reason"];

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

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_taken_or_refused(body in vec(any::<u8>(), 0..512)) {
        let _ = parse::<NewBid>(&body);
        let _ = parse::<NewRetraction>(&body);
        let _ = parse::<Reason>(&body);
    }

    #[test]
    fn a_bid_that_is_taken_is_the_one_that_was_sent(body in bodies(NAMES)) {
        if let Ok(bid) = parse::<NewBid>(body.to_string().as_bytes()) {
            let members = body.as_object().expect("only an object is a bid");
            prop_assert_eq!(members["max_amount"].as_i64(), Some(bid.max_amount));
            prop_assert_eq!(members.get("quantity").map_or(Some(1), Value::as_u64), Some(bid.quantity.into()));
            prop_assert!(members.keys().all(|name| NAMES[..2].contains(&name.as_str())), "nothing is passed over");
        }
    }
}
