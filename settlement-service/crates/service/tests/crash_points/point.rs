//! Where the service is killed: a moment of a story, and at the how many-th time.

use std::fmt::{self, Display};
use std::str::FromStr;

use anyhow::{Context, Error, Result};
use settlement_harness::seeds::Dice;

use crate::story::Story;

/// The moments at which something that outlives the process has not, or has just, happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Moment {
    /// All of a unit of work was sent to the database, its commit was not.
    BeforeCommit,
    /// The unit of work is committed; the service does not know.
    AfterCommit,
    /// The gateway has not heard of the call.
    BeforeCall,
    /// The gateway has carried the call out; the service does not know.
    AfterCall,
    /// The relay saw an event in the outbox and is about to take the lease of it.
    BeforeLease,
    /// The relay has the lease; it does not know.
    AfterLease,
    /// The event was read, and not produced.
    BeforeProduce,
    /// The broker has the event, and so has the outbox.
    AfterProduce,
    /// The event is gone from the outbox; the relay does not know.
    AfterRemoval,
}

impl Moment {
    /// All of them, with their names.
    const NAMED: [(Self, &str); 9] = [
        (Self::BeforeCommit, "before-commit"),
        (Self::AfterCommit, "after-commit"),
        (Self::BeforeCall, "before-call"),
        (Self::AfterCall, "after-call"),
        (Self::BeforeLease, "before-lease"),
        (Self::AfterLease, "after-lease"),
        (Self::BeforeProduce, "before-produce"),
        (Self::AfterProduce, "after-produce"),
        (Self::AfterRemoval, "after-removal"),
    ];
    /// Those of a commit for the settlement.
    pub const OF_COMMITS: [Self; 2] = [Self::BeforeCommit, Self::AfterCommit];
    /// Those of a call to the gateway.
    pub const OF_CALLS: [Self; 2] = [Self::BeforeCall, Self::AfterCall];
    /// Those of an event on its way to the broker.
    pub const OF_EVENTS: [Self; 5] =
        [Self::BeforeLease, Self::AfterLease, Self::BeforeProduce, Self::AfterProduce, Self::AfterRemoval];
}

/// One place at which the service is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Point {
    pub story: Story,
    pub moment: Moment,
    /// The how many-th commit or call of the story, or the sequence of the event.
    pub number: usize,
}

impl Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Moment::NAMED.iter().find(|(moment, _)| *moment == self.moment).map_or("", |(_, name)| name);
        write!(f, "{}/{name}/{}", self.story.name(), self.number)
    }
}

impl FromStr for Point {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parts: Vec<_> = text.trim().split('/').collect();
        let read = || {
            let [story, moment, number] = parts[..] else { return None };
            let story = Story::ALL.into_iter().find(|one| one.name() == story)?;
            let (moment, _) = Moment::NAMED.into_iter().find(|(_, name)| *name == moment)?;
            Some(Self { story, moment, number: number.parse().ok()? })
        };
        read().with_context(|| format!("{text:?} is no crash point; one is sale/before-commit/1"))
    }
}

/// Which points a run plays.
pub enum Wanted {
    /// So many of all.
    Some(usize),
    All,
    These(Vec<Point>),
}

/// Points of a normal run.
const NORMAL_RUN: usize = 36;
const VARIABLE: &str = "OUTCRY_CRASH_POINTS";

impl Wanted {
    /// `OUTCRY_CRASH_POINTS`: `all`, a number, or names as they are printed, separated by commas.
    pub fn from_env() -> Result<Self> {
        let text = std::env::var(VARIABLE).unwrap_or_default();
        let text = text.trim();
        if let Ok(count) = text.parse() {
            return Ok(Self::Some(count));
        }
        match text {
            "" => Ok(Self::Some(NORMAL_RUN)),
            "all" => Ok(Self::All),
            names => {
                let points: Result<Vec<_>> = names.split(',').map(str::parse).collect();
                Ok(Self::These(points.with_context(|| format!("{VARIABLE} is {names:?}"))?))
            }
        }
    }

    /// Of all points, those that are played, in their order. A sample has of each kind of moment as many as of any other,
    /// if there are so many.
    pub fn of(self, mut all: Vec<Point>, dice: &mut Dice) -> Vec<Point> {
        let count = match self {
            Self::These(points) => return points,
            Self::All => all.len(),
            Self::Some(count) => count,
        };
        for place in (1..all.len()).rev() {
            all.swap(place, usize::try_from(dice.roll(place as u64 + 1)).unwrap_or(0));
        }
        let rank = |place: usize| all[..place].iter().filter(|other| other.moment == all[place].moment).count();
        let ranks: Vec<_> = (0..all.len()).map(rank).collect();
        let mut ranked: Vec<_> = ranks.into_iter().zip(all).collect();
        ranked.sort_by_key(|(rank, _)| *rank);
        let mut points: Vec<_> = ranked.into_iter().map(|(_, point)| point).take(count).collect();
        // Whoever waits for a fact to come waits for the consumer group to miss its dead member: first, nobody is dead.
        points.sort_by_key(|point| point.story != Story::Hammer);
        points
    }
}

/// How one run of these points is asked for again.
pub fn replay(points: &[Point]) -> String {
    let names: Vec<_> = points.iter().map(Point::to_string).collect();
    format!("{VARIABLE}={}", names.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points() -> Vec<Point> {
        let each = |number| Moment::NAMED.map(|(moment, _)| Point { story: Story::Sale, moment, number });
        (1..=4).flat_map(each).collect()
    }

    #[test]
    fn a_point_is_asked_for_by_the_name_it_is_printed_with() {
        for point in points() {
            assert_eq!(point.to_string().parse::<Point>().unwrap(), point);
        }
        for bad in ["", "sale", "sale/before-commit", "sale/before-lunch/1", "cruise/before-commit/1"] {
            assert!(bad.parse::<Point>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_sample_has_as_many_of_each_moment_as_of_any_other_and_all_are_all() {
        let sample = Wanted::Some(18).of(points(), &mut Dice::new(7));
        for (moment, name) in Moment::NAMED {
            assert_eq!(sample.iter().filter(|point| point.moment == moment).count(), 2, "{name}");
        }
        let mut all = Wanted::All.of(points(), &mut Dice::new(7));
        all.sort_by_key(|point| (point.number, point.moment));
        assert_eq!(all, points());
    }
}
