//! The published vectors by name, the rules of schedules, and what holds of every table.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::BasisPoints;
use crate::money::{MAX_AMOUNT, Money, MoneyError, Unit};

fn money(amount: i64, currency: &str) -> Money {
    Money::new(amount, currency.parse().unwrap()).unwrap()
}

fn usd(amount: i64) -> Money {
    money(amount, "USD")
}

fn table(source: Value) -> TierTable {
    serde_json::from_value::<TableSource>(source).unwrap().checked().unwrap()
}

fn fee(source: Value, amount: i64) -> i64 {
    table(source).fee(usd(amount), Unit::MIN).unwrap().amount()
}

fn premium_25_20(threshold: i64) -> Value {
    json!({"kind": "marginal", "tiers": [{"above": 0, "rate_bps": 2_500}, {"above": threshold, "rate_bps": 2_000}]})
}

#[test]
fn a_premium_of_25_percent_to_250_000_and_20_above_makes_196_500_of_920_000() {
    assert_eq!(fee(premium_25_20(250_000), 920_000), 196_500);
    assert_eq!(fee(premium_25_20(25_000_000), 92_000_000), 19_650_000, "the same in cents");
}

#[test]
fn with_a_threshold_of_300_000_it_makes_199_000() {
    assert_eq!(fee(premium_25_20(300_000), 920_000), 199_000);
}

#[test]
fn a_premium_of_20_percent_to_6m_and_10_above_makes_2_600_000_of_20m() {
    let source = json!({"kind": "marginal",
        "tiers": [{"above": 0, "rate_bps": 2_000}, {"above": 6_000_000, "rate_bps": 1_000}]});
    assert_eq!(fee(source, 20_000_000), 2_600_000);
}

#[test]
fn a_premium_of_26_21_and_15_percent_at_1m_and_6m_makes_470_000_of_2m() {
    let source = json!({"kind": "marginal", "tiers": [{"above": 0, "rate_bps": 2_600},
        {"above": 1_000_000, "rate_bps": 2_100}, {"above": 6_000_000, "rate_bps": 1_500}]});
    assert_eq!(fee(source.clone(), 2_000_000), 470_000);
    assert_eq!(fee(source, 10_000_000), 260_000 + 1_050_000 + 600_000);
}

#[test]
fn nine_percent_and_3_fixed_make_12_of_100() {
    let source = json!({"kind": "flat", "tiers": [{"above": 0, "rate_bps": 900, "fixed": 3}]});
    assert_eq!(fee(source, 100), 12);
}

fn non_marginal() -> Value {
    json!({"kind": "flat", "tiers": [{"above": 0, "rate_bps": 1_000},
        {"above": 5_000, "rate_bps": 385, "min": 500}, {"above": 129_870, "fixed": 5_000}]})
}

#[test]
fn the_non_marginal_table_makes_5_000_of_129_870() {
    assert_eq!(fee(non_marginal(), 129_870), 5_000, "4,999.995 rounds");
    assert_eq!(fee(non_marginal(), 129_871), 5_000, "fixed above");
    assert_eq!(fee(non_marginal(), MAX_AMOUNT), 5_000);
}

#[test]
fn the_non_marginal_table_charges_all_of_an_amount_by_the_tier_it_lies_in() {
    assert_eq!(fee(non_marginal(), 5_000), 500, "10 percent, to the threshold and with it");
    assert_eq!(fee(non_marginal(), 5_001), 500, "3.85 percent would be 192.54; the tier's minimum is 500");
    assert_eq!(fee(non_marginal(), 100_000), 3_850);
}

#[test]
fn currencies_of_zero_two_and_three_decimals_are_reckoned_in_their_minor_units() {
    let table = table(premium_25_20(250_000));
    for (currency, amount, premium) in [("JPY", 920_001, 196_500), ("USD", 920_003, 196_501), ("KWD", 13, 3)] {
        let fee = table.fee(money(amount, currency), Unit::MIN);
        assert_eq!(fee, Ok(money(premium, currency)), "{amount} {currency}");
    }
}

#[test]
fn a_line_is_rounded_once_and_half_to_even() {
    // Two tiers with halves of a unit each: 12.5 + 0.5 are 13, not 12 + 0.
    assert_eq!(fee(premium_25_20(50), 52), 13, "12.5 + 0.4 = 12.9");
    let halves =
        json!({"kind": "marginal", "tiers": [{"above": 0, "rate_bps": 5_000}, {"above": 1, "rate_bps": 5_000}]});
    assert_eq!(fee(halves.clone(), 2), 1, "0.5 + 0.5");
    assert_eq!([fee(halves.clone(), 1), fee(halves.clone(), 3), fee(halves, 5)], [0, 2, 2], "0.5, 1.5, 2.5");
}

#[test]
fn minimum_and_maximum_hold_for_a_tier_and_for_the_table() {
    let bounded = json!({"kind": "marginal", "min": 10, "max": 100,
        "tiers": [{"above": 0, "rate_bps": 1_000, "max": 30}, {"above": 1_000, "rate_bps": 1_000}]});
    assert_eq!(fee(bounded.clone(), 1), 10, "the table's minimum");
    assert_eq!(fee(bounded.clone(), 500), 30, "the tier's maximum");
    assert_eq!(fee(bounded.clone(), 1_100), 40);
    assert_eq!(fee(bounded, 1_000_000), 100, "the table's maximum");
}

#[test]
fn nothing_is_charged_on_nothing() {
    let source = json!({"kind": "flat", "tiers": [{"above": 0, "fixed": 3, "min": 7}], "min": 9});
    assert_eq!(fee(source, 0), 0);
}

#[test]
fn a_fee_beyond_what_money_can_be_is_an_error() {
    let much = json!({"kind": "flat", "tiers": [{"above": 0, "rate_bps": 10_000, "fixed": 1}]});
    assert_eq!(table(much).fee(usd(MAX_AMOUNT), Unit::MIN), Err(MoneyError::OutOfRange));
}

fn schedules(sources: Value) -> Result<Schedules, Vec<String>> {
    let sources: Vec<ScheduleSource> = serde_json::from_value(sources).unwrap();
    let sources = sources.into_iter().enumerate().map(|(n, source)| (format!("schedules[{n}]"), source));
    Schedules::new(sources, BasisPoints::try_from(1_000).unwrap())
        .map_err(|faults| faults.iter().map(ToString::to_string).collect())
}

fn day(n: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(n)
}

fn version(name: &str, currency: &str, from: i64, rate_bps: u16) -> Value {
    json!({"version": name, "currency": currency, "effective_from": day(from),
        "seller_commission": {"kind": "flat", "tiers": [{"above": 0, "rate_bps": rate_bps}]}})
}

#[test]
fn a_schedule_holds_from_its_date_until_the_next_of_its_currency() {
    let all = json!([version("v2", "USD", 20, 500), version("v1", "USD", 10, 800), version("v1", "EUR", 0, 100)]);
    let all = schedules(all).unwrap();
    let quoted = |on| {
        let quote = all.quote(usd(10_000), day(on)).unwrap();
        (quote.schedule().to_string(), quote.commission().amount())
    };
    assert_eq!(quoted(9), ("default-1000-bps".to_owned(), 1_000));
    assert_eq!(quoted(10), ("v1".to_owned(), 800), "from the moment itself");
    assert_eq!(quoted(19), ("v1".to_owned(), 800));
    assert_eq!(quoted(99), ("v2".to_owned(), 500));
}

#[test]
fn the_default_has_no_premium_no_tax_and_the_one_commission() {
    let quote = schedules(json!([])).unwrap().quote(usd(12_050), day(0)).unwrap();
    assert_eq!((quote.total(), quote.commission(), quote.payout()), (usd(12_050), usd(1_205), usd(10_845)));
    assert!(quote.premium().is_zero() && quote.tax().is_zero());
}

fn taxed(on: &str) -> Quote {
    let mut source = version("v1", "USD", 0, 1_000);
    source["buyer_premium"] = premium_25_20(250_000);
    source["tax"] = json!({"on": on, "table": {"kind": "flat", "tiers": [{"above": 0, "rate_bps": 1_900}]}});
    schedules(json!([source])).unwrap().quote(usd(920_000), day(0)).unwrap()
}

#[test]
fn tax_is_reckoned_on_the_premium_or_on_all_the_buyer_pays() {
    assert_eq!(taxed("premium").tax(), usd(37_335));
    assert_eq!(taxed("hammer_and_premium").tax(), usd(212_135));
    assert_eq!(taxed("premium").total(), usd(920_000 + 196_500 + 37_335));
    assert_eq!(taxed("premium").payout(), usd(828_000), "the seller gets the hammer price less commission");
}

#[test]
fn a_commission_above_the_hammer_price_takes_it_all_and_no_more() {
    let mut source = version("v1", "USD", 0, 0);
    source["seller_commission"]["tiers"][0]["fixed"] = json!(300);
    let quote = schedules(json!([source])).unwrap().quote(usd(299), day(0)).unwrap();
    assert_eq!((quote.commission(), quote.payout()), (usd(299), usd(0)));
}

/// Ten percent, for a gateway that moves dinars in tens of fils and ariary in whole ones.
fn in_units() -> Schedules {
    let units = [("KWD", 10), ("MGA", 100)];
    let units = units.map(|(code, unit)| (code.parse().unwrap(), Unit::new(unit).unwrap()));
    schedules(json!([])).unwrap().in_units(BTreeMap::from(units))
}

#[test]
fn what_the_gateway_cannot_move_of_a_price_nobody_pays_and_no_part_is_finer_than_it() {
    for (hammer, currency, payable, commission, payout) in [
        (1_370, "KWD", 1_370, 140, 1_230),
        (1_250, "KWD", 1_250, 120, 1_130),
        (1_237, "KWD", 1_230, 120, 1_110),
        (12_345, "MGA", 12_300, 1_200, 11_100),
        (12_345, "USD", 12_345, 1_234, 11_111),
        (12_345, "ISK", 12_345, 1_234, 11_111),
    ] {
        let quote = in_units().quote(money(hammer, currency), day(0)).unwrap();
        let parts = [quote.hammer(), quote.total(), quote.commission(), quote.payout()].map(Money::amount);
        assert_eq!(parts, [payable, payable, commission, payout], "{hammer} {currency}");
    }
}

#[test]
fn a_price_below_what_the_gateway_moves_at_least_is_left_for_it_to_refuse() {
    let quote = in_units().quote(money(7, "KWD"), day(0)).unwrap();
    assert_eq!((quote.hammer(), quote.total()), (money(7, "KWD"), money(7, "KWD")));
}

#[test]
fn a_total_beyond_what_money_can_be_is_no_quote() {
    let mut source = version("v1", "USD", 0, 0);
    source["buyer_premium"] = premium_25_20(250_000);
    let refused = schedules(json!([source])).unwrap().quote(usd(MAX_AMOUNT), day(0));
    assert_eq!(refused, Err(FeeError::Money(MoneyError::OutOfRange)));
}

#[test]
fn every_fault_of_every_schedule_is_named_with_its_place() {
    let tier = json!({"above": 5, "rate_bps": 10_001, "fixed": -1, "min": 9, "max": 8});
    let mut bad = version("", "usd", 0, 1_000);
    bad["seller_commission"]["tiers"] = json!([tier, {"above": 5}]);
    bad["buyer_premium"] = json!({"kind": "flat", "tiers": []});
    let twin = version("v1", "USD", 0, 1_000);
    let faults = schedules(json!([bad, twin, twin])).unwrap_err().join("\n");
    for named in [
        "schedules[0].version is refused",
        "schedules[0].currency is refused",
        "schedules[0].buyer_premium.tiers has 1 to 100",
        "schedules[0].seller_commission.tiers[0].above is 5; the first tier is above 0",
        "schedules[0].seller_commission.tiers[0].rate_bps is 10001",
        "schedules[0].seller_commission.tiers[0].fixed is -1",
        "schedules[0].seller_commission.tiers[0].min is 9, above the max 8",
        "schedules[0].seller_commission.tiers[1].above is 5, not above 5",
        "schedules[2] has the version \"v1\" of another",
        "schedules[2] takes effect with another",
    ] {
        assert!(faults.contains(named), "{named} is missing in\n{faults}");
    }
    assert_eq!(faults.lines().count(), 10, "{faults}");
}

#[test]
fn a_misspelt_member_is_refused_and_not_taken_for_nothing() {
    let mut source = version("v1", "USD", 0, 1_000);
    source["buyers_premium"] = premium_25_20(250_000);
    assert!(serde_json::from_value::<ScheduleSource>(source).is_err());
}

#[test]
fn a_stored_quote_is_read_as_it_was_and_one_that_does_not_add_up_is_refused() {
    let quote = taxed("premium");
    let stored = serde_json::to_value(&quote).unwrap();
    assert_eq!(serde_json::from_value::<Quote>(stored.clone()).unwrap(), quote);
    let dinars = in_units().quote(money(1_230, "KWD"), day(0)).unwrap();
    let read: Quote = serde_json::from_value(serde_json::to_value(&dinars).unwrap()).unwrap();
    assert_eq!((read.unit().get(), &read), (10, &dinars));
    let mut forged = stored;
    forged["commission"] = json!(920_001);
    assert!(serde_json::from_value::<Quote>(forged).is_err());
}

/// Ascending tiers, of rates in the given order.
fn tiers(rates: Vec<u16>, widths: &[i64]) -> Value {
    let starts = std::iter::once(0).chain(widths.iter().scan(0, |at, width| {
        *at += width;
        Some(*at)
    }));
    rates.into_iter().zip(starts).map(|(rate, above)| json!({"above": above, "rate_bps": rate})).collect()
}

fn any_tiers() -> impl Strategy<Value = (Vec<u16>, Vec<i64>)> {
    (prop::collection::vec(0_u16..=10_000, 1..6), prop::collection::vec(1_i64..1_000_000, 6))
}

fn any_table() -> impl Strategy<Value = Value> {
    let bounds = prop::option::of((0_i64..1_000, 1_000_i64..10_000_000));
    (any_tiers(), any::<bool>(), bounds, 0_i64..500).prop_map(|((rates, widths), flat, bounds, fixed)| {
        let mut tiers = tiers(rates, &widths);
        tiers[0]["fixed"] = json!(fixed);
        let kind = if flat { "flat" } else { "marginal" };
        json!({"kind": kind, "tiers": tiers, "min": bounds.map(|(min, _)| min), "max": bounds.map(|(_, max)| max)})
    })
}

proptest! {
    #[test]
    fn total_and_parts_always_sum(
        premium in any_table(), commission in any_table(), tax in any_table(), whole: bool, hammer in 1_i64..1_000_000_000_000,
    ) {
        let on = if whole { "hammer_and_premium" } else { "premium" };
        let source = json!([{"version": "v1", "currency": "USD", "effective_from": day(0), "buyer_premium": premium,
            "seller_commission": commission, "tax": {"on": on, "table": tax}}]);
        let quote = schedules(source).unwrap().quote(usd(hammer), day(0)).unwrap();
        let amount = |money: Money| money.amount();
        prop_assert_eq!(amount(quote.hammer()) + amount(quote.premium()) + amount(quote.tax()), amount(quote.total()));
        prop_assert_eq!(amount(quote.commission()) + amount(quote.payout()), hammer);
    }

    #[test]
    fn in_larger_units_the_parts_sum_as_well_and_each_is_a_multiple(
        premium in any_table(), commission in any_table(), tax in any_table(), whole: bool,
        unit in prop::sample::select(vec![10_u32, 100]), hammer in 1_i64..1_000_000_000_000,
    ) {
        let on = if whole { "hammer_and_premium" } else { "premium" };
        let source = json!([{"version": "v1", "currency": "KWD", "effective_from": day(0), "buyer_premium": premium,
            "seller_commission": commission, "tax": {"on": on, "table": tax}}]);
        let unit = Unit::new(unit).unwrap();
        let schedules = schedules(source).unwrap().in_units(BTreeMap::from([("KWD".parse().unwrap(), unit)]));
        let hammer = money(hammer.max(unit.get().into()), "KWD");
        let quote = schedules.quote(hammer, day(0)).unwrap();
        let parts = [quote.hammer(), quote.premium(), quote.tax(), quote.total(), quote.commission(), quote.payout()];
        prop_assert!(parts.iter().all(|part| part.is_multiple_of(unit)), "{quote:?}");
        let [counts, premium, tax, total, commission, payout] = parts.map(Money::amount);
        prop_assert_eq!((counts + premium + tax, commission + payout), (total, counts));
        prop_assert!((0..i64::from(unit.get())).contains(&(hammer.amount() - counts)));
    }

    #[test]
    fn a_marginal_table_is_monotone((rates, widths) in any_tiers(), a in 0_i64..10_000_000, more in 0_i64..10_000_000) {
        let table = table(json!({"kind": "marginal", "tiers": tiers(rates, &widths)}));
        let fee = |amount| table.fee(usd(amount), Unit::MIN).unwrap().amount();
        prop_assert!(fee(a) <= fee(a + more));
    }

    #[test]
    fn with_growing_marginal_rates_two_lots_never_cost_more_than_one_of_both(
        (mut rates, widths) in any_tiers(), a in 1_i64..10_000_000, b in 1_i64..10_000_000,
    ) {
        rates.sort_unstable();
        let table = table(json!({"kind": "marginal", "tiers": tiers(rates, &widths)}));
        let fee = |amount| table.fee(usd(amount), Unit::MIN).unwrap().amount();
        prop_assert!(fee(a) + fee(b) <= fee(a + b) + 1, "but for rounding");
    }

    #[test]
    fn a_marginal_fee_is_within_half_a_unit_of_the_sum_unit_by_unit((rates, widths) in any_tiers(), amount in 1_i64..2_000) {
        let widths: Vec<i64> = widths.iter().map(|width| width % 500 + 1).collect();
        let source = tiers(rates, &widths);
        let rate_of = |unit: i64| {
            let mut tiers = source.as_array().unwrap().iter().rev();
            tiers.find(|tier| tier["above"].as_i64().unwrap() < unit).unwrap()["rate_bps"].as_i64().unwrap()
        };
        let exact: i64 = (1..=amount).map(rate_of).sum();
        let fee = fee(json!({"kind": "marginal", "tiers": source}), amount);
        prop_assert!((fee * 10_000 - exact).abs() <= 5_000);
    }

    #[test]
    fn a_fee_stays_within_the_tables_bounds(source in any_table(), amount in 1_i64..1_000_000_000) {
        let fee = fee(source.clone(), amount);
        prop_assert!(source["min"].as_i64().is_none_or(|min| fee >= min));
        prop_assert!(source["max"].as_i64().is_none_or(|max| fee <= max));
    }
}
