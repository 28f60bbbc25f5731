//! Who was told no, and why: by the log, and by the maxima.

use std::time::Duration;

use super::super::{Ascending, Call, Entry, Event, History, Interval, Look, Outcome, Placed, Refusal, Rule, Told};
use super::{accepted, is_found, one_of};

#[test]
fn a_refusal_without_a_moment_that_justifies_it_is_found() {
    is_found(Rule::Refusal, |history, _| {
        let refused = history.calls.iter().find(|call| call.outcome == Outcome::Refused(Refusal::TooLow))?;
        let key = refused.key.clone();
        history.calls.iter_mut().filter(|call| call.key == key).for_each(|call| call.amount = 1_000_000);
        Some(())
    });
    is_found(Rule::Refusal, |history, chance| {
        // When it is certain that it was open.
        let early: Vec<_> = accepted(history).into_iter().skip(5).take(10).collect();
        let call = one_of(&early, chance)?;
        history.calls.push(Call {
            key: "another".to_owned(),
            outcome: Outcome::Refused(Refusal::NotOpen),
            ..history.calls[call].clone()
        });
        Some(())
    });
}

/// Somebody bids at these times, ms, and another one is told at 20 ms that the auction is not open; a read at 30 ms shows
/// that it is not closed.
fn refused_at_20_ms(bids: &[(u64, i64)]) -> History {
    let at = |time| Interval { began: Duration::from_millis(time), ended: Duration::from_millis(time + 1) };
    let call = |bidder: &str, key: String, amount, time, outcome| {
        let bidder = bidder.to_owned();
        Call { bidder, key, amount, interval: at(time), outcome }
    };
    let late = call("bert", "late".to_owned(), 5_000, 20, Outcome::Refused(Refusal::NotOpen));
    let seen = bids.iter().filter(|(time, _)| *time < 30).count() as u64;
    let look = Look { interval: at(30), sequence: seen + 1, price: Some(1_000), bid_count: seen };
    let opened = Entry { sequence: 1, event: Event::Opened };
    let (mut calls, mut log) = (vec![late], vec![opened]);
    for (bid_count, (time, amount)) in (1..).zip(bids) {
        let (bid, sequence, price) = (format!("bid-{bid_count}"), bid_count + 1, 1_000);
        let effect = if bid_count == 1 { "leading" } else { "max_raised" }.to_owned();
        let alias = "alias".to_owned();
        let told = Told { bid: bid.clone(), effect: effect.clone(), sequence, price, bid_count };
        calls.push(call("anna", format!("key-{bid_count}"), *amount, *time, Outcome::Accepted(told)));
        let placed = Placed { bid, alias: alias.clone(), effect, price, leader: alias, next_minimum: 1_100, bid_count };
        log.push(Entry { sequence, event: Event::Bid(placed) });
    }
    let closed = Event::Closed { price: Some(1_000), winner: Some("alias".to_owned()) };
    log.push(Entry { sequence: bids.len() as u64 + 2, event: closed });
    let terms = Ascending { start_price: 1_000, increment: 100 };
    History { terms, calls, looks: vec![look], log, ends: None }
}

#[test]
fn the_time_may_be_over_a_moment_before_the_close_and_then_nothing_is_accepted() {
    assert_eq!(refused_at_20_ms(&[(10, 1_500)]).check(), []);
    let findings = refused_at_20_ms(&[(10, 1_500), (40, 2_000)]).check();
    assert!(findings.iter().all(|finding| finding.rule == Rule::Refusal) && !findings.is_empty(), "{findings:?}");
}

/// The key of a call that was refused for this reason.
pub(super) fn refused(history: &History, refusal: &Refusal) -> Option<String> {
    let refused = history.calls.iter().find(|call| call.outcome == Outcome::Refused(refusal.clone()))?;
    Some(refused.key.clone())
}

#[test]
fn a_maximum_that_was_raised_and_was_refused_as_not_raised_is_found() {
    is_found(Rule::Refusal, |history, _| {
        let key = refused(history, &Refusal::NotRaised)?;
        // More than anybody ever sent.
        history.calls.iter_mut().filter(|call| call.key == key).for_each(|call| call.amount = 1_000_000);
        Some(())
    });
}

#[test]
fn what_certainly_raises_a_certain_maximum_is_not_refused_as_not_raised() {
    assert_eq!(refused_after(1_500, &[], 1_500).check(), []);
    // There was a higher bid, and it was refused: it covers nothing.
    let findings = refused_after(1_500, &[(1_900, Outcome::Refused(Refusal::TooLow))], 1_501).check();
    assert!(findings.iter().any(|finding| finding.said.contains("1501")), "{findings:?}");
}

#[test]
fn where_a_lost_call_may_lead_a_maximum_up_to_what_was_sent_may_be_refused_as_not_raised() {
    let lost = [(1_700, Outcome::Unknown), (1_900, Outcome::Unknown)];
    let raised_by_one_of_two = |amount| {
        let mut history = refused_after(1_500, &lost, amount);
        let (before, close) = (history.log.len() - 1, history.log.pop());
        let Event::Bid(mut placed) = history.log[1].event.clone() else { panic!("{:?}", history.log) };
        (placed.bid, placed.effect, placed.bid_count) = ("bid-2".to_owned(), "max_raised".to_owned(), 2);
        history.log.push(Entry { sequence: before as u64 + 1, event: Event::Bid(placed) });
        history.log.extend(close.map(|close| Entry { sequence: before as u64 + 2, ..close }));
        history.check()
    };
    assert_eq!(raised_by_one_of_two(1_900), []);
    assert!(raised_by_one_of_two(1_901).iter().any(|finding| finding.rule == Rule::Refusal));
}

/// Anna leads by `maximum`; later she calls again, with these outcomes, and last she is told of `amount` that it is not
/// raised.
fn refused_after(maximum: i64, later: &[(i64, Outcome)], amount: i64) -> History {
    let mut history = refused_at_20_ms(&[(10, maximum)]);
    history.calls.retain(|call| call.bidder == "anna");
    history.looks.clear();
    let last = Outcome::Refused(Refusal::NotRaised);
    for (time, (amount, outcome)) in (30..).zip(later.iter().cloned().chain([(amount, last)])) {
        let at = Duration::from_millis(time);
        history.calls.push(Call {
            bidder: "anna".to_owned(),
            key: format!("again-{time}"),
            amount,
            interval: Interval { began: at, ended: at },
            outcome,
        });
    }
    history
}

#[test]
fn a_refusal_for_a_reason_that_no_bid_here_can_meet_is_found() {
    is_found(Rule::Refusal, |history, _| {
        let key = refused(history, &Refusal::TooLow)?;
        let of_key = history.calls.iter_mut().filter(|call| call.key == key);
        of_key.filter(|call| call.outcome != Outcome::Unknown).for_each(|call| {
            call.outcome = Outcome::Refused(Refusal::Other("forbidden".to_owned()));
        });
        Some(())
    });
}
