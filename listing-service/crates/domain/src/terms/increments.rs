//! By how much a bid must exceed the price.

use serde::{Deserialize, Serialize};

use super::require_payable;
use crate::{
    fault::Faults,
    money::{Amount, Currency, MAX_AMOUNT, Unit},
};

/// Most tiers that an own increment table may have.
pub const MAX_TIERS: usize = 50;

/// A preset by name, or an own table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Increments {
    /// A published table of a real marketplace.
    Preset(Preset),
    /// Ascending tiers, the first from 0.
    Table(Vec<Tier>),
}

/// Published increment tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// eBay, United States.
    EbayUs,
    /// eBay, United Kingdom.
    EbayUk,
    /// Trade Me, New Zealand.
    TradeMe,
}

/// From this price on, a bid must exceed the price by this much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tier {
    /// Inclusive lower bound of the price.
    pub from: Amount,
    /// Positive.
    pub increment: Amount,
}

impl Increments {
    /// Notes what is wrong with them for a lot that starts at `start_price`.
    pub(super) fn check(&self, currency: Currency, start_price: Amount, faults: &mut Faults) {
        let pointer = "/format/increments";
        match self {
            Self::Preset(_) => faults.require(
                // All their amounts are hundredths.
                currency.payable_unit().map_or(1, Unit::get) * 100 <= 10_u32.pow(currency.decimals().into()),
                pointer,
                format!("the presets have increments below 1, which {currency} cannot express; send an own table"),
            ),
            Self::Table(tiers) => {
                let count = (1..=MAX_TIERS).contains(&tiers.len());
                faults.require(count, pointer, format!("a table has 1 to {MAX_TIERS} tiers"));
                // What is wrong with more tiers than a table has is not told one by one.
                for (index, tier) in tiers.iter().take(MAX_TIERS).enumerate() {
                    let before = index.checked_sub(1).and_then(|before| tiers.get(before));
                    tier.check(index, before, currency, start_price, faults);
                }
            }
        }
    }
}

impl Tier {
    fn check(self, index: usize, before: Option<&Self>, currency: Currency, start_price: Amount, faults: &mut Faults) {
        let from = format!("/format/increments/{index}/from");
        match before {
            None => faults.require(self.from == 0, &from, "the first tier is from 0"),
            Some(before) => {
                let ascends = self.from > before.from;
                faults.require(ascends, &from, format!("must be higher than {}, the tier before", before.from));
                faults.require(self.from <= MAX_AMOUNT, &from, format!("must be at most {MAX_AMOUNT} minor units"));
            }
        }
        let increment = format!("/format/increments/{index}/increment");
        faults.require(self.increment >= 1, &increment, "must be at least 1 minor unit");
        // The minimum after a first bid must be an amount itself.
        let largest = MAX_AMOUNT - start_price.clamp(0, MAX_AMOUNT);
        let detail = format!("must be at most {largest}: with the start price it has to stay below 2^53 minor units");
        faults.require(self.increment <= largest, &increment, detail);
        require_payable(self.increment, currency, &increment, faults);
    }
}
