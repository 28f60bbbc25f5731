//! How a person stands with the marketplace: strikes for lots not paid or not shipped, and whether that suspends.
//!
//! | when | then |
//! |---|---|
//! | a lot is not paid in time | a strike for the buyer |
//! | [`STRIKES`] such strikes lie within [`MONTHS`] months | the buyer may not bid: suspended |
//! | fewer do, for time has passed | reinstated |
//! | the operator says so | reinstated; the strikes stay, and the next one suspends again |
//! | a lot is not shipped in time | a strike for the seller, kept and shown, which suspends nobody |

use chrono::{DateTime, Months, Utc};
use serde::{Deserialize, Serialize};

use crate::ids::{SettlementId, UserId};
use crate::settlement::{Role, Statement};

/// So many strikes suspend (ACCEPTANCE, Money).
pub const STRIKES: usize = 2;

/// A strike counts for this long, months.
pub const MONTHS: u32 = 12;

/// Most strikes that are kept: the newest.
pub const KEPT: usize = 1_000;

/// One fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Strike {
    /// In which settlement; one there is enough.
    pub settlement_id: SettlementId,
    /// As what.
    pub role: Role,
    /// When, by the database's clock.
    pub at: DateTime<Utc>,
}

impl Strike {
    /// It counts until then.
    fn ends_at(&self) -> DateTime<Utc> {
        self.at.checked_add_months(Months::new(MONTHS)).unwrap_or(self.at)
    }
}

/// The aggregate: one for each person who ever got a strike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    user_id: UserId,
    strikes: Vec<Strike>,
    suspended_since: Option<DateTime<Utc>>,
    sequence: u64,
}

/// Something that happened to a person's standing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StandingEvent {
    /// Whose; the key its numbers belong to.
    pub user_id: UserId,
    /// 1, 2, 3 … per person.
    pub sequence: u64,
    /// When, by the database's clock.
    pub at: DateTime<Utc>,
    /// What.
    pub what: StandingNews,
}

/// The kinds of such events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum StandingNews {
    /// The person may not bid.
    Suspended {
        /// Strikes that count.
        strikes: u32,
    },
    /// The person may bid again.
    Reinstated,
}

impl StandingNews {
    /// The event's name within the settlement context.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Suspended { .. } => "bidder.suspended",
            Self::Reinstated => "bidder.reinstated",
        }
    }
}

/// Only who is suspended can be reinstated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the bidder is not suspended")]
pub struct NotSuspended;

/// A reinstatement by the operator, for the audit trail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reinstatement {
    /// Of whom.
    pub user_id: UserId,
    /// By which operator.
    pub by: UserId,
    /// Why.
    pub note: Option<Statement>,
    /// When, by the database's clock.
    pub at: DateTime<Utc>,
}

impl Standing {
    /// Of somebody without a strike.
    #[must_use]
    pub const fn new(user_id: UserId) -> Self {
        Self { user_id, strikes: Vec::new(), suspended_since: None, sequence: 0 }
    }

    /// A strike; a second one for the same settlement changes nothing.
    #[must_use]
    pub fn struck(mut self, strike: Strike) -> (Self, Option<StandingEvent>) {
        if self.strikes.iter().any(|known| known.settlement_id == strike.settlement_id) {
            return (self, None);
        }
        self.strikes.push(strike);
        if self.strikes.len() > KEPT {
            self.strikes.remove(0);
        }
        let count = self.counting(strike.at);
        if strike.role == Role::Seller || count < STRIKES || self.suspended_since.is_some() {
            return (self, None);
        }
        self.suspended_since = Some(strike.at);
        let strikes = u32::try_from(count).unwrap_or(u32::MAX);
        let event = self.happened(StandingNews::Suspended { strikes }, strike.at);
        (self, Some(event))
    }

    /// Time passed. Changes nothing before [`Standing::due_at`].
    #[must_use]
    pub fn time_passed(self, now: DateTime<Utc>) -> (Self, Option<StandingEvent>) {
        if self.due_at().is_none_or(|due| due > now) {
            return (self, None);
        }
        match self.clone().reinstated(now) {
            Ok((standing, event)) => (standing, Some(event)),
            Err(NotSuspended) => (self, None),
        }
    }

    /// The suspension ends.
    pub fn reinstated(mut self, now: DateTime<Utc>) -> Result<(Self, StandingEvent), NotSuspended> {
        self.suspended_since.take().ok_or(NotSuspended)?;
        let event = self.happened(StandingNews::Reinstated, now);
        Ok((self, event))
    }

    /// When time alone reinstates: the moment at which fewer than [`STRIKES`] count. None for who is not suspended.
    #[must_use]
    pub fn due_at(&self) -> Option<DateTime<Utc>> {
        self.suspended_since?;
        let mut ends: Vec<_> = self.unpaid().map(Strike::ends_at).collect();
        ends.sort_unstable_by(|left, right| right.cmp(left));
        ends.get(STRIKES - 1).copied()
    }

    fn counting(&self, now: DateTime<Utc>) -> usize {
        self.unpaid().filter(|strike| strike.ends_at() > now).count()
    }

    fn unpaid(&self) -> impl Iterator<Item = &Strike> {
        self.strikes.iter().filter(|strike| strike.role == Role::Buyer)
    }

    fn happened(&mut self, what: StandingNews, at: DateTime<Utc>) -> StandingEvent {
        self.sequence += 1;
        StandingEvent { user_id: self.user_id.clone(), sequence: self.sequence, at, what }
    }

    /// Whose.
    #[must_use]
    pub const fn user_id(&self) -> &UserId {
        &self.user_id
    }

    /// All strikes, in the order they came.
    #[must_use]
    pub fn strikes(&self) -> &[Strike] {
        &self.strikes
    }

    /// Since when the person may not bid.
    #[must_use]
    pub const fn suspended_since(&self) -> Option<DateTime<Utc>> {
        self.suspended_since
    }

    /// The number of the last event.
    #[must_use]
    pub const fn sequence(&self) -> u64 {
        self.sequence
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    fn day(day: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_893_456_000, 0).unwrap() + TimeDelta::days(day)
    }

    fn strike(settlement: u128, role: Role, at: DateTime<Utc>) -> Strike {
        Strike { settlement_id: uuid::Uuid::from_u128(settlement).into(), role, at }
    }

    /// Somebody who got buyer's strikes on these days, and what was told of it.
    fn unpaid_on(days: &[i64]) -> (Standing, Vec<StandingNews>) {
        let (mut standing, mut told) = (Standing::new("buyer".parse().unwrap()), Vec::new());
        for (settlement, at) in (1..).zip(days) {
            let (next, event) = standing.struck(strike(settlement, Role::Buyer, day(*at)));
            standing = next;
            told.extend(event.map(|event| event.what));
        }
        (standing, told)
    }

    #[test]
    fn the_second_strike_within_twelve_months_suspends_and_the_first_does_not() {
        assert_eq!(unpaid_on(&[0]).1, []);
        let (standing, told) = unpaid_on(&[0, 364]);
        assert_eq!(told, [StandingNews::Suspended { strikes: 2 }]);
        assert_eq!(standing.suspended_since(), Some(day(364)));
    }

    #[test]
    fn strikes_twelve_months_apart_do_not_suspend() {
        let (standing, told) = unpaid_on(&[0, 365]);
        assert_eq!((standing.suspended_since(), told.len()), (None, 0));
    }

    #[test]
    fn a_second_strike_for_the_same_settlement_changes_nothing() {
        let (standing, _) = unpaid_on(&[0]);
        let (again, event) = standing.clone().struck(strike(1, Role::Buyer, day(1)));
        assert_eq!((again, event), (standing, None));
    }

    #[test]
    fn a_suspension_ends_at_the_moment_the_older_strike_counts_no_more() {
        let (standing, _) = unpaid_on(&[0, 100]);
        assert_eq!(standing.due_at(), Some(day(365)));
        let (same, event) = standing.clone().time_passed(day(365) - TimeDelta::seconds(1));
        assert_eq!((same, event), (standing.clone(), None));
        let (free, event) = standing.time_passed(day(365));
        assert_eq!(event.map(|event| (event.sequence, event.what)), Some((2, StandingNews::Reinstated)));
        assert_eq!((free.suspended_since(), free.due_at()), (None, None));
    }

    #[test]
    fn a_further_strike_while_suspended_lengthens_the_suspension_and_is_not_told_again() {
        let (standing, told) = unpaid_on(&[0, 100, 200]);
        assert_eq!((told.len(), standing.due_at()), (1, Some(day(465))));
    }

    #[test]
    fn who_was_reinstated_by_the_operator_is_suspended_by_the_next_strike() {
        let (standing, _) = unpaid_on(&[0, 10]);
        let (free, event) = standing.reinstated(day(11)).unwrap();
        assert_eq!((event.what, event.sequence), (StandingNews::Reinstated, 2));
        assert_eq!(free.clone().reinstated(day(11)), Err(NotSuspended));
        let (again, event) = free.struck(strike(9, Role::Buyer, day(12)));
        assert_eq!(event.unwrap().what, StandingNews::Suspended { strikes: 3 });
        assert_eq!(again.sequence(), 3);
    }

    #[test]
    fn strikes_of_a_seller_are_kept_and_suspend_nobody() {
        let mut standing = Standing::new("seller".parse().unwrap());
        for settlement in 0..5 {
            let (next, event) = standing.struck(strike(settlement, Role::Seller, day(0)));
            assert_eq!(event, None);
            standing = next;
        }
        assert_eq!((standing.strikes().len(), standing.suspended_since()), (5, None));
    }
}
