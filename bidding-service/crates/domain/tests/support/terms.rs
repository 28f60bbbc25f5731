//! Terms of lots, to be bent.

use bidding_domain::{
    dutch::DutchTerms,
    english::EnglishTerms,
    format::FormatTerms,
    increments::{IncrementTable, Preset, Tier},
    money::Amount,
    sealed::SealedTerms,
    soft_close::SoftClose,
    uniform::UniformTerms,
};

use super::{amount, currency};

/// Terms that are of one format only.
pub trait IntoFormat {
    fn into_format(self) -> FormatTerms;
}

impl IntoFormat for FormatTerms {
    fn into_format(self) -> FormatTerms {
        self
    }
}

impl IntoFormat for EnglishTerms {
    fn into_format(self) -> FormatTerms {
        FormatTerms::English(self)
    }
}

impl IntoFormat for DutchTerms {
    fn into_format(self) -> FormatTerms {
        FormatTerms::Dutch(self)
    }
}

impl IntoFormat for UniformTerms {
    fn into_format(self) -> FormatTerms {
        FormatTerms::UniformMultiUnit(self)
    }
}

pub fn preset(preset: Preset) -> IncrementTable {
    IncrementTable::preset(preset, currency("USD")).unwrap()
}

/// One increment at every price.
pub fn flat(increment: i64) -> IncrementTable {
    IncrementTable::own(vec![Tier { from: Amount::ZERO, increment: amount(increment) }]).unwrap()
}

/// Increments that fall: 10.00 below a price of 10.00, 0.01 from there on.
pub fn falling() -> IncrementTable {
    serde_json::from_str(r#"[{"from":0,"increment":1000},{"from":1000,"increment":1}]"#).unwrap()
}

/// An English lot without reserve, buy-now and soft close.
pub fn lot(start_price: i64, increments: IncrementTable) -> EnglishTerms {
    EnglishTerms {
        start_price: amount(start_price),
        reserve_price: None,
        buy_now_price: None,
        increments,
        soft_close: SoftClose::Off,
    }
}

fn sealed(start_price: i64, reserve_price: Option<i64>) -> SealedTerms {
    SealedTerms { start_price: amount(start_price), reserve_price: reserve_price.map(amount) }
}

pub fn first_price(start_price: i64, reserve_price: Option<i64>) -> FormatTerms {
    FormatTerms::SealedFirstPrice(sealed(start_price, reserve_price))
}

pub fn vickrey(start_price: i64, reserve_price: Option<i64>) -> FormatTerms {
    FormatTerms::Vickrey(sealed(start_price, reserve_price))
}

/// 100.00, falling by 17.00 every minute to 40.00: 100, 83, 66, 49, 40.
pub fn dutch() -> DutchTerms {
    DutchTerms { start_price: amount(10_000), floor_price: amount(4_000), step: amount(1_700), step_every_s: 60 }
}

/// Five units from 10.00 on, with an increment of 1.00; a partial lot may be declined within an hour.
pub fn five_units() -> UniformTerms {
    UniformTerms {
        start_price: amount(1_000),
        quantity: 5,
        increments: flat(100),
        soft_close: SoftClose::Off,
        decline_within_s: 3_600,
    }
}

/// A lot of each format, from 10.00 on (Dutch: down to 40.00).
pub fn every_format() -> [FormatTerms; 5] {
    [
        lot(1_000, flat(100)).into_format(),
        first_price(1_000, None),
        vickrey(1_000, None),
        dutch().into_format(),
        five_units().into_format(),
    ]
}
