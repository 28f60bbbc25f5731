//! The operator pauses one auction, and the time is given back.

mod support;

use bidding_domain::{
    auction::{Attempt, Objection, PausedBy, State, Status, Timing},
    bid::Refusal,
    english::EnglishTerms,
    event::Happening,
    soft_close::SoftClose,
};
use chrono::TimeDelta;
use support::{END_S, LATE, Room, at, every_format, flat, lot, scheduled};

fn plain() -> Room {
    Room::open(lot(500, flat(100)))
}

fn with(soft_close: SoftClose) -> Room {
    Room::open(EnglishTerms { soft_close, ..lot(500, flat(100)) })
}

#[test]
fn a_pause_gives_its_time_back_to_the_millisecond() {
    let paused = plain().auction.pause("a fire drill", at(100) + TimeDelta::milliseconds(250)).unwrap();
    let resumed = paused.auction.resume(at(250) + TimeDelta::milliseconds(751)).unwrap();
    let lost = TimeDelta::milliseconds(150_501);
    assert_eq!(resumed.auction.ends_at(), at(END_S) + lost);
    let told = Happening::Resumed { by: PausedBy::Operator, paused_for_ms: 150_501, ends_at: at(END_S) + lost };
    assert_eq!(resumed.entries[0].record.told, [told]);
}

#[test]
fn pausing_and_resuming_are_told_in_sequence() {
    let mut room = plain();
    room.pause_at(100).unwrap();
    room.resume_at(400).unwrap();
    let events = room.events();
    let told = Happening::Paused { by: PausedBy::Operator, reason: "a fire drill".to_owned() };
    assert_eq!((events[1].sequence, events[1].at, &events[1].what), (2, at(100), &told));
    assert_eq!((events[2].sequence, events[2].at), (3, at(400)));
    let timing = Timing { ends_at: at(END_S + 300), open_since: at(400), given_back_ms: 300_000 };
    assert_eq!(room.auction.state(), &State::Open(timing));
}

#[test]
fn several_pauses_add_up() {
    let mut room = plain();
    for (from, to) in [(100, 200), (300, 350), (360, 361)] {
        room.pause_at(from).unwrap();
        room.resume_at(to).unwrap();
    }
    room.assert_ends(END_S + 151);
}

#[test]
fn a_paused_auction_of_any_format_takes_no_bids_and_takes_them_again_afterwards() {
    for format in every_format() {
        let mut room = Room::open(format);
        room.pause_at(100).unwrap();
        assert_eq!(room.bid_at(101, "ann", 10_000), Err(Refusal::Paused));
        assert_eq!(room.auction.status(), Status::Paused);
        room.resume_at(200).unwrap();
        assert!(room.bid_at(201, "ann", 10_000).is_ok());
    }
}

#[test]
fn a_paused_auction_shows_since_when_and_where_it_stood() {
    let mut room = plain();
    room.bid_at(50, "ann", 900).unwrap();
    room.pause_at(100).unwrap();
    let seen = room.view("ann");
    assert_eq!((seen.status, seen.paused_at), (Status::Paused, Some(at(100))));
    assert_eq!((seen.price.map(Into::into), seen.you_lead), (Some(500_i64), true));
    room.resume_at(200).unwrap();
    assert_eq!(room.view("ann").paused_at, None);
}

#[test]
fn a_pause_beyond_the_end_does_not_decide_the_sale() {
    let mut room = plain();
    room.pause_at(END_S - 10).unwrap();
    assert_eq!(room.auction.due_at(), None);
    assert_eq!(room.close_at(END_S + 500), Err((Attempt::Close, Objection::WrongState)));
    room.resume_at(END_S + 1_000).unwrap();
    assert_eq!(room.auction.due_at(), Some(at(END_S + 1_010)));
    assert!(room.bid_at(END_S + 1_009, "ann", 500).is_ok());
    assert_eq!(room.bid_at(END_S + 1_010, "bob", 900), Err(LATE));
}

#[test]
fn the_window_of_the_soft_close_and_its_hard_stop_shift_with_the_end() {
    let mut room = with(SoftClose::Reset { window_s: 180, hard_stop_s: 100 });
    room.pause_at(100).unwrap();
    room.resume_at(400).unwrap();
    room.bid_at(END_S, "ann", 500).unwrap();
    room.assert_ends(END_S + 300);
    room.bid_at(END_S + 200, "bob", 900).unwrap();
    room.assert_ends(END_S + 380);
    room.bid_at(END_S + 370, "ann", 1_900).unwrap();
    room.assert_ends(END_S + 400);
}

#[test]
fn what_is_added_and_its_hard_stop_shift_with_the_end() {
    let mut room = with(SoftClose::Add { window_s: 60, extension_s: 90, hard_stop_s: 100 });
    room.pause_at(100).unwrap();
    room.resume_at(400).unwrap();
    room.bid_at(END_S, "ann", 500).unwrap();
    room.assert_ends(END_S + 300);
    room.bid_at(END_S + 299, "bob", 900).unwrap();
    room.assert_ends(END_S + 390);
    room.bid_at(END_S + 389, "ann", 1_900).unwrap();
    room.assert_ends(END_S + 400);
}

#[test]
fn a_pause_after_an_extension_gives_back_to_the_extended_end() {
    let mut room = with(SoftClose::Reset { window_s: 180, hard_stop_s: 3_600 });
    room.bid_at(END_S - 1, "ann", 500).unwrap();
    room.pause_at(END_S + 79).unwrap();
    room.resume_at(END_S + 1_079).unwrap();
    room.assert_ends(END_S + 1_179);
}

#[test]
fn only_what_is_open_is_paused_and_only_what_is_paused_goes_on() {
    let wrong = |attempt| Err((attempt, Objection::WrongState));
    let mut waiting = Room::from(scheduled(lot(500, flat(100))));
    assert_eq!(waiting.pause_at(-5), wrong(Attempt::Pause));
    let mut room = plain();
    assert_eq!(room.resume_at(5), wrong(Attempt::Resume));
    assert_eq!(room.pause_at(END_S), Err((Attempt::Pause, Objection::Over)));
    room.pause_at(END_S - 1).unwrap();
    assert_eq!(room.pause_at(END_S - 1), wrong(Attempt::Pause));
    room.resume_at(END_S + 1).unwrap();
    room.close();
    assert_eq!(room.pause_at(END_S + 9), wrong(Attempt::Pause));
    assert_eq!(room.resume_at(END_S + 9), wrong(Attempt::Resume));
}

#[test]
fn a_clock_that_was_set_back_takes_no_time_away() {
    let mut room = plain();
    room.pause_at(100).unwrap();
    room.resume_at(40).unwrap();
    let timing = Timing { ends_at: at(END_S), open_since: at(40), given_back_ms: 0 };
    assert_eq!(room.auction.state(), &State::Open(timing));
}
