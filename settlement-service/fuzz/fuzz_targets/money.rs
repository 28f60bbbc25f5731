//! Money and fee schedules as JSON: refused, or within bounds, written, and read again as the same. Sums never leave the
//! bounds, and what a sale comes to never loses or makes a minor unit, whatever the schedule says.
//!
//! The first two lines of an input are amounts of money, the rest is a list of fee schedules.
#![no_main]

use libfuzzer_sys::fuzz_target;
use settlement_domain::{BasisPoints, Money, Quote, Schedules, fees::ScheduleSource, money::MAX_AMOUNT};

fn money(text: &str) -> Option<Money> {
    let money: Money = serde_json::from_str(text).ok()?;
    assert!((0..=MAX_AMOUNT).contains(&money.amount()));
    assert!(money.to_string().ends_with(money.currency().code()));
    let written = serde_json::to_string(&money).expect("money can be written");
    assert_eq!(serde_json::from_str::<Money>(&written).expect("what was written can be read"), money);
    Some(money)
}

fn add_up(one: Money, other: Money) {
    if let Ok(sum) = one.plus(other) {
        assert_eq!(sum.minus(other), Ok(one));
        assert_eq!(sum.minus(one), Ok(other));
    }
    if let Ok(difference) = one.minus(other) {
        assert_eq!(difference.plus(other), Ok(one));
    }
}

fn quote(schedules: &Schedules, hammer: Money) {
    let Ok(quote) = schedules.quote(hammer, serde_json::from_str("\"2040-01-01T00:00:00Z\"").expect("a time")) else {
        return;
    };
    let on_top = quote.premium().plus(quote.tax()).expect("they are parts of the total");
    assert_eq!(hammer.plus(on_top), Ok(quote.total()));
    assert_eq!(quote.commission().plus(quote.payout()), Ok(hammer));
    let written = serde_json::to_string(&quote).expect("a quote can be written");
    assert_eq!(serde_json::from_str::<Quote>(&written).expect("what was written can be read"), quote);
}

fuzz_target!(|input: &str| {
    let mut parts = input.splitn(3, '\n');
    let (one, other) = (parts.next().and_then(money), parts.next().and_then(money));
    let (Some(one), Some(other)) = (one, other) else { return };
    add_up(one, other);
    let default = BasisPoints::try_from(1_000).expect("a rate");
    let sources: Vec<ScheduleSource> =
        parts.next().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let sources = sources.into_iter().enumerate().map(|(place, source)| (format!("schedules[{place}]"), source));
    if let Ok(schedules) = Schedules::new(sources, default) {
        quote(&schedules, one);
        quote(&schedules, other);
    }
});
