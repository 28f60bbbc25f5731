//! Who is next when the buyer of a lot does not pay, and that nobody but settlement hears of it.

mod support;

use bidding_domain::{
    auction::Auction,
    english::EnglishTerms,
    event::Happening,
    format::FormatTerms,
    ids::{AuctionId, SettlementId},
    log::Decided,
    replay::replay,
    second_chance::Asked,
    terms::{Sale, Terms},
    views::EventView,
};
use support::{
    END_S, IntoFormat, Room, aliases, amount, at, dutch, every_format, first_price, five_units, flat, lot, sale, user,
    vickrey,
};
use uuid::Uuid;

/// A lot that is open, and whose seller wants second chances.
fn room(format: impl IntoFormat) -> Room {
    let terms = Terms::new(Sale { second_chance: true, ..sale() }, format.into_format()).unwrap();
    let mut room = Room::from(Auction::schedule(AuctionId(Uuid::from_u128(1)), terms));
    room.apply(0, Auction::open).unwrap();
    room
}

fn settlement(number: u128) -> SettlementId {
    SettlementId(Uuid::from_u128(number))
}

/// A question of settlement 7.
fn asked(excluded: &[&str]) -> Asked {
    Asked { settlement: settlement(7), excluded: excluded.iter().map(|name| user(name)).collect() }
}

/// Asks who is next, and gives who that is and at which amount.
fn next_of(room: &mut Room, asked: &Asked, suspended: &[&str]) -> Option<(String, i64)> {
    let bids = room.bids();
    let suspended: Vec<_> = suspended.iter().map(|name| user(name)).collect();
    let second = room.ends_s().max(room.second) + 60;
    room.apply(second, |auction, now| Ok(auction.nominate(asked, &suspended, &bids, now).unwrap())).unwrap();
    match room.happenings().pop().unwrap() {
        Happening::Nominated { settlement, bidder, amount, currency } => {
            assert_eq!((settlement, currency), (asked.settlement, room.auction.sale().currency));
            Some((bidder.0, amount.minor()))
        }
        Happening::Exhausted { settlement } => {
            assert_eq!(settlement, asked.settlement);
            None
        }
        other => panic!("no answer: {other:?}"),
    }
}

/// Asks who is next in the name of a settlement that has not asked yet.
fn next(room: &mut Room, excluded: &[&str]) -> Option<(String, i64)> {
    let settlement = settlement(room.log.len() as u128 + 100);
    next_of(room, &Asked { settlement, ..asked(excluded) }, &[])
}

fn own(bidder: &str, max: i64) -> (String, i64) {
    (bidder.to_owned(), max)
}

/// dan wins; cay, bob and ann follow, each with the own highest bid.
fn contested(format: impl IntoFormat) -> Room {
    let mut room = room(format);
    for (second, bidder, max) in [
        (1, "ann", 1_100),
        (2, "bob", 1_500),
        (3, "ann", 1_700),
        (4, "bob", 2_000),
        (5, "cay", 2_500),
        (6, "dan", 4_000),
    ] {
        room.bid_at(second, bidder, max).unwrap();
    }
    room.close();
    room
}

fn single_lots() -> [FormatTerms; 3] {
    [lot(500, flat(100)).into_format(), first_price(500, None), vickrey(500, None)]
}

#[test]
fn the_next_contender_is_the_highest_bidder_who_did_not_win_at_the_own_highest_bid() {
    for format in single_lots() {
        let mut room = contested(format);
        assert_eq!(next(&mut room, &["dan"]), Some(own("cay", 2_500)), "{}", room.auction.kind());
        assert_eq!(next(&mut room, &["dan", "cay"]), Some(own("bob", 2_000)));
        assert_eq!(next(&mut room, &["dan", "cay", "bob"]), Some(own("ann", 1_700)));
        assert_eq!(next(&mut room, &["dan", "cay", "bob", "ann"]), None);
    }
}

#[test]
fn the_winner_is_no_contender_even_when_settlement_forgets_to_say_so() {
    let mut room = contested(lot(500, flat(100)));
    assert_eq!(next(&mut room, &[]), Some(own("cay", 2_500)));
}

#[test]
fn a_bidder_is_nominated_once_even_when_settlement_forgets_to_say_so() {
    let mut room = contested(lot(500, flat(100)));
    let chances: Vec<_> = (0..4).map(|_| next(&mut room, &["dan"]).map(|(bidder, _)| bidder)).collect();
    assert_eq!(chances, [Some("cay".to_owned()), Some("bob".to_owned()), Some("ann".to_owned()), None]);
}

#[test]
fn of_equal_bids_the_earlier_is_next() {
    for format in [first_price(500, None), vickrey(500, None)] {
        let mut room = room(format);
        for (second, bidder, max) in [(1, "ann", 900), (2, "bob", 2_000), (3, "ann", 2_000), (4, "dan", 3_000)] {
            room.bid_at(second, bidder, max).unwrap();
        }
        room.close();
        assert_eq!(next(&mut room, &[]), Some(own("bob", 2_000)), "ann's equal bid came later than bob's");
        assert_eq!(next(&mut room, &[]), Some(own("ann", 2_000)));
    }
}

#[test]
fn a_bid_that_was_taken_back_makes_no_contender() {
    let mut room = room(lot(500, flat(100)));
    room.bid_at(1, "ann", 900).unwrap();
    let raised = room.bid_at(2, "bob", 2_000).unwrap();
    let again = room.bid_at(3, "cay", 2_400).unwrap();
    room.bid_at(4, "bob", 2_900).unwrap();
    room.bid_at(5, "dan", 4_000).unwrap();
    room.retract_at(6, "cay", again.id).unwrap();
    room.retract_at(7, "bob", raised.id).unwrap();
    room.close();
    assert_eq!(next(&mut room, &[]), Some(own("bob", 2_900)), "one of bob's bids stands");
    assert_eq!(next(&mut room, &[]), Some(own("ann", 900)));
    assert_eq!(next(&mut room, &[]), None);
}

#[test]
fn a_suspended_bidder_is_passed_over_and_the_log_says_why() {
    let mut room = contested(lot(500, flat(100)));
    assert_eq!(next_of(&mut room, &asked(&["dan"]), &["cay"]), Some(own("bob", 2_000)));
    let Decided::SecondChance { asked, suspended } = &room.log.last().unwrap().record.decided else { panic!() };
    assert_eq!((asked.excluded.as_slice(), suspended.as_slice()), (&[user("dan")][..], &[user("cay")][..]));
    assert_eq!(
        next(&mut room, &["dan", "bob"]),
        Some(own("cay", 2_500)),
        "a bidder who was reinstated has a chance yet"
    );
}

#[test]
fn an_own_highest_bid_below_the_reserve_makes_no_contender_and_one_equal_to_it_does() {
    let english = EnglishTerms { reserve_price: Some(amount(2_500)), ..lot(500, flat(100)) };
    for format in [english.into_format(), first_price(500, Some(2_500)), vickrey(500, Some(2_500))] {
        let mut room = contested(format);
        assert_eq!(next(&mut room, &[]), Some(own("cay", 2_500)), "{}", room.auction.kind());
        assert_eq!(next(&mut room, &[]), None, "bob bid 2,000");
    }
}

#[test]
fn a_seller_who_bids_is_refused_and_so_never_next() {
    let mut room = room(first_price(500, None));
    room.bid_at(1, support::SELLER, 2_000).unwrap_err();
    room.bid_at(2, "ann", 3_000).unwrap();
    room.close();
    assert_eq!(next(&mut room, &[]), None);
}

#[test]
fn nobody_is_next_for_a_lot_that_fell_in_price_or_was_sold_by_the_unit() {
    let mut flowers = room(dutch());
    flowers.bid_at(1, "ann", 10_000).unwrap();
    let mut units = room(five_units());
    units.bid_units("ann", 2_000, 4).unwrap();
    units.bid_units("bob", 1_500, 4).unwrap();
    units.bid_units("cay", 1_800, 4).unwrap();
    units.close();
    for mut room in [flowers, units] {
        assert!(room.auction.is_over());
        assert_eq!(next(&mut room, &["ann"]), None, "{}", room.auction.kind());
    }
}

#[test]
fn nobody_is_next_for_a_lot_that_was_not_sold_or_is_not_over() {
    let bids = |mut room: Room| {
        room.bid_at(1, "ann", 1_000).unwrap();
        room.bid_at(2, "bob", 2_000).unwrap();
        room
    };
    let open = || room(lot(500, flat(100)));
    let reserve = EnglishTerms { reserve_price: Some(amount(9_000)), ..lot(500, flat(100)) };
    let mut unsold = bids(room(reserve));
    unsold.close();
    let mut without_bids = open();
    without_bids.close();
    let mut cancelled = bids(open());
    cancelled.apply(9, |auction, now| auction.cancel_by_operator("stolen", now)).unwrap();
    let mut paused = bids(open());
    paused.pause_at(9).unwrap();
    for mut room in [unsold, without_bids, cancelled, paused, bids(open())] {
        let state = room.auction.state().clone();
        assert_eq!(next(&mut room, &["bob"]), None, "{state:?}");
        assert_eq!(room.auction.state(), &state);
    }
}

#[test]
fn nobody_is_next_when_the_seller_did_not_opt_in() {
    let mut room = Room::open(lot(500, flat(100)));
    room.bid_at(1, "ann", 1_000).unwrap();
    room.bid_at(2, "bob", 2_000).unwrap();
    room.close();
    assert_eq!(next(&mut room, &["bob"]), None);
}

#[test]
fn answers_are_decisions_of_the_log_which_is_proved_with_them() {
    for format in every_format() {
        let at_once = matches!(format, FormatTerms::Dutch(_));
        let mut room = room(format);
        room.bid_at(1, "ann", 10_000).unwrap();
        if !at_once {
            room.bid_at(2, "bob", 20_000).unwrap();
            room.close();
        }
        for number in 1..=3 {
            next_of(&mut room, &Asked { settlement: settlement(number), ..asked(&["bob"]) }, &["eve"]);
        }
        let played = replay(room.auction.id(), room.auction.terms(), &room.log).unwrap();
        assert_eq!(played, room.auction);
        let sequences: Vec<_> = room.events().iter().map(|event| event.sequence).collect();
        assert_eq!(sequences, (1..=room.auction.sequence()).collect::<Vec<_>>(), "the services count without a gap");
    }
}

#[test]
fn a_nomination_that_was_changed_is_named() {
    let changes: [fn(&mut Decided, &mut Vec<Happening>); 4] = [
        |_, told| {
            if let Happening::Nominated { bidder, .. } = &mut told[0] {
                *bidder = user("mallory");
            }
        },
        |_, told| {
            if let Happening::Nominated { amount: price, .. } = &mut told[0] {
                *price = amount(1);
            }
        },
        |decided, _| {
            if let Decided::SecondChance { suspended, .. } = decided {
                suspended.push(user("cay"));
            }
        },
        |_, told| told[0] = Happening::Exhausted { settlement: settlement(7) },
    ];
    for change in changes {
        let mut room = contested(lot(500, flat(100)));
        next(&mut room, &["dan"]);
        let last = room.log.last_mut().unwrap();
        change(&mut last.record.decided, &mut last.record.told);
        let number = last.number;
        let difference = replay(room.auction.id(), room.auction.terms(), &room.log).unwrap_err();
        assert_eq!(difference.number, number, "{difference}");
    }
}

#[test]
fn an_answer_changes_nothing_that_anybody_may_see() {
    for format in every_format() {
        let at_once = matches!(format, FormatTerms::Dutch(_));
        let mut room = room(format);
        room.bid_at(1, "ann", 10_000).unwrap();
        if !at_once {
            room.bid_at(2, "bob", 20_000).unwrap();
            room.close();
        }
        let seen = |room: &Room| {
            let stream = |viewer| {
                room.events().iter().filter_map(|event| EventView::of(event, &user(viewer), &aliases())).collect()
            };
            let streams: Vec<Vec<EventView>> = ["ann", "bob", support::SELLER].map(stream).into();
            (streams, ["ann", "bob", support::SELLER].map(|viewer| room.view(viewer)), room.auction.public())
        };
        room.second = END_S;
        let before = seen(&room);
        next(&mut room, &["bob"]);
        next(&mut room, &["bob", "ann"]);
        room.second = END_S;
        assert_eq!(seen(&room), before, "{}", room.auction.kind());
        assert_eq!(room.auction.sequence(), room.auction.public().sequence + 2);
    }
}

#[test]
fn what_everybody_may_know_of_the_log_is_kept_with_the_auction() {
    let mut room = contested(vickrey(500, None));
    let public = room.auction.public();
    next(&mut room, &[]);
    let (id, terms) = (room.auction.id(), room.auction.terms());
    let snapshot = serde_json::to_string(&room.auction.snapshot()).unwrap();
    let restored = Auction::restore(id, terms, serde_json::from_str(&snapshot).unwrap()).unwrap();
    assert_eq!((restored.public(), &restored), (public, &room.auction));
}

#[test]
fn the_days_of_an_offer_are_told_with_the_close_and_terms_without_them_keep_their_chain() {
    let days = |second_chance_days| {
        let sale = Sale { second_chance: true, second_chance_days, ..sale() };
        let terms = Terms::new(sale, lot(500, flat(100)).into_format()).unwrap();
        let written = serde_json::to_string(&terms).unwrap();
        let mut room = Room::from(Auction::schedule(AuctionId(Uuid::from_u128(1)), terms));
        room.apply(0, Auction::open).unwrap();
        room.close();
        let Some(Happening::Closed { second_chance_days, .. }) = room.happenings().pop() else { panic!() };
        let closed = serde_json::to_string(&room.log.last().unwrap().record).unwrap();
        (second_chance_days, written.contains("second_chance_days"), closed.contains("second_chance_days"))
    };
    assert_eq!(days(Some(5)), (Some(5), true, true));
    assert_eq!(days(None), (None, false, false), "auctions of before are proved as ever");
}

#[test]
fn a_question_is_answered_once_and_another_one_of_the_same_settlement_anew() {
    let mut room = contested(lot(500, flat(100)));
    let first = asked(&["dan"]);
    next_of(&mut room, &first, &[]);
    assert_eq!(room.log.last().unwrap().at, at(END_S + 60));
    let bids = room.bids();
    assert_eq!(room.auction.clone().nominate(&first, &[], &bids, at(END_S + 90)), None);
    assert_eq!(next(&mut room, &["dan", "cay"]), Some(own("bob", 2_000)));
    assert_eq!(next_of(&mut room, &Asked { settlement: settlement(8), ..first }, &[]), Some(own("ann", 1_700)));

    room.log.push(room.log.last().unwrap().clone());
    let last = room.log.last_mut().unwrap();
    last.number += 1;
    let difference = replay(room.auction.id(), room.auction.terms(), &room.log).unwrap_err();
    assert!(difference.what.contains("answered before"), "{difference}");
}
