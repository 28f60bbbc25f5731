use proptest::prelude::*;

use super::{description, draft_with, dutch, english, faults, pointers, sealed, terms, units};
use crate::{
    listing::{Listing, Refusal},
    money::MAX_AMOUNT,
    terms::{Dutch, English, Format, Increments, Sealed, SoftClose, Terms, Tier, UniformMultiUnit},
};

fn sold_as(format: Format) -> Result<Listing, Refusal> {
    draft_with(description(), Terms { format, ..terms() })
}

fn with_buy_now(start_price: i64, reserve_price: Option<i64>, buy_now_price: i64) -> Result<Listing, Refusal> {
    let buy_now_price = Some(buy_now_price);
    sold_as(Format::English(English { start_price, reserve_price, buy_now_price, ..english() }))
}

#[test]
fn each_format_can_be_listed() {
    for format in [
        Format::English(english()),
        Format::SealedFirstPrice(sealed()),
        Format::Vickrey(sealed()),
        Format::Dutch(dutch()),
        Format::UniformMultiUnit(units()),
    ] {
        assert!(sold_as(format.clone()).is_ok(), "{format:?}");
    }
}

#[test]
fn buying_now_costs_at_least_30_percent_more_than_the_start_price_rounded_up() {
    for (start, least) in [(100, 130), (99, 129), (1, 2), (10, 13), (101, 132), (1_000_000, 1_300_000)] {
        assert!(with_buy_now(start, None, least).is_ok(), "{start} → {least}");
        let told = faults(with_buy_now(start, None, least - 1));
        assert_eq!(told[0].pointer, "/format/buy_now_price", "{start} → {}", least - 1);
        assert!(told[0].detail.contains(&format!("at least {least}")), "{}", told[0].detail);
    }
    assert_eq!(pointers(with_buy_now(MAX_AMOUNT, None, MAX_AMOUNT)), ["/format/buy_now_price"]);
}

#[test]
fn buying_now_never_costs_less_than_the_reserve() {
    assert_eq!(pointers(with_buy_now(100, Some(200), 199)), ["/format/buy_now_price"]);
    assert!(with_buy_now(100, Some(200), 200).is_ok());
}

#[test]
fn a_buy_now_price_is_an_amount() {
    for price in [i64::MIN, -1, 0] {
        assert_eq!(pointers(with_buy_now(100, None, price)), ["/format/buy_now_price"; 2], "{price}");
    }
    assert_eq!(pointers(with_buy_now(100, None, MAX_AMOUNT + 1)), ["/format/buy_now_price"]);
    // Without a sound start price only what is certain is told.
    assert_eq!(pointers(with_buy_now(0, None, 1)), ["/format/start_price"]);
}

#[test]
fn sealed_terms_are_a_start_price_and_perhaps_a_reserve() {
    for format in [Format::SealedFirstPrice, Format::Vickrey] {
        let told = |start_price, reserve_price| pointers(sold_as(format(Sealed { start_price, reserve_price })));
        assert_eq!(told(0, None), ["/format/start_price"]);
        assert_eq!(told(100, Some(99)), ["/format/reserve_price"]);
        assert_eq!(told(100, Some(MAX_AMOUNT + 1)), ["/format/reserve_price"]);
        assert!(sold_as(format(Sealed { start_price: 100, reserve_price: Some(100) })).is_ok());
    }
}

#[test]
fn a_dutch_price_falls_from_the_start_to_a_positive_floor() {
    let falling = |start_price, floor_price| sold_as(Format::Dutch(Dutch { start_price, floor_price, ..dutch() }));
    assert!(falling(2, 1).is_ok() && falling(MAX_AMOUNT, 1).is_ok());
    for (start, floor) in [(100, 100), (100, 101)] {
        assert_eq!(pointers(falling(start, floor)), ["/format/floor_price"], "{start} to {floor}");
    }
    assert_eq!(pointers(falling(100, 0)), ["/format/floor_price"]);
    assert_eq!(pointers(falling(100, -1)), ["/format/floor_price"]);
    assert_eq!(pointers(falling(0, 0)), ["/format/start_price", "/format/floor_price", "/format/floor_price"]);
}

#[test]
fn a_dutch_price_falls_by_at_least_one_and_not_more_often_than_each_second() {
    let steps = |step, step_every_s| sold_as(Format::Dutch(Dutch { step, step_every_s, ..dutch() }));
    assert!(steps(1, 1).is_ok() && steps(MAX_AMOUNT, u32::MAX).is_ok());
    assert_eq!(pointers(steps(0, 0)), ["/format/step", "/format/step_every_s"]);
    assert_eq!(pointers(steps(-1, 1)), ["/format/step"]);
    assert_eq!(pointers(steps(MAX_AMOUNT + 1, 1)), ["/format/step"]);
}

#[test]
fn several_units_are_two_to_a_hundred() {
    let quantity = |quantity| sold_as(Format::UniformMultiUnit(UniformMultiUnit { quantity, ..units() }));
    assert!(quantity(2).is_ok() && quantity(100).is_ok());
    for bad in [0, 1, 101, u32::MAX] {
        assert_eq!(pointers(quantity(bad)), ["/format/quantity"], "{bad}");
    }
}

#[test]
fn a_partial_award_may_be_declined_within_a_week_at_most() {
    let declining =
        |decline_within_s| sold_as(Format::UniformMultiUnit(UniformMultiUnit { decline_within_s, ..units() }));
    assert!(declining(0).is_ok() && declining(604_800).is_ok());
    assert_eq!(pointers(declining(604_801)), ["/format/decline_within_s"]);
}

#[test]
fn every_fault_of_a_multi_unit_listing_is_told_at_once() {
    let told = pointers(sold_as(Format::UniformMultiUnit(UniformMultiUnit {
        start_price: 0,
        quantity: 1,
        increments: Increments::Table(vec![Tier { from: 0, increment: 0 }]),
        soft_close: SoftClose::Add { window_s: 60, extension_s: 0, hard_stop_s: 60 },
        decline_within_s: 604_801,
    })));
    let members = ["start_price", "quantity", "increments/0/increment", "soft_close/extension_s", "decline_within_s"];
    assert_eq!(told, members.map(|member| format!("/format/{member}")));
}

#[test]
fn a_stranger_sees_no_reserve_of_any_format() {
    let with_reserve = Sealed { reserve_price: Some(500), ..sealed() };
    for format in [
        Format::English(English { reserve_price: Some(500), ..english() }),
        Format::SealedFirstPrice(with_reserve.clone()),
        Format::Vickrey(with_reserve),
    ] {
        assert_eq!(format.reserve_price(), Some(500));
        assert_eq!(format.without_reserve().reserve_price(), None);
    }
    assert_eq!(Format::Dutch(dutch()).without_reserve(), Format::Dutch(dutch()));
}

proptest! {
    #[test]
    fn no_format_makes_the_checks_panic(a: i64, b: i64, c: i64, seconds: u32, quantity: u32, reserve: Option<i64>) {
        let sealed = Sealed { start_price: a, reserve_price: reserve };
        let increments = Increments::Table(vec![Tier { from: b, increment: c }]);
        let soft_close = SoftClose::Add { window_s: seconds, extension_s: quantity, hard_stop_s: seconds };
        for format in [
            Format::Vickrey(sealed.clone()),
            Format::Dutch(Dutch { start_price: a, floor_price: b, step: c, step_every_s: seconds }),
            Format::UniformMultiUnit(UniformMultiUnit {
                start_price: a, quantity, increments: increments.clone(), soft_close, decline_within_s: seconds,
            }),
        ] {
            let _ = sold_as(format);
        }
    }
}
