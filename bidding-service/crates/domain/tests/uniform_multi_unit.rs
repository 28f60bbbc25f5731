//! Many units at one price: five of them from 10.00 on, with an increment of 1.00.

mod support;

use bidding_domain::{
    auction::{Attempt, Objection, State},
    bid::{BidOutcome, Refusal},
    event::Happening,
    format::{Award, Outcome},
    money::Amount,
    soft_close::SoftClose,
    terms::{Terms, TermsFault},
    uniform::{MAX_QUANTITY, UniformTerms},
    views::ResultOutcome,
};
use support::{END_S, IntoFormat, Room, amount, at, every_format, five_units, sale, too_low, user};

/// Bids of the published example: ann 2 at 20.00, bob 4 at 21.00.
fn example() -> Room {
    let mut room = Room::open(five_units());
    room.bid_units("ann", 2_000, 2).unwrap();
    room.bid_units("bob", 2_100, 4).unwrap();
    room
}

fn closed_example() -> Room {
    let mut room = example();
    room.close();
    room
}

fn award(bidder: &str, quantity: u32, wanted: u32) -> Award {
    Award { bidder: user(bidder), quantity, wanted, declined: false }
}

fn units(price: i64, awards: &[Award]) -> Outcome {
    Outcome::SoldUnits { price: amount(price), awards: awards.to_vec() }
}

#[test]
fn of_five_items_b_who_bid_21_gets_four_and_a_who_bid_20_gets_one_both_at_20() {
    assert_eq!(example().close(), units(2_000, &[award("bob", 4, 4), award("ann", 1, 2)]));
}

#[test]
fn the_order_of_the_bids_does_not_matter_when_their_amounts_differ() {
    let mut room = Room::open(five_units());
    room.bid_units("bob", 2_100, 4).unwrap();
    room.bid_units("ann", 2_000, 2).unwrap();
    assert_eq!(room.close(), units(2_000, &[award("bob", 4, 4), award("ann", 1, 2)]));
}

#[test]
fn of_equal_bids_the_earlier_takes_its_units_first() {
    let mut room = Room::open(five_units());
    room.bid_units("ann", 2_000, 4).unwrap();
    room.bid_units("bob", 2_000, 4).unwrap();
    assert_eq!(room.close(), units(2_000, &[award("ann", 4, 4), award("bob", 1, 4)]));
}

#[test]
fn while_units_are_left_the_price_is_the_start_price_and_a_bid_at_it_is_enough() {
    let mut room = Room::open(five_units());
    assert_eq!((room.standing().price, room.next_minimum()), (None, 1_000));
    room.bid_units("ann", 9_900, 4).unwrap();
    assert_eq!((room.price(), room.next_minimum()), (1_000, 1_000));
    assert_eq!(room.clone().close(), units(1_000, &[award("ann", 4, 4)]));
    assert_eq!(room.bid_units("bob", 999, 1), Err(too_low(1_000)));
    room.bid_units("bob", 1_500, 1).unwrap();
    assert_eq!((room.price(), room.next_minimum()), (1_500, 1_600), "all are bid for now");
}

#[test]
fn once_all_are_bid_for_a_bid_must_exceed_the_price_by_the_increment() {
    let mut room = example();
    assert_eq!((room.price(), room.next_minimum()), (2_000, 2_100));
    assert_eq!(room.bid("cay", 2_099), Err(too_low(2_100)));
    assert_eq!(room.bid("cay", 2_100).unwrap().outcome, BidOutcome::Leading);
    assert_eq!(room.close(), units(2_100, &[award("bob", 4, 4), award("cay", 1, 1)]));
}

#[test]
fn an_event_names_who_takes_nothing_any_more() {
    let mut room = example();
    room.bid("cay", 2_100).unwrap();
    let displaced: Vec<_> = room
        .happenings()
        .into_iter()
        .filter_map(|what| if let Happening::BidPlaced { displaced, .. } = what { Some(displaced) } else { None })
        .collect();
    assert_eq!(displaced, [None, None, Some(user("ann"))]);
    let wins = |name: &str| room.view(name).you_lead;
    assert_eq!((wins("ann"), wins("bob"), wins("cay"), wins("dan")), (false, true, true, false));
}

#[test]
fn an_own_bid_may_be_raised_in_amount_and_quantity_and_never_lowered() {
    let mut room = example();
    assert_eq!(room.bid_units("ann", 2_000, 5), Err(Refusal::MaxNotRaised));
    assert_eq!(room.bid_units("ann", 2_200, 1), Err(Refusal::MaxNotRaised));
    assert_eq!(room.bid_units("ann", 2_200, 3).unwrap().outcome, BidOutcome::MaxRaised);
    assert_eq!(room.bid_count(), 3);
    assert_eq!(room.close(), units(2_100, &[award("ann", 3, 3), award("bob", 2, 4)]));
}

#[test]
fn who_wants_more_units_takes_them_from_others_and_so_bids_the_next_minimum() {
    let mut room = example();
    let next_minimum = room.view("ann").next_minimum;
    room.bid_units("ann", next_minimum.minor() - 1, 2).unwrap();
    let too_low = Refusal::BidTooLow { next_minimum: room.view("ann").next_minimum };
    assert_eq!(room.bid_units("ann", next_minimum.minor(), 3), Err(too_low));
    assert!(room.bid_units("ann", room.view("ann").next_minimum.minor(), 3).is_ok());
}

#[test]
fn a_raised_own_bid_stands_behind_earlier_ones_of_its_amount() {
    let mut room = example();
    room.bid_units("ann", 2_100, 2).unwrap();
    assert_eq!(room.close(), units(2_100, &[award("bob", 4, 4), award("ann", 1, 2)]));
}

#[test]
fn the_price_never_falls() {
    let mut room = Room::open(five_units());
    let mut before = 0;
    for (bidder, max, quantity) in [
        ("ann", 2_000, 2),
        ("bob", 2_100, 4),
        ("ann", 2_500, 2),
        ("cay", 2_300, 5),
        ("dan", 9_900, 1),
        ("ann", 9_900, 5),
    ] {
        room.bid_units(bidder, max, quantity).unwrap();
        assert!(room.price() >= before, "{bidder} {max}");
        before = room.price();
    }
    assert_eq!(room.clone().close(), units(9_900, &[award("dan", 1, 1), award("ann", 4, 5)]));
}

#[test]
fn the_quantity_lies_between_one_and_what_is_for_sale() {
    let mut room = Room::open(five_units());
    for quantity in [0, 6, u32::MAX] {
        assert_eq!(room.bid_units("ann", 2_000, quantity), Err(Refusal::QuantityNotOffered { largest: 5 }));
    }
    assert!(room.bid_units("ann", 2_000, 5).is_ok());
}

#[test]
fn all_units_at_the_largest_bid_are_still_an_amount() {
    let mut room = Room::open(five_units());
    let largest = amount(Amount::MAX.minor() / 5 - 100);
    let refused = room.bid_units("ann", largest.minor() + 1, 5);
    assert_eq!(refused, Err(Refusal::AmountTooLarge { largest }));
    room.bid_units("ann", largest.minor(), 5).unwrap();
    assert!(Amount::new((largest.minor() + 100) * 5).is_ok());
}

#[test]
fn the_close_tells_awards_one_price_and_until_when_a_partial_lot_may_be_declined() {
    let mut room = example();
    room.close_at(END_S + 7).unwrap();
    let happenings = room.happenings();
    let Some(Happening::Closed { outcome, bid_count, decline_until, ended_at, .. }) = happenings.last() else {
        panic!("{happenings:?}")
    };
    assert_eq!(*outcome, units(2_000, &[award("bob", 4, 4), award("ann", 1, 2)]));
    assert_eq!((*bid_count, *ended_at), (2, at(END_S)));
    assert_eq!(*decline_until, Some(at(END_S + 7 + 3_600)), "the time counts from when winners learn of it");
    let result = room.view("ann").result.unwrap();
    assert_eq!((result.outcome, result.price), (ResultOutcome::Sold, Some(amount(2_000))));
    let seen: Vec<_> = result.awards.iter().map(|award| (award.yours, award.quantity, award.wanted)).collect();
    assert_eq!(seen, [(false, 4, 4), (true, 1, 2)]);
}

#[test]
fn a_winner_of_a_partial_lot_may_decline_it_within_the_time() {
    let mut room = closed_example();
    room.decline_at(END_S + 3_599, "ann").unwrap();
    assert_eq!(room.happenings().last(), Some(&Happening::Declined { bidder: user("ann"), quantity: 1 }));
    let State::Closed { outcome: Outcome::SoldUnits { price, awards }, .. } = room.auction.state() else {
        panic!("{:?}", room.auction.state())
    };
    assert_eq!(*price, amount(2_000), "bob still pays 20.00");
    assert_eq!(*awards, [award("bob", 4, 4), Award { declined: true, ..award("ann", 1, 2) }]);
    assert!(room.view("bob").result.unwrap().awards[1].declined);
}

const NOTHING: Result<(), (Attempt, Objection)> = Err((Attempt::Decline, Objection::NothingToDecline));

#[test]
fn who_won_all_that_was_wanted_or_nothing_declines_nothing() {
    let mut room = closed_example();
    for bidder in ["bob", "cay", "sam"] {
        assert_eq!(room.decline_at(END_S + 1, bidder), NOTHING, "{bidder}");
    }
}

#[test]
fn a_partial_lot_is_declined_once() {
    let mut room = closed_example();
    room.decline_at(END_S + 1, "ann").unwrap();
    assert_eq!(room.decline_at(END_S + 2, "ann"), NOTHING);
}

#[test]
fn a_partial_lot_is_not_declined_when_its_time_is_over() {
    let mut room = closed_example();
    assert_eq!(room.decline_at(END_S + 3_600, "ann"), Err((Attempt::Decline, Objection::Over)));
}

#[test]
fn without_a_time_to_decline_a_partial_lot_is_kept() {
    let mut room = Room::open(UniformTerms { decline_within_s: 0, ..five_units() });
    room.bid_units("ann", 2_000, 2).unwrap();
    room.bid_units("bob", 2_100, 4).unwrap();
    room.close();
    assert!(matches!(room.auction.state(), State::Closed { decline_until: None, .. }));
    assert_eq!(room.decline_at(END_S, "ann"), NOTHING);
}

#[test]
fn before_the_close_nothing_is_declined_and_of_one_unit_never() {
    assert_eq!(example().decline_at(5, "ann"), Err((Attempt::Decline, Objection::WrongState)));
    for format in every_format() {
        let mut room = Room::open(format);
        room.bid("ann", 10_000).unwrap();
        let _ = room.close_at(END_S);
        assert_eq!(room.decline_at(END_S, "ann"), NOTHING);
    }
}

#[test]
fn a_late_bid_extends_and_a_raised_own_one_only_when_it_moves_the_price() {
    let soft_close = SoftClose::Reset { window_s: 180, hard_stop_s: 3_600 };
    let mut room = Room::open(UniformTerms { soft_close, ..five_units() });
    room.bid_units_at(1, "ann", 2_000, 2).unwrap();
    room.bid_units_at(END_S - 10, "ann", 2_500, 2).unwrap();
    room.assert_ends(END_S);
    room.bid_units_at(END_S - 10, "bob", 2_100, 4).unwrap();
    room.assert_ends(END_S + 170);
    room.bid_units_at(END_S + 100, "bob", 2_200, 4).unwrap();
    assert_eq!(room.price(), 2_200);
    room.assert_ends(END_S + 280);
}

#[test]
fn the_quantity_for_sale_lies_between_two_and_a_hundred() {
    let check = |quantity| Terms::new(sale(), UniformTerms { quantity, ..five_units() }.into_format()).err();
    assert_eq!([0, 1, MAX_QUANTITY + 1].map(check), [Some(TermsFault::Quantity); 3]);
    assert_eq!([2, MAX_QUANTITY].map(check), [None; 2]);
    let start_price = amount(0);
    let free = Terms::new(sale(), UniformTerms { start_price, ..five_units() }.into_format());
    assert_eq!(free.err(), Some(TermsFault::StartPriceNotPositive));
}
