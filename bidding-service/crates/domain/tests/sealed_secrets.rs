//! Nothing of a sealed auction is seen before its close, and of a Vickrey auction's bids nothing ever.

mod support;

use bidding_domain::{
    alias::Alias,
    format::{FormatTerms, ReserveStatus},
    views::{AuctionView, BidView, EventView},
};
use support::{END_S, Room, aliases, amount, every_format, first_price, sold, user, vickrey};

const BOTH: [fn(i64, Option<i64>) -> FormatTerms; 2] = [first_price, vickrey];

/// A lot from 5.00 on with a reserve of 20.00 and three bids.
fn room(format: FormatTerms) -> Room {
    let mut room = Room::open(format);
    for (bidder, max) in [("ann", 3_456), ("bob", 2_345), ("cay", 1_234)] {
        room.bid(bidder, max).unwrap();
    }
    room
}

fn history(room: &Room) -> Vec<BidView> {
    room.bids().iter().map(|bid| BidView::of(bid, None, room.auction.rules(), &user("bob"), &aliases())).collect()
}

#[test]
fn before_the_close_the_auction_looks_as_if_nobody_had_bid_to_bidders_and_strangers() {
    for format in BOTH {
        let mut empty = Room::open(format(500, Some(2_000)));
        empty.second = 1;
        let room = room(format(500, Some(2_000)));
        for viewer in ["ann", "bob", "dan", support::SELLER] {
            assert_eq!(room.view(viewer), empty.view(viewer), "{viewer}");
        }
    }
}

#[test]
fn before_the_close_price_count_leader_and_reserve_are_hidden() {
    for format in BOTH {
        let AuctionView { price, bid_count, leader, you_lead, next_minimum, reserve, .. } =
            room(format(500, Some(2_000))).view("ann");
        assert_eq!((price, bid_count, leader, you_lead), (None, None, None, false));
        assert_eq!((next_minimum, reserve), (amount(500), ReserveStatus::NotMet));
    }
}

#[test]
fn bids_are_told_to_nobody_and_take_no_sequence_number() {
    for format in BOTH {
        let room = room(format(500, None));
        assert_eq!((room.events().len(), room.auction.sequence(), room.log.len()), (1, 1, 4));
        let bids = room.bids();
        assert!(bids.iter().all(|bid| bid.sequence == 1 && bid.price.is_none()));
        assert_eq!(bids.iter().map(|bid| bid.number).collect::<Vec<_>>(), [2, 3, 4]);
    }
}

#[test]
fn the_history_is_a_secret_until_the_close_and_that_of_other_formats_never() {
    for format in every_format() {
        let mut room = Room::open(format);
        let sealed = room.auction.rules().is_sealed();
        assert_eq!(room.auction.keeps_bids_secret(), sealed);
        room.pause_at(5).unwrap();
        assert_eq!(room.auction.keeps_bids_secret(), sealed);
        room.resume_at(6).unwrap();
        room.close();
        assert!(!room.auction.keeps_bids_secret());
    }
}

#[test]
fn after_the_close_price_winner_and_count_are_seen() {
    for (format, pays) in BOTH.into_iter().zip([3_456, 2_345]) {
        let mut room = room(format(500, Some(2_000)));
        assert_eq!(room.close(), sold("ann", pays));
        let seen = room.view("ann");
        assert_eq!((seen.price, seen.bid_count, seen.you_lead), (Some(amount(pays)), Some(3), true));
        assert_eq!(seen.leader, Some(aliases().of(room.auction.id(), &user("ann"))));
        assert_eq!((seen.reserve, seen.result.unwrap().price), (ReserveStatus::Met, Some(amount(pays))));
    }
}

#[test]
fn when_the_reserve_was_not_met_the_close_tells_no_price_and_no_leader() {
    for format in BOTH {
        let mut room = room(format(500, Some(9_000)));
        room.close();
        let seen = room.view("ann");
        assert_eq!((seen.price, seen.leader, seen.you_lead, seen.bid_count), (None, None, false, Some(3)));
        let told = serde_json::to_string(&room.events()).unwrap();
        for secret in ["3456", "2345", "1234"] {
            assert!(!told.contains(secret), "{told}");
        }
    }
}

#[test]
fn at_first_price_the_bids_are_read_out_after_the_close() {
    let mut room = room(first_price(500, None));
    room.close();
    let amounts: Vec<_> = history(&room).iter().map(|bid| bid.price.map(Into::<i64>::into)).collect();
    assert_eq!(amounts, [Some(3_456), Some(2_345), Some(1_234)]);
}

#[test]
fn the_amounts_of_vickrey_bids_are_never_read_out_but_the_one_that_is_paid() {
    let mut room = room(vickrey(500, None));
    room.close_at(END_S).unwrap();
    let history = history(&room);
    assert_eq!(history.len(), 3);
    let stream: Vec<_> =
        room.events().iter().filter_map(|event| EventView::of(event, &user("bob"), &aliases())).collect();
    let told = serde_json::to_string(&(history, stream, room.view("bob"), room.events())).unwrap();
    assert!(told.contains("2345"), "the price is told: {told}");
    for secret in ["3456", "1234"] {
        assert!(!told.contains(secret), "{secret} in {told}");
    }
}

#[test]
fn refusals_tell_nothing_of_other_bids() {
    for format in BOTH {
        let (mut empty, mut full) = (Room::open(format(500, None)), room(format(500, None)));
        for max in [1, 499] {
            assert_eq!(full.bid("dan", max), empty.bid("dan", max));
        }
        assert_eq!(full.buy_now_at(2, "dan"), empty.buy_now_at(2, "dan"));
    }
}

#[test]
fn aliases_of_a_bidder_differ_between_auctions() {
    let room = room(first_price(500, None));
    let other = bidding_domain::ids::AuctionId(uuid::Uuid::from_u128(2));
    let names: [Alias; 2] = [room.auction.id(), other].map(|auction| aliases().of(auction, &user("ann")));
    assert_ne!(names[0], names[1]);
}
