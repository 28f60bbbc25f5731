//! A tier table: tiers by amount, each with a rate, a fixed amount, a minimum and a maximum; and the table's own
//! minimum and maximum around what they come to.

use serde::Deserialize;

use crate::money::{Money, MoneyError, Unit};
use crate::rate::{BasisPoints, Exact};

/// How the tiers work together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Each tier charges the part of the amount that lies in it, as an income tax does.
    Marginal,
    /// The tier that the amount lies in charges all of it.
    Flat,
}

/// Least and most, minor units; both hold inclusively.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Bounds {
    pub least: Option<i64>,
    pub most: Option<i64>,
}

/// The part of the amounts above `above`, up to and with the next tier's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tier {
    pub above: i64,
    pub rate: BasisPoints,
    pub fixed: i64,
    pub bounds: Bounds,
}

/// Tiers that begin at 0 and ascend. Made from a [`super::TableSource`], which names every fault, or by
/// [`TierTable::of_rate`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TierTable {
    kind: Kind,
    tiers: Vec<Tier>,
    bounds: Bounds,
}

impl TierTable {
    /// One rate for every amount.
    #[must_use]
    pub fn of_rate(rate: BasisPoints) -> Self {
        let only = Tier { above: 0, rate, fixed: 0, bounds: Bounds::default() };
        Self { kind: Kind::Flat, tiers: vec![only], bounds: Bounds::default() }
    }

    /// Whoever calls has checked that the tiers begin at 0 and ascend.
    pub(super) const fn checked(kind: Kind, tiers: Vec<Tier>, bounds: Bounds) -> Self {
        Self { kind, tiers, bounds }
    }

    /// The fee on an amount, rounded once, to a multiple of the unit; nothing on nothing. An error if it is beyond what
    /// money can be.
    pub fn fee(&self, on: Money, unit: Unit) -> Result<Money, MoneyError> {
        if on.is_zero() {
            return Ok(on);
        }
        let amount = on.amount();
        let exact = match self.kind {
            Kind::Flat => self.reached(amount).last().map(|tier| tier.charge(amount)).unwrap_or_default(),
            Kind::Marginal => {
                let ends = self.tiers.iter().skip(1).map(|next| next.above).chain([i64::MAX]);
                let parts = self.tiers.iter().zip(ends).filter(|(tier, _)| tier.above < amount);
                parts.map(|(tier, end)| tier.charge(amount.min(end) - tier.above)).sum()
            }
        };
        Money::new(self.bounds.hold(exact).rounded_to(unit), on.currency())
    }

    /// The tiers that begin below an amount.
    fn reached(&self, amount: i64) -> impl DoubleEndedIterator<Item = &Tier> {
        self.tiers.iter().filter(move |tier| tier.above < amount)
    }
}

impl Tier {
    fn charge(&self, part: i64) -> Exact {
        self.bounds.hold(self.rate.of(part) + Exact::whole(self.fixed))
    }
}

impl Bounds {
    fn hold(self, exact: Exact) -> Exact {
        let raised = self.least.map_or(exact, |least| exact.max(Exact::whole(least)));
        self.most.map_or(raised, |most| raised.min(Exact::whole(most)))
    }
}
