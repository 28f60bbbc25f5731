//! On which terms a lot is sold: final when the listing is published.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    format::FormatTerms,
    ids::UserId,
    money::{Amount, Currency},
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
}

impl Terms {
    /// Terms, if they are sound.
    pub fn new(sale: Sale, format: FormatTerms) -> Result<Self, TermsFault> {
        if sale.ends_at <= sale.starts_at {
            return Err(TermsFault::EndsBeforeStart);
        }
        let FormatTerms::English(english) = &format;
        if english.start_price == Amount::ZERO {
            return Err(TermsFault::StartPriceNotPositive);
        }
        if english.reserve_price == Some(Amount::ZERO) {
            return Err(TermsFault::ReservePriceNotPositive);
        }
        Ok(Self { sale, format })
    }

    /// The terms that every format has.
    #[must_use]
    pub fn sale(&self) -> &Sale {
        &self.sale
    }

    pub(crate) fn into_parts(self) -> (Sale, FormatTerms) {
        (self.sale, self.format)
    }

    pub(crate) fn from_parts(sale: Sale, format: FormatTerms) -> Self {
        Self { sale, format }
    }
}
