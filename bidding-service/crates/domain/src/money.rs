//! Money in integer minor units, never a fraction, never a float.

use std::{fmt, num::NonZeroU32, str::FromStr};

use serde::{Deserialize, Serialize};

/// Minor units (e.g. cents) of a currency known from the context: 0 to 2^53 − 1, which every JSON
/// reader keeps exact (RFC 8259 §6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub struct Amount(i64);

/// The number is no amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an amount lies between 0 and 2^53 - 1 minor units, not {0}")]
pub struct AmountOutOfRange(pub i64);

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// The largest amount.
    pub const MAX: Self = Self((1 << 53) - 1);

    /// An amount of `minor` units.
    pub fn new(minor: i64) -> Result<Self, AmountOutOfRange> {
        if (0..=Self::MAX.0).contains(&minor) { Ok(Self(minor)) } else { Err(AmountOutOfRange(minor)) }
    }

    /// The bare number of minor units.
    #[must_use]
    pub const fn minor(self) -> i64 {
        self.0
    }

    /// The sum, or the largest amount where the sum would lie above it.
    #[must_use]
    pub fn saturating_add(self, other: Self) -> Self {
        Self(self.0 + other.0).min(Self::MAX)
    }

    /// The difference, or nothing where `other` is larger.
    #[must_use]
    pub fn saturating_sub(self, other: Self) -> Self {
        Self(self.0 - other.0).max(Self::ZERO)
    }

    /// Whether it is a multiple of a unit.
    #[must_use]
    pub fn is_multiple_of(self, unit: Unit) -> bool {
        self.0 % i64::from(unit.get()) == 0
    }

    /// The smallest multiple of a unit that is not below it, or the largest amount where that would lie above it.
    #[must_use]
    pub fn rounded_up_to(self, unit: Unit) -> Self {
        let unit = i64::from(unit.get());
        Self((self.0 + unit - 1) / unit * unit).min(Self::MAX)
    }

    /// The largest multiple of a unit that is not above it.
    #[must_use]
    pub fn rounded_down_to(self, unit: Unit) -> Self {
        Self(self.0 - self.0 % i64::from(unit.get()))
    }
}

impl TryFrom<i64> for Amount {
    type Error = AmountOutOfRange;
    fn try_from(minor: i64) -> Result<Self, AmountOutOfRange> {
        Self::new(minor)
    }
}

impl From<u32> for Amount {
    fn from(minor: u32) -> Self {
        Self(minor.into())
    }
}

impl From<Amount> for i64 {
    fn from(amount: Amount) -> Self {
        amount.0
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What amounts of a currency have to be multiples of for anybody to pay them, minor units.
pub type Unit = NonZeroU32;

/// Currencies of which nobody can pay each minor unit, because no gateway moves it, and their units.
const COARSE: [(&str, u32); 6] = [("BHD", 10), ("JOD", 10), ("KWD", 10), ("OMR", 10), ("TND", 10), ("MGA", 100)];

/// An ISO 4217 currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency(iso_currency::Currency);

impl Currency {
    /// Decimals of the minor unit: 0 (JPY), 2 (USD), 3 (KWD) or 4.
    #[must_use]
    pub fn decimals(self) -> u16 {
        self.0.exponent().unwrap_or(0)
    }

    /// The ISO code.
    #[must_use]
    pub fn code(self) -> &'static str {
        self.0.code()
    }

    /// Its unit; none where any amount can be paid.
    #[must_use]
    pub fn payable_unit(self) -> Option<Unit> {
        COARSE.into_iter().find(|(code, _)| *code == self.code()).and_then(|(_, unit)| Unit::new(unit))
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// The text is no ISO 4217 code of money.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("is not an ISO 4217 currency code like USD")]
pub struct UnknownCurrency;

impl FromStr for Currency {
    type Err = UnknownCurrency;
    fn from_str(code: &str) -> Result<Self, UnknownCurrency> {
        // Metals and test codes have no minor unit: nothing can be priced in them.
        iso_currency::Currency::from_code(code)
            .filter(|currency| currency.exponent().is_some())
            .map(Self)
            .ok_or(UnknownCurrency)
    }
}

impl TryFrom<String> for Currency {
    type Error = UnknownCurrency;
    fn try_from(code: String) -> Result<Self, UnknownCurrency> {
        code.parse()
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        currency.code().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_lies_between_nothing_and_what_every_json_reader_keeps_exact() {
        assert_eq!(Amount::new(-1), Err(AmountOutOfRange(-1)));
        assert_eq!(Amount::new(0), Ok(Amount::ZERO));
        assert_eq!(Amount::new(9_007_199_254_740_991), Ok(Amount::MAX));
        assert!(Amount::new(9_007_199_254_740_992).is_err());
        assert!(Amount::new(i64::MAX).is_err());
    }

    #[test]
    fn sums_stay_within_the_range() {
        assert_eq!(Amount::MAX.saturating_add(Amount::MAX), Amount::MAX);
        assert_eq!(Amount::ZERO.saturating_sub(Amount::MAX), Amount::ZERO);
    }

    #[test]
    fn an_amount_read_from_json_is_an_integer_in_range() {
        assert_eq!(serde_json::from_str::<Amount>("12050").unwrap().minor(), 12_050);
        for wrong in ["-1", "9007199254740992", "1.5", "\"1\"", "1e30"] {
            assert!(serde_json::from_str::<Amount>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn currencies_have_their_own_decimals() {
        for (code, decimals) in [("JPY", 0), ("USD", 2), ("KWD", 3)] {
            assert_eq!(code.parse::<Currency>().unwrap().decimals(), decimals, "{code}");
        }
    }

    #[test]
    fn currencies_that_are_withdrawn_are_still_read() {
        for code in ["BGN", "CUC", "HRK", "SLL", "ZWL"] {
            assert_eq!(code.parse::<Currency>().map(Currency::decimals), Ok(2), "{code}");
        }
    }

    #[test]
    fn of_some_currencies_tens_or_hundreds_of_the_minor_unit_can_be_paid() {
        let unit = |code: &str| code.parse::<Currency>().unwrap().payable_unit().map(Unit::get);
        for code in ["BHD", "JOD", "KWD", "OMR", "TND"] {
            assert_eq!(unit(code), Some(10), "{code}");
        }
        assert_eq!(unit("MGA"), Some(100));
        for code in ["USD", "JPY", "IQD", "ISK", "UGX"] {
            assert_eq!(unit(code), None, "{code}");
        }
    }

    #[test]
    fn an_amount_is_rounded_to_the_next_multiple_as_far_as_there_is_one() {
        let ten = Unit::new(10).unwrap();
        let up = |minor: i64| Amount::new(minor).unwrap().rounded_up_to(ten).minor();
        assert_eq!([0, 1, 9, 10, 11, 1_005].map(up), [0, 10, 10, 10, 20, 1_010]);
        assert_eq!(Amount::MAX.rounded_up_to(ten), Amount::MAX);
        let down = |minor: i64| Amount::new(minor).unwrap().rounded_down_to(ten).minor();
        assert_eq!([0, 1, 9, 10, 11, 1_005].map(down), [0, 0, 0, 10, 10, 1_000]);
        assert!(Amount(1_010).is_multiple_of(ten) && !Amount(1_005).is_multiple_of(ten));
    }

    #[test]
    fn gold_test_codes_and_lower_case_are_no_currency() {
        for code in ["XAU", "XXX", "usd", "", "DOLLAR"] {
            assert_eq!(code.parse::<Currency>(), Err(UnknownCurrency), "{code}");
        }
    }
}
