//! Sealed bids at second price: the highest wins and pays what would have been enough.

mod support;

use bidding_domain::format::Outcome;
use support::{Room, sold, vickrey};

/// How a lot from 5.00 on ends after these bids.
fn ends(reserve_price: Option<i64>, bids: &[(&str, i64)]) -> Outcome {
    let mut room = Room::open(vickrey(500, reserve_price));
    for (bidder, max) in bids {
        room.bid(bidder, *max).unwrap();
    }
    room.close()
}

#[test]
fn the_highest_wins_and_pays_the_second_highest() {
    assert_eq!(ends(None, &[("ann", 700), ("bob", 900), ("cay", 800)]), sold("bob", 800));
    assert_eq!(ends(None, &[("bob", 900), ("cay", 800), ("ann", 700)]), sold("bob", 800));
}

#[test]
fn a_lone_bidder_pays_the_start_price_and_not_the_own_bid() {
    assert_eq!(ends(None, &[("ann", 9_900)]), sold("ann", 500));
}

#[test]
fn a_lone_bidder_pays_the_reserve_when_it_is_above_the_start_price() {
    assert_eq!(ends(Some(2_000), &[("ann", 9_900)]), sold("ann", 2_000));
    assert_eq!(ends(Some(300), &[("ann", 9_900)]), sold("ann", 500));
}

#[test]
fn a_bidder_who_bids_twice_is_still_alone() {
    assert_eq!(ends(None, &[("ann", 700), ("ann", 900), ("ann", 800)]), sold("ann", 500));
}

#[test]
fn the_winner_pays_the_reserve_when_only_the_own_bid_reaches_it() {
    assert_eq!(ends(Some(2_000), &[("ann", 1_500), ("bob", 2_500)]), sold("bob", 2_000));
    assert_eq!(ends(Some(2_000), &[("ann", 2_100), ("bob", 2_500)]), sold("bob", 2_100));
}

#[test]
fn a_bid_equal_to_the_reserve_wins_and_one_below_it_does_not() {
    assert_eq!(ends(Some(2_000), &[("ann", 2_000)]), sold("ann", 2_000));
    assert_eq!(ends(Some(2_000), &[("ann", 1_999), ("bob", 1_000)]), Outcome::ReserveNotMet { price: None });
}

#[test]
fn the_earliest_of_equal_bids_wins_and_pays_that_amount() {
    assert_eq!(ends(None, &[("ann", 900), ("bob", 900), ("cay", 700)]), sold("ann", 900));
}

#[test]
fn a_winner_never_bids_against_the_own_lower_bid() {
    assert_eq!(ends(None, &[("ann", 800), ("bob", 600), ("ann", 900)]), sold("ann", 600));
    assert_eq!(ends(None, &[("ann", 600), ("bob", 700), ("ann", 900)]), sold("ann", 700));
    assert_eq!(ends(None, &[("ann", 600), ("bob", 700), ("ann", 900), ("bob", 800)]), sold("ann", 800));
}

#[test]
fn without_bids_nobody_wins() {
    assert_eq!(ends(Some(2_000), &[]), Outcome::NoBids);
}
