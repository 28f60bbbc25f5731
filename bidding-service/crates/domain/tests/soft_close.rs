//! Soft close by reset, its hard stop, and what is late.

mod support;

use bidding_domain::{
    auction::Status,
    bid::{BidOutcome, Refusal},
    english::EnglishTerms,
    event::Happening,
    soft_close::SoftClose,
};
use support::{END_S, Room, amount, at, flat, lot};

const WINDOW_S: u32 = 180;

fn resetting(hard_stop_s: u32) -> Room {
    let soft_close = SoftClose::Reset { window_s: WINDOW_S, hard_stop_s };
    Room::open(EnglishTerms { soft_close, ..lot(500, flat(100)) })
}

#[track_caller]
fn assert_ends(room: &Room, second: i64) {
    assert_eq!(room.auction.ends_at(), at(second));
}

#[test]
fn a_bid_two_minutes_before_the_end_resets_a_window_of_three_to_one_minute_after_it() {
    let mut room = resetting(3_600);
    room.bid_at(END_S - 120, "ann", 500).unwrap();
    assert_ends(&room, END_S + 60);
}

#[test]
fn a_bid_exactly_at_the_end_is_late() {
    let mut room = resetting(3_600);
    assert_eq!(room.bid_at(END_S, "ann", 500), Err(Refusal::NotOpen { status: Status::Closed }));
    assert!(room.bid_at(END_S - 1, "ann", 500).is_ok());
}

#[test]
fn a_bid_before_or_at_the_windows_beginning_leaves_the_end() {
    let mut room = resetting(3_600);
    room.bid_at(END_S - 1_000, "ann", 500).unwrap();
    assert_ends(&room, END_S);
    room.bid_at(END_S - i64::from(WINDOW_S), "bob", 900).unwrap();
    assert_ends(&room, END_S);
    room.bid_at(END_S - i64::from(WINDOW_S) + 1, "ann", 1_900).unwrap();
    assert_ends(&room, END_S + 1);
}

#[test]
fn the_window_counts_from_the_extended_end() {
    let mut room = resetting(3_600);
    room.bid_at(END_S - 120, "ann", 500).unwrap();
    room.bid_at(END_S + 59, "bob", 900).unwrap();
    assert_ends(&room, END_S + 239);
    assert!(room.bid_at(END_S + 239, "ann", 1_900).is_err());
}

#[test]
fn the_hard_stop_counts_from_the_original_end_and_caps_every_extension() {
    let mut room = resetting(100);
    room.bid_at(END_S - 120, "ann", 500).unwrap();
    assert_ends(&room, END_S + 60);
    room.bid_at(END_S + 30, "bob", 900).unwrap();
    assert_ends(&room, END_S + 100);
    let events = room.events.len();
    room.bid_at(END_S + 99, "ann", 1_900).unwrap();
    assert_ends(&room, END_S + 100);
    assert_eq!(room.events.len(), events + 1, "an end that cannot move is not told to have moved");
    assert!(room.bid_at(END_S + 100, "bob", 9_900).is_err());
}

#[test]
fn without_soft_close_the_end_stands() {
    let mut room = Room::open(lot(500, flat(100)));
    room.bid_at(END_S - 1, "ann", 500).unwrap();
    assert_ends(&room, END_S);
}

#[test]
fn a_raised_own_maximum_does_not_extend() {
    let mut room = resetting(3_600);
    room.bid_at(1, "ann", 500).unwrap();
    assert_eq!(room.bid_at(END_S - 1, "ann", 9_900).unwrap().outcome, BidOutcome::MaxRaised);
    assert_ends(&room, END_S);
}

#[test]
fn a_raised_own_maximum_that_reaches_the_reserve_changes_the_price_and_extends() {
    let soft_close = SoftClose::Reset { window_s: WINDOW_S, hard_stop_s: 3_600 };
    let mut room = Room::open(EnglishTerms { soft_close, reserve_price: Some(amount(5_000)), ..lot(500, flat(100)) });
    room.bid_at(1, "ann", 500).unwrap();
    room.bid_at(END_S - 1, "ann", 5_000).unwrap();
    assert_ends(&room, END_S + 179);
}

#[test]
fn an_outbid_challenger_moves_the_price_and_extends() {
    let mut room = resetting(3_600);
    room.bid_at(1, "ann", 9_900).unwrap();
    assert_eq!(room.bid_at(END_S - 1, "bob", 700).unwrap().outcome, BidOutcome::Outbid);
    assert_ends(&room, END_S + 179);
}

#[test]
fn an_extension_follows_the_bid_that_caused_it_and_both_tell_the_new_end() {
    let mut room = resetting(3_600);
    let bid = room.bid_at(END_S - 120, "ann", 500).unwrap();
    let [_, placed, extended] = &room.events[..] else { panic!("{:?}", room.events) };
    assert!(matches!(&placed.what, Happening::BidPlaced { ends_at, .. } if *ends_at == at(END_S + 60)));
    let told = Happening::Extended { bid_id: bid.id, previous_ends_at: at(END_S), ends_at: at(END_S + 60) };
    assert_eq!(extended.what, told);
    assert_eq!([placed.sequence, extended.sequence, bid.sequence], [2, 3, 2]);
}

#[test]
fn a_window_at_the_end_of_time_extends_nothing_and_breaks_nothing() {
    let soft_close = SoftClose::Reset { window_s: u32::MAX, hard_stop_s: u32::MAX };
    let end = chrono::DateTime::<chrono::Utc>::MAX_UTC;
    assert_eq!(soft_close.extended(end, end, end), None);
}
