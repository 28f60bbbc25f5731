//! By how much a bid must exceed the price: tables as data.
//!
//! A table is resolved once, when an auction is scheduled, so that a later change of a preset
//! leaves the auctions that were published on it as they are.

use serde::{Deserialize, Serialize};

use crate::money::{Amount, Currency};

/// Most tiers that an own table may have.
pub const MAX_TIERS: usize = 50;

/// Published increment tables of real marketplaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// eBay, United States.
    EbayUs,
    /// eBay, United Kingdom.
    EbayUk,
    /// Trade Me, New Zealand.
    TradeMe,
}

/// A tier of a preset, in hundredths of the currency's unit.
#[derive(Clone, Copy)]
enum PresetTier {
    /// From this price on.
    From(u32, u32),
    /// From the first price above this one on.
    Above(u32, u32),
}

impl Preset {
    const fn tiers(self) -> &'static [PresetTier] {
        use PresetTier::{Above, From};
        match self {
            Self::EbayUs => &[
                From(0, 5),
                From(100, 25),
                From(500, 50),
                From(2_500, 100),
                From(10_000, 250),
                From(25_000, 500),
                From(50_000, 1_000),
                From(100_000, 2_500),
                From(250_000, 5_000),
                From(500_000, 10_000),
            ],
            Self::EbayUk => &[
                From(0, 5),
                From(100, 20),
                From(500, 50),
                From(1_500, 100),
                From(6_000, 200),
                From(15_000, 500),
                From(30_000, 1_000),
                From(60_000, 2_000),
                From(150_000, 5_000),
                From(300_000, 10_000),
            ],
            Self::TradeMe => &[
                From(0, 50),
                Above(2_000, 100),
                Above(20_000, 500),
                Above(100_000, 1_000),
                Above(500_000, 5_000),
                Above(2_500_000, 10_000),
            ],
        }
    }
}

/// From this price on, a bid must exceed the price by this much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tier {
    /// Inclusive lower bound of the price.
    pub from: Amount,
    /// Positive.
    pub increment: Amount,
}

/// A sound table: tiers ascend, the first is from 0, every increment is positive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Tier>", into = "Vec<Tier>")]
pub struct IncrementTable {
    first: Amount,
    rest: Vec<Tier>,
}

/// Why tiers make no table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IncrementFault {
    /// Nothing says by how much to bid.
    #[error("an increment table has at least one tier")]
    Empty,
    /// More than [`MAX_TIERS`].
    #[error("an increment table has at most {MAX_TIERS} tiers, not {0}")]
    TooManyTiers(usize),
    /// The lowest prices have no increment.
    #[error("the first tier is from 0, not from {0}")]
    FirstNotFromZero(Amount),
    /// Two tiers claim the same price, or stand in the wrong order.
    #[error("tiers ascend by `from`: {0} does not follow the one before it")]
    NotAscending(Amount),
    /// A bid that exceeds the price by nothing.
    #[error("the increment from {0} on is not positive")]
    NotPositive(Amount),
    /// The presets have increments below one unit of the currency.
    #[error("the presets need a currency with two or more decimals, {0} has fewer")]
    TooFewDecimals(Currency),
}

impl IncrementTable {
    /// A seller's own table.
    pub fn own(tiers: Vec<Tier>) -> Result<Self, IncrementFault> {
        let count = tiers.len();
        let mut rest = tiers;
        if count == 0 {
            return Err(IncrementFault::Empty);
        }
        if count > MAX_TIERS {
            return Err(IncrementFault::TooManyTiers(count));
        }
        let first = rest.remove(0);
        if first.from != Amount::ZERO {
            return Err(IncrementFault::FirstNotFromZero(first.from));
        }
        let mut before = first.from;
        for tier in &rest {
            if tier.from <= before {
                return Err(IncrementFault::NotAscending(tier.from));
            }
            before = tier.from;
        }
        if let Some(tier) = std::iter::once(&first).chain(&rest).find(|tier| tier.increment == Amount::ZERO) {
            return Err(IncrementFault::NotPositive(tier.from));
        }
        Ok(Self { first: first.increment, rest })
    }

    /// A preset, scaled to the decimals of `currency`, which must have two or more.
    pub fn preset(preset: Preset, currency: Currency) -> Result<Self, IncrementFault> {
        let too_few = IncrementFault::TooFewDecimals(currency);
        let scale = 10_u32.pow(u32::from(currency.decimals().checked_sub(2).ok_or(too_few)?));
        let tier = |tier: &PresetTier| {
            let (from, increment) = match *tier {
                PresetTier::From(from, increment) => (from * scale, increment),
                PresetTier::Above(last, increment) => (last * scale + 1, increment),
            };
            Tier { from: from.into(), increment: (increment * scale).into() }
        };
        Self::own(preset.tiers().iter().map(tier).collect())
    }

    /// By how much a bid must exceed `price`.
    #[must_use]
    pub fn at(&self, price: Amount) -> Amount {
        self.rest.iter().rev().find(|tier| tier.from <= price).map_or(self.first, |tier| tier.increment)
    }

    /// The largest increment of all tiers.
    #[must_use]
    pub fn largest(&self) -> Amount {
        self.rest.iter().map(|tier| tier.increment).fold(self.first, Amount::max)
    }
}

impl TryFrom<Vec<Tier>> for IncrementTable {
    type Error = IncrementFault;
    fn try_from(tiers: Vec<Tier>) -> Result<Self, IncrementFault> {
        Self::own(tiers)
    }
}

impl From<IncrementTable> for Vec<Tier> {
    fn from(table: IncrementTable) -> Self {
        std::iter::once(Tier { from: Amount::ZERO, increment: table.first }).chain(table.rest).collect()
    }
}
