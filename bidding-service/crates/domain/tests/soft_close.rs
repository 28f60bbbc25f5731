//! Soft close in its three modes, the hard stop, and what is late.

mod support;

use bidding_domain::{bid::BidOutcome, english::EnglishTerms, event::Happening, soft_close::SoftClose};
use support::{END_S, LATE, Room, amount, at, flat, lot, too_low};

const WINDOW_S: u32 = 180;

fn resetting(hard_stop_s: u32) -> Room {
    let soft_close = SoftClose::Reset { window_s: WINDOW_S, hard_stop_s };
    Room::open(EnglishTerms { soft_close, ..lot(500, flat(100)) })
}

#[test]
fn a_bid_two_minutes_before_the_end_resets_a_window_of_three_to_one_minute_after_it() {
    let mut room = resetting(3_600);
    room.bid_at(END_S - 120, "ann", 500).unwrap();
    room.assert_ends(END_S + 60);
}

#[test]
fn a_bid_exactly_at_the_end_is_late() {
    let mut room = resetting(3_600);
    assert_eq!(room.bid_at(END_S, "ann", 500), Err(LATE));
    assert!(room.bid_at(END_S - 1, "ann", 500).is_ok());
}

#[test]
fn a_bid_before_or_at_the_windows_beginning_leaves_the_end() {
    let mut room = resetting(3_600);
    room.bid_at(END_S - 1_000, "ann", 500).unwrap();
    room.assert_ends(END_S);
    room.bid_at(END_S - i64::from(WINDOW_S), "bob", 900).unwrap();
    room.assert_ends(END_S);
    room.bid_at(END_S - i64::from(WINDOW_S) + 1, "ann", 1_900).unwrap();
    room.assert_ends(END_S + 1);
}

#[test]
fn the_window_counts_from_the_extended_end() {
    let mut room = resetting(3_600);
    room.bid_at(END_S - 120, "ann", 500).unwrap();
    room.bid_at(END_S + 59, "bob", 900).unwrap();
    room.assert_ends(END_S + 239);
    assert!(room.bid_at(END_S + 239, "ann", 1_900).is_err());
}

#[test]
fn the_hard_stop_counts_from_the_original_end_and_caps_every_extension() {
    let mut room = resetting(100);
    room.bid_at(END_S - 120, "ann", 500).unwrap();
    room.assert_ends(END_S + 60);
    room.bid_at(END_S + 30, "bob", 900).unwrap();
    room.assert_ends(END_S + 100);
    let events = room.events().len();
    room.bid_at(END_S + 99, "ann", 1_900).unwrap();
    room.assert_ends(END_S + 100);
    assert_eq!(room.events().len(), events + 1, "an end that cannot move is not told to have moved");
    assert!(room.bid_at(END_S + 100, "bob", 9_900).is_err());
}

#[test]
fn without_soft_close_the_end_stands() {
    let mut room = Room::open(lot(500, flat(100)));
    room.bid_at(END_S - 1, "ann", 500).unwrap();
    room.assert_ends(END_S);
}

#[test]
fn a_raised_own_maximum_does_not_extend() {
    let mut room = resetting(3_600);
    room.bid_at(1, "ann", 500).unwrap();
    assert_eq!(room.bid_at(END_S - 1, "ann", 9_900).unwrap().outcome, BidOutcome::MaxRaised);
    room.assert_ends(END_S);
}

#[test]
fn a_raised_own_maximum_that_reaches_the_reserve_changes_the_price_and_extends() {
    let soft_close = SoftClose::Reset { window_s: WINDOW_S, hard_stop_s: 3_600 };
    let mut room = Room::open(EnglishTerms { soft_close, reserve_price: Some(amount(5_000)), ..lot(500, flat(100)) });
    room.bid_at(1, "ann", 500).unwrap();
    room.bid_at(END_S - 1, "ann", 5_000).unwrap();
    room.assert_ends(END_S + 179);
}

#[test]
fn an_outbid_challenger_moves_the_price_and_extends() {
    let mut room = resetting(3_600);
    room.bid_at(1, "ann", 9_900).unwrap();
    assert_eq!(room.bid_at(END_S - 1, "bob", 700).unwrap().outcome, BidOutcome::Outbid);
    room.assert_ends(END_S + 179);
}

#[test]
fn an_extension_follows_the_bid_that_caused_it_and_both_tell_the_new_end() {
    let mut room = resetting(3_600);
    let bid = room.bid_at(END_S - 120, "ann", 500).unwrap();
    let events = room.events();
    let [_, placed, extended] = &events[..] else { panic!("{events:?}") };
    assert!(matches!(&placed.what, Happening::BidPlaced { ends_at, .. } if *ends_at == at(END_S + 60)));
    let told = Happening::Extended { bid_id: bid.id, previous_ends_at: at(END_S), ends_at: at(END_S + 60) };
    assert_eq!(extended.what, told);
    assert_eq!([placed.sequence, extended.sequence, bid.sequence], [2, 3, 3], "the bid knows the last event after it");
}

#[test]
fn a_window_at_the_end_of_time_extends_nothing_and_breaks_nothing() {
    let soft_close = SoftClose::Reset { window_s: u32::MAX, hard_stop_s: u32::MAX };
    let end = chrono::DateTime::<chrono::Utc>::MAX_UTC;
    assert_eq!(soft_close.extended(end, end, end), None);
}

const ADD_WINDOW_S: i64 = 60;
const EXTENSION_S: i64 = 90;

/// A bid in the last minute adds 90 seconds.
fn adding(hard_stop_s: u32) -> Room {
    let soft_close = SoftClose::Add { window_s: 60, extension_s: 90, hard_stop_s };
    Room::open(EnglishTerms { soft_close, ..lot(500, flat(100)) })
}

#[test]
fn a_bid_in_the_last_minute_adds_ninety_seconds_to_the_end() {
    let mut room = adding(3_600);
    room.bid_at(END_S - 10, "ann", 500).unwrap();
    room.assert_ends(END_S + EXTENSION_S);
}

#[test]
fn adding_begins_with_the_windows_first_instant() {
    let mut room = adding(3_600);
    room.bid_at(END_S - ADD_WINDOW_S - 1, "ann", 500).unwrap();
    room.assert_ends(END_S);
    room.bid_at(END_S - ADD_WINDOW_S, "bob", 900).unwrap();
    room.assert_ends(END_S + EXTENSION_S);
}

#[test]
fn each_late_bid_adds_to_the_current_end_and_an_early_one_nothing() {
    let mut room = adding(3_600);
    room.bid_at(END_S - 1, "ann", 500).unwrap();
    room.bid_at(END_S + EXTENSION_S - ADD_WINDOW_S - 1, "bob", 900).unwrap();
    room.assert_ends(END_S + EXTENSION_S);
    room.bid_at(END_S + EXTENSION_S - 1, "ann", 1_900).unwrap();
    room.assert_ends(END_S + 2 * EXTENSION_S);
    assert_eq!(room.bid_at(END_S + 2 * EXTENSION_S, "bob", 9_900), Err(LATE));
}

#[test]
fn the_hard_stop_caps_what_is_added_and_counts_from_the_original_end() {
    let mut room = adding(100);
    room.bid_at(END_S - 10, "ann", 500).unwrap();
    room.assert_ends(END_S + 90);
    room.bid_at(END_S + 80, "bob", 900).unwrap();
    room.assert_ends(END_S + 100);
    let events = room.events().len();
    room.bid_at(END_S + 99, "ann", 1_900).unwrap();
    room.assert_ends(END_S + 100);
    assert_eq!(room.events().len(), events + 1, "an end that cannot move is not told to have moved");
}

#[test]
fn a_hard_stop_of_nothing_extends_nothing() {
    for mut room in [resetting(0), adding(0)] {
        room.bid_at(END_S - 1, "ann", 500).unwrap();
        room.assert_ends(END_S);
    }
}

#[test]
fn a_refused_bid_and_a_raised_own_maximum_add_nothing() {
    let mut room = adding(3_600);
    room.bid_at(1, "ann", 900).unwrap();
    assert_eq!(room.bid_at(END_S - 1, "bob", 599), Err(too_low(600)));
    assert_eq!(room.bid_at(END_S - 1, "ann", 9_900).unwrap().outcome, BidOutcome::MaxRaised);
    room.assert_ends(END_S);
}
