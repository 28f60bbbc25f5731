//! What holds for every auction of every format, whatever is tried in whatever order.

mod support;

use std::collections::BTreeMap;

use bidding_domain::{
    auction::{Auction, Snapshot, State},
    bid::Bid,
    event::Happening,
    format::{Award, FormatTerms, Outcome},
    ids::UserId,
    log::Record,
    money::Amount,
    replay::replay,
    soft_close::SoftClose,
    terms::Terms,
    views::EventView,
};
use proptest::prelude::*;
use serde::{Serialize, de::DeserializeOwned};
use support::{
    Room, aliases, at,
    play::{Move, Moves, PLAY_S, Play, lots, moves, played, sealed_lots},
    user,
};

/// How it was sold; none when it was cancelled.
fn outcome(room: &Room) -> Option<&Outcome> {
    if let State::Closed { outcome, .. } = room.auction.state() { Some(outcome) } else { None }
}

/// Who won how much at which price.
fn winners(room: &Room) -> Vec<(UserId, u32, Amount)> {
    match outcome(room) {
        Some(Outcome::Sold { price, winner }) => vec![(winner.clone(), 1, *price)],
        Some(Outcome::SoldUnits { price, awards }) => {
            awards.iter().map(|award| (award.bidder.clone(), award.quantity, *price)).collect()
        }
        _ => Vec::new(),
    }
}

fn same_bytes<T: Serialize + DeserializeOwned>(value: &T) -> bool {
    let bytes = serde_json::to_vec(value).unwrap();
    serde_json::to_vec(&serde_json::from_slice::<T>(&bytes).unwrap()).unwrap() == bytes
}

/// What is saved, without what is remembered of halts that did nothing.
fn essence(auction: &Auction) -> (Terms, Snapshot) {
    (auction.terms(), Snapshot { halt: 0, ..auction.snapshot() })
}

/// Who wins units by the rule, said another way: the last bid of each, the highest first, the earlier of
/// equals first.
fn awards_by_rule(bids: &[Bid], quantity: u32) -> Vec<(UserId, u32)> {
    let last: BTreeMap<_, _> = bids.iter().map(|bid| (&bid.bidder, bid)).collect();
    let mut last: Vec<_> = last.into_values().collect();
    last.sort_by_key(|bid| (std::cmp::Reverse(bid.max), bid.number));
    let mut left = quantity;
    let mut awards = Vec::new();
    for bid in last.into_iter().filter(|bid| bid.quantity > 0) {
        let won = bid.quantity.min(left);
        left -= won;
        if won > 0 {
            awards.push((bid.bidder.clone(), won));
        }
    }
    awards
}

fn check_order(room: &Room) {
    let bids = room.bids();
    match outcome(room) {
        Some(Outcome::Sold { winner, .. }) => {
            let highest = bids.iter().map(|bid| bid.max).max();
            let first = bids.iter().find(|bid| Some(bid.max) == highest).map(|bid| &bid.bidder);
            assert_eq!(Some(winner), first);
        }
        Some(Outcome::SoldUnits { awards, .. }) => {
            let won: Vec<_> = awards.iter().map(|award| (award.bidder.clone(), award.quantity)).collect();
            assert_eq!(won, awards_by_rule(&bids, room.auction.rules().quantity()));
        }
        _ => {}
    }
}

/// What a Vickrey winner pays, said another way.
fn vickrey_price(room: &Room, winner: &UserId) -> Option<Amount> {
    let terms = room.auction.terms();
    let FormatTerms::Vickrey(terms) = terms.format() else { return None };
    let others = room.bids().into_iter().filter(|bid| bid.bidder != *winner).map(|bid| bid.max);
    others.chain([terms.start_price]).chain(terms.reserve_price).max()
}

fn hard_stop_s(room: &Room) -> i64 {
    match room.auction.rules().soft_close() {
        SoftClose::Off => 0,
        SoftClose::Reset { hard_stop_s, .. } | SoftClose::Add { hard_stop_s, .. } => hard_stop_s.into(),
    }
}

/// The same moves, but nobody bids.
fn without_bids(moves: &Moves) -> Moves {
    let quiet = |one: &Move| match one {
        Move::Bid { .. } | Move::BuyNow { .. } | Move::Retract { .. } => Move::Nothing,
        other => other.clone(),
    };
    moves.iter().map(|(wait_s, one)| (*wait_s, quiet(one))).collect()
}

proptest! {
    // An integration test has no place of its own for failed cases: they are printed.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_price_never_falls_except_by_retraction_and_in_a_dutch_auction(lot in lots(), moves in moves()) {
        Play::all(lot, &moves, |before, after, one, _| {
            let now = at(after.second);
            let (old, new) = (before.standing(now).price, after.auction.standing(now).price);
            let may_fall = before.kind() == "dutch" || matches!(one, Move::Retract { .. });
            assert!(may_fall || new >= old, "{old:?} to {new:?} by {one:?}");
        });
    }

    #[test]
    fn a_dutch_price_never_rises_while_nobody_takes_the_lot_except_by_time_given_back(lot in lots(), moves in moves()) {
        let mut last = None;
        Play::all(lot, &moves, |_, after, _, _| {
            let auction = &after.auction;
            if auction.kind() == "dutch" && let State::Open(timing) | State::Paused { timing, .. } = auction.state() {
                let (price, given_back) = (after.standing().price, timing.given_back_ms);
                let falls = |(before, by_then)| price <= before || given_back > by_then;
                assert!(price.is_some() && last.is_none_or(falls), "{last:?} to {price:?}");
                last = Some((price, given_back));
            }
        });
    }

    #[test]
    fn a_winner_never_pays_above_the_own_maximum(lot in lots(), moves in moves()) {
        let room = played(lot, &moves);
        let bids = room.bids();
        for (winner, _, price) in winners(&room) {
            let own = bids.iter().rfind(|bid| bid.bidder == winner).map(|bid| bid.max);
            let highest = bids.iter().filter(|bid| bid.bidder == winner).map(|bid| bid.max).max();
            let limit = if room.auction.rules().is_sealed() { highest } else { own };
            prop_assert!(Some(price) <= limit, "{} pays {} of {:?}", winner, price, limit);
        }
    }

    #[test]
    fn nobody_who_was_refused_or_took_all_bids_back_wins(lot in lots(), moves in moves()) {
        let play = Play::all(lot, &moves, |before, after, _, refusal| {
            assert!(refusal.is_none() || *before == after.auction, "a refusal changes nothing");
        });
        let room = play.end();
        let bids = room.bids();
        for (winner, ..) in winners(&room) {
            prop_assert!(bids.iter().any(|bid| bid.bidder == winner));
            prop_assert_ne!(winner.0, support::SELLER);
        }
    }

    #[test]
    fn of_equal_bids_the_earlier_wins(lot in lots(), moves in moves()) {
        check_order(&played(lot, &moves));
    }

    #[test]
    fn a_vickrey_winner_pays_the_largest_of_start_reserve_and_the_others_bids(lot in sealed_lots(), moves in moves()) {
        let room = played(lot, &moves);
        for (winner, _, price) in winners(&room) {
            prop_assert!(vickrey_price(&room, &winner).is_none_or(|due| due == price));
        }
    }

    #[test]
    fn no_more_is_awarded_than_is_for_sale_and_only_partial_lots_are_declined(lot in lots(), moves in moves()) {
        let room = played(lot, &moves);
        let quantity: u32 = winners(&room).iter().map(|(_, quantity, _)| quantity).sum();
        prop_assert!(quantity <= room.auction.rules().quantity());
        prop_assert!(winners(&room).iter().all(|(_, quantity, _)| *quantity > 0));
        if let Some(Outcome::SoldUnits { awards, .. }) = outcome(&room) {
            prop_assert!(awards.iter().all(|award: &Award| !award.declined || award.is_partial()));
        }
    }

    #[test]
    fn replaying_the_log_gives_the_same_state(lot in lots(), moves in moves()) {
        let room = played(lot, &moves);
        let again = replay(room.auction.id(), room.auction.terms(), &room.log).unwrap();
        prop_assert_eq!(essence(&again), essence(&room.auction));
    }

    #[test]
    fn entries_and_events_are_numbered_without_a_gap(lot in lots(), moves in moves()) {
        let room = played(lot, &moves);
        for (number, entry) in (1..).zip(&room.log) {
            prop_assert_eq!(entry.number, number);
        }
        let events = room.events();
        for (sequence, event) in (1..).zip(&events) {
            prop_assert_eq!(event.sequence, sequence);
        }
        prop_assert_eq!(room.auction.sequence(), events.len() as u64);
        let count = room.bids().len() as u64;
        prop_assert_eq!(room.bid_count(), count, "the count is that of the bids that remain");
    }

    #[test]
    fn no_event_carries_a_maximum_nor_a_view_a_name(lot in lots(), moves in moves()) {
        let room = played(lot, &moves);
        for event in room.events() {
            prop_assert!(!serde_json::to_string(&event).unwrap().contains("max\""));
            let seen = serde_json::to_string(&EventView::of(&event, &user("ann"), &aliases())).unwrap();
            for name in ["\"ann\"", "\"bob\"", "\"cay\"", "\"dan\"", "\"sam\"", "max\""] {
                prop_assert!(!seen.contains(name), "{} in {}", name, seen);
            }
        }
    }

    #[test]
    fn a_sealed_auction_with_bids_looks_before_its_close_like_one_without(lot in sealed_lots(), moves in moves()) {
        let moves: Moves = moves.into_iter().filter(|(_, one)| !matches!(one, Move::Cancel)).collect();
        let full = Play::all(lot.clone(), &moves, |_, _, _, _| {}).room;
        if !full.auction.is_over() {
            let mut empty = Play::all(lot, &without_bids(&moves), |_, _, _, _| {}).room;
            empty.second = full.second;
            prop_assert_eq!(full.events(), empty.events());
            for viewer in ["ann", "dan", support::SELLER] {
                prop_assert_eq!(full.view(viewer), empty.view(viewer));
            }
        }
    }

    #[test]
    fn what_is_kept_as_json_comes_back_to_the_same_bytes_for_the_chain_depends_on_them(
        lot in lots(),
        moves in moves(),
    ) {
        Play::all(lot.clone(), &moves, |_, after, _, _| {
            let snapshot = after.auction.snapshot();
            assert!(same_bytes(&snapshot));
            let (id, terms) = (after.auction.id(), after.auction.terms());
            assert_eq!(Auction::restore(id, terms, snapshot).as_ref(), Ok(&after.auction));
        });
        let room = played(lot, &moves);
        prop_assert!(same_bytes::<Terms>(&room.auction.terms()));
        prop_assert!(same_bytes::<Snapshot>(&room.auction.snapshot()));
        for entry in &room.log {
            prop_assert!(same_bytes::<Record>(&entry.record), "{:?}", entry.record);
        }
    }

    #[test]
    fn the_end_moves_only_on_and_never_beyond_the_hard_stop_and_what_was_given_back(lot in lots(), moves in moves()) {
        let play = Play::all(lot, &moves, |before, after, _, _| {
            assert!(after.auction.is_over() || after.auction.ends_at() >= before.ends_at());
        });
        let room = play.end();
        let given_back_ms: u64 = room
            .happenings()
            .iter()
            .map(|what| if let Happening::Resumed { paused_for_ms, .. } = what { *paused_for_ms } else { 0 })
            .sum();
        prop_assert_eq!(given_back_ms % 1_000, 0);
        let latest = PLAY_S + hard_stop_s(&room) + i64::try_from(given_back_ms / 1_000).unwrap();
        prop_assert!(room.ends_s() <= latest, "{} after {}", room.ends_s(), latest);
    }
}
