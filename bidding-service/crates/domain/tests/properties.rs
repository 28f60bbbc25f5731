//! What holds for every sequence of bids on every lot.

mod support;

use std::collections::BTreeMap;

use bidding_domain::{
    bid::{Order, Refusal},
    english::EnglishTerms,
    event::Happening,
    format::Outcome,
    increments::{IncrementTable, Preset, Tier},
    money::Amount,
    soft_close::SoftClose,
};
use proptest::{collection::vec, option, prelude::*};
use support::{END_S, Room, amount, lot, preset, user};

const BIDDERS: [&str; 4] = ["ann", "bob", "cay", "dan"];

/// Who bids how much, how many seconds after the bid before.
type Try = (usize, i64, i64);

fn table() -> impl Strategy<Value = IncrementTable> {
    let own = vec((1..200_i64, 1..500_i64), 1..6).prop_map(|steps| {
        let mut from = 0;
        let tiers = steps.iter().map(|&(width, increment)| {
            let tier = Tier { from: amount(from), increment: amount(increment) };
            from += width;
            tier
        });
        IncrementTable::own(tiers.collect()).unwrap()
    });
    prop_oneof![Just(preset(Preset::EbayUs)), Just(preset(Preset::EbayUk)), Just(preset(Preset::TradeMe)), own]
}

fn terms() -> impl Strategy<Value = EnglishTerms> {
    let soft_close = prop_oneof![
        Just(SoftClose::Off),
        (1..900_u32, 1..900_u32).prop_map(|(window_s, hard_stop_s)| SoftClose::Reset { window_s, hard_stop_s })
    ];
    (1..500_i64, option::of(1..2_000_i64), table(), soft_close).prop_map(
        |(start_price, reserve, increments, soft_close)| EnglishTerms {
            reserve_price: reserve.map(amount),
            soft_close,
            ..lot(start_price, increments)
        },
    )
}

fn tries() -> impl Strategy<Value = Vec<Try>> {
    vec((0..BIDDERS.len(), 1..3_000_i64, 0..200_i64), 0..40)
}

/// Plays all tries; gives each accepted or refused bid to `check` with the room before it.
fn play(terms: EnglishTerms, tries: &[Try], mut check: impl FnMut(&Room, &Room, &Order, Option<Refusal>)) -> Room {
    let mut room = Room::open(terms);
    let mut second = 0;
    for &(bidder, max, wait_s) in tries {
        second += wait_s;
        let before = Room { auction: room.auction.clone(), events: Vec::new(), bids: room.bids.clone() };
        let order =
            Order { bid_id: room.next_bid(), bidder: user(BIDDERS[bidder]), max: amount(max), suspended: false };
        let refusal = room.order(order.clone(), second).err();
        check(&before, &room, &order, refusal);
    }
    room
}

proptest! {
    // An integration test has no place of its own for failed cases: they are printed.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_price_never_falls_nor_lies_below_the_start(terms in terms(), tries in tries()) {
        let start_price = terms.start_price;
        play(terms, &tries, |before, after, _, _| {
            let (old, new) = (before.auction.rules().price(), after.auction.rules().price());
            assert!(new >= old);
            assert!(new.is_none_or(|price| price >= start_price));
        });
    }

    #[test]
    fn nobody_leads_above_the_own_maximum(terms in terms(), tries in tries()) {
        let mut room = play(terms, &tries, |_, _, _, _| {});
        if let Outcome::Sold { price, winner } = room.close() {
            let own = room.bids.iter().filter(|bid| bid.bidder == winner).map(|bid| bid.max).max();
            prop_assert!(Some(price) <= own);
        }
    }

    #[test]
    fn the_highest_maximum_leads_and_of_equals_the_earlier(terms in terms(), tries in tries()) {
        let room = play(terms, &tries, |_, _, _, _| {});
        let highest = room.bids.iter().map(|bid| bid.max).max();
        let first = room.bids.iter().find(|bid| Some(bid.max) == highest).map(|bid| &bid.bidder);
        prop_assert_eq!(room.auction.rules().leader(), first);
    }

    #[test]
    fn a_refused_bid_changes_nothing_so_nobody_who_was_only_refused_wins(terms in terms(), tries in tries()) {
        let mut accepted = BTreeMap::<_, usize>::new();
        let mut room = play(terms, &tries, |before, after, order, refusal| {
            match refusal {
                Some(_) => assert_eq!(before.auction, after.auction),
                None => *accepted.entry(order.bidder.clone()).or_default() += 1,
            }
        });
        if let Outcome::Sold { winner, .. } = room.close() {
            prop_assert!(accepted.contains_key(&winner));
        }
    }

    #[test]
    fn a_sold_lot_has_reached_its_reserve(terms in terms(), tries in tries()) {
        let reserve = terms.reserve_price.unwrap_or(Amount::ZERO);
        match play(terms, &tries, |_, _, _, _| {}).close() {
            Outcome::Sold { price, .. } => prop_assert!(price >= reserve),
            Outcome::ReserveNotMet { price } => prop_assert!(price < reserve),
            Outcome::NoBids => {}
        }
    }

    #[test]
    fn replaying_the_accepted_bids_gives_the_same_auction_and_the_same_events(terms in terms(), tries in tries()) {
        let room = play(terms.clone(), &tries, |_, _, _, _| {});
        let mut replay = Room::open(terms);
        for bid in &room.bids {
            let order =
                Order { bid_id: bid.id, bidder: bid.bidder.clone(), max: bid.max, suspended: false };
            let second = (bid.placed_at - support::at(0)).num_seconds();
            prop_assert_eq!(replay.order(order, second), Ok(bid.clone()));
        }
        prop_assert_eq!(replay.auction, room.auction);
        prop_assert_eq!(replay.events, room.events);
    }

    #[test]
    fn events_are_numbered_without_a_gap_and_never_carry_a_hidden_maximum(terms in terms(), tries in tries()) {
        let room = play(terms, &tries, |_, _, _, _| {});
        for (expected, event) in (1..).zip(&room.events) {
            prop_assert_eq!(event.sequence, expected);
        }
        prop_assert_eq!(room.auction.sequence(), room.events.len() as u64);
        for event in &room.events {
            prop_assert!(!serde_json::to_string(event).unwrap().contains("max\""));
        }
    }

    #[test]
    fn the_end_never_moves_back_nor_beyond_the_hard_stop(terms in terms(), tries in tries()) {
        let hard_stop_s = match terms.soft_close {
            SoftClose::Off => 0,
            SoftClose::Reset { hard_stop_s, .. } => hard_stop_s,
        };
        let room = play(terms, &tries, |before, after, _, refusal| {
            assert!(after.auction.ends_at() >= before.auction.ends_at());
            let moved = before.auction.rules().price() != after.auction.rules().price()
                || before.auction.rules().leader() != after.auction.rules().leader();
            assert!(after.auction.ends_at() == before.auction.ends_at() || (moved && refusal.is_none()));
        });
        prop_assert!(room.auction.ends_at() <= support::at(END_S + i64::from(hard_stop_s)));
        let extensions = room.events.iter().filter(|event| matches!(event.what, Happening::Extended { .. })).count();
        prop_assert_eq!(extensions == 0, room.auction.ends_at() == support::at(END_S));
    }
}
