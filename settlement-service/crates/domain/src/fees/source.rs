//! Schedules as an operator writes them, and the check that names every fault of theirs at once.

use std::collections::HashSet;
use std::fmt;

use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::table::{Bounds, Kind, Tier, TierTable};
use super::{Schedule, ScheduleName, Tax, TaxBase};
use crate::money::{Currency, MAX_AMOUNT};
use crate::rate::BasisPoints;

/// The most tiers of a table.
const MAX_TIERS: usize = 100;

/// A schedule as it is written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScheduleSource {
    version: String,
    currency: String,
    effective_from: DateTime<Utc>,
    buyer_premium: Option<TableSource>,
    seller_commission: Option<TableSource>,
    tax: Option<TaxSource>,
}

/// Tax as it is written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaxSource {
    on: TaxBase,
    table: TableSource,
}

/// A table as it is written; amounts are minor units.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableSource {
    kind: Kind,
    tiers: Vec<TierSource>,
    min: Option<i64>,
    max: Option<i64>,
}

/// A tier as it is written.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TierSource {
    above: i64,
    #[serde(default)]
    rate_bps: i64,
    #[serde(default)]
    fixed: i64,
    min: Option<i64>,
    max: Option<i64>,
}

/// What is wrong with a schedule, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    at: String,
    what: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.at, self.what)
    }
}

/// Collects faults while it reads.
#[derive(Default)]
struct Check(Vec<Fault>);

/// All schedules, or all that is wrong with them; each comes with its place.
pub(super) fn schedules(
    sources: impl IntoIterator<Item = (String, ScheduleSource)>,
) -> Result<Vec<Schedule>, Vec<Fault>> {
    let mut check = Check::default();
    let (mut names, mut dates) = (HashSet::new(), HashSet::new());
    let mut schedules = Vec::new();
    for (at, source) in sources {
        if !names.insert((source.currency.clone(), source.version.clone())) {
            check
                .fault(&at, format!("has the version {:?} of another schedule in {}", source.version, source.currency));
        }
        if !dates.insert((source.currency.clone(), source.effective_from)) {
            check.fault(&at, format!("takes effect with another schedule in {}", source.currency));
        }
        schedules.extend(check.schedule(&at, source));
    }
    if check.0.is_empty() { Ok(schedules) } else { Err(check.0) }
}

impl TableSource {
    /// The table, or all that is wrong with it.
    pub fn checked(self) -> Result<TierTable, Vec<Fault>> {
        let mut check = Check::default();
        let table = check.table("table", self);
        table.ok_or(check.0)
    }
}

impl Check {
    fn fault(&mut self, at: &str, what: impl fmt::Display) {
        self.0.push(Fault { at: at.to_owned(), what: what.to_string() });
    }

    /// A value, or the fault of it.
    fn ok<T, E: fmt::Display>(&mut self, at: &str, value: Result<T, E>) -> Option<T> {
        value.map_err(|error| self.fault(at, format!("is refused: {error}"))).ok()
    }

    fn schedule(&mut self, at: &str, source: ScheduleSource) -> Option<Schedule> {
        let version = self.ok(&format!("{at}.version"), ScheduleName::try_from(source.version));
        let currency = self.ok(&format!("{at}.currency"), source.currency.parse::<Currency>());
        let premium = source.buyer_premium.map(|table| self.table(&format!("{at}.buyer_premium"), table));
        let commission = source.seller_commission.map(|table| self.table(&format!("{at}.seller_commission"), table));
        let tax = source.tax.map(|tax| (tax.on, self.table(&format!("{at}.tax.table"), tax.table)));
        Some(Schedule {
            version: version?,
            currency: currency?,
            effective_from: source.effective_from,
            premium: premium.unwrap_or_default(),
            commission: commission.unwrap_or_default(),
            tax: tax.and_then(|(on, table)| table.map(|table| Tax { on, table })),
        })
    }

    fn table(&mut self, at: &str, source: TableSource) -> Option<TierTable> {
        let faults_before = self.0.len();
        if source.tiers.is_empty() || source.tiers.len() > MAX_TIERS {
            self.fault(&format!("{at}.tiers"), format!("has 1 to {MAX_TIERS} tiers"));
        }
        let bounds = self.bounds(at, source.min, source.max);
        let (mut tiers, mut last) = (Vec::new(), None);
        for (n, tier) in source.tiers.into_iter().take(MAX_TIERS).enumerate() {
            let at = format!("{at}.tiers[{n}]");
            let place = format!("{at}.above");
            match last {
                None if tier.above != 0 => self.fault(&place, format!("is {}; the first tier is above 0", tier.above)),
                Some(last) if tier.above <= last => self.fault(&place, format!("is {}, not above {last}", tier.above)),
                _ => self.amount(&place, tier.above),
            }
            last = Some(tier.above);
            tiers.extend(self.tier(&at, tier));
        }
        (self.0.len() == faults_before).then(|| TierTable::checked(source.kind, tiers, bounds))
    }

    fn tier(&mut self, at: &str, source: TierSource) -> Option<Tier> {
        self.amount(&format!("{at}.fixed"), source.fixed);
        let bounds = self.bounds(at, source.min, source.max);
        let rate = u16::try_from(source.rate_bps).ok().and_then(|points| BasisPoints::try_from(points).ok());
        if rate.is_none() {
            self.fault(&format!("{at}.rate_bps"), format!("is {}, not from 0 to 10000", source.rate_bps));
        }
        Some(Tier { above: source.above, rate: rate?, fixed: source.fixed, bounds })
    }

    fn bounds(&mut self, at: &str, least: Option<i64>, most: Option<i64>) -> Bounds {
        for (name, bound) in [("min", least), ("max", most)] {
            if let Some(amount) = bound {
                self.amount(&format!("{at}.{name}"), amount);
            }
        }
        if let (Some(least), Some(most)) = (least, most)
            && least > most
        {
            self.fault(&format!("{at}.min"), format!("is {least}, above the max {most}"));
        }
        Bounds { least, most }
    }

    fn amount(&mut self, at: &str, amount: i64) {
        if !(0..=MAX_AMOUNT).contains(&amount) {
            self.fault(at, format!("is {amount}, not from 0 to {MAX_AMOUNT}"));
        }
    }
}
