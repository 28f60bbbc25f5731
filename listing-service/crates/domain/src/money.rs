//! Money in integer minor units.

use std::{fmt, num::NonZeroU32, str::FromStr};

use serde::{Deserialize, Serialize};

/// The largest amount that every JSON reader keeps exact: 2^53 − 1 minor units (RFC 8259 §6).
pub const MAX_AMOUNT: i64 = (1 << 53) - 1;

/// Minor units of a currency known from the context.
pub type Amount = i64;

/// What amounts of a currency have to be multiples of for anybody to pay them, minor units.
pub type Unit = NonZeroU32;

/// Currencies of which nobody can pay each minor unit, because no gateway moves it, and their units.
const COARSE: [(&str, u32); 6] = [("BHD", 10), ("JOD", 10), ("KWD", 10), ("OMR", 10), ("TND", 10), ("MGA", 100)];

/// An ISO 4217 currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency(iso_currency::Currency);

impl Currency {
    /// Decimals of the minor unit: 0 (JPY), 2 (USD) or 3 (KWD).
    #[must_use]
    pub fn decimals(self) -> u16 {
        self.0.exponent().unwrap_or(0)
    }

    /// The ISO code.
    #[must_use]
    pub fn code(self) -> &'static str {
        self.0.code()
    }

    /// Whether anybody can pay in it: not in funds and units of account, and no longer in withdrawn currencies.
    #[must_use]
    pub fn is_means_of_payment(self) -> bool {
        !self.0.is_fund() && !self.0.is_special() && !self.is_withdrawn()
    }

    /// Whether another has replaced it. VES is called superseded, but stands in list one of ISO 4217 beside VED.
    fn is_withdrawn(self) -> bool {
        self.0.is_superseded().is_some() && self.0 != iso_currency::Currency::VES
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
