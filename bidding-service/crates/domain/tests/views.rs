//! What a bidder sees of an auction, of its history and of its stream.

mod support;

use bidding_domain::{
    alias::Aliases,
    auction::Status,
    english::EnglishTerms,
    format::ReserveStatus,
    views::{AuctionView, BidView, EventView, HappeningView, ResultOutcome},
};
use serde_json::Value;
use support::{Room, amount, at, flat, lot, scheduled, user};

fn aliases() -> Aliases {
    Aliases::new(&[7; 32]).unwrap()
}

fn view(room: &Room, viewer: &str) -> AuctionView {
    AuctionView::of(&room.auction, at(5), &user(viewer), &aliases())
}

fn contested() -> Room {
    let mut room = Room::open(EnglishTerms { reserve_price: Some(amount(5_000)), ..lot(500, flat(100)) });
    room.bid("ann", 1_234).unwrap();
    room.bid("bob", 777).unwrap();
    room
}

#[test]
fn an_auction_shows_price_next_minimum_and_the_leaders_alias() {
    let room = contested();
    let seen = view(&room, "bob");
    assert_eq!((seen.price, seen.next_minimum, seen.bid_count), (Some(amount(877)), amount(977), 2));
    assert_eq!(seen.leader, Some(aliases().of(room.auction.id(), &user("ann"))));
    assert_eq!((seen.you_lead, view(&room, "ann").you_lead), (false, true));
    assert_eq!((seen.status, seen.reserve, seen.result), (Status::Open, ReserveStatus::NotMet, None));
    assert_eq!((seen.server_time, seen.sequence), (at(5), 3));
}

#[test]
fn an_auction_has_exactly_the_members_of_the_api() {
    let json = serde_json::to_value(view(&contested(), "ann")).unwrap();
    let members: Vec<_> = json.as_object().unwrap().keys().map(String::as_str).collect();
    let expected = "bid_count currency ends_at id leader next_minimum price reserve result sequence \
                    server_time starts_at status you_lead";
    assert_eq!(members.join(" "), expected);
    assert_eq!(json["reserve"], "not_met");
    assert_eq!(json["result"], Value::Null);
}

#[test]
fn an_auction_without_bids_shows_no_price_and_no_leader() {
    let auction = scheduled(lot(500, flat(100)));
    let seen = AuctionView::of(&auction, at(-5), &user("ann"), &aliases());
    assert_eq!((seen.price, seen.leader, seen.you_lead), (None, None, false));
    assert_eq!((seen.status, seen.next_minimum), (Status::Scheduled, amount(500)));
}

#[test]
fn a_result_tells_how_it_ended_and_at_which_price() {
    let mut unsold = contested();
    unsold.close();
    let result = view(&unsold, "ann").result.unwrap();
    assert_eq!((result.outcome, result.price), (ResultOutcome::ReserveNotMet, Some(amount(877))));

    let mut sold = contested();
    sold.bid("cay", 9_000).unwrap();
    sold.close();
    let result = view(&sold, "ann").result.unwrap();
    assert_eq!((result.outcome, result.price), (ResultOutcome::Sold, Some(amount(5_000))));

    let mut empty = Room::open(lot(500, flat(100)));
    empty.close();
    let result = view(&empty, "ann").result.unwrap();
    assert_eq!((result.outcome, result.price), (ResultOutcome::NoBids, None));

    let auction = scheduled(lot(500, flat(100))).cancel(&user(support::SELLER), at(1)).unwrap().auction;
    let result = AuctionView::of(&auction, at(5), &user("ann"), &aliases()).result.unwrap();
    assert_eq!((result.outcome, result.price), (ResultOutcome::Cancelled, None));
}

#[test]
fn the_stream_tells_the_winner_by_alias_and_ends_with_the_auction() {
    let mut room = contested();
    room.bid("cay", 9_000).unwrap();
    room.close();
    let seen: Vec<_> = room.events.iter().map(|event| EventView::of(event, &user("cay"), &aliases())).collect();
    let last: Vec<_> = seen.iter().map(EventView::is_last).collect();
    assert_eq!(last, [false, false, false, false, true]);
    let HappeningView::Closed { winner, you_won, .. } = &seen[4].what else { panic!("{seen:?}") };
    assert_eq!((winner, *you_won), (&Some(aliases().of(room.auction.id(), &user("cay"))), true));
}

#[test]
fn no_view_tells_a_name_or_a_maximum() {
    let mut room = contested();
    room.bid("cay", 9_876).unwrap();
    room.close();
    let mut told = serde_json::to_string(&view(&room, "ann")).unwrap();
    for bid in &room.bids {
        told += &serde_json::to_string(&BidView::of(bid, &user("ann"), &aliases())).unwrap();
    }
    for event in &room.events {
        told += &serde_json::to_string(&EventView::of(event, &user("ann"), &aliases())).unwrap();
    }
    for secret in ["\"ann\"", "\"bob\"", "\"cay\"", "\"sam\"", "1234", "9876", ":777"] {
        assert!(!told.contains(secret), "{secret} in {told}");
    }
}

#[test]
fn the_history_shows_each_bidder_the_own_bids() {
    let room = contested();
    let yours: Vec<_> =
        room.bids.iter().map(|bid| BidView::of(bid, &user("bob"), &aliases())).map(|bid| bid.yours).collect();
    assert_eq!(yours, [false, true]);
}
