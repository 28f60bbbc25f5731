//! Our minor units (ISO 4217) in Stripe's, which differ for some currencies (Stripe, "Supported currencies").
//!
//! What is said there of payouts in forints and Taiwan dollars is about those to a bank account. Stripe makes them from
//! the seller's balance, and a transfer to that takes hundredths.

use std::collections::BTreeMap;

use settlement_domain::money::Unit;
use settlement_domain::{Currency, Decline, Money};

use super::error::StripeError;

/// Currencies of which Stripe does not take each of our minor units, and of what amounts have to be multiples.
const COARSE: [(&str, u32); 6] = [("BHD", 10), ("JOD", 10), ("KWD", 10), ("OMR", 10), ("TND", 10), ("MGA", 100)];

/// The same as units.
pub(super) fn units() -> BTreeMap<Currency, Unit> {
    COARSE.into_iter().filter_map(|(code, unit)| Some((code.parse().ok()?, Unit::new(unit)?))).collect()
}

/// Decimals that Stripe has for a currency, and of what its amounts have to be multiples.
fn unit(code: &str, decimals: u32) -> (u32, i64) {
    match code {
        // Without decimals here and there, or here only with two: the ariary has fifths, which Stripe does not take.
        "BIF" | "CLP" | "DJF" | "GNF" | "JPY" | "KMF" | "KRW" | "MGA" | "PYG" | "RWF" | "VND" | "VUV" | "XAF"
        | "XOF" | "XPF" => (0, 1),
        // Without decimals, and told with two.
        "ISK" | "UGX" => (2, 100),
        // Three decimals, of which the networks take two.
        "BHD" | "JOD" | "KWD" | "OMR" | "TND" => (3, 10),
        _ => (decimals, 1),
    }
}

/// The amount as Stripe takes it. What it cannot take is refused, never rounded: the ledger has the exact amount.
pub(crate) fn to_stripe(money: Money) -> Result<i64, Box<StripeError>> {
    let (code, ours) = (money.currency().code(), money.currency().decimals());
    let (theirs, multiple) = unit(code, ours);
    let refused = || {
        let message = format!("Stripe takes no such amount of {code}.");
        Box::new(StripeError::local(Decline::AMOUNT_REFUSED, &message))
    };
    let amount = if theirs >= ours {
        10_i64.checked_pow(theirs - ours).and_then(|factor| money.amount().checked_mul(factor))
    } else {
        let factor = 10_i64.pow(ours - theirs);
        (money.amount() % factor == 0).then_some(money.amount() / factor)
    };
    amount.filter(|amount| amount % multiple == 0).ok_or_else(refused)
}

/// An amount of Stripe's in our minor units; none for what is no whole number of them.
pub(crate) fn from_stripe(amount: i64, currency: Currency) -> Option<Money> {
    let ours = currency.decimals();
    let (theirs, _) = unit(currency.code(), ours);
    let amount = if theirs >= ours {
        let factor = 10_i64.checked_pow(theirs - ours)?;
        (amount % factor == 0).then_some(amount / factor)?
    } else {
        amount.checked_mul(10_i64.checked_pow(ours - theirs)?)?
    };
    Money::new(amount, currency).ok()
}

#[cfg(test)]
mod tests {
    use settlement_domain::money::MAX_AMOUNT;

    use super::*;

    fn stripe(amount: i64, currency: &str) -> Option<i64> {
        to_stripe(Money::new(amount, currency.parse().unwrap()).unwrap()).ok()
    }

    #[test]
    fn dollars_are_told_in_cents_and_yen_in_yen() {
        assert_eq!(stripe(12_050, "USD"), Some(12_050));
        assert_eq!(stripe(500, "JPY"), Some(500));
    }

    #[test]
    fn dinars_have_three_decimals_of_which_the_last_is_zero() {
        assert_eq!(stripe(5_120, "KWD"), Some(5_120));
        assert_eq!(stripe(5_124, "KWD"), None, "it is not rounded");
    }

    #[test]
    fn kronur_are_told_with_two_decimals_and_ariary_with_none() {
        assert_eq!(stripe(5, "ISK"), Some(500));
        assert_eq!(stripe(5, "UGX"), Some(500));
        assert_eq!((stripe(300, "MGA"), stripe(320, "MGA")), (Some(3), None));
    }

    #[test]
    fn what_is_a_multiple_of_a_currencys_unit_is_taken_and_nothing_else_is() {
        let units = units();
        assert_eq!(units.len(), COARSE.len());
        let others = ["USD", "EUR", "HUF", "TWD", "JPY", "KRW", "XOF", "ISK", "UGX"];
        for code in COARSE.map(|(code, _)| code).into_iter().chain(others) {
            let currency: Currency = code.parse().unwrap();
            let unit = units.get(&currency).copied().unwrap_or(Unit::MIN);
            for amount in 1..=1_000 {
                let money = Money::new(amount, currency).unwrap();
                let taken = to_stripe(money).ok();
                assert_eq!(taken.is_some(), money.is_multiple_of(unit), "{money}");
                assert!(taken.is_none_or(|told| from_stripe(told, currency) == Some(money)), "{money}");
            }
        }
    }

    #[test]
    fn what_stripe_tells_is_what_it_was_told() {
        for (amount, code) in [(12_050, "USD"), (500, "JPY"), (5_120, "KWD"), (5, "ISK"), (5, "UGX"), (300, "MGA")] {
            let money = Money::new(amount, code.parse().unwrap()).unwrap();
            assert_eq!(from_stripe(to_stripe(money).unwrap(), money.currency()), Some(money), "{code}");
        }
        assert_eq!(from_stripe(501, "ISK".parse().unwrap()), None, "a fraction of a krona");
        assert_eq!(from_stripe(-5, "USD".parse().unwrap()), None);
    }

    #[test]
    fn the_largest_amount_does_not_overflow() {
        assert_eq!(stripe(MAX_AMOUNT, "USD"), Some(MAX_AMOUNT));
        assert_eq!(stripe(MAX_AMOUNT, "ISK"), Some(MAX_AMOUNT * 100));
    }
}
