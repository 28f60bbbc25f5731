use chrono::TimeDelta;

use super::{LIMITS, description, draft, draft_with, now, pointers, sealed, terms, units};
use crate::{
    event::Happening,
    listing::{Cancellation, CancelledBy, Fact, Listing, Refusal, Revision, SaleStatus, State},
    terms::Format,
};

fn scheduled() -> Listing {
    draft().publish(now(), LIMITS).expect("publishable").0
}

fn live() -> Listing {
    scheduled().follow(Fact::AuctionOpened, now()).expect("opens")
}

fn bid() -> Fact {
    Fact::PriceMoved { price: Some(150), bid_count: 1 }
}

fn sold() -> Fact {
    Fact::AuctionClosed { sold: true, price: Some(150), bid_count: 1, ended_at: now() }
}

/// Settlement says so since `second` seconds after now.
fn settled(name: &str, second: i64) -> Fact {
    Fact::SaleStatus(SaleStatus { name: name.into(), at: now() + TimeDelta::seconds(second), offered_until: None })
}

fn name(listing: &Listing) -> Option<&str> {
    listing.sale_status.as_ref().map(|status| status.name.as_str())
}

fn cancelled_by_bidding() -> Fact {
    Fact::AuctionCancelled(Cancellation::by_seller())
}

fn live_as(format: Format) -> Listing {
    let terms = crate::terms::Terms { format, ..terms() };
    let draft = draft_with(description(), terms).expect("a sound draft");
    let scheduled = draft.publish(now(), LIMITS).expect("publishable").0;
    scheduled.follow(Fact::AuctionOpened, now()).expect("opens")
}

fn all_states() -> Vec<Listing> {
    let unsold = Fact::AuctionClosed { sold: false, price: None, bid_count: 0, ended_at: now() };
    vec![
        draft(),
        scheduled(),
        live(),
        live().follow(sold(), now()).expect("closes"),
        live().follow(unsold, now()).expect("closes"),
        draft().cancel(now()).expect("cancels").0,
    ]
}

#[test]
fn publishing_makes_the_terms_final_and_tells_them_once() {
    let (listing, events) = draft().publish(now(), LIMITS).expect("publishable");
    assert_eq!((listing.status(), listing.version, listing.sequence), ("scheduled", 2, 1));
    let [event] = events.as_slice() else { panic!("one event, got {events:?}") };
    assert_eq!(event.sequence, 1);
    assert!(matches!(&event.what, Happening::Published { starts_at, .. } if *starts_at == now()));

    let (again, told) = listing.clone().publish(now(), LIMITS).expect("already published");
    assert_eq!((again, told), (listing, vec![]));
}

#[test]
fn a_start_in_the_future_is_kept_at_publication() {
    let start = now() + TimeDelta::hours(1);
    let mut terms = terms();
    terms.starts_at = Some(start);
    let listing = draft_with(description(), terms).expect("sound").publish(now(), LIMITS).expect("publishable").0;
    assert_eq!(listing.on_sale().map(|sale| sale.starts_at), Some(start));
}

#[test]
fn a_draft_whose_times_have_gone_by_cannot_be_published() {
    let late = now() + TimeDelta::days(8);
    assert_eq!(pointers(draft().publish(late, LIMITS)), ["/ends_at", "/ends_at"]);
}

#[test]
fn a_draft_takes_other_terms_and_a_published_listing_does_not() {
    let revision = || Revision { terms: Some(terms()), ..Revision::default() };
    let (revised, told) = draft().revise(revision(), now(), LIMITS).expect("a draft is free");
    assert_eq!((revised.version, told.len()), (2, 0));
    let refused = live().revise(revision(), now(), LIMITS).expect_err("frozen");
    assert!(refused.to_string().starts_with("a live listing cannot be given other terms"), "{refused}");
}

#[test]
fn a_published_listing_may_change_its_description_and_says_so() {
    let revision = Revision { title: Some("A fine wristwatch".into()), ..Revision::default() };
    let (listing, events) = live().revise(revision, now(), LIMITS).expect("allowed");
    assert_eq!(listing.description.title, "A fine wristwatch");
    assert_eq!(listing.description.text, description().text);
    assert!(matches!(&events[0].what, Happening::Revised { version, .. } if *version == listing.version));
}

#[test]
fn a_faulty_revision_changes_nothing() {
    let revision = || Revision { title: Some(String::new()), ..Revision::default() };
    assert_eq!(pointers(draft().revise(revision(), now(), LIMITS)), ["/title"]);
    assert_eq!(pointers(live().revise(revision(), now(), LIMITS)), ["/title"]);
}

#[test]
fn a_draft_is_cancelled_at_once_and_a_published_listing_asks_bidding() {
    let (listing, told) = draft().cancel(now()).expect("cancels");
    assert_eq!((listing.status(), told.len()), ("cancelled", 0));

    let (asked, told) = live().cancel(now()).expect("asks");
    assert_eq!(asked.status(), "live");
    assert_eq!(asked.on_sale().and_then(|sale| sale.cancellation_requested_at), Some(now()));
    assert!(matches!(told[0].what, Happening::CancellationRequested { .. }));
    assert_eq!(asked.clone().cancel(now()).expect("asked already"), (asked.clone(), vec![]));

    let cancelled = asked.follow(cancelled_by_bidding(), now()).expect("bidding agrees");
    assert_eq!(cancelled.status(), "cancelled");
}

#[test]
fn that_a_sealed_lot_is_taken_back_can_be_asked_again() {
    let (asked, _) = live_as(Format::Vickrey(sealed())).cancel(now()).expect("asks");
    let (again, told) = asked.cancel(now()).expect("asks again");
    assert_eq!(again.status(), "live");
    assert!(matches!(told[0].what, Happening::CancellationRequested { .. }), "the bid may have been retracted");
}

#[test]
fn a_bid_that_comes_after_the_request_is_biddings_refusal_to_cancel() {
    let (asked, _) = live().cancel(now()).expect("asks");
    let goes_on = asked.follow(bid(), now()).expect("a bid");
    assert_eq!(goes_on.on_sale().and_then(|sale| sale.cancellation_requested_at), None);
    let refused = goes_on.cancel(now()).expect_err("it has a bid");
    assert_eq!(refused.to_string(), "a live listing cannot be cancelled: it has bids");
}

#[test]
fn price_end_and_outcome_follow_bidding() {
    let extended = now() + TimeDelta::days(7) + TimeDelta::minutes(2);
    let listing = live().follow(bid(), now()).and_then(|l| l.follow(Fact::EndMoved { ends_at: extended }, now()));
    let listing = listing.expect("live");
    let sale = listing.on_sale().expect("on sale");
    assert_eq!((sale.price, sale.bid_count, sale.ends_at), (Some(150), 1, extended));
    assert_eq!(listing.follow(sold(), now()).expect("closes").status(), "sold");
}

#[test]
fn settlement_may_speak_before_bidding_has_closed_the_auction() {
    let listing = live().follow(settled("awaiting_payment", 0), now()).expect("kept");
    assert_eq!(name(&listing), Some("awaiting_payment"));
    assert_eq!(name(&listing.follow(sold(), now()).expect("closes")), Some("awaiting_payment"));
}

#[test]
fn of_the_sales_of_a_lot_the_latest_word_counts_in_whatever_order_words_come() {
    let listing = live().follow(sold(), now()).expect("closes");
    let offered = listing.follow(settled("awaiting_payment", 60), now()).expect("the second sale begins");
    let late = offered.clone().follow(settled("failed", 50), now()).expect("the first one had failed before");
    assert_eq!(late, offered, "not even a new version");
    let next = late.follow(settled("escrowed", 60), now()).expect("of the same moment");
    assert_eq!((name(&next), next.version), (Some("escrowed"), offered.version + 1));
}

#[test]
fn an_offer_is_shown_until_settlement_goes_on() {
    let until = now() + TimeDelta::days(3);
    let status = SaleStatus { name: "awaiting_payment".into(), at: now(), offered_until: Some(until) };
    let offered =
        live().follow(sold(), now()).and_then(|l| l.follow(Fact::SaleStatus(status), now())).expect("offered");
    assert_eq!(offered.sale_status.as_ref().and_then(|status| status.offered_until), Some(until));
    let taken = offered.follow(settled("escrowed", 9), now()).expect("taken");
    assert_eq!(taken.sale_status.and_then(|status| status.offered_until), None);
}

#[test]
fn every_transition_that_the_table_lacks_is_refused_naming_state_and_event() {
    let facts = [
        Fact::AuctionOpened,
        bid(),
        Fact::EndMoved { ends_at: now() },
        sold(),
        cancelled_by_bidding(),
        Fact::AuctionPaused { paused_at: now() },
        Fact::AuctionResumed { ends_at: now() },
    ];
    let legal = |state: &State, fact: &Fact| {
        matches!(
            (state, fact),
            (
                State::Scheduled(_) | State::Live(_),
                Fact::AuctionCancelled(_) | Fact::AuctionPaused { .. } | Fact::AuctionResumed { .. }
            ) | (State::Scheduled(_), Fact::AuctionOpened)
                | (State::Live(_), Fact::PriceMoved { .. } | Fact::EndMoved { .. } | Fact::AuctionClosed { .. })
        )
    };
    for listing in all_states() {
        for fact in &facts {
            let status = listing.status();
            match listing.clone().follow(fact.clone(), now()) {
                Ok(next) => assert!(legal(&listing.state, fact) && next.version == listing.version + 1),
                Err(Refusal::State { state, .. }) => assert!(!legal(&listing.state, fact) && state == status),
                Err(other) => panic!("{other}"),
            }
        }
    }
}

#[test]
fn what_is_over_stays_as_it_is() {
    for listing in all_states().into_iter().skip(3) {
        let revision = Revision { title: Some("Other".into()), ..Revision::default() };
        assert!(listing.clone().revise(revision, now(), LIMITS).is_err());
        assert!(listing.clone().publish(now(), LIMITS).is_err());
        assert_eq!(listing.clone().cancel(now()).is_ok(), listing.status() == "cancelled");
    }
}

#[test]
fn the_operator_takes_an_auction_back_though_it_has_bids_and_says_why() {
    let reason = Some("not the seller's to sell".to_owned());
    let cancellation = Cancellation { by: Some(CancelledBy::Operator), reason };
    let listing = live().follow(bid(), now()).expect("a bid");
    let over = listing.follow(Fact::AuctionCancelled(cancellation.clone()), now()).expect("cancelled");
    assert_eq!((over.status(), over.state.cancellation()), ("cancelled", Some(&cancellation)));
}

#[test]
fn a_retraction_moves_price_and_bid_count_back_and_the_last_one_leaves_none() {
    let listing = live().follow(bid(), now()).expect("a bid");
    let listing = listing.follow(Fact::PriceMoved { price: None, bid_count: 0 }, now()).expect("taken back");
    assert_eq!(listing.on_sale().map(|sale| (sale.price, sale.bid_count)), Some((None, 0)));
}

#[test]
fn a_pause_is_shown_until_the_resumption_gives_the_time_back() {
    let later = now() + TimeDelta::days(8);
    for listing in [scheduled(), live()] {
        let status = listing.status();
        let paused = listing.follow(Fact::AuctionPaused { paused_at: now() }, now()).expect("pauses");
        assert_eq!(paused.on_sale().and_then(|sale| sale.paused_at), Some(now()));
        let resumed = paused.follow(Fact::AuctionResumed { ends_at: later }, now()).expect("goes on");
        let sale = resumed.on_sale().expect("on sale");
        assert_eq!((resumed.status(), sale.paused_at, sale.ends_at), (status, None, later));
    }
    let paused = live().follow(Fact::AuctionPaused { paused_at: now() }, now()).expect("pauses");
    let over = paused.follow(cancelled_by_bidding(), now()).expect("the operator ends it in its pause");
    assert_eq!(over.status(), "cancelled");
}

#[test]
fn a_sealed_auction_shows_nothing_of_its_bids_before_the_close() {
    for format in [Format::SealedFirstPrice(sealed()), Format::Vickrey(sealed())] {
        let live = live_as(format);
        let after = live.clone().follow(bid(), now()).expect("whoever said so");
        assert_eq!(after, live, "not even a new version");
        let sold = after.follow(sold(), now()).expect("closes");
        let sale = sold.on_sale().expect("sold");
        assert_eq!((sold.status(), sale.price, sale.bid_count), ("sold", Some(150), 1));
    }
}

#[test]
fn several_units_are_sold_at_the_price_of_one() {
    let closed = Fact::AuctionClosed { sold: true, price: Some(2_000), bid_count: 2, ended_at: now() };
    let sold = live_as(Format::UniformMultiUnit(units())).follow(closed, now()).expect("closes");
    assert_eq!((sold.status(), sold.on_sale().and_then(|sale| sale.price)), ("sold", Some(2_000)));
}
