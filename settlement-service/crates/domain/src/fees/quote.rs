//! What one sale comes to: who pays what and who gets what. The parts always sum: total is hammer, premium and tax;
//! hammer is commission and payout.

use serde::{Deserialize, Serialize};

use super::ScheduleName;
use crate::money::{Currency, Money, MoneyError};

/// The lines of one sale, all in one currency. There is no other way to make one than [`Quote::new`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Lines", into = "Lines")]
pub struct Quote {
    schedule: ScheduleName,
    hammer: Money,
    premium: Money,
    tax: Money,
    total: Money,
    commission: Money,
    payout: Money,
}

/// Why there is no quote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FeeError {
    /// A line or the total is beyond what money can be, or the currencies differ.
    #[error("the fees do not add up: {0}")]
    Money(#[from] MoneyError),
    /// More commission than there is.
    #[error("the commission is more than the hammer price")]
    Commission,
}

impl Quote {
    /// Adds the lines up.
    pub fn new(
        schedule: ScheduleName,
        hammer: Money,
        premium: Money,
        tax: Money,
        commission: Money,
    ) -> Result<Self, FeeError> {
        let total = hammer.plus(premium)?.plus(tax)?;
        let payout = match hammer.minus(commission) {
            Err(MoneyError::OutOfRange) => return Err(FeeError::Commission),
            payout => payout?,
        };
        Ok(Self { schedule, hammer, premium, tax, total, commission, payout })
    }

    /// Under which schedule.
    #[must_use]
    pub const fn schedule(&self) -> &ScheduleName {
        &self.schedule
    }

    /// What the lot was sold for.
    #[must_use]
    pub const fn hammer(&self) -> Money {
        self.hammer
    }

    /// What the buyer pays the platform on top.
    #[must_use]
    pub const fn premium(&self) -> Money {
        self.premium
    }

    /// What the buyer pays for the tax office.
    #[must_use]
    pub const fn tax(&self) -> Money {
        self.tax
    }

    /// What the buyer pays in all.
    #[must_use]
    pub const fn total(&self) -> Money {
        self.total
    }

    /// What the seller leaves to the platform.
    #[must_use]
    pub const fn commission(&self) -> Money {
        self.commission
    }

    /// What the seller gets.
    #[must_use]
    pub const fn payout(&self) -> Money {
        self.payout
    }
}

/// A quote as it is stored: the sums are made again when it is read.
#[derive(Serialize, Deserialize)]
struct Lines {
    schedule: ScheduleName,
    currency: Currency,
    hammer: i64,
    premium: i64,
    tax: i64,
    commission: i64,
}

impl TryFrom<Lines> for Quote {
    type Error = FeeError;

    fn try_from(lines: Lines) -> Result<Self, Self::Error> {
        let money = |amount| Money::new(amount, lines.currency);
        let (hammer, premium) = (money(lines.hammer)?, money(lines.premium)?);
        Self::new(lines.schedule, hammer, premium, money(lines.tax)?, money(lines.commission)?)
    }
}

impl From<Quote> for Lines {
    fn from(quote: Quote) -> Self {
        Self {
            schedule: quote.schedule,
            currency: quote.hammer.currency(),
            hammer: quote.hammer.amount(),
            premium: quote.premium.amount(),
            tax: quote.tax.amount(),
            commission: quote.commission.amount(),
        }
    }
}
