//! Right histories are found right, and a violation of every kind is found.

mod auction;
mod closes;
mod refusals;

use std::time::Duration;

use self::auction::played;
use super::*;
use crate::chance::Chance;

const SEEDS: u64 = 100;
const BIDS: usize = 120;

/// Plants the same violation into many histories; where it cannot be planted there is nothing to find.
fn is_found(rule: Rule, plant: impl Fn(&mut History, &mut Chance) -> Option<()>) {
    let mut planted = 0;
    for seed in 0..SEEDS {
        let mut history = played(seed, BIDS);
        if plant(&mut history, &mut Chance::of_seed(seed)).is_some() {
            planted += 1;
            let findings = history.check();
            assert!(findings.iter().any(|finding| finding.rule == rule), "seed {seed}: {findings:?}");
        }
    }
    assert!(planted > SEEDS / 2, "it was planted into {planted} histories only");
}

/// Calls whose bid was accepted.
fn accepted(history: &History) -> Vec<usize> {
    let calls = history.calls.iter().enumerate();
    calls.filter(|(_, call)| matches!(call.outcome, Outcome::Accepted(_))).map(|(index, _)| index).collect()
}

fn one_of(indexes: &[usize], chance: &mut Chance) -> Option<usize> {
    (!indexes.is_empty()).then(|| indexes[chance.below(indexes.len())])
}

fn told(call: &mut Call) -> &mut Told {
    match &mut call.outcome {
        Outcome::Accepted(told) => told,
        other => panic!("{other:?}"),
    }
}

fn place_of(history: &History, call: usize) -> usize {
    let Outcome::Accepted(told) = &history.calls[call].outcome else { panic!("it was not accepted") };
    let is_it = |entry: &Entry| matches!(&entry.event, Event::Bid(placed) if placed.bid == told.bid);
    history.log.iter().position(is_it).unwrap()
}

fn renumber(history: &mut History) {
    for (entry, sequence) in history.log.iter_mut().zip(1..) {
        entry.sequence = sequence;
    }
}

fn placed(history: &mut History, place: usize) -> &mut Placed {
    match &mut history.log[place].event {
        Event::Bid(placed) => placed,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_history_that_can_have_happened_has_no_findings() {
    for seed in 0..SEEDS {
        let history = played(seed, BIDS);
        let findings = history.check();
        assert!(findings.is_empty(), "seed {seed}: {findings:#?}");
        let kinds = [
            accepted(&history).len() > 10,
            history.calls.iter().any(|call| matches!(call.outcome, Outcome::Refused(_))),
            history.calls.iter().any(|call| call.outcome == Outcome::Unknown),
            history.looks.len() > 10,
        ];
        assert_eq!(kinds, [true; 4], "seed {seed} is a poor history");
    }
}

#[test]
fn an_accepted_bid_that_is_missing_in_the_log_is_lost() {
    is_found(Rule::Lost, |history, chance| {
        let call = one_of(&accepted(history), chance)?;
        let place = place_of(history, call);
        history.log.remove(place);
        renumber(history);
        Some(())
    });
}

#[test]
fn a_bid_that_nobody_sent_is_invented() {
    is_found(Rule::Invented, |history, chance| {
        let call = one_of(&accepted(history), chance)?;
        let place = place_of(history, call);
        let mut copy = history.log[place].clone();
        let Event::Bid(bid) = &mut copy.event else { return None };
        bid.bid = "bid-out-of-nowhere".to_owned();
        // Of somebody who has no lost call that could be it.
        let bidder = history.calls[call].bidder.clone();
        history.calls.retain(|call| call.bidder != bidder || call.outcome != Outcome::Unknown);
        history.log.insert(place + 1, copy);
        renumber(history);
        Some(())
    });
}

#[test]
fn one_lost_call_does_not_explain_two_bids() {
    is_found(Rule::Invented, |history, chance| {
        let accepted = accepted(history);
        let (first, second) = (one_of(&accepted, chance)?, one_of(&accepted, chance)?);
        let (bidder, key) = (history.calls[first].bidder.clone(), history.calls[first].key.clone());
        if first == second || history.calls[second].bidder != bidder {
            let other = accepted.iter().find(|&&call| call != first && history.calls[call].bidder == bidder)?;
            return plant_one_for_two(history, first, *other, &bidder, &key);
        }
        plant_one_for_two(history, first, second, &bidder, &key)
    });
}

/// Two bids lose their answers; afterwards one call is all that is left to explain them.
fn plant_one_for_two(history: &mut History, first: usize, second: usize, bidder: &str, key: &str) -> Option<()> {
    let gone = history.calls[second].key.clone();
    history.calls[first].outcome = Outcome::Unknown;
    history.calls.retain(|call| {
        call.key != gone && (call.bidder != bidder || call.key == key || call.outcome != Outcome::Unknown)
    });
    history.calls.iter().any(|call| call.bidder == bidder && matches!(call.outcome, Outcome::Accepted(_))).then_some(())
}

#[test]
fn a_bid_that_is_twice_in_the_log_is_found() {
    is_found(Rule::Log, |history, chance| {
        let place = place_of(history, one_of(&accepted(history), chance)?);
        let copy = history.log[place].clone();
        history.log.insert(place + 1, copy);
        renumber(history);
        Some(())
    });
}

#[test]
fn a_gap_in_the_log_is_found() {
    is_found(Rule::Log, |history, chance| {
        let from = chance.below(history.log.len());
        for entry in &mut history.log[from..] {
            entry.sequence += 1;
        }
        Some(())
    });
}

#[test]
fn an_answer_that_differs_from_the_log_is_found() {
    for alter in [
        |told: &mut Told| told.price += 1,
        |told: &mut Told| told.bid_count -= 1,
        |told: &mut Told| told.effect = "outbid or so".to_owned(),
        |told: &mut Told| told.sequence -= 1,
    ] {
        is_found(Rule::Answer, |history, chance| {
            let call = one_of(&accepted(history), chance)?;
            alter(told(&mut history.calls[call]));
            Some(())
        });
    }
}

#[test]
fn a_bid_that_was_decided_before_another_that_had_ended_is_found() {
    is_found(Rule::Time, |history, chance| {
        let accepted = accepted(history);
        let first = one_of(&accepted[..accepted.len() - 1], chance)?;
        let next = accepted.into_iter().find(|&call| place_of(history, call) > place_of(history, first))?;
        // The client of the first sent it after the second was answered.
        let after = history.calls[next].interval.ended + Duration::from_millis(1);
        let key = history.calls[first].key.clone();
        history.calls.retain(|call| call.key != key || call.outcome != Outcome::Unknown);
        let call = history.calls.iter_mut().find(|call| call.key == key)?;
        call.interval = Interval { began: after, ended: after + Duration::from_millis(1) };
        Some(())
    });
}

#[test]
fn a_read_of_the_past_is_found() {
    is_found(Rule::Time, |history, chance| {
        let look = chance.below(history.looks.len());
        let look = history.looks.remove(look);
        let later = history.calls.iter().map(|call| call.interval.ended).max()? + Duration::from_millis(1);
        if look.sequence + 2 > history.log.len() as u64 {
            return None;
        }
        // Whoever is asked after everything has ended shows an early state.
        history.looks.push(Look { interval: Interval { began: later, ended: later }, ..look });
        Some(())
    });
}

#[test]
fn a_read_that_shows_what_never_was_is_found() {
    is_found(Rule::Answer, |history, chance| {
        let look = chance.below(history.looks.len());
        history.looks[look].bid_count += 1;
        Some(())
    });
}

#[test]
fn a_price_that_does_not_follow_from_the_maxima_is_found() {
    for change in [
        |bid: &mut Placed| bid.price += 1,
        |bid: &mut Placed| bid.next_minimum -= 1,
        |bid: &mut Placed| bid.leader = "somebody".to_owned(),
    ] {
        is_found(Rule::Price, |history, _| {
            // Until a call whose answer was lost leads, the maxima are certain.
            let place = place_of(history, accepted(history)[0]);
            change(placed(history, place));
            (place == 1).then_some(())
        });
    }
}

#[test]
fn a_bid_below_the_minimum_that_counts_is_found() {
    is_found(Rule::Price, |history, _| {
        let accepted = accepted(history);
        let at = |place| accepted.iter().copied().find(|&call| place_of(history, call) == place);
        let (_first, second) = (at(1)?, at(2)?);
        let key = history.calls[second].key.clone();
        history.calls.iter_mut().filter(|call| call.key == key).for_each(|call| call.amount = 1);
        Some(())
    });
}

#[test]
fn a_key_with_two_answers_or_two_keys_with_one_bid_are_found() {
    is_found(Rule::Key, |history, chance| {
        let call = one_of(&accepted(history), chance)?;
        let mut again = history.calls[call].clone();
        told(&mut again).bid = "bid-again".to_owned();
        history.calls.push(again);
        Some(())
    });
    is_found(Rule::Key, |history, chance| {
        let call = one_of(&accepted(history), chance)?;
        let again = Call { key: "another".to_owned(), ..history.calls[call].clone() };
        history.calls.push(again);
        Some(())
    });
}

#[test]
fn two_bidders_with_one_alias_are_found() {
    is_found(Rule::Answer, |history, chance| {
        let accepted = accepted(history);
        let call = one_of(&accepted, chance)?;
        let others = accepted.iter().any(|&other| {
            other != call
                && history.calls[other].bidder == history.calls[call].bidder
                && history.calls[other].key != history.calls[call].key
        });
        let key = history.calls[call].key.clone();
        let of_key = history.calls.iter_mut().filter(|call| call.key == key);
        of_key.for_each(|call| call.bidder = "somebody else".to_owned());
        others.then_some(())
    });
}
