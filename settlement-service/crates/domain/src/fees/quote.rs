//! What one sale comes to: who pays what and who gets what. The parts always sum: total is hammer, premium and tax;
//! hammer is commission and payout.

use serde::{Deserialize, Serialize};

use super::ScheduleName;
use crate::money::{Currency, Money, MoneyError, Unit};

/// The lines of one sale, all in one currency, for a gateway that moves multiples of a unit of it. There is no other
/// way to make one than [`Quote::new`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Lines", into = "Lines")]
pub struct Quote {
    schedule: ScheduleName,
    unit: Unit,
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
        unit: Unit,
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
        Ok(Self { schedule, unit, hammer, premium, tax, total, commission, payout })
    }

    /// Under which schedule.
    #[must_use]
    pub const fn schedule(&self) -> &ScheduleName {
        &self.schedule
    }

    /// What the amounts of the sale are multiples of, and what is given back of them has to be.
    #[must_use]
    pub const fn unit(&self) -> Unit {
        self.unit
    }

    /// What the lot was sold for, as far as the gateway moves it.
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
    /// None is a minor unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unit: Option<Unit>,
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
        let unit = lines.unit.unwrap_or(Unit::MIN);
        Self::new(lines.schedule, unit, hammer, premium, money(lines.tax)?, money(lines.commission)?)
    }
}

impl From<Quote> for Lines {
    fn from(quote: Quote) -> Self {
        Self {
            schedule: quote.schedule,
            currency: quote.hammer.currency(),
            unit: Some(quote.unit).filter(|unit| *unit > Unit::MIN),
            hammer: quote.hammer.amount(),
            premium: quote.premium.amount(),
            tax: quote.tax.amount(),
            commission: quote.commission.amount(),
        }
    }
}
