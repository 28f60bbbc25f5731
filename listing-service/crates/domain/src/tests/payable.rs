use std::collections::BTreeSet;

use chrono::TimeDelta;
use proptest::prelude::*;
use uuid::Uuid;

use super::{LIMITS, description, draft, draft_with, dutch, english, faults, now, pointers, sealed, terms, units};
use crate::{
    ids::ListingId,
    listing::{Fact, Listing, Refusal, Revision},
    money::{Currency, Unit},
    terms::{Dutch, English, Format, Increments, Sealed, Terms, Tier, UniformMultiUnit},
};

const UNITS: [(&str, u32); 6] = [("BHD", 10), ("JOD", 10), ("KWD", 10), ("OMR", 10), ("TND", 10), ("MGA", 100)];

/// The currencies of ISO 4217, list one as of amendment 180 (2026), by their decimals: no funds, metals, units of account or
/// test codes.
const CURRENT: [(u16, &str); 3] = [
    (0, "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF"),
    (
        2,
        "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP \
         CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS \
         INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN \
         MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE \
         SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XCD XCG YER ZAR \
         ZMW ZWG",
    ),
    (3, "BHD IQD JOD KWD LYD OMR TND"),
];

fn in_currency(code: &str, format: Format) -> Terms {
    Terms { currency: code.parse().expect("a currency"), format, ..terms() }
}

fn listed(code: &str, format: Format) -> Result<Listing, Refusal> {
    draft_with(description(), in_currency(code, format))
}

/// Every code of three letters.
fn codes() -> impl Iterator<Item = String> {
    let letters = || 'A'..='Z';
    letters().flat_map(move |a| letters().flat_map(move |b| letters().map(move |c| format!("{a}{b}{c}"))))
}

/// Nobody pays what a tier begins at.
fn table(increment: i64) -> Increments {
    Increments::Table(vec![Tier { from: 0, increment: 100 }, Tier { from: 501, increment }])
}

/// Lots whose amounts are multiples of 100 but for one, which is named and has `odd` more.
fn with_one_odd(odd: i64) -> Vec<(&'static str, Format)> {
    let english = || English {
        start_price: 1_000,
        reserve_price: Some(2_000),
        buy_now_price: Some(3_000),
        increments: table(200),
        ..english()
    };
    let sealed = || Sealed { start_price: 1_000, reserve_price: Some(2_000) };
    let dutch = || Dutch { start_price: 5_000, floor_price: 1_000, step: 200, ..dutch() };
    let units = || UniformMultiUnit { start_price: 1_000, increments: table(200), ..units() };
    vec![
        ("start_price", Format::English(English { start_price: 1_000 + odd, ..english() })),
        ("reserve_price", Format::English(English { reserve_price: Some(2_000 + odd), ..english() })),
        ("buy_now_price", Format::English(English { buy_now_price: Some(3_000 + odd), ..english() })),
        ("increments/1/increment", Format::English(English { increments: table(200 + odd), ..english() })),
        ("start_price", Format::SealedFirstPrice(Sealed { start_price: 1_000 + odd, ..sealed() })),
        ("reserve_price", Format::Vickrey(Sealed { reserve_price: Some(2_000 + odd), ..sealed() })),
        ("start_price", Format::Dutch(Dutch { start_price: 5_000 + odd, ..dutch() })),
        ("floor_price", Format::Dutch(Dutch { floor_price: 1_000 + odd, ..dutch() })),
        ("step", Format::Dutch(Dutch { step: 200 + odd, ..dutch() })),
        ("start_price", Format::UniformMultiUnit(UniformMultiUnit { start_price: 1_000 + odd, ..units() })),
        (
            "increments/1/increment",
            Format::UniformMultiUnit(UniformMultiUnit { increments: table(200 + odd), ..units() }),
        ),
    ]
}

#[test]
fn every_amount_of_the_terms_is_one_that_can_be_paid() {
    for (code, unit) in UNITS {
        assert_eq!(code.parse::<Currency>().map(Currency::payable_unit), Ok(Unit::new(unit)));
        let unit = i64::from(unit);
        for odd in [1, unit / 2, unit - 1] {
            for (member, format) in with_one_odd(odd) {
                let told = faults(listed(code, format));
                assert_eq!(told.len(), 1, "{told:?}");
                assert_eq!(told[0].pointer, format!("/format/{member}"));
                assert_eq!(told[0].detail, format!("amounts in {code} are multiples of {unit} minor units"));
            }
        }
        for (member, format) in [0, unit].into_iter().flat_map(with_one_odd) {
            assert!(listed(code, format).is_ok(), "{code}: {member}");
        }
    }
}

#[test]
fn of_most_currencies_each_minor_unit_can_be_paid() {
    for code in ["USD", "EUR", "JPY", "IQD", "ISK", "UGX"] {
        for (member, format) in with_one_odd(1) {
            assert!(listed(code, format).is_ok(), "{code}: {member}");
        }
    }
}

#[test]
fn the_least_buy_now_price_that_is_told_can_be_paid() {
    let with_buy_now = |start_price, buy_now_price| {
        listed("KWD", Format::English(English { start_price, buy_now_price: Some(buy_now_price), ..english() }))
    };
    for (start, least) in [(1_010, 1_320), (1_000, 1_300), (10, 20)] {
        assert!(with_buy_now(start, least).is_ok(), "{start} → {least}");
        let told = faults(with_buy_now(start, least - 10));
        assert!(told[0].detail.contains(&format!("at least {least},")), "{}", told[0].detail);
    }
}

#[test]
fn presets_need_hundredths_that_can_be_paid() {
    let preset = |code| listed(code, Format::English(english()));
    assert_eq!(pointers(preset("MGA")), ["/format/increments"]);
    assert!(preset("OMR").is_ok());
}

#[test]
fn nobody_pays_in_funds_and_units_of_account() {
    for code in ["BOV", "CHE", "CHW", "CLF", "COU", "MXV", "USN", "UYI", "UYW", "XAD"] {
        assert_eq!(pointers(listed(code, Format::Vickrey(sealed()))), ["/currency"], "{code}");
    }
    for code in ["BOB", "CHF", "CLP", "COP", "MXN", "UYU", "XAF", "XCD", "XOF", "XPF"] {
        assert!(listed(code, Format::Vickrey(sealed())).is_ok(), "{code}");
    }
}

#[test]
fn nobody_pays_in_withdrawn_currencies() {
    for code in ["BGN", "CUC", "HRK", "SLL", "ZWL"] {
        assert_eq!(pointers(listed(code, Format::Vickrey(sealed()))), ["/currency"], "{code}");
    }
    for code in ["EUR", "CUP", "SLE", "ZWG", "VED", "VES"] {
        assert!(listed(code, Format::Vickrey(sealed())).is_ok(), "{code}");
    }
}

#[test]
fn lots_are_listed_in_every_current_currency_and_in_no_other() {
    let listed: BTreeSet<(String, u16)> = codes()
        .filter_map(|code| {
            let currency: Currency = code.parse().ok()?;
            listed(&code, Format::Vickrey(sealed())).is_ok().then(|| (code, currency.decimals()))
        })
        .collect();
    let current = CURRENT
        .into_iter()
        .flat_map(|(decimals, codes)| codes.split_whitespace().map(move |code| (code.to_owned(), decimals)))
        .collect();
    let differences: Vec<_> = listed.symmetric_difference(&current).collect();
    assert!(differences.is_empty(), "{differences:?}");
}

#[test]
fn a_draft_of_before_is_published_once_its_amounts_can_be_paid() {
    let with_start = |start_price| in_currency("KWD", Format::Vickrey(Sealed { start_price, reserve_price: None }));
    let before = Listing { terms: with_start(1_005), ..draft() };
    assert_eq!(pointers(before.clone().publish(now(), LIMITS)), ["/format/start_price"]);
    let late = pointers(before.clone().publish(now() + TimeDelta::days(8), LIMITS));
    assert_eq!(late, ["/format/start_price", "/ends_at", "/ends_at"], "every fault at once");
    let revision = Revision { terms: Some(with_start(1_010)), ..Revision::default() };
    let (revised, _) = before.revise(revision, now(), LIMITS).expect("sound");
    assert!(revised.publish(now(), LIMITS).is_ok());
}

#[test]
fn what_was_published_before_goes_on_and_is_listed_again_on_its_terms() {
    for code in ["CLF", "HRK"] {
        let odd = in_currency(code, Format::Vickrey(Sealed { start_price: 1_005, reserve_price: None }));
        let published = Listing { terms: odd.clone(), ..draft().publish(now(), LIMITS).expect("publishable").0 };
        let unsold = Fact::AuctionClosed { sold: false, price: None, bid_count: 0, ended_at: now() };
        let over = published.follow(Fact::AuctionOpened, now()).and_then(|lot| lot.follow(unsold, now()));
        let later = now() + TimeDelta::days(8);
        let again = over.expect("it goes on").relist_by_seller(ListingId(Uuid::from_u128(2)), later);
        let again = again.expect("relisted").new.terms;
        assert_eq!((again.currency, again.format), (odd.currency, odd.format));
    }
}

/// Any amounts, and such as can be paid in dinars.
fn amounts() -> impl Strategy<Value = i64> {
    prop_oneof![1..300_i64, (1..30_i64).prop_map(|tens| tens * 10)]
}

proptest! {
    #[test]
    fn a_falling_lot_is_listed_when_each_of_its_prices_can_be_paid(
        floor_price in amounts(), above in amounts(), step in amounts(), falls in 0..300_i64
    ) {
        let dutch = Dutch { start_price: floor_price + above, floor_price, step, ..dutch() };
        let price = floor_price.max(dutch.start_price - step * falls);
        let payable = [dutch.start_price, floor_price, step].iter().all(|amount| amount % 10 == 0);
        let listed = listed("KWD", Format::Dutch(dutch)).is_ok();
        prop_assert_eq!(listed, payable);
        prop_assert!(!listed || price % 10 == 0, "{price}");
    }
}
