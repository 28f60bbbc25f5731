//! Money and fee schedules as JSON.

use settlement_domain::{BasisPoints, Money, Quote, Schedules, fees::ScheduleSource, money::MAX_AMOUNT};

/// Two lines with an amount of money each, and a list of fee schedules after them. They are refused, or within bounds,
/// written, and read again as the same. Sums stay within the bounds, and what a sale comes to neither loses nor makes a
/// minor unit, whatever the schedules say. Whether any sale came to something.
#[must_use]
pub fn money(input: &[u8]) -> bool {
    let Ok(input) = std::str::from_utf8(input) else { return false };
    let mut parts = input.splitn(3, '\n');
    let (one, other) = (parts.next().and_then(amount), parts.next().and_then(amount));
    let (Some(one), Some(other)) = (one, other) else { return false };
    add_up(one, other);
    let Some(sources) = parts.next().and_then(|list| serde_json::from_str::<Vec<ScheduleSource>>(list).ok()) else {
        return false;
    };
    let default = BasisPoints::try_from(1_000).expect("a rate");
    let sources = sources.into_iter().enumerate().map(|(place, source)| (format!("schedules[{place}]"), source));
    let Ok(schedules) = Schedules::new(sources, default) else { return false };
    let quoted = [one, other].map(|hammer| quote(&schedules, hammer));
    quoted.contains(&true)
}

fn amount(text: &str) -> Option<Money> {
    let money: Money = serde_json::from_str(text).ok()?;
    assert!((0..=MAX_AMOUNT).contains(&money.amount()), "{money}");
    assert!(money.to_string().ends_with(money.currency().code()), "{money}");
    let written = serde_json::to_string(&money).expect("money can be written");
    assert_eq!(serde_json::from_str::<Money>(&written).expect("what was written can be read"), money);
    Some(money)
}

fn add_up(one: Money, other: Money) {
    if let Ok(sum) = one.plus(other) {
        assert_eq!((sum.minus(other), sum.minus(one)), (Ok(one), Ok(other)));
    }
    if let Ok(difference) = one.minus(other) {
        assert_eq!(difference.plus(other), Ok(one));
    }
}

/// What a sale in the year 2040 comes to, if it comes to anything.
fn quote(schedules: &Schedules, hammer: Money) -> bool {
    let at = serde_json::from_str("\"2040-01-01T00:00:00Z\"").expect("a time");
    let Ok(quote) = schedules.quote(hammer, at) else { return false };
    let on_top = quote.premium().plus(quote.tax()).expect("they are parts of the total");
    assert_eq!(hammer.plus(on_top), Ok(quote.total()));
    assert_eq!(quote.commission().plus(quote.payout()), Ok(hammer));
    let written = serde_json::to_string(&quote).expect("a quote can be written");
    assert_eq!(serde_json::from_str::<Quote>(&written).expect("what was written can be read"), quote);
    true
}
