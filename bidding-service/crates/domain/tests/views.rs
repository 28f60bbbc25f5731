//! What a bidder sees of an auction, of its history and of its stream.

mod support;

use bidding_domain::{
    auction::Status,
    bid::BidOutcome,
    english::EnglishTerms,
    format::ReserveStatus,
    views::{AuctionView, BidView, EventView, HappeningView, ResultOutcome},
};
use serde_json::Value;
use support::{Room, aliases, amount, at, five_units, flat, lot, scheduled, user};

fn view(room: &Room, viewer: &str) -> AuctionView {
    AuctionView::of(&room.auction, at(5), &user(viewer), &aliases())
}

/// The history as `viewer` sees it.
fn history(room: &Room, viewer: &str) -> Vec<BidView> {
    room.bids().iter().map(|bid| BidView::of(bid, None, room.auction.rules(), &user(viewer), &aliases())).collect()
}

/// The stream as `viewer` sees it.
fn stream(room: &Room, viewer: &str) -> Vec<EventView> {
    room.events().iter().filter_map(|event| EventView::of(event, &user(viewer), &aliases())).collect()
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
    assert_eq!((seen.price, seen.next_minimum, seen.bid_count), (Some(amount(877)), amount(977), Some(2)));
    assert_eq!((seen.format.as_str(), seen.quantity, seen.buy_now_price, seen.paused_at), ("english", 1, None, None));
    assert_eq!(seen.leader, Some(aliases().of(room.auction.id(), &user("ann"))));
    assert_eq!((seen.you_lead, view(&room, "ann").you_lead), (false, true));
    assert_eq!((seen.status, seen.reserve, seen.result), (Status::Open, ReserveStatus::NotMet, None));
    assert_eq!((seen.server_time, seen.sequence), (at(5), 3));
}

#[test]
fn an_auction_has_exactly_the_members_of_the_api() {
    let json = serde_json::to_value(view(&contested(), "ann")).unwrap();
    let members: Vec<_> = json.as_object().unwrap().keys().map(String::as_str).collect();
    let expected = "bid_count buy_now_price currency ends_at format id leader next_minimum paused_at price quantity \
                    reserve result sequence server_time starts_at status you_lead";
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
    let seen = stream(&room, "cay");
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
    told += &serde_json::to_string(&(history(&room, "ann"), stream(&room, "ann"))).unwrap();
    for secret in ["\"ann\"", "\"bob\"", "\"cay\"", "\"sam\"", "1234", "9876", ":777"] {
        assert!(!told.contains(secret), "{secret} in {told}");
    }
}

#[test]
fn the_history_shows_each_bidder_the_own_bids() {
    let room = contested();
    let yours: Vec<_> = history(&room, "bob").iter().map(|bid| bid.yours).collect();
    assert_eq!(yours, [false, true]);
}

#[test]
fn the_history_shows_the_price_after_each_bid_and_its_place() {
    let seen: Vec<_> =
        history(&contested(), "ann").iter().map(|bid| (bid.price, bid.outcome, bid.number, bid.sequence)).collect();
    let expected = [(Some(amount(500)), BidOutcome::Leading, 2, 2), (Some(amount(877)), BidOutcome::Outbid, 3, 3)];
    assert_eq!(seen, expected);
}

#[test]
fn a_bidder_has_one_alias_in_an_auction_wherever_it_shows() {
    let room = contested();
    let ann = aliases().of(room.auction.id(), &user("ann"));
    assert_eq!(view(&room, "bob").leader.as_ref(), Some(&ann));
    assert_eq!(history(&room, "bob")[0].bidder, ann);
    let seen = stream(&room, "bob");
    let HappeningView::BidPlaced { bidder, leader, yours, you_lead, .. } = &seen[1].what else { panic!("{seen:?}") };
    assert_eq!((bidder, leader, *yours, *you_lead), (&ann, &ann, false, false));
}

#[test]
fn the_stream_tells_retractions_pauses_and_their_end() {
    let mut room = Room::open_until(86_400, lot(500, flat(100)));
    let bid = room.bid("ann", 1_234).unwrap();
    room.bid("bob", 777).unwrap();
    room.retract_at(5, "ann", bid.id).unwrap();
    room.pause_at(6).unwrap();
    room.resume_at(7).unwrap();
    let [.., retracted, paused, resumed] = &stream(&room, "bob")[..] else { panic!("{:?}", room.log) };
    let HappeningView::Retracted { bid_ids, yours, you_lead, price, .. } = &retracted.what else {
        panic!("{retracted:?}")
    };
    assert_eq!((&bid_ids[..], *yours, *you_lead, *price), (&[bid.id][..], false, true, Some(amount(500))));
    assert!(matches!(&paused.what, HappeningView::Paused { reason, .. } if reason == "a fire drill"));
    let HappeningView::Resumed { paused_for_ms, ends_at } = resumed.what else { panic!("{resumed:?}") };
    assert_eq!((paused_for_ms, ends_at), (1_000, at(86_401)));
}

#[test]
fn the_stream_ends_with_a_cancellation_and_tells_the_operators_reason() {
    let mut room = contested();
    room.apply(5, |auction, now| auction.cancel_by_operator("stolen goods", now)).unwrap();
    let last = stream(&room, "ann").pop().unwrap();
    assert!(last.is_last());
    assert!(matches!(last.what, HappeningView::Cancelled { reason: Some(reason) } if reason == "stolen goods"));
}

#[test]
fn each_winner_of_units_sees_to_have_won_and_a_declined_lot_by_alias() {
    let mut room = Room::open(five_units());
    room.bid_units("ann", 2_000, 2).unwrap();
    room.bid_units("bob", 2_100, 4).unwrap();
    room.close();
    room.decline_at(support::END_S + 1, "ann").unwrap();
    let won = |viewer| {
        let seen = stream(&room, viewer);
        let HappeningView::Closed { you_won, winner: None, .. } = seen[3].what else { panic!("{seen:?}") };
        you_won
    };
    assert_eq!(["ann", "bob", "cay"].map(won), [true, true, false]);
    let ann = aliases().of(room.auction.id(), &user("ann"));
    assert_eq!(stream(&room, "bob")[4].what, HappeningView::Declined { bidder: ann, quantity: 1 });
}
