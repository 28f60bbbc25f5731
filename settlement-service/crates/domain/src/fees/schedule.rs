//! Schedules: the tables of a currency from a date on. The next schedule of the currency ends the one before.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::source::{self, Fault, ScheduleSource};
use super::{FeeError, Quote, TierTable};
use crate::money::{Currency, Money, Unit};
use crate::rate::BasisPoints;

/// A schedule's name: 1 to 64 characters, one of its currency only. A settlement keeps it with its quote.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ScheduleName(String);

/// Not a schedule's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a schedule's version has 1 to 64 characters, none of them a control character")]
pub struct InvalidScheduleName;

impl TryFrom<String> for ScheduleName {
    type Error = InvalidScheduleName;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        let fits = (1..=64).contains(&name.chars().count()) && !name.chars().any(char::is_control);
        if fits { Ok(Self(name)) } else { Err(InvalidScheduleName) }
    }
}

impl From<ScheduleName> for String {
    fn from(name: ScheduleName) -> Self {
        name.0
    }
}

impl fmt::Display for ScheduleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What tax is reckoned on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaxBase {
    /// The buyer's premium alone: second-hand goods under a margin scheme.
    Premium,
    /// Hammer price and premium: a sales tax on all that the buyer pays.
    HammerAndPremium,
}

/// Tax on a sale, paid by the buyer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tax {
    /// On what.
    pub on: TaxBase,
    /// How much.
    pub table: TierTable,
}

/// One version of the fees of a currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// Its name.
    pub version: ScheduleName,
    /// For sales in this currency; the tables' amounts are its minor units.
    pub currency: Currency,
    /// For sales from this moment on.
    pub effective_from: DateTime<Utc>,
    /// On the hammer price, paid by the buyer; none is nothing.
    pub premium: Option<TierTable>,
    /// On the hammer price, paid by the seller; none is nothing.
    pub commission: Option<TierTable>,
    /// None is nothing.
    pub tax: Option<Tax>,
}

impl Schedule {
    fn quote(&self, unit: Unit, hammer: Money) -> Result<Quote, FeeError> {
        quote(&self.version, unit, hammer, self.premium.as_ref(), self.commission.as_ref(), self.tax.as_ref())
    }
}

/// What a sale comes to. The commission is at most the hammer price: a seller gets nothing then and owes nothing.
///
/// The hammer price is rounded down to the unit, so that every part is a multiple and nobody pays more than was bid. One
/// that is less than a unit stays, for the gateway to refuse.
fn quote(
    version: &ScheduleName,
    unit: Unit,
    hammer: Money,
    premium: Option<&TierTable>,
    commission: Option<&TierTable>,
    tax: Option<&Tax>,
) -> Result<Quote, FeeError> {
    let nothing = Money::zero(hammer.currency());
    let hammer = Some(hammer.rounded_down_to(unit)).filter(|price| !price.is_zero()).unwrap_or(hammer);
    let fee = |table: Option<&TierTable>, on| table.map_or(Ok(nothing), |table| table.fee(on, unit));
    let premium = fee(premium, hammer)?;
    let commission = fee(commission, hammer)?;
    let commission = if commission.amount() > hammer.amount() { hammer } else { commission };
    let tax = match tax {
        Some(tax) if tax.on == TaxBase::HammerAndPremium => tax.table.fee(hammer.plus(premium)?, unit)?,
        Some(tax) => tax.table.fee(premium, unit)?,
        None => nothing,
    };
    Quote::new(version.clone(), unit, hammer, premium, tax, commission)
}

/// All schedules an operator has set, and what holds where none does: no premium, no tax, one rate of commission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedules {
    set: Vec<Schedule>,
    otherwise: ScheduleName,
    commission: TierTable,
    units: BTreeMap<Currency, Unit>,
}

impl Schedules {
    /// No schedules but the default.
    #[must_use]
    pub fn only_commission(rate: BasisPoints) -> Self {
        let otherwise = ScheduleName(format!("default-{}-bps", u16::from(rate)));
        Self { set: Vec::new(), otherwise, commission: TierTable::of_rate(rate), units: BTreeMap::new() }
    }

    /// These schedules, each with the place it was written at, and the default where none of them holds. Every fault
    /// is named.
    pub fn new(
        sources: impl IntoIterator<Item = (String, ScheduleSource)>,
        default: BasisPoints,
    ) -> Result<Self, Vec<Fault>> {
        let set = source::schedules(sources)?;
        Ok(Self { set, ..Self::only_commission(default) })
    }

    /// The same for a gateway that moves only multiples of these units, and of other currencies any amount.
    #[must_use]
    pub fn in_units(self, units: BTreeMap<Currency, Unit>) -> Self {
        Self { units, ..self }
    }

    /// What a sale at this moment comes to.
    pub fn quote(&self, hammer: Money, at: DateTime<Utc>) -> Result<Quote, FeeError> {
        let unit = self.units.get(&hammer.currency()).copied().unwrap_or(Unit::MIN);
        let holds = |one: &&Schedule| one.currency == hammer.currency() && one.effective_from <= at;
        match self.set.iter().filter(holds).max_by_key(|one| one.effective_from) {
            Some(schedule) => schedule.quote(unit, hammer),
            None => quote(&self.otherwise, unit, hammer, None, Some(&self.commission), None),
        }
    }
}
