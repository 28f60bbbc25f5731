//! What sellers are told of their formats, and what strangers see of them.

use chrono::{DateTime, TimeDelta, Utc};
use listing_application::{Caller, error::UseError};
use listing_domain::{
    ids::{ListingId, UserId},
    listing::{Cancellation, CancelledBy, Fact, Listing, Refusal, SaleStatus},
    relisting::Relisting,
    terms::{DurationLimits, Format, Terms},
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::dto::{ListingPatch, ListingView, NewListing};
use crate::{input::parse, problem::ApiError};

const LIMITS: DurationLimits = DurationLimits { min: TimeDelta::seconds(5), max: TimeDelta::days(30) };

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).expect("a valid time")
}

/// The members that each format needs.
fn formats() -> [Value; 5] {
    let tiers = json!([{"from": 0, "increment": 5}, {"from": 1_000, "increment": 10}]);
    let add = json!({"mode": "add", "window_s": 60, "extension_s": 90, "hard_stop_s": 1_800});
    [
        json!({"kind": "english", "start_price": 100, "reserve_price": 120, "buy_now_price": 130,
            "increments": "ebay-us", "soft_close": {"mode": "reset", "window_s": 60, "hard_stop_s": 600}}),
        json!({"kind": "sealed_first_price", "start_price": 100, "reserve_price": 120}),
        json!({"kind": "vickrey", "start_price": 100, "reserve_price": null}),
        json!({"kind": "dutch", "start_price": 500, "floor_price": 100, "step": 10, "step_every_s": 5}),
        json!({"kind": "uniform_multi_unit", "start_price": 100, "quantity": 5, "increments": tiers, "soft_close": add,
            "decline_within_s": 60}),
    ]
}

fn body(format: &Value) -> Value {
    json!({"title": "A watch", "category": "watches", "currency": "USD", "format": format,
        "ends_at": now() + TimeDelta::days(7)})
}

/// The faults that a body of another shape is told.
fn told(body: &str) -> Vec<(String, String)> {
    let error = format!("{:?}", parse::<NewListing>(body.as_bytes()).expect_err(body));
    // The answer itself is of axum; its parts are in the problem.
    let errors = error.split("\"errors\": ").nth(1).expect("errors");
    let part = |name: &str| {
        let value = errors.split(&format!("\"{name}\": String(\"")).nth(1).and_then(|rest| rest.split("\")").next());
        value.unwrap_or_default().replace("\\\"", "\"")
    };
    vec![(part("pointer"), part("detail"))]
}

fn listed(format: &Value) -> Listing {
    let parsed: NewListing = parse(body(format).to_string().as_bytes()).expect("of the right shape");
    let (description, terms) = parsed.into_domain().expect("a currency");
    let id = ListingId(Uuid::from_u128(1));
    let draft = Listing::draft(id, UserId("anna".into()), description, terms, now(), LIMITS).expect("sound");
    draft.publish(now(), LIMITS).expect("publishable").0.follow(Fact::AuctionOpened, now()).expect("opens")
}

fn seen_by(name: &str, listing: &Listing) -> Value {
    let caller = Caller { id: UserId(name.into()), seller: true, admin: false };
    serde_json::to_value(ListingView::of(listing, &caller)).expect("JSON")
}

#[test]
fn each_format_is_shown_to_its_seller_as_it_was_sent() {
    for format in formats() {
        assert_eq!(seen_by("anna", &listed(&format))["format"], format);
    }
}

#[test]
fn a_stranger_sees_that_there_is_a_reserve_and_not_which() {
    for format in formats() {
        let view = seen_by("bert", &listed(&format));
        let reserve = format.get("reserve_price").is_some_and(Value::is_i64);
        assert_eq!((view["has_reserve"].as_bool(), &view["format"]["reserve_price"]), (Some(reserve), &Value::Null));
        assert_eq!(view["format"]["start_price"], format["start_price"]);
    }
}

#[test]
fn a_fault_of_shape_inside_a_format_is_told_with_its_place() {
    let [english, _, _, dutch, units] = formats();
    for (format, pointer, value, at) in [
        (&english, "/format/start_price", json!("100"), "/format/start_price"),
        (&english, "/format/start_price", json!(1.5), "/format/start_price"),
        (&english, "/format/buy_now_price", json!(true), "/format/buy_now_price"),
        (&english, "/format/increments", json!("ebay-fr"), "/format/increments"),
        (&english, "/format/increments", json!(50), "/format/increments"),
        (&english, "/format/soft_close", json!(null), "/format/soft_close"),
        (&english, "/format/soft_close/mode", json!("forever"), "/format/soft_close/mode"),
        (&english, "/format/soft_close/window_s", json!(-1), "/format/soft_close/window_s"),
        (&units, "/format/increments/1/from", json!("0"), "/format/increments/1/from"),
        (&units, "/format/quantity", json!(-5), "/format/quantity"),
        (&units, "/format/soft_close/extension_s", json!("long"), "/format/soft_close/extension_s"),
        (&dutch, "/format/kind", json!("silent"), "/format/kind"),
        (&dutch, "/format/kind", json!(null), "/format/kind"),
        (&dutch, "/format/step", json!(null), "/format/step"),
        (&dutch, "/format", json!("dutch"), "/format"),
        (&dutch, "/format", json!(null), "/format"),
        (&dutch, "/format", json!([]), "/format"),
    ] {
        let mut body = body(format);
        *body.pointer_mut(pointer).expect(pointer) = value.clone();
        let faults = told(&body.to_string());
        assert_eq!(faults[0].0, at, "{pointer} = {value}: {faults:?}");
        assert!(!faults[0].1.contains("line 1 column"), "{faults:?}");
    }
}

#[test]
fn a_member_that_is_missing_unknown_or_of_another_format_is_named() {
    for format in formats() {
        for member in format.as_object().expect("an object").keys() {
            if ["reserve_price", "buy_now_price"].contains(&member.as_str()) {
                continue; // may be left out
            }
            let mut without = format.clone();
            without.as_object_mut().expect("an object").remove(member);
            let faults = told(&body(&without).to_string());
            assert!(faults[0].0.starts_with("/format"), "{faults:?}");
            assert!(faults[0].0.ends_with(member) || faults[0].1.contains(member), "{member}: {faults:?}");
        }
        let mut more = format.clone();
        more["surprise"] = json!(1);
        assert!(told(&body(&more).to_string())[0].1.contains("surprise"));
    }
    let [_, sealed, ..] = formats();
    let twice = body(&sealed).to_string().replace("\"start_price\":100", "\"start_price\":100,\"start_price\":100");
    assert!(told(&twice)[0].1.contains("duplicate field"));
}

#[test]
fn a_missing_member_is_told_to_a_person_without_a_position() {
    let [mut english, ..] = formats();
    english.as_object_mut().expect("an object").remove("soft_close");
    let problem =
        format!("{:?}", parse::<NewListing>(body(&english).to_string().as_bytes()).expect_err("no soft close"));
    assert!(problem.contains("detail: \"/format: missing field `soft_close`\""), "{problem}");
}

#[test]
fn the_bids_of_a_sealed_auction_are_not_even_counted_before_its_close() {
    let [english, first_price, ..] = formats();
    assert_eq!(seen_by("bert", &listed(&english))["bid_count"], 0);
    let live = listed(&first_price);
    for name in ["anna", "bert"] {
        assert_eq!(seen_by(name, &live)["bid_count"], Value::Null, "{name}");
    }
    let closed = Fact::AuctionClosed { sold: true, price: Some(200), bid_count: 3, ended_at: now() };
    let over = seen_by("bert", &live.follow(closed, now()).expect("closes"));
    assert_eq!((&over["status"], &over["price"], &over["bid_count"]), (&json!("sold"), &json!(200), &json!(3)));
}

#[test]
fn who_cancelled_and_why_and_a_pause_are_shown() {
    let live = listed(&formats()[0]);
    let paused = live.follow(Fact::AuctionPaused { paused_at: now() }, now()).expect("pauses");
    assert_eq!(seen_by("bert", &paused)["paused_at"], json!(now()));
    let cancellation = Cancellation { by: Some(CancelledBy::Operator), reason: Some("a forgery".into()) };
    let over = seen_by("bert", &paused.follow(Fact::AuctionCancelled(cancellation), now()).expect("cancelled"));
    assert_eq!((&over["status"], &over["cancelled_by"]), (&json!("cancelled"), &json!("operator")));
    assert_eq!((&over["cancellation_reason"], &over["paused_at"]), (&json!("a forgery"), &Value::Null));
}

/// Terms of a body with these members about second chances, and what is shown of them.
fn chance(members: &Value) -> (Terms, Value) {
    let mut body = body(&formats()[0]);
    body.as_object_mut().expect("an object").extend(members.as_object().expect("members").clone());
    let parsed: NewListing = parse(body.to_string().as_bytes()).expect("of the right shape");
    let (description, terms) = parsed.into_domain().expect("a currency");
    let id = ListingId(Uuid::from_u128(1));
    let draft = Listing::draft(id, UserId("anna".into()), description, terms, now(), LIMITS).expect("sound");
    (draft.terms.clone(), seen_by("anna", &draft))
}

#[test]
fn a_second_chance_is_shown_with_its_days() {
    for (sent, shown) in [
        (json!({}), json!([false, null])),
        (json!({"second_chance": false, "second_chance_days": null}), json!([false, null])),
        (json!({"second_chance": true}), json!([true, 3])),
        (json!({"second_chance": true, "second_chance_days": null}), json!([true, 3])),
        (json!({"second_chance": true, "second_chance_days": 7}), json!([true, 7])),
    ] {
        let (_, view) = chance(&sent);
        assert_eq!(json!([view["second_chance"], view["second_chance_days"]]), shown, "{sent}");
    }
}

#[test]
fn a_revision_that_takes_the_second_chance_away_takes_its_days_with_it() {
    let (terms, _) = chance(&json!({"second_chance": true, "second_chance_days": 7}));
    for (patch, expected) in [
        (json!({"second_chance": false}), (false, None)),
        (json!({"second_chance_days": null}), (true, None)),
        (json!({"second_chance_days": 1}), (true, Some(1))),
        (json!({"second_chance": false, "second_chance_days": 1}), (false, Some(1))),
    ] {
        let patch: ListingPatch = parse(patch.to_string().as_bytes()).expect("of the right shape");
        let revised = patch.into_revision(&terms).expect("a currency").terms.expect("other terms");
        assert_eq!((revised.second_chance, revised.second_chance_days), expected);
    }
}

#[test]
fn days_of_another_shape_are_told_with_their_place() {
    for days in [json!("3"), json!(1.5), json!(-1), json!([3]), json!(true)] {
        let mut body = body(&formats()[0]);
        body["second_chance"] = json!(true);
        body["second_chance_days"] = days.clone();
        assert_eq!(told(&body.to_string())[0].0, "/second_chance_days", "{days}");
    }
}

#[test]
fn an_offer_a_relisting_and_how_the_sale_ended_are_shown() {
    let closed = Fact::AuctionClosed { sold: true, price: Some(200), bid_count: 3, ended_at: now() };
    let sold = listed(&formats()[0]).follow(closed, now()).expect("closes");
    let until = now() + TimeDelta::days(3);
    let offer = SaleStatus { name: "awaiting_payment".into(), at: now(), offered_until: Some(until) };
    let offered = sold.follow(Fact::SaleStatus(offer), now()).expect("offered");
    let view = seen_by("bert", &offered);
    assert_eq!((&view["sale_status"], &view["second_chance_until"]), (&json!("awaiting_payment"), &json!(until)));
    for name in ["disputed", "refunded", "failed"] {
        let status = SaleStatus { name: name.into(), at: now(), offered_until: None };
        let view = seen_by("bert", &offered.clone().follow(Fact::SaleStatus(status), now()).expect("goes on"));
        assert_eq!((&view["sale_status"], &view["second_chance_until"]), (&json!(name), &Value::Null));
    }

    let Relisting { old, new, .. } = offered.relist_by_seller(ListingId(Uuid::from_u128(2)), now()).expect("relisted");
    assert_eq!(seen_by("bert", &old)["relisted_as"], json!(new.id));
    let view = seen_by("bert", &new);
    assert_eq!((&view["relisted_from"], &view["status"]), (&json!(old.id), &json!("scheduled")));
    assert_eq!((&view["relisted_as"], &view["sale_status"]), (&Value::Null, &Value::Null));
}

#[test]
fn a_lot_that_was_listed_again_is_a_conflict_that_names_its_listing() {
    let relisted_as = ListingId(Uuid::from_u128(2));
    let problem = format!("{:?}", ApiError::from(UseError::Refused(Refusal::Relisted { relisted_as })));
    for part in ["already-relisted", "status: 409", &relisted_as.to_string()] {
        assert!(problem.contains(part), "{part} in {problem}");
    }
}

#[test]
fn what_is_sent_becomes_the_terms_of_the_domain() {
    for format in formats() {
        let listing = listed(&format);
        // Domain and API have the same JSON form of a format.
        assert_eq!(serde_json::from_value::<Format>(format).expect("terms"), listing.terms.format);
    }
}
