//! The order against real time: what had ended before something else began is before it in the log.

use std::time::Duration;

use super::{
    Findings, Interval, Look, Outcome, Refusal, Rule, Told,
    log::{Log, State},
    operations::{Matched, Operation},
    price::{Standing, Standings},
};

/// What is known of the order at a time.
#[derive(Debug, Default)]
struct Known {
    /// Ends, and the latest place of anything that had ended by then.
    ended: Vec<(Duration, u64)>,
    /// Begins, and the earliest place of the log at which anything that began then or later had not happened.
    began: Vec<(Duration, u64)>,
}

impl Known {
    /// `seen`: everything with a place, and the last place that was there before it had its effect.
    fn of(seen: &[(Interval, u64, u64)]) -> Self {
        let mut ended: Vec<_> = seen.iter().map(|(interval, place, _)| (interval.ended, *place)).collect();
        ended.sort_unstable();
        let mut latest = 0;
        for (_, place) in &mut ended {
            latest = latest.max(*place);
            *place = latest;
        }
        let mut began: Vec<_> = seen.iter().map(|(interval, _, before)| (interval.began, *before)).collect();
        began.sort_unstable();
        let mut earliest = u64::MAX;
        for (_, before) in began.iter_mut().rev() {
            earliest = earliest.min(*before);
            *before = earliest;
        }
        Self { ended, began }
    }

    /// The place that everything has reached that begins at `time`.
    fn reached(&self, time: Duration) -> u64 {
        let count = self.ended.partition_point(|(ended, _)| *ended < time);
        count.checked_sub(1).map_or(0, |last| self.ended[last].1)
    }

    /// The place that nothing exceeds that ended at `time`.
    fn bound(&self, time: Duration) -> u64 {
        let count = self.began.partition_point(|(began, _)| *began <= time);
        self.began.get(count).map_or(u64::MAX, |(_, before)| *before)
    }
}

/// What is known of an auction once its log is read and its bids are matched.
pub(super) struct Seen<'s, 'h> {
    pub operations: &'s [Operation<'h>],
    pub matched: &'s [Matched<'h>],
    pub log: &'s Log<'h>,
    pub standings: &'s Standings<'s>,
}

impl Seen<'_, '_> {
    /// Checks answers, reads and refusals against the log and the time.
    pub fn check(&self, looks: &[Look], findings: &mut Findings) {
        let mut seen = Vec::with_capacity(self.matched.len() + looks.len());
        for (bid, operation) in self.certain() {
            // Who never heard of it cannot say that anything came after it.
            let ended = operation.ended.unwrap_or(Duration::MAX);
            seen.push((Interval { began: operation.began, ended }, bid.place, bid.place - 1));
        }
        seen.extend(looks.iter().map(|look| (look.interval, look.sequence, look.sequence)));
        let known = Known::of(&seen);
        for (bid, operation) in self.certain() {
            let (id, place, reached) = (&bid.bid.bid, bid.place, known.reached(operation.began));
            if reached >= place {
                findings.add(
                    Rule::Time,
                    format!("bid {id} is event {place}, and event {reached} was known before it was sent"),
                );
            }
            if let Outcome::Accepted(told) = operation.outcome {
                answer(told, bid, self.log, findings);
            }
        }
        for look in looks {
            read(look, &known, self.log, findings);
        }
        for operation in self.operations {
            if let Outcome::Refused(refusal) = operation.outcome {
                self.refused(operation, refusal, &known, findings);
            }
        }
    }

    /// Bids of which it is certain by which operation they were made.
    fn certain(&self) -> impl Iterator<Item = (&Matched<'_>, &Operation<'_>)> {
        self.matched.iter().filter_map(move |bid| Some((bid, &self.operations[bid.operation?])))
    }

    fn refused(&self, operation: &Operation<'_>, refusal: &Refusal, known: &Known, findings: &mut Findings) {
        let own = self.certain().find(|(_, other)| other.bidder == operation.bidder);
        let alias = own.map(|(bid, _)| bid.bid.alias.as_str());
        let leads = |state: &State<'_>| state.leader.is_some() && state.leader == alias;
        // Its time is over a moment before the log says that it is closed: nothing is accepted any more.
        let last_bid = self.log.bids.last().map_or(0, |(place, _)| *place);
        let refuses = |(place, state): (u64, &State<'_>)| match refusal {
            Refusal::TooLow => state.open && !leads(state) && operation.amount < state.next_minimum,
            Refusal::NotRaised => state.open && self.covers(operation, alias, place, state),
            Refusal::NotOpen => !state.open || place >= last_bid,
            Refusal::Other(_) => false,
        };
        let from = known.reached(operation.began);
        let to = known.bound(operation.ended.unwrap_or(Duration::MAX)).min(self.log.last());
        let mut moments = (from..=to).filter_map(|place| Some((place, self.log.after(place)?)));
        if !moments.any(refuses) {
            let Operation { amount, bidder, .. } = operation;
            findings.add(
                Rule::Refusal,
                format!(
                    "{amount} of {bidder} was refused as {refusal:?}, which it was at no moment between events {from} \
                     and {to}"
                ),
            );
        }
    }

    /// Whether an operation's bidder led at a place by its maximum or a higher one, as far as that is known.
    fn covers(&self, operation: &Operation<'_>, alias: Option<&str>, place: u64, state: &State<'_>) -> bool {
        match (self.standings.range(..=place).next_back(), alias) {
            (Some((_, Standing::Led { leader, maximum, .. })), Some(alias)) if *leader == alias => {
                operation.amount <= *maximum
            }
            (Some((_, Standing::Led { leader, .. })), _) if state.leader == Some(*leader) => false,
            // A call whose answer was lost leads. Which one is not certain, but its maximum is one that was sent.
            _ => {
                let may_lead = state.leader.is_some() && alias.is_none_or(|alias| state.leader == Some(alias));
                let sent = |other: &Operation<'_>| {
                    other.bidder == operation.bidder
                        && !matches!(other.outcome, Outcome::Refused(_))
                        && other.amount >= operation.amount
                };
                may_lead && self.operations.iter().any(sent)
            }
        }
    }
}

fn answer(told: &Told, bid: &Matched<'_>, log: &Log<'_>, findings: &mut Findings) {
    let (place, bid) = (bid.place, bid.bid);
    let same = told.effect == bid.effect && told.price == bid.price && told.bid_count == bid.bid_count;
    // The end may have moved by the bid, which is an event of its own.
    let numbered = told.sequence >= place && log.after(told.sequence) == log.after(place);
    if !same || !numbered {
        findings.add(Rule::Answer, format!("its bidder was told {told:?}, and event {place} is {bid:?}"));
    }
}

fn read(look: &Look, known: &Known, log: &Log<'_>, findings: &mut Findings) {
    let reached = known.reached(look.interval.began);
    if look.sequence < reached {
        findings.add(
            Rule::Time,
            format!("a read shows event {}, and {reached} was known before it was sent", look.sequence),
        );
    }
    match log.after(look.sequence) {
        Some(state) if state.price == look.price && state.bid_count == look.bid_count => {}
        state => findings.add(Rule::Answer, format!("a read shows {look:?}, and the log {state:?}")),
    }
}
