//! What becomes of a lot whose buyer does not pay: the next contender gets a second chance, or it is listed again.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::ids::UserId;

/// A second chance is offered within this after the close, days (ACCEPTANCE, Money).
pub const CHANCE_DAYS: i64 = 60;

/// Whether a settlement is of the hammer's sale or of an offer after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The winner's.
    #[default]
    Sale,
    /// A contender's who is offered the lot at the own highest bid: paying is accepting.
    SecondChance,
}

impl Kind {
    /// The name in the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sale => "sale",
            Self::SecondChance => "second_chance",
        }
    }
}

/// How long a second chance is open: 1, 3, 5 or 7 days; 3 unless the seller says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct OfferDays(u8);

/// Not 1, 3, 5 or 7.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a second chance is open for 1, 3, 5 or 7 days")]
pub struct InvalidOfferDays;

impl TryFrom<u8> for OfferDays {
    type Error = InvalidOfferDays;

    fn try_from(days: u8) -> Result<Self, Self::Error> {
        if matches!(days, 1 | 3 | 5 | 7) { Ok(Self(days)) } else { Err(InvalidOfferDays) }
    }
}

impl From<OfferDays> for u8 {
    fn from(days: OfferDays) -> Self {
        days.0
    }
}

impl Default for OfferDays {
    fn default() -> Self {
        Self(3)
    }
}

/// What was under the hammer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lot {
    /// One lot with one buyer.
    Whole {
        /// How long a contender may think, if the seller opted in to second chances.
        second_chance: Option<OfferDays>,
    },
    /// Some of many equal units: neither offered to contenders nor listed again.
    Units,
}

/// For how long and for whom there are second chances.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chance {
    /// How long each is open.
    pub offer_days: OfferDays,
    /// Nothing is offered from then on.
    pub until: DateTime<Utc>,
    /// Those who had theirs, in order.
    pub excluded: Vec<UserId>,
}

/// What follows if the buyer does not pay.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(tag = "then", rename_all = "snake_case")]
pub enum Succession {
    /// Nothing: it are units, or what had to follow has followed.
    #[default]
    Nothing,
    /// The lot is listed again.
    Relist,
    /// The next contender is asked for.
    NextContender(Chance),
    /// The next contender was asked for and is not known yet.
    Asked(Chance),
}

impl Succession {
    pub(super) fn of(lot: Lot, winner: &UserId, closed_at: DateTime<Utc>) -> Self {
        match lot {
            Lot::Units => Self::Nothing,
            Lot::Whole { second_chance: None } => Self::Relist,
            Lot::Whole { second_chance: Some(offer_days) } => Self::NextContender(Chance {
                offer_days,
                until: closed_at + TimeDelta::days(CHANCE_DAYS),
                excluded: vec![winner.clone()],
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offer_lasts_one_three_five_or_seven_days() {
        let valid: Vec<u8> = (0..=9).filter(|days| OfferDays::try_from(*days).is_ok()).collect();
        assert_eq!(valid, [1, 3, 5, 7]);
        assert_eq!(u8::from(OfferDays::default()), 3);
    }
}
