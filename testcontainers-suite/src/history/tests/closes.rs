//! The end is one point: by the log, and by the clock.

use std::time::Duration;

use super::super::{Event, History, Interval, Refusal, Rule};
use super::{accepted, is_found, one_of, refusals::refused, renumber};

#[test]
fn a_bid_after_the_close_is_found() {
    is_found(Rule::Close, |history, _| {
        let close = history.log.iter().position(|entry| matches!(entry.event, Event::Closed { .. }))?;
        let last_bid = history.log[..close].iter().rposition(|entry| matches!(entry.event, Event::Bid(_)))?;
        let close = history.log.remove(close);
        history.log.insert(last_bid, close);
        renumber(history);
        Some(())
    });
}

#[test]
fn an_auction_that_ends_twice_or_never_or_with_another_result_is_found() {
    let close = |history: &History| history.log.iter().position(|entry| matches!(entry.event, Event::Closed { .. }));
    is_found(Rule::Close, |history, _| {
        let copy = history.log[close(history)?].clone();
        history.log.push(copy);
        renumber(history);
        Some(())
    });
    is_found(Rule::Close, |history, _| {
        history.log.remove(close(history)?);
        Some(())
    });
    is_found(Rule::Close, |history, _| {
        let close = close(history)?;
        history.log[close].event = Event::Closed { price: Some(1), winner: None };
        Some(())
    });
}

#[test]
fn who_is_told_that_it_is_over_before_the_time_is_over_is_found() {
    is_found(Rule::Close, |history, _| {
        refused(history, &Refusal::NotOpen)?;
        let never = Duration::from_secs(3600);
        history.ends = Some(Interval { began: never, ended: never });
        Some(())
    });
}

#[test]
fn a_bid_that_counts_and_was_sent_when_the_time_was_over_is_found() {
    is_found(Rule::Close, |history, chance| {
        let call = one_of(&accepted(history), chance)?;
        let key = &history.calls[call].key;
        let sent = history.calls.iter().filter(|call| call.key == *key).map(|call| call.interval.began).min()?;
        let before = sent.checked_sub(Duration::from_millis(1))?;
        history.ends = Some(Interval { began: before, ended: before });
        Some(())
    });
}
