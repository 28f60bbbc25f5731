//! Rates in basis points, and the one place where an amount is rounded: half to even, once.

use std::cmp::Ordering;
use std::iter::Sum;
use std::ops::Add;

use serde::{Deserialize, Serialize};

use crate::money::Unit;

/// A rate from 0 to 10,000 basis points (hundredths of a percent).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct BasisPoints(u16);

/// A rate above 100 %.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a rate is between 0 and 10000 basis points")]
pub struct InvalidRate;

const WHOLE: i128 = 10_000;

/// An amount before it is rounded: whole ten-thousandths of a minor unit, so every rate of an amount is exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Exact(i128);

impl Exact {
    /// Whole minor units.
    pub const fn whole(amount: i64) -> Self {
        Self(amount as i128 * WHOLE)
    }

    /// Minor units, a multiple of the unit, half to even; what does not fit is the largest that does, and so no amount
    /// of money.
    pub fn rounded_to(self, unit: Unit) -> i64 {
        let unit = i128::from(unit.get());
        let whole = WHOLE * unit;
        let (floor, rest) = (self.0.div_euclid(whole), self.0.rem_euclid(whole));
        let up = match (rest * 2).cmp(&whole) {
            Ordering::Less => false,
            Ordering::Equal => floor % 2 != 0,
            Ordering::Greater => true,
        };
        i64::try_from((floor + i128::from(up)) * unit).unwrap_or(i64::MAX)
    }
}

impl Add for Exact {
    type Output = Self;

    /// Amounts are below 2^53 and tables have at most 100 tiers: 128 bits hold any sum of them.
    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl Sum for Exact {
    fn sum<I: Iterator<Item = Self>>(parts: I) -> Self {
        parts.fold(Self::default(), Add::add)
    }
}

impl BasisPoints {
    /// All of it: 100 %.
    pub const WHOLE: Self = Self(10_000);

    /// This share of an amount of minor units, not rounded yet.
    pub(crate) fn of(self, amount: i64) -> Exact {
        Exact(i128::from(amount) * i128::from(self.0))
    }
}

impl TryFrom<u16> for BasisPoints {
    type Error = InvalidRate;

    fn try_from(points: u16) -> Result<Self, Self::Error> {
        if i128::from(points) <= WHOLE { Ok(Self(points)) } else { Err(InvalidRate) }
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
    use crate::money::{MAX_AMOUNT, Money};

    fn share(points: u16, amount: i64, code: &str) -> i64 {
        let share = BasisPoints::try_from(points).unwrap().of(amount).rounded_to(Unit::MIN);
        Money::new(share, code.parse().unwrap()).unwrap().amount()
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
    fn halves_of_a_unit_of_many_minor_units_round_to_the_even_one() {
        let (tenth, ten) = (BasisPoints::try_from(1_000).unwrap(), Unit::new(10).unwrap());
        let tenth_of = |amount| tenth.of(amount).rounded_to(ten);
        assert_eq!([50, 150, 250].map(tenth_of), [0, 20, 20], "of 5, 15 and 25");
        assert_eq!([149, 251].map(tenth_of), [10, 30], "of 14.9, which is not 15 first, and 25.1");
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
