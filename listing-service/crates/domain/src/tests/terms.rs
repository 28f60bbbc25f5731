use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;

use super::{description, draft_with, english, faults, now, pointers, terms};
use crate::{
    listing::Description,
    money::{Currency, MAX_AMOUNT},
    terms::{English, Format, Increments, SoftClose, Terms, Tier},
};

fn with(english: English) -> Terms {
    Terms { format: Format::English(english), ..terms() }
}

fn described(change: impl FnOnce(&mut Description)) -> Vec<String> {
    let mut description = description();
    change(&mut description);
    pointers(draft_with(description, terms()))
}

#[test]
fn a_time_that_rfc_3339_cannot_say_is_refused() {
    let at = |starts_at, ends_at| -> Vec<String> {
        let told = Terms { starts_at, ends_at, ..terms() }.check();
        told.err().into_iter().flatten().map(|fault| fault.pointer).collect()
    };
    let (beyond, last) = (DateTime::<Utc>::MAX_UTC, "9999-12-31T23:59:59Z".parse().expect("a time"));
    assert_eq!(at(None, beyond), ["/ends_at"]);
    assert_eq!(at(Some(beyond), beyond), ["/starts_at", "/ends_at"]);
    assert_eq!(at(None, last), [""; 0], "how long it lasts is asked at its publication");
}

#[test]
fn every_fault_is_told_at_once() {
    let mut bad = with(English { start_price: 0, reserve_price: Some(-1), ..english() });
    bad.second_chance_days = Some(2);
    let description = Description { title: " ".into(), ..description() };
    let told = pointers(draft_with(description, bad));
    assert_eq!(
        told,
        [
            "/title",
            "/second_chance_days",
            "/second_chance_days",
            "/format/start_price",
            "/format/reserve_price",
            "/format/reserve_price"
        ]
    );
}

#[test]
fn a_second_chance_is_offered_for_1_3_5_or_7_days_and_3_unless_said_otherwise() {
    let chance = |second_chance, second_chance_days| Terms { second_chance, second_chance_days, ..terms() };
    for days in [1, 3, 5, 7] {
        let listing = draft_with(description(), chance(true, Some(days))).expect("one of the choices");
        assert_eq!(listing.terms.offered_for_days(), Some(days));
    }
    for days in [0, 2, 4, 6, 8, u32::MAX] {
        assert_eq!(pointers(draft_with(description(), chance(true, Some(days)))), ["/second_chance_days"], "{days}");
    }
    assert_eq!(chance(true, None).offered_for_days(), Some(3));
}

#[test]
fn days_without_a_second_chance_are_refused_and_none_are_not() {
    let without = |second_chance_days| Terms { second_chance: false, second_chance_days, ..terms() };
    assert_eq!(pointers(draft_with(description(), without(Some(3)))), ["/second_chance_days"]);
    let listing = draft_with(description(), without(None)).expect("sound");
    assert_eq!(listing.terms.offered_for_days(), None);
}

#[test]
fn amounts_are_positive_and_exact_in_every_json_reader() {
    for price in [i64::MIN, -1, 0, MAX_AMOUNT + 1, i64::MAX] {
        let told = pointers(draft_with(description(), with(English { start_price: price, ..english() })));
        assert_eq!(told, ["/format/start_price"], "{price}");
    }
    for price in [1, MAX_AMOUNT] {
        assert!(draft_with(description(), with(English { start_price: price, ..english() })).is_ok());
    }
}

#[test]
fn a_reserve_below_the_start_price_is_refused_and_one_equal_to_it_is_not() {
    let reserve = |reserve| draft_with(description(), with(English { reserve_price: Some(reserve), ..english() }));
    assert_eq!(pointers(reserve(99)), ["/format/reserve_price"]);
    assert!(reserve(100).is_ok());
}

#[test]
fn titles_are_one_line_of_up_to_200_characters() {
    assert_eq!(described(|d| d.title = "x".repeat(201)), ["/title"]);
    assert_eq!(described(|d| d.title = "a\u{0}b".into()), ["/title"]);
    assert_eq!(described(|d| d.title = "line\nbreak".into()), ["/title"]);
    let umlauts = Description { title: "ü".repeat(200), ..description() };
    assert!(draft_with(umlauts, terms()).is_ok(), "characters count, not bytes");
}

#[test]
fn descriptions_have_up_to_10_000_characters_and_no_control_characters() {
    assert_eq!(described(|d| d.text = "x".repeat(10_001)), ["/description"]);
    assert_eq!(described(|d| d.text = "bell\u{7}".into()), ["/description"]);
}

#[test]
fn categories_are_slugs() {
    for bad in ["", "Watches", "a b", "ä", &"x".repeat(65)] {
        assert_eq!(described(|d| d.category = bad.into()), ["/category"], "{bad:?}");
    }
}

#[test]
fn own_increment_tables_ascend_from_zero_with_positive_steps_and_have_at_most_50_tiers() {
    let table = |tiers: &[(i64, i64)]| {
        let tiers = tiers.iter().map(|&(from, increment)| Tier { from, increment }).collect();
        draft_with(description(), with(English { increments: Increments::Table(tiers), ..english() }))
    };
    assert!(table(&[(0, 5), (100, 25)]).is_ok());
    for (bad, place) in [
        (vec![], ""),
        (vec![(1, 5)], "/0/from"),
        (vec![(0, 0)], "/0/increment"),
        (vec![(0, -5)], "/0/increment"),
        (vec![(0, 5), (0, 6)], "/1/from"),
        (vec![(0, 5), (9, 5), (8, 5)], "/2/from"),
        (vec![(0, 5), (MAX_AMOUNT + 1, 5)], "/1/from"),
    ] {
        assert_eq!(pointers(table(&bad)), [format!("/format/increments{place}")], "{bad:?}");
    }
    let told = pointers(table(&[(3, 0), (2, -1)]));
    let places = ["/0/from", "/0/increment", "/1/from", "/1/increment"];
    assert_eq!(told, places.map(|place| format!("/format/increments{place}")), "every tier's faults at once");
    let tiers = |count: i64| (0..count).map(|n| (n, 1)).collect::<Vec<_>>();
    assert!(table(&tiers(50)).is_ok());
    assert_eq!(pointers(table(&tiers(51))), ["/format/increments"]);
}

#[test]
fn the_start_price_plus_the_largest_increment_stays_an_amount() {
    let table = |start_price, increment| {
        let increments = Increments::Table(vec![Tier { from: 0, increment: 1 }, Tier { from: 10, increment }]);
        draft_with(description(), with(English { start_price, increments, ..english() }))
    };
    assert!(table(1_000, MAX_AMOUNT - 1_000).is_ok());
    for (start_price, increment) in [(1_000, MAX_AMOUNT - 999), (1_000, MAX_AMOUNT), (1, i64::MAX), (MAX_AMOUNT - 1, 2)]
    {
        assert_eq!(pointers(table(start_price, increment)), ["/format/increments/1/increment"], "{start_price}");
    }
    assert_eq!(pointers(table(0, i64::MAX)), ["/format/start_price", "/format/increments/1/increment"]);
}

#[test]
fn presets_need_a_currency_that_can_express_them() {
    let in_currency = |code: &str| {
        let currency = code.parse::<Currency>().expect("a currency");
        draft_with(description(), Terms { currency, ..terms() })
    };
    assert_eq!(pointers(in_currency("JPY")), ["/format/increments"]);
    assert!(in_currency("KWD").is_ok());
}

#[test]
fn currencies_are_iso_codes_of_money() {
    for bad in ["usd", "US", "DOLLAR", "XAU", "XXX", ""] {
        assert!(bad.parse::<Currency>().is_err(), "{bad}");
    }
    let decimals = |code: &str| code.parse::<Currency>().map(Currency::decimals);
    assert_eq!((decimals("JPY"), decimals("USD"), decimals("KWD")), (Ok(0), Ok(2), Ok(3)));
}

#[test]
fn soft_close_windows_have_bounds() {
    let close = |window_s, hard_stop_s| {
        let soft_close = SoftClose::Reset { window_s, hard_stop_s };
        draft_with(description(), with(English { soft_close, ..english() }))
    };
    assert_eq!(pointers(close(0, 0)), ["/format/soft_close/window_s", "/format/soft_close/hard_stop_s"]);
    assert_eq!(pointers(close(86_401, 1)), ["/format/soft_close/window_s"]);
    assert!(close(86_400, 86_400).is_ok());
}

#[test]
fn a_soft_close_that_adds_bounds_its_extension_too() {
    let close = |window_s, extension_s, hard_stop_s| {
        let soft_close = SoftClose::Add { window_s, extension_s, hard_stop_s };
        draft_with(description(), with(English { soft_close, ..english() }))
    };
    let members = ["window_s", "extension_s", "hard_stop_s"].map(|member| format!("/format/soft_close/{member}"));
    assert_eq!(pointers(close(0, 0, 0)), members);
    assert_eq!(pointers(close(86_401, 86_401, 86_401)), members);
    assert!(close(60, 90, 1_800).is_ok() && close(1, 86_400, 1).is_ok());
}

#[test]
fn an_auction_lasts_from_five_seconds_to_thirty_days() {
    let lasting = |seconds| {
        let starts_at = now() + TimeDelta::hours(1);
        let ends_at = starts_at + TimeDelta::seconds(seconds);
        draft_with(description(), Terms { starts_at: Some(starts_at), ends_at, ..terms() })
    };
    assert!(lasting(5).is_ok() && lasting(30 * 86_400).is_ok());
    assert_eq!(pointers(lasting(4)), ["/ends_at"]);
    assert_eq!(pointers(lasting(30 * 86_400 + 1)), ["/ends_at"]);
}

#[test]
fn starts_and_ends_lie_neither_in_the_past_nor_in_the_far_future() {
    let between = |starts_in: TimeDelta, ends_in: TimeDelta| {
        let (starts_at, ends_at) = (Some(now() + starts_in), now() + ends_in);
        draft_with(description(), Terms { starts_at, ends_at, ..terms() })
    };
    assert_eq!(pointers(between(TimeDelta::seconds(-1), TimeDelta::days(1))), ["/starts_at"]);
    assert_eq!(pointers(between(TimeDelta::days(31), TimeDelta::days(32))), ["/starts_at"]);
    assert_eq!(faults(draft_with(description(), Terms { ends_at: now(), ..terms() }))[0].detail, "lies in the past");
}

proptest! {
    #[test]
    fn no_terms_make_the_checks_panic(
        start: i64, reserve: Option<i64>, buy_now: Option<i64>, from: i64, step: i64,
        end in -1_000_000_000_000i64..1_000_000_000_000
    ) {
        let increments = Increments::Table(vec![Tier { from: 0, increment: step }, Tier { from, increment: step }]);
        let mut terms =
            with(English { start_price: start, reserve_price: reserve, buy_now_price: buy_now, increments, ..english() });
        terms.ends_at = now() + TimeDelta::seconds(end);
        let _ = draft_with(description(), terms);
    }
}
