//! Buy now: at the seller's price at once, until bidding ends the offer.

mod support;

use bidding_domain::{
    auction::State,
    bid::{Ask, BidOutcome, Order, Refusal},
    english::EnglishTerms,
    event::Happening,
    format::ReserveStatus,
    soft_close::SoftClose,
    terms::{Terms, TermsFault},
};
use support::{END_S, IntoFormat, LATE, Room, amount, at, every_format, flat, lot, sale, sold, user};

/// From 5.00 on, or at once for 50.00.
fn offer() -> EnglishTerms {
    EnglishTerms { buy_now_price: Some(amount(5_000)), ..lot(500, flat(100)) }
}

/// The same with a reserve of 40.00.
fn with_reserve() -> EnglishTerms {
    EnglishTerms { reserve_price: Some(amount(4_000)), ..offer() }
}

/// Long enough for all bids to be taken back.
const LONG_S: i64 = 86_400;

const GONE: Refusal = Refusal::BuyNowGone;

#[test]
fn a_buyer_ends_the_auction_at_once_at_the_sellers_price() {
    let mut room = Room::open(offer());
    let bid = room.buy_now_at(5, "ann").unwrap();
    assert_eq!((bid.outcome, bid.price, bid.max), (BidOutcome::Bought, Some(amount(5_000)), amount(5_000)));
    let outcome = sold("ann", 5_000);
    let closed = State::Closed { ends_at: at(5), closed_at: at(5), outcome, decline_until: None };
    assert_eq!(room.auction.state(), &closed);
    let told = &room.log[1].record.told;
    assert!(matches!(told[..], [Happening::BidPlaced { .. }, Happening::Closed { .. }]), "{told:?}");
    assert_eq!((room.log.len(), room.auction.sequence(), bid.sequence), (2, 3, 3));
}

#[test]
fn after_a_purchase_nothing_more_is_bid_or_bought() {
    let mut room = Room::open(offer());
    room.buy_now_at(5, "ann").unwrap();
    assert_eq!(room.bid_at(6, "bob", 9_900), Err(LATE));
    assert_eq!(room.buy_now_at(6, "bob"), Err(LATE));
    assert_eq!(room.view("bob").buy_now_price, None);
}

#[test]
fn a_purchase_in_the_last_minutes_ends_and_does_not_extend() {
    let soft_close = SoftClose::Reset { window_s: 180, hard_stop_s: 3_600 };
    let mut room = Room::open(EnglishTerms { soft_close, ..offer() });
    room.buy_now_at(END_S - 1, "ann").unwrap();
    room.assert_ends(END_S - 1);
    assert!(!room.happenings().iter().any(|what| matches!(what, Happening::Extended { .. })));
}

#[test]
fn the_first_bid_ends_the_offer() {
    let mut room = Room::open(offer());
    assert_eq!(room.view("ann").buy_now_price, Some(amount(5_000)));
    room.bid("ann", 500).unwrap();
    assert_eq!(room.view("ann").buy_now_price, None);
    assert_eq!(room.buy_now_at(5, "bob"), Err(GONE));
}

#[test]
fn a_refused_bid_leaves_the_offer() {
    let mut room = Room::open(offer());
    assert!(room.bid("ann", 499).is_err());
    assert!(room.buy_now_at(5, "bob").is_ok());
}

#[test]
fn with_a_reserve_the_offer_stands_while_the_price_is_below_it() {
    let mut room = Room::open(with_reserve());
    room.bid("ann", 3_999).unwrap();
    room.bid("bob", 3_000).unwrap();
    assert_eq!((room.price(), room.reserve()), (3_100, ReserveStatus::NotMet));
    let bid = room.buy_now_at(5, "cay").unwrap();
    assert_eq!((bid.outcome, room.auction.rules().outcome()), (BidOutcome::Bought, sold("cay", 5_000)));
    let Happening::BidPlaced { displaced, bid_count, reserve, .. } = &room.log[3].record.told[0] else {
        panic!("{:?}", room.log[3])
    };
    assert_eq!((displaced, *bid_count, *reserve), (&Some(user("ann")), 3, ReserveStatus::Met));
}

#[test]
fn the_leader_too_may_buy_while_the_offer_stands() {
    let mut room = Room::open(with_reserve());
    room.bid("ann", 3_999).unwrap();
    room.buy_now_at(5, "ann").unwrap();
    assert_eq!(room.auction.rules().outcome(), sold("ann", 5_000));
}

#[test]
fn with_a_reserve_the_offer_is_gone_when_the_price_reaches_it() {
    let mut room = Room::open(with_reserve());
    room.bid("ann", 4_000).unwrap();
    assert_eq!((room.price(), room.view("bob").buy_now_price), (4_000, None));
    assert_eq!(room.buy_now_at(5, "bob"), Err(GONE));
}

#[test]
fn a_retraction_does_not_bring_the_offer_back() {
    for (terms, max) in [(offer(), 500), (with_reserve(), 4_000)] {
        let mut room = Room::open_until(LONG_S, terms);
        let bid = room.bid("ann", max).unwrap();
        room.retract_at(5, "ann", bid.id).unwrap();
        assert_eq!((room.standing().price, room.view("bob").buy_now_price), (None, None));
        assert_eq!(room.buy_now_at(6, "bob"), Err(GONE));
    }
}

#[test]
fn a_retraction_below_the_reserve_leaves_the_offer() {
    let mut room = Room::open_until(LONG_S, with_reserve());
    let bid = room.bid("ann", 3_999).unwrap();
    room.retract_at(5, "ann", bid.id).unwrap();
    assert!(room.buy_now_at(6, "bob").is_ok());
}

#[test]
fn sellers_and_suspended_bidders_buy_nothing_and_a_paused_or_ended_auction_sells_nothing() {
    let mut room = Room::open(offer());
    assert_eq!(room.buy_now_at(5, support::SELLER), Err(Refusal::SellerMayNotBid));
    let order = Order { bid_id: room.next_bid(), bidder: user("ann"), ask: Ask::BuyNow, suspended: true };
    assert_eq!(room.order(&order, 5), Err(Refusal::BidderSuspended));
    assert_eq!(room.buy_now_at(END_S, "ann"), Err(LATE));
    room.pause_at(6).unwrap();
    assert_eq!(room.buy_now_at(7, "ann"), Err(Refusal::Paused));
}

#[test]
fn a_lot_without_the_offer_sells_nothing_at_once_in_any_format() {
    for format in every_format() {
        let mut room = Room::open(format);
        assert_eq!(room.view("ann").buy_now_price, None);
        assert_eq!(room.buy_now_at(5, "ann"), Err(GONE));
    }
}

#[test]
fn the_price_to_buy_at_lies_thirty_percent_above_the_start_price() {
    let check = |start_price, buy_now: i64| {
        let terms = EnglishTerms { buy_now_price: Some(amount(buy_now)), ..lot(start_price, flat(100)) };
        Terms::new(sale(), terms.into_format()).err()
    };
    assert_eq!(check(1_000, 1_299), Some(TermsFault::BuyNowTooLow));
    assert_eq!(check(1_000, 1_300), None);
    // 130 % of 3.33 is 4.329: rounded up.
    assert_eq!(check(333, 432), Some(TermsFault::BuyNowTooLow));
    assert_eq!(check(333, 433), None);
}

#[test]
fn the_price_to_buy_at_does_not_lie_below_the_reserve() {
    let check = |buy_now: i64| {
        let terms = EnglishTerms { buy_now_price: Some(amount(buy_now)), ..with_reserve() };
        Terms::new(sale(), terms.into_format()).err()
    };
    assert_eq!((check(3_999), check(4_000)), (Some(TermsFault::BuyNowTooLow), None));
}
