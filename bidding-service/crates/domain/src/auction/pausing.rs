//! Bidding rests, and the time is given back: for one auction by the operator, for all by a halt.

use chrono::{DateTime, TimeDelta, Utc};

use super::{Attempt, Auction, Objection, PausedBy, Refused, State, Timing, Transition};
use crate::{
    event::Happening,
    halt::Halt,
    log::{Decided, Entry},
};

impl Auction {
    /// The operator pauses bidding.
    pub fn pause(self, reason: &str, now: DateTime<Utc>) -> Result<Transition, Refused> {
        match self.state {
            State::Open(timing) if now < timing.ends_at => Ok(self.paused(timing, reason, now, None, now)),
            State::Open(_) => Err(self.refused(Attempt::Pause, Objection::Over)),
            _ => Err(self.refused(Attempt::Pause, Objection::WrongState)),
        }
    }

    fn paused(
        mut self,
        timing: Timing,
        reason: &str,
        since: DateTime<Utc>,
        halt: Option<u64>,
        now: DateTime<Utc>,
    ) -> Transition {
        self.state = State::Paused { timing, since, halt };
        let told = Happening::Paused { by: PausedBy::Operator, reason: reason.to_owned() };
        self.entered(now, Decided::Paused { reason: reason.to_owned(), since, halt }, vec![told])
    }

    /// The operator lets bidding go on; the end is later by as long as it rested.
    pub fn resume(self, now: DateTime<Utc>) -> Result<Transition, Refused> {
        match self.state {
            State::Paused { timing, since, halt: None } => Ok(self.resumed(timing, since, now, now)),
            State::Paused { .. } => Err(self.refused(Attempt::Resume, Objection::AllPaused)),
            _ => Err(self.refused(Attempt::Resume, Objection::WrongState)),
        }
    }

    fn resumed(mut self, timing: Timing, since: DateTime<Utc>, until: DateTime<Utc>, now: DateTime<Utc>) -> Transition {
        let told = self.give_back(timing, PausedBy::Operator, until - since, until);
        self.entered(now, Decided::Resumed { until }, vec![told])
    }

    fn give_back(&mut self, timing: Timing, by: PausedBy, lost: TimeDelta, until: DateTime<Utc>) -> Happening {
        let after = timing.giving_back(lost, until);
        self.state = State::Open(after);
        let paused_for_ms = after.given_back_ms - timing.given_back_ms;
        Happening::Resumed { by, paused_for_ms, ends_at: after.ends_at }
    }

    /// What happens by time alone before anything else is decided: halts are followed, and a lot whose start
    /// has come is opened.
    #[must_use]
    pub fn catch_up(self, halts: &[Halt], now: DateTime<Utc>) -> Transition {
        let Transition { auction, mut entries } = self.follow(halts, now);
        let due = auction.state == State::Scheduled && now >= auction.sale.starts_at;
        let opened = if due { auction.clone().open(now).ok() } else { None };
        let Some(opened) = opened else { return Transition { auction, entries } };
        entries.extend(opened.entries);
        let Transition { auction, entries: more } = opened.auction.follow(halts, now);
        entries.extend(more);
        Transition { auction, entries }
    }

    /// Follows the halts that this auction has not followed yet: pauses for one that lasts, goes on after one
    /// that is over, gives back the time of one that came and went. `halts` are in the order of their numbers,
    /// the one that the auction rests for among them.
    #[must_use]
    pub fn follow(mut self, halts: &[Halt], now: DateTime<Utc>) -> Transition {
        let mut entries = Vec::new();
        for halt in halts {
            let Transition { auction, entries: more } = self.follow_one(halt, now);
            self = auction;
            entries.extend::<Vec<Entry>>(more);
        }
        Transition { auction: self, entries }
    }

    fn follow_one(mut self, halt: &Halt, now: DateTime<Utc>) -> Transition {
        let rests_for = if let State::Paused { halt, .. } = self.state { halt } else { None };
        // One that begins while the auction rests for another has its turn when that one is over; before the
        // start none counts yet.
        let later = rests_for.is_some_and(|number| number != halt.number) || self.state == State::Scheduled;
        if later || halt.number <= self.halt {
            return Transition { auction: self, entries: Vec::new() };
        }
        if halt.until.is_some() {
            self.halt = halt.number;
        }
        match (self.state.clone(), halt.until) {
            (State::Paused { timing, since, halt: Some(_) }, Some(until)) => self.resumed(timing, since, until, now),
            (State::Open(timing), None) if halt.since < timing.ends_at => {
                // The time counts from when the halt began, though it is followed only now.
                let since = halt.since.max(timing.open_since);
                self.paused(timing, &halt.reason, since, Some(halt.number), now)
            }
            (State::Open(timing), Some(until)) => self.after(halt, until, timing, now),
            _ => Transition { auction: self, entries: Vec::new() },
        }
    }

    /// Gives back what a halt took that came and went, if it counts.
    fn after(mut self, halt: &Halt, until: DateTime<Utc>, timing: Timing, now: DateTime<Utc>) -> Transition {
        let moves_by_time = self.rules().moves_by_time();
        let Some(lost) = halt.gives_back(timing.open_since, timing.ends_at, moves_by_time) else {
            return Transition { auction: self, entries: Vec::new() };
        };
        let told = self.give_back(timing, halt.by, lost, until);
        self.entered(now, Decided::GivenBack { halt: halt.clone() }, vec![told])
    }

    /// Opens a lot that was heard of only now, after its start: nobody could bid meanwhile, and the time is given back
    /// as after an outage.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_late(self, now: DateTime<Utc>) -> Result<Transition, Refused> {
        let Transition { auction, mut entries } = self.open(now)?;
        let Transition { auction, entries: more } = auction.heard_late(now);
        entries.extend(more);
        Ok(Transition { auction, entries })
    }

    /// What follows the opening then; nothing once anything else was decided.
    pub(crate) fn heard_late(self, now: DateTime<Utc>) -> Transition {
        match self.state {
            State::Open(timing) if self.head.0 == 1 => {
                self.after(&Halt::unheard_of(timing.open_since, now), now, timing, now)
            }
            _ => Transition { auction: self, entries: Vec::new() },
        }
    }
}
