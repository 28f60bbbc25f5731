//! Currencies of which nobody can pay each minor unit: bids are multiples of what can be paid, the least one too.

mod support;

use bidding_domain::{
    auction::Auction,
    bid::Refusal,
    dutch::DutchTerms,
    english::EnglishTerms,
    event::Happening,
    ids::AuctionId,
    money::{Amount, Unit},
    replay::replay,
    terms::{Sale, Terms},
    uniform::UniformTerms,
};
use proptest::{collection::vec, option, prelude::*};
use support::{
    IntoFormat, Room, amount, currency, dutch, every_format, first_price, five_units, flat, lot, play::lots, sale,
    too_low, vickrey,
};
use uuid::Uuid;

const BIDDERS: [&str; 3] = ["ann", "bob", "cay"];

fn open(sale: Sale, format: impl IntoFormat) -> Room {
    let terms = Terms::new(sale, format.into_format()).unwrap();
    let mut room = Room::from(Auction::schedule(AuctionId(Uuid::from_u128(1)), terms));
    room.apply(0, Auction::open).unwrap();
    room
}

/// Of a dinar only tens of fils can be paid.
fn in_dinars() -> Sale {
    let dinar = currency("KWD");
    Sale { currency: dinar, unit: dinar.payable_unit(), ..sale() }
}

/// As lots were scheduled before.
fn in_any_fils() -> Sale {
    Sale { unit: None, ..in_dinars() }
}

fn not_payable() -> Refusal {
    Refusal::NotPayable { currency: currency("KWD"), unit: Unit::new(10).unwrap() }
}

#[test]
fn a_bid_that_nobody_can_pay_is_refused_in_every_format_and_changes_nothing() {
    for format in every_format() {
        let mut room = open(in_dinars(), format);
        let before = room.auction.clone();
        for odd in [1, 5, 9] {
            assert_eq!(room.bid("ann", 20_000 + odd), Err(not_payable()), "{}", before.kind());
        }
        assert_eq!(room.auction, before);
        assert!(room.bid("ann", 20_000).is_ok(), "{}", before.kind());
    }
}

#[test]
fn a_maximum_is_raised_to_what_can_be_paid() {
    let mut room = open(in_dinars(), lot(1_000, flat(100)));
    room.bid("ann", 2_000).unwrap();
    assert_eq!(room.bid("ann", 2_505), Err(not_payable()));
    assert!(room.bid("ann", 2_510).is_ok());
}

#[test]
fn the_refusal_says_of_what_amounts_are_multiples_and_is_kept() {
    assert_eq!(not_payable().to_string(), "amounts in KWD are multiples of 10 minor units");
    let kept = serde_json::to_string(&not_payable()).unwrap();
    assert_eq!(serde_json::from_str::<Refusal>(&kept).unwrap(), not_payable());
}

#[test]
fn an_odd_start_price_is_reached_by_the_next_amount_that_can_be_paid() {
    for format in [
        lot(1_005, flat(100)).into_format(),
        first_price(1_005, None),
        vickrey(1_005, None),
        DutchTerms { start_price: amount(1_005), floor_price: amount(503), ..dutch() }.into_format(),
        UniformTerms { start_price: amount(1_005), ..five_units() }.into_format(),
    ] {
        let mut room = open(in_dinars(), format);
        assert_eq!(room.next_minimum(), 1_010);
        let told = room.happenings();
        assert!(matches!(&told[..], [Happening::Opened { next_minimum, .. }] if next_minimum.minor() == 1_010));
        assert_eq!(room.bid("ann", 1_000), Err(too_low(1_010)));
        assert!(room.bid("ann", 1_010).is_ok());
    }
}

#[test]
fn odd_increments_lead_to_the_next_amount_that_can_be_paid() {
    let mut room = open(in_dinars(), lot(1_000, flat(7)));
    room.bid("ann", 1_010).unwrap();
    assert_eq!((room.price(), room.next_minimum()), (1_000, 1_010));
    room.bid("bob", 1_020).unwrap();
    assert_eq!((room.price(), room.next_minimum()), (1_017, 1_030), "1.024 is the least, and nobody can pay it");
    assert_eq!(room.view("cay").next_minimum, amount(1_030));
    let Some(Happening::BidPlaced { next_minimum, .. }) = room.happenings().pop() else { panic!() };
    assert_eq!(next_minimum, amount(1_030));
    assert_eq!(room.bid("cay", 1_020), Err(too_low(1_030)));
}

#[test]
fn the_largest_bid_that_is_told_is_taken_and_nothing_above_it() {
    for format in [lot(1_000, flat(100)).into_format(), five_units().into_format()] {
        let mut room = open(in_dinars(), format);
        let Err(Refusal::AmountTooLarge { largest }) = room.bid("ann", Amount::MAX.minor() / 10 * 10) else { panic!() };
        assert!(room.bid("ann", largest.minor()).is_ok());
        assert_eq!(room.bid("bob", largest.minor() + 10), Err(Refusal::AmountTooLarge { largest }));
    }
}

#[test]
fn an_auction_that_was_scheduled_before_takes_any_amount_and_is_proved_as_ever() {
    let mut room = open(in_any_fils(), lot(1_005, flat(7)));
    room.bid("ann", 1_013).unwrap();
    assert_eq!(room.next_minimum(), 1_012);
    assert!(replay(room.auction.id(), room.auction.terms(), &room.log).is_ok());

    let written = |sale: &Sale| serde_json::to_string(sale).unwrap();
    assert!(!written(&in_any_fils()).contains("unit"), "its chain begins with the same terms");
    for sale in [in_any_fils(), in_dinars()] {
        assert_eq!(serde_json::from_str::<Sale>(&written(&sale)).unwrap(), sale);
    }
}

/// Any amounts, and such as can be paid.
fn amounts() -> impl Strategy<Value = i64> {
    prop_oneof![1..3_000_i64, (1..300_i64).prop_map(|tens| tens * 10)]
}

proptest! {
    // An integration test has no place of its own for failed cases: they are printed.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nobody_is_told_a_minimum_that_is_then_refused(lot in lots(), tries in vec((0..BIDDERS.len(), amounts()), 0..30)) {
        let mut room = open(in_dinars(), lot);
        for (second, (bidder, max)) in (1..).zip(tries) {
            room.second = second;
            let told = room.next_minimum();
            let mut with_another = room.clone();
            let refused = with_another.bid_at(second, "eve", told).err();
            prop_assert!(refused.is_none() || room.auction.is_over(), "{refused:?}");
            match room.bid_at(second, BIDDERS[bidder], max) {
                Ok(bid) => prop_assert_eq!(bid.max.minor() % 10, 0),
                Err(Refusal::NotPayable { .. }) => prop_assert_ne!(max % 10, 0),
                Err(Refusal::BidTooLow { next_minimum }) => prop_assert_eq!(next_minimum.minor(), told),
                Err(_) => {}
            }
        }
        prop_assert!(replay(room.auction.id(), room.auction.terms(), &room.log).is_ok());
    }

    #[test]
    fn every_price_can_be_paid_when_the_sellers_amounts_can(
        (start, step) in (1..100_i64, 1..50_i64),
        reserve in option::of(1..300_i64),
        tries in vec((0..BIDDERS.len(), amounts()), 0..30),
    ) {
        let reserve_price = reserve.map(|tens| amount(tens * 10));
        let mut room = open(in_dinars(), EnglishTerms { reserve_price, ..lot(start * 10, flat(step * 10)) });
        for (bidder, max) in tries {
            let _ = room.bid(BIDDERS[bidder], max);
            let standing = room.standing();
            prop_assert!(standing.price.is_none_or(|price| price.minor() % 10 == 0), "{standing:?}");
        }
    }
}
