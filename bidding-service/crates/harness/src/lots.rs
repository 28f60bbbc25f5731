//! Lots of each format, on simple terms: prices from 5.00, in steps of 1.00.

use bidding_domain::{
    dutch::DutchTerms,
    english::EnglishTerms,
    format::FormatTerms,
    increments::{IncrementTable, Tier},
    money::Amount,
    sealed::SealedTerms,
    soft_close::SoftClose,
    uniform::UniformTerms,
};

use crate::world::amount;

/// What can be sold in a [`World`](crate::world::World).
pub trait Lot {
    /// Its format.
    fn format(self) -> FormatTerms;
}

impl Lot for FormatTerms {
    fn format(self) -> FormatTerms {
        self
    }
}

impl Lot for EnglishTerms {
    fn format(self) -> FormatTerms {
        FormatTerms::English(self)
    }
}

impl Lot for DutchTerms {
    fn format(self) -> FormatTerms {
        FormatTerms::Dutch(self)
    }
}

impl Lot for UniformTerms {
    fn format(self) -> FormatTerms {
        FormatTerms::UniformMultiUnit(self)
    }
}

/// Each bid at least 1.00 above the price.
///
/// # Panics
/// Never: the table is sound.
#[must_use]
pub fn steps() -> IncrementTable {
    let tier = Tier { from: Amount::ZERO, increment: amount(100) };
    IncrementTable::own(vec![tier]).expect("a sound table")
}

/// Ascending, with neither reserve nor soft close.
#[must_use]
pub fn lot() -> EnglishTerms {
    EnglishTerms {
        start_price: amount(500),
        reserve_price: None,
        buy_now_price: None,
        increments: steps(),
        soft_close: SoftClose::Off,
    }
}

fn sealed() -> SealedTerms {
    SealedTerms { start_price: amount(500), reserve_price: None }
}

/// Sealed, without a reserve; the winner pays the own bid.
#[must_use]
pub fn first_price() -> FormatTerms {
    FormatTerms::SealedFirstPrice(sealed())
}

/// Sealed, without a reserve; the winner pays the second highest bid.
#[must_use]
pub fn vickrey() -> FormatTerms {
    FormatTerms::Vickrey(sealed())
}

/// From 20.00 down to 5.00, by 1.00 each minute.
#[must_use]
pub fn dutch() -> DutchTerms {
    DutchTerms { start_price: amount(2_000), floor_price: amount(500), step: amount(100), step_every_s: 60 }
}

/// Three units at one price; partial lots may be declined for a minute.
#[must_use]
pub fn uniform() -> UniformTerms {
    UniformTerms {
        start_price: amount(500),
        quantity: 3,
        increments: steps(),
        soft_close: SoftClose::Off,
        decline_within_s: 60,
    }
}

/// One lot of each format.
#[must_use]
pub fn of_each_format() -> [FormatTerms; 5] {
    [lot().format(), first_price(), vickrey(), dutch().format(), uniform().format()]
}
