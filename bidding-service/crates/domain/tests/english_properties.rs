//! What holds for every sequence of bids on every English lot.

mod support;

use bidding_domain::{
    auction::Auction,
    bid::Refusal,
    english::EnglishTerms,
    event::Happening,
    format::Outcome,
    ids::UserId,
    increments::{IncrementTable, Preset, Tier},
    money::Amount,
    soft_close::SoftClose,
};
use proptest::{collection::vec, option, prelude::*};
use support::{END_S, Room, amount, at, lot, preset};

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
        (1..900_u32, 1..900_u32).prop_map(|(window_s, hard_stop_s)| SoftClose::Reset { window_s, hard_stop_s }),
        (1..900_u32, 1..300_u32, 1..900_u32).prop_map(|(window_s, extension_s, hard_stop_s)| SoftClose::Add {
            window_s,
            extension_s,
            hard_stop_s
        })
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

/// Plays all tries; gives each accepted or refused bid to `check` with the auction before it.
fn play(terms: EnglishTerms, tries: &[Try], mut check: impl FnMut(&Auction, &Room, Option<Refusal>)) -> Room {
    let mut room = Room::open(terms);
    let mut second = 0;
    for &(bidder, max, wait_s) in tries {
        second += wait_s;
        let before = room.auction.clone();
        let refusal = room.bid_at(second, BIDDERS[bidder], max).err();
        check(&before, &room, refusal);
    }
    room
}

fn price(auction: &Auction) -> Option<Amount> {
    auction.standing(at(0)).price
}

fn leader(auction: &Auction) -> Option<UserId> {
    auction.standing(at(0)).leader.cloned()
}

proptest! {
    // An integration test has no place of its own for failed cases: they are printed.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_price_never_falls_nor_lies_below_the_start(terms in terms(), tries in tries()) {
        let start_price = terms.start_price;
        play(terms, &tries, |before, after, _| {
            let (old, new) = (price(before), price(&after.auction));
            assert!(new >= old);
            assert!(new.is_none_or(|price| price >= start_price));
        });
    }

    #[test]
    fn the_highest_maximum_leads_and_of_equals_the_earlier(terms in terms(), tries in tries()) {
        let room = play(terms, &tries, |_, _, _| {});
        let bids = room.bids();
        let highest = bids.iter().map(|bid| bid.max).max();
        let first = bids.iter().find(|bid| Some(bid.max) == highest).map(|bid| bid.bidder.clone());
        prop_assert_eq!(leader(&room.auction), first);
    }

    #[test]
    fn a_refused_bid_changes_nothing(terms in terms(), tries in tries()) {
        play(terms, &tries, |before, after, refusal| assert!(refusal.is_none() || *before == after.auction));
    }

    #[test]
    fn a_sold_lot_has_reached_its_reserve(terms in terms(), tries in tries()) {
        let reserve = terms.reserve_price.unwrap_or(Amount::ZERO);
        match play(terms, &tries, |_, _, _| {}).close() {
            Outcome::Sold { price, .. } => prop_assert!(price >= reserve),
            Outcome::ReserveNotMet { price } => prop_assert!(price.unwrap() < reserve),
            Outcome::NoBids | Outcome::SoldUnits { .. } => {}
        }
    }

    #[test]
    fn the_end_never_moves_back_nor_beyond_the_hard_stop(terms in terms(), tries in tries()) {
        let hard_stop_s = match terms.soft_close {
            SoftClose::Off => 0,
            SoftClose::Reset { hard_stop_s, .. } | SoftClose::Add { hard_stop_s, .. } => hard_stop_s,
        };
        let room = play(terms, &tries, |before, after, refusal| {
            assert!(after.auction.ends_at() >= before.ends_at());
            let moved = price(before) != price(&after.auction) || leader(before) != leader(&after.auction);
            assert!(after.auction.ends_at() == before.ends_at() || (moved && refusal.is_none()));
        });
        prop_assert!(room.auction.ends_at() <= at(END_S + i64::from(hard_stop_s)));
        let extensions = room.happenings().iter().filter(|what| matches!(what, Happening::Extended { .. })).count();
        prop_assert_eq!(extensions == 0, room.auction.ends_at() == at(END_S));
    }
}
