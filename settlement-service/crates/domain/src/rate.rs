//! Rates in basis points, and the one place where an amount is rounded: half to even, once.

use serde::{Deserialize, Serialize};

use crate::money::Money;

/// A rate from 0 to 10,000 basis points (hundredths of a percent).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct BasisPoints(u16);

/// A rate above 100 %.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a rate is between 0 and 10000 basis points")]
pub struct InvalidRate;

const WHOLE: i64 = 10_000;

impl BasisPoints {
    /// This share of an amount, rounded half to even to the minor unit.
    #[must_use]
    pub fn of(self, money: Money) -> Money {
        let exact = i128::from(money.amount()) * i128::from(self.0);
        let (floor, rest) = (exact / i128::from(WHOLE), exact % i128::from(WHOLE));
        let up = match (rest * 2).cmp(&i128::from(WHOLE)) {
            std::cmp::Ordering::Less => false,
            std::cmp::Ordering::Equal => floor % 2 == 1,
            std::cmp::Ordering::Greater => true,
        };
        // At most the whole amount, so it is in range whenever the amount was.
        let share = i64::try_from(floor + i128::from(up)).unwrap_or(money.amount());
        Money::new(share, money.currency()).unwrap_or(money)
    }
}

impl TryFrom<u16> for BasisPoints {
    type Error = InvalidRate;

    fn try_from(points: u16) -> Result<Self, Self::Error> {
        if i64::from(points) <= WHOLE { Ok(Self(points)) } else { Err(InvalidRate) }
    }
}

impl From<BasisPoints> for u16 {
    fn from(rate: BasisPoints) -> Self {
        rate.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::money::MAX_AMOUNT;

    fn share(points: u16, amount: i64, code: &str) -> i64 {
        let money = Money::new(amount, code.parse().unwrap()).unwrap();
        BasisPoints::try_from(points).unwrap().of(money).amount()
    }

    #[test]
    fn a_commission_of_1000_basis_points_is_a_tenth() {
        assert_eq!(share(1_000, 12_050, "USD"), 1_205);
    }

    #[test]
    fn halves_round_to_the_even_minor_unit() {
        assert_eq!(share(1_000, 5, "USD"), 0, "0.5 → 0");
        assert_eq!(share(1_000, 15, "USD"), 2, "1.5 → 2");
        assert_eq!(share(1_000, 25, "USD"), 2, "2.5 → 2");
        assert_eq!(share(1_000, 35, "USD"), 4, "3.5 → 4");
        assert_eq!(share(1_000, 24, "USD"), 2, "2.4 → 2");
        assert_eq!(share(1_000, 26, "USD"), 3, "2.6 → 3");
    }

    #[test]
    fn a_share_just_below_a_half_is_rounded_once_and_so_down() {
        // 10.4999…: rounding to tenths first would make it 10.5 and then more.
        assert_eq!(share(999, 10_510, "USD"), 1_050, "1049.949 → 1050");
        assert_eq!(share(1, 104_999, "USD"), 10, "10.4999 → 10");
    }

    #[test]
    fn rounding_is_to_the_minor_unit_of_zero_two_and_three_decimal_currencies() {
        assert_eq!(share(385, 1_299, "JPY"), 50, "50.0115 yen");
        assert_eq!(share(385, 129_870, "USD"), 5_000, "49.99995 dollars → 50.00");
        assert_eq!(share(385, 1_298_701, "KWD"), 50_000, "49.9999885 dinars → 50.000");
    }

    #[test]
    fn the_published_flat_shares_come_out() {
        // ACCEPTANCE, Money: 25 % of 250,000; 20 % of 6m; 26 % of 1m; in cents and whole units alike.
        assert_eq!(share(2_500, 250_000, "USD"), 62_500);
        assert_eq!(share(2_000, 6_000_000, "JPY"), 1_200_000);
        assert_eq!(share(2_600, 100_000_000, "USD"), 26_000_000);
    }

    #[test]
    fn a_rate_above_the_whole_is_refused() {
        assert!(BasisPoints::try_from(10_000).is_ok());
        assert_eq!(BasisPoints::try_from(10_001), Err(InvalidRate));
    }

    proptest! {
        #[test]
        fn a_share_is_within_half_a_unit_of_the_exact_one(points in 0_u16..=10_000, amount in 0..=MAX_AMOUNT) {
            let off = i128::from(share(points, amount, "USD")) * 10_000 - i128::from(amount) * i128::from(points);
            prop_assert!(off.abs() <= 5_000);
        }

        #[test]
        fn a_share_is_never_more_than_the_amount(points in 0_u16..=10_000, amount in 0..=MAX_AMOUNT) {
            prop_assert!((0..=amount).contains(&share(points, amount, "KWD")));
        }
    }
}
