//! The Dutch auction: 100.00 falling by 17.00 every minute to 40.00.

mod support;

use bidding_domain::{
    auction::State,
    bid::{BidOutcome, Refusal},
    dutch::DutchTerms,
    event::Happening,
    format::{Outcome, ReserveStatus},
    money::Amount,
    terms::{Terms, TermsFault},
};
use chrono::TimeDelta;
use support::{END_S, IntoFormat, LATE, Room, amount, at, downtime, dutch, halt, sale, scheduled, sold, too_low, user};

#[test]
fn the_price_falls_by_steps_from_the_start_to_the_floor() {
    let room = Room::open(dutch());
    let prices = [0, 60, 120, 180, 240, 300, END_S - 1].map(|second| room.price_at(second));
    assert_eq!(prices, [10_000, 8_300, 6_600, 4_900, 4_000, 4_000, 4_000]);
}

#[test]
fn a_step_begins_exactly_at_its_boundary() {
    let room = Room::open(dutch());
    assert_eq!(
        (room.price_at(59), room.price_at(60), room.price_at(119), room.price_at(120)),
        (10_000, 8_300, 8_300, 6_600)
    );
    let just_before = at(60) - TimeDelta::microseconds(1);
    assert_eq!(room.auction.standing(just_before).price, Some(amount(10_000)));
}

#[test]
fn a_step_of_many_that_ends_on_the_floor_stays_there() {
    let terms = DutchTerms { step: amount(6_000), ..dutch() };
    let room = Room::open(terms);
    assert_eq!([59, 60, 120].map(|second| room.price_at(second)), [10_000, 4_000, 4_000]);
}

#[test]
fn the_fall_counts_from_the_start_even_when_opened_late() {
    let mut room = Room::from(scheduled(dutch()));
    room.catch_up_at(70, &[]);
    assert_eq!(room.price(), 8_300);
    let Happening::Opened { next_minimum, .. } = &room.happenings()[0] else { panic!("not opened") };
    assert_eq!(*next_minimum, amount(10_000), "it opened at the start price");
}

#[test]
fn before_the_start_it_shows_the_start_price() {
    let auction = scheduled(dutch());
    assert_eq!(auction.standing(at(-500)).price, Some(amount(10_000)));
}

#[test]
fn the_first_acceptance_wins_at_the_price_of_that_moment_and_not_at_its_own_maximum() {
    let mut room = Room::open(dutch());
    let bid = room.bid_at(61, "ann", 9_999).unwrap();
    assert_eq!((bid.outcome, bid.price, bid.max), (BidOutcome::Bought, Some(amount(8_300)), amount(9_999)));
    assert_eq!(room.auction.rules().outcome(), sold("ann", 8_300));
    assert_eq!(room.bid_at(62, "bob", 9_999), Err(LATE));
}

#[test]
fn an_acceptance_closes_at_once_and_tells_the_bid_and_the_close() {
    let mut room = Room::open(dutch());
    let bid = room.bid_at(61, "ann", 8_300).unwrap();
    let outcome = sold("ann", 8_300);
    let closed = State::Closed { ends_at: at(61), closed_at: at(61), outcome: outcome.clone(), decline_until: None };
    assert_eq!(room.auction.state(), &closed);
    let events = room.events();
    let [_, placed, end] = &events[..] else { panic!("{events:?}") };
    let Happening::BidPlaced { price, leader, displaced, bid_count, outcome: told, ends_at, reserve, .. } =
        &placed.what
    else {
        panic!("{placed:?}")
    };
    assert_eq!((*price, leader, displaced, *bid_count), (amount(8_300), &user("ann"), &None, 1));
    assert_eq!((*told, *ends_at, *reserve), (BidOutcome::Bought, at(61), ReserveStatus::None));
    assert!(
        matches!(&end.what, Happening::Closed { outcome: said, ended_at, .. } if *said == outcome && *ended_at == at(61))
    );
    assert_eq!([placed.sequence, end.sequence, bid.sequence], [2, 3, 3]);
    assert_eq!(room.log.len(), 2, "one decision");
}

#[test]
fn an_acceptance_below_the_price_of_the_moment_is_refused_and_says_what_it_asks() {
    let mut room = Room::open(dutch());
    assert_eq!(room.bid_at(59, "ann", 8_300), Err(too_low(10_000)));
    assert_eq!(room.bid_at(60, "ann", 8_299), Err(too_low(8_300)));
    assert!(room.bid_at(60, "ann", 8_300).is_ok());
}

#[test]
fn it_is_taken_whole_and_by_bidding_only() {
    let mut room = Room::open(dutch());
    for quantity in [0, 2] {
        assert_eq!(room.bid_units("ann", 10_000, quantity), Err(Refusal::QuantityNotOffered { largest: 1 }));
    }
    assert_eq!(room.buy_now_at(1, "ann"), Err(Refusal::BuyNowGone));
}

#[test]
fn it_can_be_taken_at_the_floor_until_the_end_and_not_at_it() {
    let mut room = Room::open(dutch());
    assert_eq!(room.bid_at(END_S, "ann", 10_000), Err(LATE));
    room.bid_at(END_S - 1, "ann", 4_000).unwrap();
    assert_eq!(room.auction.rules().outcome(), sold("ann", 4_000));
}

#[test]
fn when_nobody_takes_it_it_ends_without_bids_and_without_a_price() {
    let mut room = Room::open(dutch());
    assert_eq!(room.close(), Outcome::NoBids);
    assert_eq!(room.view("ann").price, None);
}

#[test]
fn a_pause_stops_the_fall_and_it_goes_on_where_it_stood() {
    let mut room = Room::open(dutch());
    room.pause_at(70).unwrap();
    assert_eq!([70, 119, 120, 1_000].map(|second| room.price_at(second)), [8_300; 4]);
    room.resume_at(1_000).unwrap();
    assert_eq!([1_000, 1_049, 1_050, 1_110].map(|second| room.price_at(second)), [8_300, 8_300, 6_600, 4_900]);
    room.bid_at(1_049, "ann", 8_300).unwrap();
    assert_eq!(room.auction.rules().outcome(), sold("ann", 8_300));
}

#[test]
fn two_pauses_and_a_halt_stop_the_fall_for_as_long_as_all_of_them() {
    let mut room = Room::open(dutch());
    room.pause_at(10).unwrap();
    room.resume_at(110).unwrap();
    room.pause_at(120).unwrap();
    room.resume_at(320).unwrap();
    room.catch_up_at(430, &[halt(1, 330, Some(430))]);
    assert_eq!(room.price_at(430), 10_000, "30 seconds of 430 were open");
    assert_eq!([459, 460].map(|second| room.price_at(second)), [10_000, 8_300]);
}

#[test]
fn an_outage_at_any_time_stops_the_fall_because_nobody_could_have_taken_the_lot() {
    let mut room = Room::open(dutch());
    room.catch_up_at(130, &[downtime(1, 50, 130)]);
    assert_eq!([130, 139, 140].map(|second| room.price_at(second)), [10_000, 10_000, 8_300]);
    room.assert_ends(END_S + 80);
}

#[test]
fn a_fall_that_no_number_could_hold_ends_at_the_floor() {
    let terms = DutchTerms { start_price: Amount::MAX, floor_price: amount(1), step: Amount::MAX, step_every_s: 1 };
    let room = Room::open(terms);
    assert_eq!([0, 1, 3_000].map(|second| room.price_at(second)), [Amount::MAX.minor(), 1, 1]);
}

#[test]
fn the_floor_lies_above_nothing_and_below_the_start_and_steps_are_positive() {
    let check = |terms: DutchTerms| Terms::new(sale(), terms.into_format()).err();
    assert_eq!(check(dutch()), None);
    assert_eq!(check(DutchTerms { floor_price: amount(0), ..dutch() }), Some(TermsFault::FloorPriceNotPositive));
    assert_eq!(check(DutchTerms { floor_price: amount(10_000), ..dutch() }), Some(TermsFault::FloorNotBelowStart));
    assert_eq!(check(DutchTerms { floor_price: amount(9_999), ..dutch() }), None);
    assert_eq!(check(DutchTerms { step: amount(0), ..dutch() }), Some(TermsFault::StepNotPositive));
    assert_eq!(check(DutchTerms { step_every_s: 0, ..dutch() }), Some(TermsFault::StepNotPositive));
}
