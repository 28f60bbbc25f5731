//! When settlement was away. Nobody could pay, ship or complain meanwhile, and that is held against nobody: once it is
//! back, no deadline of a person's passes for as long again.
//!
//! Nobody gets more time than there is for the matter at all, counted from the return. So a deadline that was set after it
//! is later anyway, and stays as it is.

use chrono::{DateTime, TimeDelta, Utc};

use crate::settlement::Settlement;

/// Settlement was away when no instance showed life for so long.
pub const OUTAGE: TimeDelta = TimeDelta::seconds(60);

/// Most time that people get for an outage: whoever looks once a day learns of it.
pub const LONGEST_GRACE: TimeDelta = TimeDelta::days(1);

/// Time in which no deadline of a person's passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grace {
    /// From when on.
    pub since: DateTime<Utc>,
    /// Until when.
    pub until: DateTime<Utc>,
}

impl Grace {
    /// From now on, for so long.
    #[must_use]
    pub fn lasting(time: TimeDelta, now: DateTime<Utc>) -> Self {
        Self { since: now, until: now + time }
    }

    /// Until when it lasts for what may be done for so long at all.
    #[must_use]
    pub fn of_term(self, term: TimeDelta) -> DateTime<Utc> {
        self.until.min(self.since + term)
    }
}

/// The signs of life of all instances, by the database's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watch {
    /// When the last one was.
    pub seen_at: DateTime<Utc>,
    /// What people got for the last outage.
    pub grace: Option<Grace>,
}

impl Watch {
    /// What people have at this moment, also if nobody has noted the outage yet.
    #[must_use]
    pub fn grace_at(self, now: DateTime<Utc>) -> Option<Grace> {
        let away = now - self.seen_at;
        if away < OUTAGE {
            return self.grace;
        }
        let grace = Grace::lasting(away.min(LONGEST_GRACE), now);
        let before = self.grace.map_or(grace.until, |before| before.until);
        Some(Grace { until: grace.until.max(before), ..grace })
    }

    /// An instance shows life: an outage until then is noted.
    #[must_use]
    pub fn seen(self, now: DateTime<Utc>) -> Self {
        Self { seen_at: now, grace: self.grace_at(now) }
    }

    /// A settlement with the time that its people have at this moment.
    #[must_use]
    pub fn gives_time(self, settlement: Settlement, now: DateTime<Utc>) -> Settlement {
        match self.grace_at(now) {
            Some(grace) => settlement.given(grace),
            None => settlement,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: DateTime<Utc> = DateTime::UNIX_EPOCH;

    fn hours(count: i64) -> TimeDelta {
        TimeDelta::hours(count)
    }

    /// Seen for the last time so long ago.
    fn seen_ago(time: TimeDelta) -> Watch {
        Watch { seen_at: NOW - time, grace: None }
    }

    #[test]
    fn a_moment_without_a_sign_of_life_is_no_outage() {
        assert_eq!(seen_ago(OUTAGE - TimeDelta::milliseconds(1)).grace_at(NOW), None);
        assert_eq!(seen_ago(-hours(1)).grace_at(NOW), None, "a clock that was set back");
        let grace = seen_ago(OUTAGE).grace_at(NOW).unwrap();
        assert_eq!((grace.since, grace.until), (NOW, NOW + OUTAGE));
    }

    #[test]
    fn an_outage_is_given_back_up_to_a_day() {
        for (away, given) in [(hours(10), hours(10)), (hours(24), hours(24)), (hours(24 * 30), hours(24))] {
            assert_eq!(seen_ago(away).grace_at(NOW), Some(Grace::lasting(given, NOW)), "{away}");
        }
    }

    #[test]
    fn what_was_noted_stays_though_instances_show_life_again() {
        let noted = seen_ago(hours(10)).seen(NOW);
        let later = noted.seen(NOW + TimeDelta::seconds(5));
        assert_eq!((later.seen_at, later.grace), (NOW + TimeDelta::seconds(5), noted.grace));
        assert_eq!(later.grace_at(NOW + TimeDelta::seconds(9)), Some(Grace::lasting(hours(10), NOW)));
    }

    #[test]
    fn a_second_outage_takes_nothing_of_what_the_first_one_gave() {
        let again = seen_ago(hours(10)).seen(NOW).seen(NOW + hours(2));
        assert_eq!(again.grace, Some(Grace { since: NOW + hours(2), until: NOW + hours(10) }));
        let longer = again.seen(NOW + hours(22));
        assert_eq!(longer.grace, Some(Grace { since: NOW + hours(22), until: NOW + hours(42) }));
    }

    #[test]
    fn nobody_gets_more_time_than_there_is_for_the_matter_at_all() {
        let grace = Grace::lasting(hours(10), NOW);
        assert_eq!(grace.of_term(hours(11)), NOW + hours(10));
        assert_eq!(grace.of_term(hours(1)), NOW + hours(1));
    }
}
