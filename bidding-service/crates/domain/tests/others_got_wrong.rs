//! Faults that other marketplaces shipped, as far as rules decide them. Races, commits and double clicks
//! are also in the application's tests.

mod support;

use bidding_domain::{
    auction::Status,
    bid::{BidOutcome, Refusal},
    english::EnglishTerms,
    event::Happening,
    format::{Outcome, ReserveStatus},
    increments::Preset,
    money::Amount,
    soft_close::SoftClose,
};
use chrono::{DateTime, Utc};
use support::{END_S, Room, amount, at, flat, lot, preset, sale, sold, vickrey};

#[test]
fn a_bid_equal_to_the_reserve_meets_it_and_is_not_refused() {
    let mut room = Room::open(EnglishTerms { reserve_price: Some(amount(5_000)), ..lot(500, flat(100)) });
    assert!(room.bid("ann", 5_000).is_ok());
    assert_eq!(room.reserve(), ReserveStatus::Met);
    assert!(matches!(room.close(), Outcome::Sold { .. }));
}

#[test]
fn the_winner_is_picked_at_the_extended_end() {
    let soft_close = SoftClose::Reset { window_s: 120, hard_stop_s: 3_600 };
    let mut room = Room::open(EnglishTerms { soft_close, ..lot(500, flat(100)) });
    room.bid_at(END_S - 1, "ann", 500).unwrap();
    assert!(room.auction.clone().close(at(END_S)).is_err(), "the first end no longer closes");
    room.bid_at(END_S, "bob", 900).unwrap();
    assert_eq!(room.close(), sold("bob", 600));
}

#[test]
fn the_leaders_hidden_maximum_is_never_overwritten_by_a_lower_one() {
    let mut room = Room::open(lot(500, flat(100)));
    room.bid("ann", 5_000).unwrap();
    assert_eq!(room.bid("ann", 600), Err(Refusal::MaxNotRaised));
    assert_eq!(room.bid("bob", 4_000).unwrap().outcome, BidOutcome::Outbid);
    room.assert_stands("ann", 4_100);
}

#[test]
fn the_leaders_hidden_maximum_survives_a_challenge() {
    let mut room = Room::open(lot(500, flat(100)));
    room.bid("ann", 5_000).unwrap();
    room.bid("bob", 2_000).unwrap();
    room.bid("cay", 4_900).unwrap();
    room.assert_stands("ann", 5_000);
}

#[test]
fn a_refused_bid_does_not_extend() {
    let soft_close = SoftClose::Reset { window_s: 120, hard_stop_s: 3_600 };
    let mut room = Room::open(EnglishTerms { soft_close, ..lot(500, flat(100)) });
    room.bid_at(1, "ann", 500).unwrap();
    for (bidder, max) in [("bob", 599), ("ann", 500), (support::SELLER, 9_900)] {
        assert!(room.bid_at(END_S - 1, bidder, max).is_err());
    }
    room.assert_ends(END_S);
}

#[test]
fn the_same_bid_twice_leads_once_and_is_no_bid_against_oneself() {
    let mut room = Room::open(lot(500, flat(100)));
    room.bid("ann", 5_000).unwrap();
    assert_eq!(room.bid("ann", 5_000), Err(Refusal::MaxNotRaised));
    room.assert_stands("ann", 500);
    assert_eq!(room.bid_count(), 1);
}

#[test]
fn of_two_bids_decided_on_the_same_auction_only_one_can_be_kept() {
    let mut room = Room::open(lot(500, flat(100)));
    let mut other = room.clone();
    let (ann, bob) = (room.bid("ann", 900).unwrap(), other.bid("bob", 900).unwrap());
    assert_eq!((ann.number, ann.sequence), (bob.number, bob.sequence), "both claim the same place in the log");
    assert_ne!(room.auction.head(), other.auction.head());
}

#[test]
fn finished_and_its_event_are_one_decision() {
    let mut room = Room::open(lot(500, flat(100)));
    room.close();
    assert_eq!(room.auction.status(), Status::Closed);
    let told = &room.log.last().unwrap().record.told;
    assert!(matches!(told[..], [Happening::Closed { .. }]));
}

#[test]
fn an_extension_is_saved_with_the_bid_that_caused_it() {
    let soft_close = SoftClose::Reset { window_s: 120, hard_stop_s: 3_600 };
    let mut room = Room::open(EnglishTerms { soft_close, ..lot(500, flat(100)) });
    room.bid_at(END_S - 1, "ann", 500).unwrap();
    let told = &room.log.last().unwrap().record.told;
    assert!(matches!(told[..], [Happening::BidPlaced { .. }, Happening::Extended { .. }]));
    let snapshot = serde_json::to_string(&room.auction.snapshot()).unwrap();
    let (id, terms) = (room.auction.id(), room.auction.terms());
    let kept = bidding_domain::auction::Auction::restore(id, terms, serde_json::from_str(&snapshot).unwrap()).unwrap();
    assert_eq!(kept.ends_at(), at(END_S + 119));
}

#[test]
fn buy_now_is_dead_after_a_bid() {
    let mut room = Room::open(EnglishTerms { buy_now_price: Some(amount(5_000)), ..lot(500, flat(100)) });
    room.bid("ann", 500).unwrap();
    assert_eq!(room.buy_now_at(2, "bob"), Err(Refusal::BuyNowGone));
}

#[test]
fn a_lone_vickrey_bidder_does_not_pay_the_own_bid() {
    let mut room = Room::open(vickrey(500, None));
    room.bid("ann", 9_900).unwrap();
    assert_eq!(room.close(), sold("ann", 500));
}

#[test]
fn money_is_never_a_float() {
    // 0.10 + 0.20 in cents, and a sum that a double cannot hold.
    let mut room = Room::open(lot(10, flat(20)));
    room.bid("ann", 1_000).unwrap();
    assert_eq!(room.next_minimum(), 30);
    let mut room = Room::open(lot(Amount::MAX.minor() - 10_001, preset(Preset::EbayUs)));
    room.bid("ann", Amount::MAX.minor() - 10_001).unwrap();
    assert_eq!(room.next_minimum(), Amount::MAX.minor() - 1);
    assert!(serde_json::from_str::<Amount>("10.5").is_err());
}

#[test]
fn an_end_with_an_offset_is_the_same_instant_in_utc() {
    let ends_at: DateTime<Utc> = serde_json::from_str("\"2030-03-31T03:30:00+02:00\"").unwrap();
    assert_eq!(serde_json::to_string(&ends_at).unwrap(), "\"2030-03-31T01:30:00Z\"");
    let sale = bidding_domain::terms::Sale { ends_at, ..sale() };
    assert!(serde_json::to_string(&sale).unwrap().contains("\"2030-03-31T01:30:00Z\""));
}
