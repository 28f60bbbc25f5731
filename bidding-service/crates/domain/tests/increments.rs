//! The increment tables, tier by tier, and what makes an own table.

mod support;

use bidding_domain::{
    increments::{IncrementFault, IncrementTable, MAX_TIERS, Preset, Tier},
    money::Amount,
};
use support::{amount, currency, flat, preset};

/// Each row: the first and last price of a tier and its increment, in hundredths.
fn assert_tiers(name: Preset, tiers: &[(i64, i64, i64)]) {
    let table = preset(name);
    for &(first, last, increment) in tiers {
        for price in [first, first + (last - first) / 2, last] {
            assert_eq!(table.at(amount(price)), amount(increment), "{name:?} at {price}");
        }
    }
    assert_eq!(Vec::from(table).len(), tiers.len());
}

const TOP: i64 = Amount::MAX.minor();

#[test]
fn ebay_us_has_its_published_increments() {
    assert_tiers(
        Preset::EbayUs,
        &[
            (0, 99, 5),
            (100, 499, 25),
            (500, 2_499, 50),
            (2_500, 9_999, 100),
            (10_000, 24_999, 250),
            (25_000, 49_999, 500),
            (50_000, 99_999, 1_000),
            (100_000, 249_999, 2_500),
            (250_000, 499_999, 5_000),
            (500_000, TOP, 10_000),
        ],
    );
}

#[test]
fn ebay_uk_has_its_published_increments() {
    assert_tiers(
        Preset::EbayUk,
        &[
            (0, 99, 5),
            (100, 499, 20),
            (500, 1_499, 50),
            (1_500, 5_999, 100),
            (6_000, 14_999, 200),
            (15_000, 29_999, 500),
            (30_000, 59_999, 1_000),
            (60_000, 149_999, 2_000),
            (150_000, 299_999, 5_000),
            (300_000, TOP, 10_000),
        ],
    );
}

#[test]
fn trade_me_has_its_published_increments_and_its_tiers_include_their_upper_bound() {
    assert_tiers(
        Preset::TradeMe,
        &[
            (0, 2_000, 50),
            (2_001, 20_000, 100),
            (20_001, 100_000, 500),
            (100_001, 500_000, 1_000),
            (500_001, 2_500_000, 5_000),
            (2_500_001, TOP, 10_000),
        ],
    );
}

#[test]
fn a_preset_is_scaled_to_the_currencys_decimals() {
    let dinar = IncrementTable::preset(Preset::EbayUs, currency("KWD")).unwrap();
    assert_eq!((dinar.at(amount(999)), dinar.at(amount(1_000))), (amount(50), amount(250)));
    let inclusive = IncrementTable::preset(Preset::TradeMe, currency("KWD")).unwrap();
    assert_eq!((inclusive.at(amount(20_000)), inclusive.at(amount(20_001))), (amount(500), amount(1_000)));
}

#[test]
fn a_preset_needs_two_decimals() {
    for name in [Preset::EbayUs, Preset::EbayUk, Preset::TradeMe] {
        let yen = currency("JPY");
        assert_eq!(IncrementTable::preset(name, yen), Err(IncrementFault::TooFewDecimals(yen)));
    }
}

#[test]
fn presets_have_their_names_in_the_api() {
    for (name, text) in
        [(Preset::EbayUs, "\"ebay-us\""), (Preset::EbayUk, "\"ebay-uk\""), (Preset::TradeMe, "\"trade-me\"")]
    {
        assert_eq!(serde_json::to_string(&name).unwrap(), text);
    }
}

fn own(tiers: &[(i64, i64)]) -> Result<IncrementTable, IncrementFault> {
    let tier = |&(from, increment): &(i64, i64)| Tier { from: amount(from), increment: amount(increment) };
    IncrementTable::own(tiers.iter().map(tier).collect())
}

#[test]
fn an_own_table_applies_from_each_tiers_lower_bound() {
    let table = own(&[(0, 10), (100, 3), (101, 7)]).unwrap();
    let increments = [0, 99, 100, 101, TOP].map(|price| table.at(amount(price)).minor());
    assert_eq!(increments, [10, 10, 3, 7, 7]);
    assert_eq!(table.largest(), amount(10));
}

#[test]
fn an_own_table_ascends_from_zero_with_positive_increments() {
    assert_eq!(own(&[]), Err(IncrementFault::Empty));
    assert_eq!(own(&[(1, 1)]), Err(IncrementFault::FirstNotFromZero(amount(1))));
    assert_eq!(own(&[(0, 1), (5, 1), (5, 2)]), Err(IncrementFault::NotAscending(amount(5))));
    assert_eq!(own(&[(0, 1), (5, 1), (4, 2)]), Err(IncrementFault::NotAscending(amount(4))));
    assert_eq!(own(&[(0, 1), (0, 2)]), Err(IncrementFault::NotAscending(amount(0))));
    assert_eq!(own(&[(0, 0)]), Err(IncrementFault::NotPositive(amount(0))));
    assert_eq!(own(&[(0, 1), (5, 0)]), Err(IncrementFault::NotPositive(amount(5))));
}

#[test]
fn an_own_table_has_at_most_fifty_tiers() {
    let tiers = |count: i64| (0..count).map(|n| (n * 100, 5)).collect::<Vec<_>>();
    assert!(own(&tiers(50)).is_ok());
    assert_eq!(own(&tiers(51)), Err(IncrementFault::TooManyTiers(MAX_TIERS + 1)));
}

#[test]
fn an_own_table_serves_a_currency_without_decimals() {
    assert_eq!(flat(100).at(amount(5_000)), amount(100));
}

#[test]
fn an_unsound_table_cannot_be_read() {
    assert!(serde_json::from_str::<IncrementTable>(r#"[{"from":0,"increment":5}]"#).is_ok());
    for unsound in ["[]", r#"[{"from":1,"increment":5}]"#, r#"[{"from":0,"increment":0}]"#] {
        assert!(serde_json::from_str::<IncrementTable>(unsound).is_err(), "{unsound}");
    }
}
