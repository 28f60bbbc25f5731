//! The order against real time: what had ended before something else began is before it in the log.

use std::time::Duration;

use super::{
    Findings, Interval, Look, Outcome, Refusal, Rule, Told,
    log::{Log, State},
    operations::{Matched, Operation},
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

/// Checks answers, reads and refusals against the log and the time.
pub(super) fn check(
    operations: &[Operation<'_>],
    matched: &[Matched<'_>],
    looks: &[Look],
    log: &Log<'_>,
    findings: &mut Findings,
) {
    let mut seen = Vec::with_capacity(matched.len() + looks.len());
    for bid in matched {
        let Some(operation) = bid.operation.map(|index| &operations[index]) else { continue };
        // Who never heard of it cannot say that anything came after it.
        let ended = operation.ended.unwrap_or(Duration::MAX);
        seen.push((Interval { began: operation.began, ended }, bid.place, bid.place - 1));
    }
    seen.extend(looks.iter().map(|look| (look.interval, look.sequence, look.sequence)));
    let known = Known::of(&seen);
    for bid in matched {
        let Some(operation) = bid.operation.map(|index| &operations[index]) else { continue };
        let reached = known.reached(operation.began);
        if reached >= bid.place {
            findings.add(
                Rule::Time,
                format!("bid {} is event {}, and event {reached} was known before it was sent", bid.bid.bid, bid.place),
            );
        }
        if let Outcome::Accepted(told) = operation.outcome {
            answer(told, bid, log, findings);
        }
    }
    for look in looks {
        read(look, &known, log, findings);
    }
    for operation in operations {
        if let Outcome::Refused(refusal) = operation.outcome {
            refused(operation, refusal, matched, operations, &known, log, findings);
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

fn refused(
    operation: &Operation<'_>,
    refusal: &Refusal,
    matched: &[Matched<'_>],
    operations: &[Operation<'_>],
    known: &Known,
    log: &Log<'_>,
    findings: &mut Findings,
) {
    let own =
        matched.iter().find(|bid| bid.operation.is_some_and(|index| operations[index].bidder == operation.bidder));
    let alias = own.map(|bid| bid.bid.alias.as_str());
    let leads = |state: &State<'_>| state.leader.is_some() && state.leader == alias;
    // Its time is over a moment before the log says that it is closed: nothing is accepted any more.
    let last_bid = log.bids.last().map_or(0, |(place, _)| *place);
    let refuses = |(place, state): (u64, &State<'_>)| match refusal {
        Refusal::TooLow => state.open && !leads(state) && operation.amount < state.next_minimum,
        Refusal::NotRaised => state.open && leads(state),
        Refusal::NotOpen => !state.open || place >= last_bid,
        Refusal::Other(_) => true,
    };
    let from = known.reached(operation.began);
    let to = known.bound(operation.ended.unwrap_or(Duration::MAX)).min(log.last());
    let mut moments = (from..=to).filter_map(|place| Some((place, log.after(place)?)));
    if !moments.any(refuses) {
        findings.add(
            Rule::Refusal,
            format!(
                "{} of {} was refused as {refusal:?}, which it was at no moment between events {from} and {to}",
                operation.amount, operation.bidder
            ),
        );
    }
}
