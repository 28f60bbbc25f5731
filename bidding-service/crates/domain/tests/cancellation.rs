//! A lot is taken back: by its seller before the first bid, by the operator any time.

mod support;

use bidding_domain::{
    auction::{Attempt, CancelledBy, Objection, State, Transition},
    english::EnglishTerms,
    event::Happening,
    views::ResultOutcome,
};
use support::{END_S, Room, SELLER, at, every_format, first_price, flat, lot, objection, scheduled, user, vickrey};

fn plain() -> EnglishTerms {
    lot(500, flat(100))
}

#[test]
fn the_seller_takes_a_lot_back_before_the_first_bid() {
    for auction in [scheduled(plain()), Room::open(plain()).auction] {
        let Transition { auction, entries } = auction.cancel(&user(SELLER), at(5)).unwrap();
        assert_eq!(auction.state(), &State::Cancelled { by: CancelledBy::Seller, at: at(5) });
        let told = Happening::Cancelled { seller: user(SELLER), by: CancelledBy::Seller, reason: None };
        assert_eq!(entries[0].record.told, [told]);
        assert_eq!(entries[0].sequence, auction.sequence());
    }
}

#[test]
fn an_auction_with_a_bid_goes_on_when_its_seller_wants_it_back() {
    let mut room = Room::open(plain());
    room.bid("ann", 500).unwrap();
    let refused = room.auction.cancel(&user(SELLER), at(5));
    assert_eq!(objection(&refused), Some((Attempt::Cancel, Objection::HasBids)));
}

#[test]
fn nobody_but_its_seller_takes_a_lot_back() {
    let refused = scheduled(plain()).cancel(&user("ann"), at(5));
    assert_eq!(objection(&refused), Some((Attempt::Cancel, Objection::NotTheSeller)));
}

#[test]
fn an_auction_past_its_end_is_closed_and_not_cancelled() {
    let refused = Room::open(plain()).auction.cancel(&user(SELLER), at(END_S));
    assert_eq!(objection(&refused), Some((Attempt::Cancel, Objection::Over)));
}

#[test]
fn a_paused_auction_without_bids_is_still_its_sellers_to_take_back() {
    let mut room = Room::open(plain());
    room.pause_at(5).unwrap();
    assert!(room.auction.clone().cancel(&user(SELLER), at(END_S + 5)).is_ok());
}

#[test]
fn the_operator_takes_any_lot_back_at_any_time_whoever_bid_and_the_reason_is_kept() {
    for format in every_format() {
        let before_the_start = Room::from(scheduled(format.clone()));
        let open = Room::open(format);
        let mut paused = open.clone();
        paused.pause_at(5).unwrap();
        let mut with_a_bid = open.clone();
        if open.auction.kind() != "dutch" {
            with_a_bid.bid("ann", 9_900).unwrap();
        }
        for mut room in [before_the_start, open, paused, with_a_bid] {
            room.apply(7, |auction, now| auction.cancel_by_operator("stolen goods", now)).unwrap();
            assert_eq!(room.auction.state(), &State::Cancelled { by: CancelledBy::Operator, at: at(7) });
            let reason = Some("stolen goods".to_owned());
            let told = Happening::Cancelled { seller: user(SELLER), by: CancelledBy::Operator, reason };
            assert_eq!(room.happenings().last(), Some(&told));
            assert!(serde_json::to_string(&room.log.last().unwrap().record.decided).unwrap().contains("stolen goods"));
            let result = room.view("ann").result.unwrap();
            assert_eq!((result.outcome, result.price), (ResultOutcome::Cancelled, None));
        }
    }
}

#[test]
fn the_operator_does_not_take_back_what_is_over() {
    let mut room = Room::open(plain());
    room.close();
    let refused = room.apply(END_S + 1, |auction, now| auction.cancel_by_operator("too late", now));
    assert_eq!(refused, Err((Attempt::Cancel, Objection::WrongState)));
}

#[test]
fn sealed_bids_of_a_cancelled_auction_stay_a_secret_for_good() {
    for format in [first_price(500, None), vickrey(500, None)] {
        let mut room = Room::open(format);
        room.bid("ann", 9_900).unwrap();
        room.bid("bob", 8_800).unwrap();
        room.apply(7, |auction, now| auction.cancel_by_operator("stolen goods", now)).unwrap();
        let seen = room.view("ann");
        assert_eq!((seen.price, seen.leader, seen.bid_count, seen.you_lead), (None, None, None, false));
        assert!(room.auction.keeps_bids_secret());
    }
}
