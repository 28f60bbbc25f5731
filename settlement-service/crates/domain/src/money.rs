//! Amounts of money: whole minor units of one currency, checked, never a fraction and never a float.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The largest amount: 2^53 − 1 minor units, which every JSON reader reads exactly (RFC 8259 §6).
pub const MAX_AMOUNT: i64 = (1 << 53) - 1;

/// What amounts of a currency have to be multiples of for a gateway to move them, minor units: 1 of most currencies.
pub type Unit = NonZeroU32;

/// A currency of ISO 4217 that has minor units (gold and test codes have none and are refused).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency(iso_currency::Currency);

impl Currency {
    /// The three letters, e.g. `USD`.
    #[must_use]
    pub fn code(self) -> &'static str {
        self.0.code()
    }

    /// Decimals of the major unit: 0 for JPY, 2 for USD, 3 for KWD.
    #[must_use]
    pub fn decimals(self) -> u32 {
        self.0.exponent().map_or(0, u32::from)
    }
}

impl FromStr for Currency {
    type Err = MoneyError;

    fn from_str(code: &str) -> Result<Self, Self::Err> {
        iso_currency::Currency::from_code(code)
            .filter(|currency| currency.exponent().is_some())
            .map(Self)
            .ok_or(MoneyError::UnknownCurrency)
    }
}

impl TryFrom<String> for Currency {
    type Error = MoneyError;

    fn try_from(code: String) -> Result<Self, Self::Error> {
        code.parse()
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        currency.code().to_owned()
    }
}

impl PartialOrd for Currency {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Currency {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.code().cmp(other.code())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// An amount from 0 to [`MAX_AMOUNT`] minor units of a currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Raw", into = "Raw")]
pub struct Money {
    amount: i64,
    currency: Currency,
}

/// What cannot be money, or cannot be reckoned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// Below zero or above [`MAX_AMOUNT`].
    #[error("an amount is between 0 and {MAX_AMOUNT} minor units")]
    OutOfRange,
    /// Not a code of ISO 4217, or a code without minor units.
    #[error("not a currency code of ISO 4217 with minor units")]
    UnknownCurrency,
    /// Two currencies met in one sum.
    #[error("{0} and {1} do not add up")]
    CurrencyMismatch(Currency, Currency),
}

impl Money {
    /// An amount in minor units.
    pub fn new(amount: i64, currency: Currency) -> Result<Self, MoneyError> {
        if (0..=MAX_AMOUNT).contains(&amount) { Ok(Self { amount, currency }) } else { Err(MoneyError::OutOfRange) }
    }

    /// Nothing, in a currency.
    #[must_use]
    pub const fn zero(currency: Currency) -> Self {
        Self { amount: 0, currency }
    }

    /// Minor units.
    #[must_use]
    pub const fn amount(self) -> i64 {
        self.amount
    }

    /// Of which currency.
    #[must_use]
    pub const fn currency(self) -> Currency {
        self.currency
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.amount == 0
    }

    /// Whether it is a multiple of a unit.
    #[must_use]
    pub fn is_multiple_of(self, unit: Unit) -> bool {
        self.amount % i64::from(unit.get()) == 0
    }

    /// The largest multiple of a unit in it.
    pub(crate) fn rounded_down_to(self, unit: Unit) -> Self {
        Self { amount: self.amount - self.amount % i64::from(unit.get()), currency: self.currency }
    }

    /// The sum, within range and one currency.
    pub fn plus(self, other: Self) -> Result<Self, MoneyError> {
        self.same_currency(other)?;
        Self::new(self.amount.checked_add(other.amount).ok_or(MoneyError::OutOfRange)?, self.currency)
    }

    /// The difference, never below zero.
    pub fn minus(self, other: Self) -> Result<Self, MoneyError> {
        self.same_currency(other)?;
        Self::new(self.amount - other.amount, self.currency)
    }

    fn same_currency(self, other: Self) -> Result<(), MoneyError> {
        if self.currency == other.currency {
            Ok(())
        } else {
            Err(MoneyError::CurrencyMismatch(self.currency, other.currency))
        }
    }
}

impl fmt::Display for Money {
    /// In major units with the currency's decimals, e.g. `120.50 USD`, `120 JPY`, `1.205 KWD`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = self.currency.decimals();
        let unit = 10_i64.pow(decimals);
        if decimals == 0 {
            write!(f, "{} {}", self.amount, self.currency)
        } else {
            let (major, minor) = (self.amount / unit, self.amount % unit);
            write!(f, "{major}.{minor:0width$} {}", self.currency, width = decimals as usize)
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Raw {
    amount: i64,
    currency: Currency,
}

impl TryFrom<Raw> for Money {
    type Error = MoneyError;

    fn try_from(raw: Raw) -> Result<Self, Self::Error> {
        Self::new(raw.amount, raw.currency)
    }
}

impl From<Money> for Raw {
    fn from(money: Money) -> Self {
        Self { amount: money.amount, currency: money.currency }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(amount: i64, code: &str) -> Money {
        Money::new(amount, code.parse().unwrap()).unwrap()
    }

    #[test]
    fn currencies_have_zero_two_and_three_decimals() {
        assert_eq!(money(120, "JPY").to_string(), "120 JPY");
        assert_eq!(money(12_050, "USD").to_string(), "120.50 USD");
        assert_eq!(money(1_005, "KWD").to_string(), "1.005 KWD");
        assert_eq!(money(7, "USD").to_string(), "0.07 USD");
    }

    #[test]
    fn currencies_that_are_withdrawn_are_still_read() {
        for code in ["BGN", "CUC", "HRK", "SLL", "ZWL"] {
            assert_eq!(code.parse::<Currency>().map(Currency::decimals), Ok(2), "{code}");
        }
    }

    #[test]
    fn unknown_codes_lower_case_and_codes_without_minor_units_are_refused() {
        for code in ["ABC", "usd", "", "USDX", "XAU", "XXX"] {
            assert_eq!(code.parse::<Currency>(), Err(MoneyError::UnknownCurrency), "{code}");
        }
    }

    #[test]
    fn an_amount_stays_within_what_json_reads_exactly() {
        let usd = "USD".parse().unwrap();
        assert_eq!(Money::new(-1, usd), Err(MoneyError::OutOfRange));
        assert_eq!(Money::new(MAX_AMOUNT + 1, usd), Err(MoneyError::OutOfRange));
        assert!(Money::new(MAX_AMOUNT, usd).is_ok());
        assert!(serde_json::from_str::<Money>(r#"{"amount":-5,"currency":"USD"}"#).is_err());
        assert!(serde_json::from_str::<Money>(r#"{"amount":1.5,"currency":"USD"}"#).is_err());
    }

    #[test]
    fn an_amount_is_a_multiple_of_a_unit_or_is_rounded_down_to_one() {
        let (ten, fils) = (Unit::new(10).unwrap(), money(1_237, "KWD"));
        assert_eq!(fils.rounded_down_to(ten), money(1_230, "KWD"));
        assert!(money(1_230, "KWD").is_multiple_of(ten) && !fils.is_multiple_of(ten) && fils.is_multiple_of(Unit::MIN));
    }

    #[test]
    fn sums_are_checked() {
        assert_eq!(money(1, "USD").plus(money(2, "USD")), Ok(money(3, "USD")));
        assert_eq!(money(MAX_AMOUNT, "USD").plus(money(1, "USD")), Err(MoneyError::OutOfRange));
        assert_eq!(money(1, "USD").minus(money(2, "USD")), Err(MoneyError::OutOfRange));
        assert!(matches!(money(1, "USD").plus(money(1, "EUR")), Err(MoneyError::CurrencyMismatch(..))));
    }
}
