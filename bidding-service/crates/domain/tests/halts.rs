//! All auctions rest: because the operator paused them, or because the service was down. An outage must
//! not decide a sale.

mod support;

use bidding_domain::{
    auction::{Attempt, Auction, Objection, PausedBy, Status},
    bid::Refusal,
    event::Happening,
    halt::{Halt, LAST_MINUTES},
    log::Decided,
    replay::replay,
};
use support::{END_S, IntoFormat, LATE, Room, at, downtime, dutch, every_format, flat, halt, lot, scheduled};

fn room() -> Room {
    Room::open(lot(500, flat(100)))
}

/// The end of an auction that follows these halts, all at once, well after they were over.
fn ends_after(halts: &[Halt]) -> i64 {
    let mut room = room();
    room.catch_up_at(100_000, halts);
    room.ends_s()
}

#[test]
fn while_all_auctions_are_paused_none_takes_bids_and_each_gets_the_time_back() {
    let mut room = room();
    room.catch_up_at(110, &[halt(1, 100, None)]);
    assert_eq!(room.bid_at(120, "ann", 500), Err(Refusal::Paused));
    assert_eq!(room.view("ann").paused_at, Some(at(100)), "from when the halt began");
    room.catch_up_at(450, &[halt(1, 100, Some(400))]);
    room.assert_ends(END_S + 300);
    assert!(room.bid_at(451, "ann", 500).is_ok());
    let told = room.happenings();
    let resumed = Happening::Resumed { by: PausedBy::Operator, paused_for_ms: 300_000, ends_at: at(END_S + 300) };
    assert!(matches!(&told[1], Happening::Paused { reason, .. } if reason == "the venue is on fire"));
    assert_eq!(told[2], resumed);
}

#[test]
fn a_pause_of_all_is_not_ended_for_one() {
    let mut room = room();
    room.catch_up_at(110, &[halt(1, 100, None)]);
    assert_eq!(room.resume_at(120), Err((Attempt::Resume, Objection::AllPaused)));
}

#[test]
fn following_the_same_halts_again_changes_nothing() {
    let mut room = room();
    for halts in [[halt(1, 100, None)], [halt(1, 100, Some(400))]] {
        room.catch_up_at(500, &halts);
        let before = (room.auction.clone(), room.log.len());
        room.catch_up_at(600, &halts);
        assert_eq!((&room.auction, room.log.len()), (&before.0, before.1));
    }
}

#[test]
fn a_pause_that_came_and_went_is_given_back_whole_however_much_time_is_left() {
    assert_eq!(ends_after(&[halt(1, 100, Some(400))]), END_S + 300);
    assert_eq!(ends_after(&[halt(1, END_S - 1, Some(END_S + 99))]), END_S + 100);
}

#[test]
fn an_auction_that_had_ended_before_a_halt_gets_nothing() {
    assert_eq!(ends_after(&[halt(1, END_S, Some(END_S + 100))]), END_S);
    assert_eq!(ends_after(&[downtime(1, END_S, END_S + 100)]), END_S);
    let mut room = room();
    room.catch_up_at(END_S + 5, &[halt(1, END_S, None)]);
    assert_eq!(room.auction.status(), Status::Open);
    room.close();
}

#[test]
fn a_bid_after_an_outage_over_the_end_is_in_time() {
    let mut room = room();
    room.catch_up_at(END_S + 1_000, &[downtime(1, END_S - 10, END_S + 1_000)]);
    room.assert_ends(END_S + 1_010);
    assert!(room.bid_at(END_S + 1_009, "ann", 500).is_ok());
    assert_eq!(room.bid_at(END_S + 1_010, "bob", 900), Err(LATE));
    let Happening::Resumed { by, paused_for_ms, .. } = room.happenings()[1] else { panic!("{:?}", room.log) };
    assert_eq!((by, paused_for_ms), (PausedBy::Downtime, 1_010_000));
}

#[test]
fn an_outage_extends_auctions_whose_last_five_minutes_it_touched_and_no_others() {
    let last_s = LAST_MINUTES.num_seconds();
    assert_eq!(last_s, 300);
    let until = |until_s| ends_after(&[downtime(1, 100, until_s)]);
    assert_eq!(until(END_S - last_s), END_S + (END_S - last_s - 100), "exactly five minutes are left");
    assert_eq!(until(END_S - last_s - 1), END_S, "more than five minutes are left");
    assert_eq!(until(END_S + 50), END_S + (END_S + 50 - 100), "it ended during the outage");
    assert_eq!(ends_after(&[downtime(1, END_S - 1, END_S)]), END_S + 1);
}

#[test]
fn time_that_was_given_back_is_in_the_log_with_its_cause() {
    let mut room = room();
    let outage = downtime(3, END_S - 10, END_S + 10);
    room.catch_up_at(END_S + 10, std::slice::from_ref(&outage));
    assert_eq!(room.log[1].record.decided, Decided::GivenBack { halt: outage });
}

#[test]
fn a_lot_whose_start_falls_into_a_pause_of_all_opens_and_rests_from_its_start() {
    let mut room = Room::from(scheduled(lot(500, flat(100))));
    room.catch_up_at(-50, &[halt(1, -100, None)]);
    assert_eq!(room.auction.status(), Status::Scheduled);
    room.catch_up_at(10, &[halt(1, -100, None)]);
    assert_eq!((room.auction.status(), room.view("ann").paused_at), (Status::Paused, Some(at(0))));
    room.catch_up_at(60, &[halt(1, -100, Some(50))]);
    room.assert_ends(END_S + 50);
}

#[test]
fn a_lot_whose_start_fell_into_a_pause_or_an_outage_gets_the_time_since_its_start_back() {
    for lost in [halt(1, -100, Some(50)), downtime(1, -100, END_S - 200)] {
        let mut room = Room::from(scheduled(lot(500, flat(100))));
        let until = lost.until.unwrap();
        room.catch_up_at(END_S, &[lost]);
        assert_eq!(room.auction.ends_at() - at(END_S), until - at(0));
        assert_eq!(room.log.len(), 2, "opened, and given back");
    }
}

#[test]
fn a_lot_that_waits_through_a_halt_and_opens_after_it_gets_nothing() {
    let halts = [halt(1, -100, Some(-50)), downtime(2, -40, 0)];
    let mut room = Room::from(scheduled(lot(500, flat(100))));
    room.catch_up_at(-20, &halts[..1]);
    room.catch_up_at(5, &halts);
    room.assert_ends(END_S);
    assert_eq!(room.log.len(), 1);
}

#[test]
fn several_halts_are_given_back_one_after_the_other() {
    assert_eq!(ends_after(&[halt(1, 10, Some(20)), halt(2, 30, Some(50))]), END_S + 30);
    // The second one touches only the end that the first one moved.
    assert_eq!(ends_after(&[halt(1, 0, Some(100)), halt(2, END_S + 50, Some(END_S + 60))]), END_S + 110);
}

#[test]
fn time_that_two_halts_share_is_given_back_once() {
    assert_eq!(ends_after(&[halt(1, 100, Some(200)), halt(2, 150, Some(300))]), END_S + 200);
    assert_eq!(ends_after(&[halt(1, 100, Some(1_000)), downtime(2, 200, 300)]), END_S + 900);
}

#[test]
fn an_outage_during_a_pause_of_all_does_not_end_the_pause() {
    let outage = downtime(2, 200, 300);
    let mut room = room();
    room.catch_up_at(110, &[halt(1, 100, None)]);
    room.catch_up_at(310, &[halt(1, 100, None), outage.clone()]);
    assert_eq!(room.auction.status(), Status::Paused);
    room.catch_up_at(1_000, &[halt(1, 100, Some(1_000)), outage]);
    assert_eq!(room.auction.status(), Status::Open);
    room.assert_ends(END_S + 900);
}

#[test]
fn an_auction_that_was_paused_alone_gets_its_pause_back_and_not_the_halts_within_it_too() {
    let mut room = room();
    room.pause_at(100).unwrap();
    room.catch_up_at(250, &[halt(1, 200, None)]);
    room.catch_up_at(350, &[halt(1, 200, Some(300))]);
    assert_eq!(room.auction.status(), Status::Paused, "what was paused alone goes on alone");
    room.resume_at(400).unwrap();
    room.catch_up_at(450, &[halt(1, 200, Some(300))]);
    room.assert_ends(END_S + 300);
}

#[test]
fn an_auction_that_goes_on_during_a_halt_rests_at_once_for_the_halt() {
    let mut room = room();
    room.pause_at(100).unwrap();
    room.resume_at(250).unwrap();
    room.catch_up_at(250, &[halt(1, 200, None)]);
    assert_eq!(room.view("ann").paused_at, Some(at(250)));
    room.catch_up_at(350, &[halt(1, 200, Some(300))]);
    room.assert_ends(END_S + 200);
}

#[test]
fn what_rests_for_a_halt_is_looked_at_again_when_its_end_has_come() {
    let mut room = room();
    room.catch_up_at(110, &[halt(1, 100, None)]);
    assert_eq!(room.auction.due_at(), Some(at(END_S)));
}

#[test]
fn what_is_over_follows_no_halt() {
    let mut room = room();
    room.close();
    let log = room.log.len();
    room.catch_up_at(END_S + 9, &[halt(1, 100, None)]);
    room.catch_up_at(END_S + 9, &[halt(1, 100, Some(END_S))]);
    assert_eq!((room.log.len(), room.auction.status()), (log, Status::Closed));
}

/// A lot that was heard of at `second`.
fn heard_of_at(second: i64, format: impl IntoFormat) -> Room {
    let mut room = Room::from(scheduled(format));
    room.apply(second, Auction::open_late).unwrap();
    room
}

#[test]
fn a_lot_of_any_format_that_was_heard_of_after_its_end_has_its_whole_time() {
    for format in every_format() {
        let mut room = heard_of_at(END_S + 1_000, format);
        let ends_s = END_S + 1_000 + END_S;
        let resumed = Happening::Resumed { by: PausedBy::Downtime, paused_for_ms: 4_600_000, ends_at: at(ends_s) };
        let told = room.happenings();
        assert!(matches!(told[0], Happening::Opened { ends_at, .. } if ends_at == at(END_S)), "by its terms");
        assert_eq!(told[1..], [resumed]);
        assert_eq!(replay(room.auction.id(), room.auction.terms(), &room.log).as_ref(), Ok(&room.auction));
        assert!(room.bid_at(ends_s - 1, "ann", 10_000).is_ok());
    }
}

#[test]
fn a_falling_price_that_was_heard_of_late_begins_at_its_top() {
    let room = heard_of_at(100, dutch());
    assert_eq!([100, 159, 160].map(|second| room.price_at(second)), [10_000, 10_000, 8_300]);
    room.assert_ends(END_S + 100);
}

#[test]
fn a_lot_that_was_heard_of_late_and_has_more_than_its_last_minutes_left_gets_nothing() {
    let edge_s = END_S - LAST_MINUTES.num_seconds();
    heard_of_at(edge_s, lot(500, flat(100))).assert_ends(END_S + edge_s);
    let room = heard_of_at(edge_s - 1, lot(500, flat(100)));
    room.assert_ends(END_S);
    assert_eq!(room.log.len(), 1, "opened");
}

#[test]
fn of_halts_a_lot_that_was_heard_of_late_gets_back_what_came_after_that() {
    let mut room = heard_of_at(END_S, lot(500, flat(100)));
    let mut halts = vec![downtime(1, -10, END_S - 5), halt(2, 100, Some(200)), halt(3, END_S - 50, Some(END_S + 2))];
    room.catch_up_at(END_S + 2, &halts);
    room.assert_ends(END_S + END_S + 2);
    halts.push(halt(4, END_S + 10, Some(END_S + 60)));
    room.catch_up_at(END_S + 100, &halts);
    room.assert_ends(END_S + END_S + 52);
}

#[test]
fn a_lot_is_not_heard_of_before_its_start() {
    let mut room = Room::from(scheduled(lot(500, flat(100))));
    assert_eq!(room.apply(-1, Auction::open_late), Err((Attempt::Open, Objection::NotDue { due_at: at(0) })));
}
