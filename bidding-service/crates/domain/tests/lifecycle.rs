//! An auction's life: every transition, and every refused one.

mod support;

use bidding_domain::{
    auction::{Attempt, Auction, Objection, State, Status, Timing, Transition},
    bid::Refusal,
    english::EnglishTerms,
    event::Happening,
    format::{FormatTerms, Mismatch, Outcome},
    log::Entry,
    soft_close::SoftClose,
    terms::{Sale, Terms, TermsFault},
};
use support::{
    END_S, Room, SELLER, amount, at, dutch, every_format, flat, lot, objection, sale, scheduled, sold, user,
};

fn plain() -> EnglishTerms {
    lot(500, flat(100))
}

fn closed() -> Auction {
    let mut room = Room::open(plain());
    room.close();
    room.auction
}

fn cancelled() -> Auction {
    scheduled(plain()).cancel(&user(SELLER), at(0)).unwrap().auction
}

#[test]
fn an_auction_opens_at_its_start_and_not_before() {
    let early = scheduled(plain()).open(at(-1));
    assert_eq!(objection(&early), Some((Attempt::Open, Objection::NotDue { due_at: at(0) })));
    let Transition { auction, entries } = scheduled(plain()).open(at(0)).unwrap();
    let timing = Timing { ends_at: at(END_S), open_since: at(0), given_back_ms: 0 };
    assert_eq!(auction.state(), &State::Open(timing));
    assert_eq!((auction.sequence(), entries[0].sequence, entries[0].number), (1, 1, 1));
    assert_eq!(
        entries[0].record.told,
        [Happening::Opened {
            seller: user(SELLER),
            currency: auction.sale().currency,
            next_minimum: amount(500),
            starts_at: at(0),
            ends_at: at(END_S),
            format: "english".to_owned(),
        }]
    );
}

#[test]
fn a_scheduled_auction_takes_no_bids() {
    let auction = scheduled(plain());
    let mut room = Room::from(auction);
    assert_eq!(room.bid("ann", 500), Err(Refusal::NotOpen { status: Status::Scheduled }));
}

#[test]
fn a_closed_and_a_cancelled_auction_take_no_bids() {
    for (auction, status) in [(closed(), Status::Closed), (cancelled(), Status::Cancelled)] {
        let mut room = Room::from(auction);
        assert_eq!(room.bid("ann", 500), Err(Refusal::NotOpen { status }));
    }
}

#[test]
fn an_auction_closes_at_its_end_and_not_before() {
    let open = Room::open(plain()).auction;
    let early = open.clone().close(at(END_S - 1));
    assert_eq!(objection(&early), Some((Attempt::Close, Objection::NotDue { due_at: at(END_S) })));
    assert!(open.close(at(END_S)).is_ok());
}

#[test]
fn an_auction_without_bids_ends_with_no_bids() {
    assert_eq!(Room::open(plain()).close(), Outcome::NoBids);
}

#[test]
fn an_auction_whose_reserve_was_not_met_ends_unsold_at_the_last_price() {
    let mut room = Room::open(EnglishTerms { reserve_price: Some(amount(5_000)), ..plain() });
    room.bid("ann", 4_999).unwrap();
    assert_eq!(room.close(), Outcome::ReserveNotMet { price: Some(amount(500)) });
}

#[test]
fn a_sold_auction_tells_price_winner_and_both_times() {
    let mut room = Room::open(plain());
    room.bid("ann", 900).unwrap();
    room.bid("bob", 700).unwrap();
    let Transition { auction, entries } = room.auction.close(at(END_S + 7)).unwrap();
    let outcome = sold("ann", 800);
    let events: Vec<_> = entries.iter().flat_map(Entry::events).collect();
    let [event] = &events[..] else { panic!("{events:?}") };
    assert_eq!((event.sequence, event.at), (4, at(END_S + 7)));
    assert_eq!(
        event.what,
        Happening::Closed {
            seller: user(SELLER),
            currency: auction.sale().currency,
            outcome: outcome.clone(),
            bid_count: 2,
            second_chance: false,
            second_chance_days: None,
            ended_at: at(END_S),
            decline_until: None,
        }
    );
    let closed = State::Closed { ends_at: at(END_S), closed_at: at(END_S + 7), outcome, decline_until: None };
    assert_eq!(auction.state(), &closed);
}

#[test]
fn what_is_over_stays_as_it_is() {
    for auction in [closed(), cancelled()] {
        for refused in [
            auction.clone().open(at(END_S)),
            auction.clone().close(at(END_S)),
            auction.clone().cancel(&user(SELLER), at(END_S)),
            auction.clone().cancel_by_operator("a mistake", at(END_S)),
            auction.clone().pause("a fire drill", at(5)),
            auction.clone().resume(at(5)),
        ] {
            assert_eq!(objection(&refused).map(|(_, objection)| objection), Some(Objection::WrongState));
        }
        assert_eq!(auction.due_at(), None);
    }
}

#[test]
fn an_open_auction_is_not_opened_again_and_a_scheduled_one_not_closed() {
    assert!(Room::open(plain()).auction.open(at(5)).is_err());
    assert!(scheduled(plain()).close(at(END_S)).is_err());
}

#[test]
fn a_refused_transition_names_state_and_attempt() {
    let refused = closed().open(at(0)).unwrap_err();
    assert_eq!(refused.to_string(), "an auction that is closed did not open: its state does not allow it");
}

#[test]
fn an_auction_is_due_at_its_start_then_at_its_end_with_extensions() {
    let soft_close = SoftClose::Reset { window_s: 60, hard_stop_s: 600 };
    let auction = scheduled(EnglishTerms { soft_close, ..plain() });
    assert_eq!(auction.due_at(), Some(at(0)));
    let mut room = Room::from(auction.open(at(0)).unwrap().auction);
    assert_eq!(room.auction.due_at(), Some(at(END_S)));
    room.bid_at(END_S - 10, "ann", 500).unwrap();
    assert_eq!(room.auction.due_at(), Some(at(END_S + 50)));
}

#[test]
fn terms_that_nobody_could_bid_on_are_refused() {
    let terms = |sale: Sale, english| Terms::new(sale, FormatTerms::English(english)).unwrap_err();
    assert_eq!(terms(Sale { ends_at: at(0), ..sale() }, plain()), TermsFault::EndsBeforeStart);
    assert_eq!(terms(sale(), lot(0, flat(100))), TermsFault::StartPriceNotPositive);
    let reserve_price = Some(amount(0));
    assert_eq!(terms(sale(), EnglishTerms { reserve_price, ..plain() }), TermsFault::ReservePriceNotPositive);
}

#[test]
fn an_auction_of_any_format_is_kept_as_terms_and_snapshot_and_comes_back_the_same() {
    for format in every_format() {
        let mut room = Room::open(format.clone());
        let open = room.auction.clone();
        room.bid("ann", 10_000).unwrap();
        let with_a_bid = room.auction.clone();
        let mut paused = Room::from(open.clone());
        paused.pause_at(5).unwrap();
        let closed = open.clone().close(at(END_S)).unwrap().auction;
        for auction in [scheduled(format), open, with_a_bid, paused.auction, closed, cancelled()] {
            let terms = serde_json::to_string(&auction.terms()).unwrap();
            let snapshot = serde_json::to_string(&auction.snapshot()).unwrap();
            let (terms, snapshot) = (serde_json::from_str(&terms).unwrap(), serde_json::from_str(&snapshot).unwrap());
            assert_eq!(Auction::restore(auction.id(), terms, snapshot), Ok(auction));
        }
    }
}

#[test]
fn terms_of_one_format_and_bids_of_another_make_no_auction() {
    let (english, dutch) = (scheduled(plain()), scheduled(dutch()));
    assert_eq!(Auction::restore(english.id(), english.terms(), dutch.snapshot()), Err(Mismatch));
}

#[test]
fn a_format_has_its_name_in_terms_bids_and_events() {
    let names = ["english", "sealed_first_price", "vickrey", "dutch", "uniform_multi_unit"];
    for (format, name) in every_format().into_iter().zip(names) {
        let room = Room::open(format.clone());
        let told = serde_json::to_value(&room.log[0].record.told[0]).unwrap();
        let (terms, book) =
            (serde_json::to_value(&format).unwrap(), serde_json::to_value(room.auction.snapshot().book));
        assert_eq!([&terms["kind"], &book.unwrap()["kind"], &told["format"]], [name; 3]);
        assert_eq!((room.auction.kind(), format.kind()), (name, name));
    }
}
