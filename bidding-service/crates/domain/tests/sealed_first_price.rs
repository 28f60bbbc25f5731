//! Sealed bids at first price: the highest wins and pays its bid.

mod support;

use bidding_domain::{
    bid::{BidOutcome, Refusal},
    format::{FormatTerms, Outcome, ReserveStatus},
    sealed::SealedTerms,
    terms::{Terms, TermsFault},
    views::ResultOutcome,
};
use support::{END_S, LATE, Room, amount, first_price, sale, sold, too_low};

#[test]
fn the_highest_bid_wins_and_pays_its_own_amount() {
    let mut room = Room::open(first_price(500, None));
    for (bidder, max) in [("ann", 700), ("bob", 900), ("cay", 800)] {
        assert_eq!(room.bid(bidder, max).unwrap().outcome, BidOutcome::Sealed);
    }
    assert_eq!(room.close(), sold("bob", 900));
}

#[test]
fn the_earliest_of_equal_bids_wins() {
    let mut room = Room::open(first_price(500, None));
    for bidder in ["ann", "bob", "cay"] {
        room.bid(bidder, 900).unwrap();
    }
    assert_eq!(room.close(), sold("ann", 900));
}

#[test]
fn a_bidders_highest_bid_counts_from_when_it_was_made() {
    let mut room = Room::open(first_price(500, None));
    for (bidder, max) in [("ann", 600), ("bob", 900), ("ann", 900), ("ann", 700)] {
        room.bid(bidder, max).unwrap();
    }
    assert_eq!(room.clone().close(), sold("bob", 900), "at 900 bob was first");
    room.bid("ann", 901).unwrap();
    room.bid("ann", 650).unwrap();
    assert_eq!(room.close(), sold("ann", 901), "a lower bid takes nothing back");
}

#[test]
fn a_bid_below_the_start_price_is_refused_whatever_was_bid() {
    let mut room = Room::open(first_price(500, None));
    room.bid("ann", 9_900).unwrap();
    assert_eq!(room.bid("bob", 499), Err(too_low(500)));
    assert!(room.bid("bob", 500).is_ok());
}

#[test]
fn a_bid_is_for_one_unit() {
    let mut room = Room::open(first_price(500, None));
    for quantity in [0, 2] {
        assert_eq!(room.bid_units("ann", 900, quantity), Err(Refusal::QuantityNotOffered { largest: 1 }));
    }
}

#[test]
fn a_bid_equal_to_the_reserve_wins_and_one_below_it_does_not() {
    let mut room = Room::open(first_price(500, Some(2_000)));
    room.bid("ann", 1_999).unwrap();
    assert_eq!(room.clone().close(), Outcome::ReserveNotMet { price: None });
    room.bid("bob", 2_000).unwrap();
    assert_eq!(room.close(), sold("bob", 2_000));
}

#[test]
fn without_bids_nobody_wins() {
    assert_eq!(Room::open(first_price(500, None)).close(), Outcome::NoBids);
}

#[test]
fn late_bids_do_not_extend_and_one_at_the_end_is_late() {
    let mut room = Room::open(first_price(500, None));
    room.bid_at(END_S - 1, "ann", 900).unwrap();
    room.assert_ends(END_S);
    assert_eq!(room.bid_at(END_S, "bob", 9_900), Err(LATE));
}

#[test]
fn whether_the_reserve_is_met_shows_only_after_the_close() {
    let mut room = Room::open(first_price(500, Some(2_000)));
    assert_eq!(room.reserve(), ReserveStatus::NotMet);
    room.bid("ann", 3_000).unwrap();
    assert_eq!(room.reserve(), ReserveStatus::NotMet);
    room.close();
    assert_eq!(room.reserve(), ReserveStatus::Met);
    assert_eq!(room.view("bob").result.unwrap().outcome, ResultOutcome::Sold);
}

#[test]
fn start_price_and_reserve_are_positive() {
    let check = |start_price, reserve_price: Option<u32>| {
        let terms = SealedTerms { start_price: amount(start_price), reserve_price: reserve_price.map(Into::into) };
        let formats = [FormatTerms::SealedFirstPrice(terms.clone()), FormatTerms::Vickrey(terms)];
        formats.map(|format| Terms::new(sale(), format).err())
    };
    assert_eq!(check(0, None), [Some(TermsFault::StartPriceNotPositive); 2]);
    assert_eq!(check(1, Some(0)), [Some(TermsFault::ReservePriceNotPositive); 2]);
    assert_eq!(check(1, Some(1)), [None; 2]);
}
