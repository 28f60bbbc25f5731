//! Proxy bidding: the published worked examples, and the rule's edges.

mod support;

use bidding_domain::{
    bid::{Ask, BidOutcome, Order, Refusal},
    english::EnglishTerms,
    event::Happening,
    format::ReserveStatus,
    increments::Preset,
    money::Amount,
};
use support::{Room, amount, falling, flat, lot, preset, sold, too_low, user};

/// A room with an increment of 1.00 at every price.
fn by_one(start_price: i64) -> Room {
    Room::open(lot(start_price, flat(100)))
}

fn with_reserve(start_price: i64, reserve_price: i64) -> Room {
    Room::open(EnglishTerms { reserve_price: Some(amount(reserve_price)), ..lot(start_price, flat(100)) })
}

#[test]
fn p1_two_bidders_raise_each_other_by_the_increment_of_the_lower_maximum() {
    let mut room = by_one(500);
    for (bidder, max, price) in
        [("ann", 500, 500), ("bob", 601, 600), ("ann", 800, 701), ("bob", 1_500, 900), ("ann", 1_502, 1_502)]
    {
        let bid = room.bid(bidder, max).unwrap();
        assert_eq!(bid.outcome, BidOutcome::Leading);
        room.assert_stands(bidder, price);
    }
}

#[test]
fn p2_the_next_minimum_is_the_price_plus_its_increment_and_not_the_hidden_maximum() {
    let mut room = by_one(1_000);
    room.bid("ann", 1_100).unwrap();
    assert_eq!((room.price(), room.next_minimum()), (1_000, 1_100));
    room.bid("bob", 1_102).unwrap();
    room.assert_stands("bob", 1_102);
    assert_eq!(room.next_minimum(), 1_202);
}

#[test]
fn p3_a_challenger_pays_no_more_than_the_own_maximum_when_less_than_an_increment_ahead() {
    let mut room = Room::open(lot(500, preset(Preset::EbayUk)));
    room.bid("ann", 2_000).unwrap();
    assert_eq!(room.bid("bob", 900).unwrap().outcome, BidOutcome::Outbid);
    room.assert_stands("ann", 950);
    assert_eq!(room.bid("cay", 2_001).unwrap().outcome, BidOutcome::Leading);
    room.assert_stands("cay", 2_001);
}

#[test]
fn p4_the_next_minimum_after_127_50_is_130_by_ebay_us() {
    let mut room = Room::open(lot(12_750, preset(Preset::EbayUs)));
    room.bid("ann", 20_000).unwrap();
    assert_eq!((room.price(), room.next_minimum()), (12_750, 13_000));
}

#[test]
fn p5_a_maximum_below_the_reserve_leaves_it_unmet_and_one_that_reaches_it_lifts_the_price_to_it() {
    let mut room = with_reserve(100, 10_000);
    room.bid("ann", 5_000).unwrap();
    room.assert_stands("ann", 100);
    assert_eq!(room.reserve(), ReserveStatus::NotMet);
    room.bid("bob", 15_000).unwrap();
    room.assert_stands("bob", 10_000);
    assert_eq!(room.reserve(), ReserveStatus::Met);
}

#[test]
fn p6_a_bid_equal_to_the_reserve_meets_it() {
    let mut room = with_reserve(100, 10_000);
    room.bid("ann", 10_000).unwrap();
    assert_eq!((room.price(), room.reserve()), (10_000, ReserveStatus::Met));
    assert_eq!(room.close(), sold("ann", 10_000));
}

#[test]
fn below_the_reserve_the_price_follows_the_rule() {
    let mut room = with_reserve(100, 10_000);
    room.bid("ann", 5_000).unwrap();
    room.bid("bob", 3_000).unwrap();
    room.assert_stands("ann", 3_100);
    assert_eq!(room.reserve(), ReserveStatus::NotMet);
}

#[test]
fn above_the_reserve_the_price_follows_the_rule() {
    let mut room = with_reserve(100, 10_000);
    room.bid("ann", 20_000).unwrap();
    room.bid("bob", 12_000).unwrap();
    room.assert_stands("ann", 12_100);
    assert_eq!(room.reserve(), ReserveStatus::Met);
}

#[test]
fn a_lot_without_reserve_says_so() {
    let mut room = by_one(500);
    assert_eq!(room.reserve(), ReserveStatus::None);
    room.bid("ann", 500).unwrap();
    assert_eq!(room.reserve(), ReserveStatus::None);
}

#[test]
fn the_first_bid_stands_at_the_start_price_whatever_its_maximum() {
    let mut room = by_one(500);
    assert_eq!(room.next_minimum(), 500);
    room.bid("ann", 99_900).unwrap();
    room.assert_stands("ann", 500);
}

#[test]
fn the_first_bid_must_reach_the_start_price() {
    let mut room = by_one(500);
    assert_eq!(room.bid("ann", 499), Err(too_low(500)));
    assert!(room.bid("ann", 500).is_ok());
}

#[test]
fn a_challenger_must_reach_the_next_minimum() {
    let mut room = by_one(500);
    room.bid("ann", 500).unwrap();
    assert_eq!(room.bid("bob", 599), Err(too_low(600)));
    assert_eq!(room.bid("bob", 600).unwrap().outcome, BidOutcome::Leading);
}

#[test]
fn of_equal_maxima_the_earlier_leads_at_that_amount() {
    let mut room = by_one(500);
    room.bid("ann", 2_000).unwrap();
    assert_eq!(room.bid("bob", 2_000).unwrap().outcome, BidOutcome::Outbid);
    room.assert_stands("ann", 2_000);
    assert_eq!(room.next_minimum(), 2_100);
}

#[test]
fn raising_the_own_maximum_leaves_the_price() {
    let mut room = by_one(500);
    room.bid("ann", 1_000).unwrap();
    room.bid("bob", 700).unwrap();
    room.assert_stands("ann", 800);
    assert_eq!(room.bid("ann", 1_001).unwrap().outcome, BidOutcome::MaxRaised);
    room.assert_stands("ann", 800);
    assert_eq!(room.bid("bob", 1_001).unwrap().outcome, BidOutcome::Outbid, "the raised maximum answers");
}

#[test]
fn an_own_maximum_may_be_raised_by_less_than_an_increment() {
    let mut room = by_one(500);
    room.bid("ann", 500).unwrap();
    assert_eq!(room.bid("ann", 501).unwrap().outcome, BidOutcome::MaxRaised);
}

#[test]
fn an_equal_or_lower_own_maximum_is_refused() {
    let mut room = by_one(500);
    room.bid("ann", 1_000).unwrap();
    for max in [1_000, 999, 1] {
        assert_eq!(room.bid("ann", max), Err(Refusal::MaxNotRaised), "{max}");
    }
}

#[test]
fn raising_the_own_maximum_to_the_reserve_lifts_the_price_to_it() {
    let mut room = with_reserve(100, 10_000);
    room.bid("ann", 5_000).unwrap();
    room.bid("ann", 9_999).unwrap();
    assert_eq!((room.price(), room.reserve()), (100, ReserveStatus::NotMet));
    assert_eq!(room.bid("ann", 10_000).unwrap().outcome, BidOutcome::MaxRaised);
    assert_eq!((room.price(), room.reserve()), (10_000, ReserveStatus::Met));
    room.bid("ann", 50_000).unwrap();
    assert_eq!(room.price(), 10_000, "a met reserve lifts nothing more");
}

#[test]
fn a_reserve_at_or_below_the_start_price_is_met_by_the_first_bid() {
    let mut room = with_reserve(500, 300);
    room.bid("ann", 500).unwrap();
    assert_eq!((room.price(), room.reserve()), (500, ReserveStatus::Met));
}

#[test]
fn a_bid_so_large_that_no_next_one_could_be_expressed_is_refused() {
    let mut room = by_one(500);
    let largest = Amount::MAX.minor() - 100;
    assert_eq!(room.bid("ann", largest + 1), Err(Refusal::AmountTooLarge { largest: amount(largest) }));
    room.bid("ann", largest).unwrap();
    room.bid("bob", largest).unwrap();
    room.assert_stands("ann", largest);
    assert_eq!(room.next_minimum(), Amount::MAX.minor());
}

#[test]
fn a_table_whose_increments_fall_never_lets_the_price_fall() {
    let mut room = Room::open(lot(900, falling()));
    room.bid("ann", 1_950).unwrap();
    assert_eq!(room.next_minimum(), 1_900);
    room.bid("bob", 1_900).unwrap();
    room.assert_stands("ann", 1_901);
}

#[test]
fn an_event_names_whom_a_bid_displaced_and_nobody_else() {
    let mut room = by_one(500);
    for (bidder, max) in [("ann", 1_000), ("bob", 700), ("ann", 1_100), ("cay", 2_000)] {
        room.bid(bidder, max).unwrap();
    }
    let displaced: Vec<_> = room
        .happenings()
        .into_iter()
        .filter_map(|what| if let Happening::BidPlaced { displaced, .. } = what { Some(displaced) } else { None })
        .collect();
    assert_eq!(displaced, [None, None, None, Some(user("ann"))]);
}

#[test]
fn a_lot_of_one_unit_takes_bids_for_one_unit_only() {
    let mut room = by_one(500);
    for quantity in [0, 2] {
        assert_eq!(room.bid_units("ann", 900, quantity), Err(Refusal::QuantityNotOffered { largest: 1 }));
    }
}

#[test]
fn the_count_counts_accepted_bids_only() {
    let mut room = by_one(500);
    room.bid("ann", 1_000).unwrap();
    room.bid("bob", 700).unwrap();
    room.bid("ann", 1_100).unwrap();
    assert!(room.bid("bob", 700).is_err());
    assert_eq!(room.bid_count(), 3);
}

#[test]
fn the_seller_and_suspended_bidders_are_refused_before_the_price_is_looked_at() {
    let mut room = by_one(500);
    assert_eq!(room.bid(support::SELLER, 1), Err(Refusal::SellerMayNotBid));
    let ask = Ask::Bid { max: amount(1), quantity: 1 };
    let order = Order { bid_id: room.next_bid(), bidder: user("ann"), ask, suspended: true };
    assert_eq!(room.order(&order, 1), Err(Refusal::BidderSuspended));
    assert_eq!(room.bid_count(), 0);
}

#[test]
fn a_refused_bid_leaves_the_auction_as_it_was() {
    let mut room = by_one(500);
    room.bid("ann", 1_000).unwrap();
    let before = (room.auction.clone(), room.log.clone());
    for (bidder, max) in [("bob", 1), ("ann", 900), (support::SELLER, 9_999), ("bob", Amount::MAX.minor())] {
        assert!(room.bid(bidder, max).is_err(), "{bidder} {max}");
    }
    assert_eq!((room.auction, room.log), before);
}
