//! Bids are taken back, and the price follows from the maxima that remain.

mod support;

use bidding_domain::{
    auction::{Attempt, Auction, Objection},
    bid::BidOutcome,
    english::EnglishTerms,
    event::Happening,
    format::{Award, Outcome, ReserveStatus},
    ids::BidId,
    log::Decided,
    soft_close::SoftClose,
};
use support::{Room, amount, at, falling, first_price, five_units, flat, lot, scheduled, sold, user, vickrey};

/// An auction of two days.
const END_S: i64 = 172_800;
const HOUR_S: i64 = 3_600;
/// From here on only young bids can be taken back.
const LATE_S: i64 = END_S - 12 * HOUR_S;

fn room() -> Room {
    Room::open_until(END_S, lot(500, flat(100)))
}

fn refused(objection: Objection) -> Result<(), (Attempt, Objection)> {
    Err((Attempt::Retract, objection))
}

fn gone(room: &Room) -> &[BidId] {
    let Decided::Retracted { gone, .. } = &room.log.last().unwrap().record.decided else { panic!("{:?}", room.log) };
    gone
}

#[test]
fn with_more_than_twelve_hours_to_go_all_bids_of_the_bidder_go() {
    let mut room = room();
    let first = room.bid_at(1, "ann", 900).unwrap();
    room.bid_at(2, "bob", 700).unwrap();
    let second = room.bid_at(3, "ann", 1_900).unwrap();
    room.retract_at(LATE_S - 1, "ann", first.id).unwrap();
    assert_eq!(gone(&room), [first.id, second.id]);
    room.assert_stands("bob", 500);
    assert_eq!(room.bid_count(), 1);
}

#[test]
fn many_bids_that_go_at_once_are_told_of_in_several_events() {
    let mut room = room();
    room.bid_at(1, "bob", 700).unwrap();
    let first = room.bid_at(2, "ann", 900).unwrap();
    for raise in 1..2_500 {
        room.bid_at(3, "ann", 900 + raise).unwrap();
    }
    room.retract_at(4, "ann", first.id).unwrap();
    let told = room.log.last().unwrap().record.told.iter().map(|happening| match happening {
        Happening::Retracted { bid_ids, bid_count: 1, .. } => bid_ids.clone(),
        other => panic!("{other:?}"),
    });
    let told: Vec<_> = told.collect();
    assert_eq!(told.iter().map(Vec::len).collect::<Vec<_>>(), [1_000, 1_000, 500]);
    assert_eq!(told.concat(), gone(&room));
    room.assert_stands("bob", 500);
}

#[test]
fn with_exactly_twelve_hours_to_go_only_the_young_bid_named_goes() {
    let mut room = room();
    let old = room.bid_at(1, "ann", 900).unwrap();
    let young = room.bid_at(LATE_S - 10, "ann", 1_900).unwrap();
    room.bid_at(LATE_S - 5, "bob", 1_500).unwrap();
    assert_eq!(room.retract_at(LATE_S, "ann", old.id), refused(Objection::TooLate));
    room.retract_at(LATE_S, "ann", young.id).unwrap();
    assert_eq!(gone(&room), [young.id]);
    room.assert_stands("bob", 1_000);
}

#[test]
fn late_a_bid_younger_than_an_hour_goes_and_one_of_an_hour_stays() {
    let mut room = room();
    let bid = room.bid_at(LATE_S, "ann", 900).unwrap();
    let mut late = room.clone();
    assert_eq!(late.retract_at(LATE_S + HOUR_S, "ann", bid.id), refused(Objection::TooLate));
    room.retract_at(LATE_S + HOUR_S - 1, "ann", bid.id).unwrap();
    assert_eq!(room.bid_count(), 0);
}

#[test]
fn the_twelve_hours_count_to_the_end_with_its_extensions() {
    let soft_close = SoftClose::Add { window_s: 86_400, extension_s: 50, hard_stop_s: 3_600 };
    let mut room = Room::open_until(END_S, EnglishTerms { soft_close, ..lot(500, flat(100)) });
    let bid = room.bid_at(END_S - 86_400, "ann", 900).unwrap();
    room.assert_ends(END_S + 50);
    room.retract_at(LATE_S + 49, "ann", bid.id).unwrap();
    room.assert_ends(END_S + 50);
}

#[test]
fn the_price_is_recomputed_from_the_maxima_that_remain() {
    let mut room = room();
    room.bid("ann", 5_000).unwrap();
    let bid = room.bid("bob", 4_000).unwrap();
    room.bid("cay", 4_500).unwrap();
    room.assert_stands("ann", 4_600);
    room.retract_at(5, "bob", bid.id).unwrap();
    room.assert_stands("ann", 4_600);
    let bid = room.bids()[1].id;
    room.retract_at(6, "cay", bid).unwrap();
    room.assert_stands("ann", 500);
    assert_eq!(room.next_minimum(), 600);
}

#[test]
fn when_the_leader_goes_the_next_leads_with_the_maximum_that_was_hidden() {
    let mut room = room();
    let bid = room.bid("ann", 5_000).unwrap();
    room.bid("bob", 2_000).unwrap();
    room.bid("cay", 3_000).unwrap();
    room.retract_at(5, "ann", bid.id).unwrap();
    room.assert_stands("cay", 2_100);
    assert_eq!(room.bid("bob", 2_900).unwrap().outcome, BidOutcome::Outbid);
    room.assert_stands("cay", 3_000);
}

#[test]
fn of_the_equal_maxima_that_remain_the_earlier_leads() {
    let mut room = room();
    room.bid("ann", 2_000).unwrap();
    room.bid("bob", 2_000).unwrap();
    let bid = room.bid("cay", 3_000).unwrap();
    room.retract_at(5, "cay", bid.id).unwrap();
    room.assert_stands("ann", 2_000);
}

#[test]
fn a_reserve_that_the_remaining_bids_do_not_reach_is_not_met_any_more() {
    let terms = EnglishTerms { reserve_price: Some(amount(4_000)), ..lot(500, flat(100)) };
    let mut room = Room::open_until(END_S, terms);
    room.bid("ann", 2_000).unwrap();
    let bid = room.bid("bob", 5_000).unwrap();
    assert_eq!((room.price(), room.reserve()), (4_000, ReserveStatus::Met));
    room.retract_at(5, "bob", bid.id).unwrap();
    room.assert_stands("ann", 500);
    assert_eq!(room.reserve(), ReserveStatus::NotMet);
}

#[test]
fn an_auction_whose_last_bid_goes_starts_over_and_is_the_sellers_to_take_back() {
    let mut room = room();
    let bid = room.bid("ann", 5_000).unwrap();
    room.retract_at(5, "ann", bid.id).unwrap();
    assert_eq!((room.standing().price, room.standing().leader, room.next_minimum()), (None, None, 500));
    assert!(room.auction.clone().cancel(&user(support::SELLER), at(6)).is_ok());
    assert_eq!(room.close(), Outcome::NoBids);
}

#[test]
fn who_took_bids_back_may_bid_again_even_less() {
    let mut room = room();
    let bid = room.bid("ann", 5_000).unwrap();
    room.retract_at(5, "ann", bid.id).unwrap();
    assert_eq!(room.bid_at(6, "ann", 500).unwrap().outcome, BidOutcome::Leading);
}

#[test]
fn a_bid_of_someone_else_and_an_unknown_one_cannot_be_taken_back() {
    let mut room = room();
    let bid = room.bid("ann", 900).unwrap();
    assert_eq!(room.retract_at(5, "bob", bid.id), refused(Objection::NoSuchBid));
    let unknown = room.next_bid();
    assert_eq!(room.retract_at(5, "ann", unknown), refused(Objection::NoSuchBid));
    assert_eq!(room.bid_count(), 1);
}

#[test]
fn a_bid_is_taken_back_once() {
    let mut room = room();
    let bid = room.bid("ann", 900).unwrap();
    room.retract_at(5, "ann", bid.id).unwrap();
    assert_eq!(room.retract_at(6, "ann", bid.id), refused(Objection::NoSuchBid));
}

#[test]
fn nothing_is_taken_back_from_an_auction_that_rests_is_over_or_has_not_begun() {
    let mut room = room();
    let bid = room.bid("ann", 900).unwrap();
    let mut paused = room.clone();
    paused.pause_at(5).unwrap();
    assert_eq!(paused.retract_at(6, "ann", bid.id), refused(Objection::WrongState));
    let mut due = room.clone();
    assert_eq!(due.retract_at(END_S, "ann", bid.id), refused(Objection::Over));
    room.close();
    assert_eq!(room.retract_at(END_S, "ann", bid.id), refused(Objection::WrongState));
    let mut waiting = Room::from(scheduled(lot(500, flat(100))));
    assert_eq!(waiting.retract_at(-5, "ann", bid.id), refused(Objection::WrongState));
}

#[test]
fn a_resumed_auction_gives_back_what_was_bid_before_the_pause() {
    let mut room = room();
    let bid = room.bid("ann", 900).unwrap();
    room.pause_at(5).unwrap();
    room.resume_at(6).unwrap();
    assert!(room.retract_at(7, "ann", bid.id).is_ok());
}

#[test]
fn the_event_tells_what_stands_now_and_keeps_the_maxima_hidden() {
    let mut room = room();
    let bid = room.bid("ann", 7_654).unwrap();
    let other = room.bid("bob", 4_321).unwrap();
    room.retract_at(5, "ann", bid.id).unwrap();
    let told = room.happenings().pop().unwrap();
    let expected = Happening::Retracted {
        bid_ids: vec![bid.id],
        bidder: user("ann"),
        price: Some(amount(500)),
        currency: room.auction.sale().currency,
        next_minimum: amount(600),
        bid_count: 1,
        leader: Some(user("bob")),
        reserve: ReserveStatus::None,
    };
    assert_eq!(told, expected);
    let json = serde_json::to_string(&told).unwrap();
    for hidden in ["7654", "4321"] {
        assert!(!json.contains(hidden), "{json}");
    }
    assert_eq!(room.bids(), [other], "what remains is kept as it was");
}

#[test]
fn the_log_keeps_the_bid_that_was_taken_back() {
    let mut room = room();
    let bid = room.bid("ann", 900).unwrap();
    room.retract_at(5, "ann", bid.id).unwrap();
    assert_eq!(room.log[1].bid(), Some(bid));
    assert_eq!((room.log.len(), room.log[2].number, room.bids().len()), (3, 3, 0));
}

#[test]
fn a_taken_back_sealed_bid_is_told_to_nobody_and_counts_no_more() {
    for (format, pays) in [(first_price(500, None), 700), (vickrey(500, None), 500)] {
        let mut room = Room::open_until(END_S, format);
        room.bid("ann", 700).unwrap();
        let bid = room.bid("bob", 900).unwrap();
        let before = (room.events(), room.view("ann"));
        room.retract_at(1, "bob", bid.id).unwrap();
        assert_eq!((room.events(), room.view("ann")), before);
        assert_eq!(room.close(), sold("ann", pays));
    }
}

#[test]
fn every_maximum_that_remains_counts_even_where_falling_increments_would_refuse_it_now() {
    let mut room = Room::open_until(END_S, lot(900, falling()));
    let first = room.bid("ann", 1_000).unwrap();
    let second = room.bid("bob", 5_000).unwrap();
    room.bid("cay", 1_002).unwrap();
    room.retract_at(5, "ann", first.id).unwrap();
    room.assert_stands("bob", 1_003);
    assert_eq!(room.bid_count(), 2);
    room.retract_at(6, "bob", second.id).unwrap();
    room.assert_stands("cay", 900);
}

fn award(bidder: &str, quantity: u32, wanted: u32) -> Award {
    Award { bidder: user(bidder), quantity, wanted, declined: false }
}

#[test]
fn units_that_become_free_go_to_the_bids_that_took_nothing_before() {
    let mut room = Room::open_until(END_S, five_units());
    room.bid_units("ann", 2_000, 2).unwrap();
    room.bid_units("bob", 2_100, 4).unwrap();
    let bid = room.bid_units("cay", 2_200, 3).unwrap();
    assert!(!room.view("ann").you_lead);
    room.retract_at(5, "cay", bid.id).unwrap();
    assert!(room.view("ann").you_lead);
    let awards = vec![award("bob", 4, 4), award("ann", 1, 2)];
    assert_eq!(room.close(), Outcome::SoldUnits { price: amount(2_000), awards });
}

#[test]
fn of_a_bidder_for_units_the_last_bid_stands_even_when_an_earlier_one_asked_for_more() {
    let mut room = Room::open_until(END_S, five_units());
    room.bid_units("ann", 2_000, 3).unwrap();
    room.bid_units("dan", 1_500, 2).unwrap();
    let bid = room.bid_units("bob", 2_100, 5).unwrap();
    room.bid_units("ann", 2_200, 1).unwrap();
    room.bid_units("cay", 2_300, 2).unwrap();
    room.retract_at(5, "bob", bid.id).unwrap();
    assert_eq!(room.bid_count(), 4);
    let awards = vec![award("cay", 2, 2), award("ann", 1, 1), award("dan", 2, 2)];
    assert_eq!(room.close(), Outcome::SoldUnits { price: amount(1_500), awards });
}

#[test]
fn a_retraction_names_state_and_attempt_when_it_is_refused() {
    let refused =
        Auction::retract(scheduled(lot(500, flat(100))), BidId(uuid::Uuid::nil()), &user("ann"), None, &[], at(0));
    assert_eq!(
        refused.unwrap_err().to_string(),
        "an auction that is scheduled did not take bids back: its state does not allow it"
    );
}
