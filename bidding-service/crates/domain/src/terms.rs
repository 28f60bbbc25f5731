//! On which terms a lot is sold: final when the listing is published.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    format::FormatTerms,
    ids::UserId,
    money::{Amount, Currency, Unit},
};

/// The terms that every format has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sale {
    /// Who sells, and may not bid.
    pub seller: UserId,
    /// All amounts are in its minor units.
    pub currency: Currency,
    /// When bidding opens.
    pub starts_at: DateTime<Utc>,
    /// When bidding ends, before any extension.
    pub ends_at: DateTime<Utc>,
    /// Whether the next bidder may be offered the lot if the winner does not pay.
    pub second_chance: bool,
    /// For how many days, as the seller said; told with the close.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second_chance_days: Option<u32>,
    /// What bids are multiples of. None where any amount can be paid, and of lots that were scheduled without one: their
    /// logs are proved by the rules of then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<Unit>,
}

impl Sale {
    /// The smallest bid from `least` on.
    pub(crate) fn payable(&self, least: Amount) -> Amount {
        self.unit.map_or(least, |unit| least.rounded_up_to(unit))
    }

    /// The largest bid up to `most`.
    pub(crate) fn payable_at_most(&self, most: Amount) -> Amount {
        self.unit.map_or(most, |unit| most.rounded_down_to(unit))
    }
}

/// Sound terms of an auction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    sale: Sale,
    format: FormatTerms,
}

/// Why terms make no auction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TermsFault {
    /// Nobody could ever bid.
    #[error("bidding ends before it opens")]
    EndsBeforeStart,
    /// Prices are positive.
    #[error("the start price is not positive")]
    StartPriceNotPositive,
    /// Prices are positive.
    #[error("the reserve price is not positive")]
    ReservePriceNotPositive,
    /// Buying now would be cheaper than bidding.
    #[error("the buy-now price is less than 30 % above the start price, or below the reserve")]
    BuyNowTooLow,
    /// Prices are positive.
    #[error("the floor price is not positive")]
    FloorPriceNotPositive,
    /// The price could not fall.
    #[error("the floor price is not below the start price")]
    FloorNotBelowStart,
    /// The price would never fall.
    #[error("the step or its time is not positive")]
    StepNotPositive,
    /// One unit has its own formats.
    #[error("the quantity does not lie between 2 and {}", crate::uniform::MAX_QUANTITY)]
    Quantity,
}

impl TermsFault {
    pub(crate) fn unless_positive(price: Amount, fault: Self) -> Result<(), Self> {
        if price > Amount::ZERO { Ok(()) } else { Err(fault) }
    }
}

impl Terms {
    /// Terms, if they are sound.
    pub fn new(sale: Sale, format: FormatTerms) -> Result<Self, TermsFault> {
        if sale.ends_at <= sale.starts_at {
            return Err(TermsFault::EndsBeforeStart);
        }
        format.check()?;
        Ok(Self { sale, format })
    }

    /// The terms that every format has.
    #[must_use]
    pub fn sale(&self) -> &Sale {
        &self.sale
    }

    /// The terms of the format.
    #[must_use]
    pub fn format(&self) -> &FormatTerms {
        &self.format
    }

    pub(crate) fn into_parts(self) -> (Sale, FormatTerms) {
        (self.sale, self.format)
    }

    pub(crate) fn from_parts(sale: Sale, format: FormatTerms) -> Self {
        Self { sale, format }
    }
}
