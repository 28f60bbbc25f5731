use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::{LIMITS, description, draft, draft_with, now, terms, units};
use crate::{
    event::Happening,
    ids::ListingId,
    listing::{Cancellation, Fact, Listing, Refusal, SaleStatus},
    relisting::Relisting,
    terms::{DurationLimits, Format, Terms},
};

/// Eight days later: the auction of seven days is over.
fn later() -> DateTime<Utc> {
    now() + TimeDelta::days(8)
}

fn fresh() -> ListingId {
    ListingId(Uuid::from_u128(2))
}

fn live() -> Listing {
    let scheduled = draft().publish(now(), LIMITS).expect("publishable").0;
    scheduled.follow(Fact::AuctionOpened, now()).expect("opens")
}

fn closed(listing: Listing, sold: bool) -> Listing {
    let price = Some(150).filter(|_| sold);
    let closed = Fact::AuctionClosed { sold, price, bid_count: u64::from(sold), ended_at: later() };
    listing.follow(closed, later()).expect("closes")
}

fn sold() -> Listing {
    closed(live(), true)
}

fn settled(listing: Listing, name: &str) -> Listing {
    let status = SaleStatus { name: name.into(), at: later(), offered_until: None };
    listing.follow(Fact::SaleStatus(status), later()).expect("settling")
}

fn offered() -> Listing {
    let offered_until = Some(later() + TimeDelta::days(3));
    let status = SaleStatus { name: "awaiting_payment".into(), at: later(), offered_until };
    sold().follow(Fact::SaleStatus(status), later()).expect("offered")
}

#[test]
fn a_relisting_is_the_same_lot_on_the_same_terms_for_as_long_as_before_at_once() {
    let old = closed(live(), false);
    let Relisting { old: after, new, events } = old.clone().relist_by_seller(fresh(), later()).expect("relisted");
    let sale = new.on_sale().expect("for sale");
    assert_eq!((new.id, new.relisted_from, new.status()), (fresh(), Some(old.id), "scheduled"));
    assert_eq!((sale.starts_at, sale.ends_at), (later(), later() + TimeDelta::days(7)));
    assert_eq!((&new.description, &new.seller), (&old.description, &old.seller));
    assert_eq!(new.terms, Terms { starts_at: None, ends_at: sale.ends_at, ..old.terms.clone() });
    assert_eq!((sale.price, sale.bid_count, &new.sale_status), (None, 0, &None), "nothing of before");
    assert_eq!((new.version, new.sequence, new.created_at), (1, 1, later()));

    let [event] = events.as_slice() else { panic!("one event, got {events:?}") };
    assert_eq!((event.listing_id, event.sequence, event.at), (new.id, 1, later()));
    let Happening::Published { relisted_from, starts_at, .. } = &event.what else { panic!("{event:?}") };
    assert_eq!((*relisted_from, *starts_at), (Some(old.id), later()));
    assert_eq!(after, Listing { relisted_as: Some(new.id), version: old.version + 1, updated_at: later(), ..old });
}

#[test]
fn it_lasts_as_long_as_published_whatever_extensions_and_pauses_added() {
    let start = now() + TimeDelta::days(1);
    let scheduled = Terms { starts_at: Some(start), ..terms() };
    let scheduled = draft_with(description(), scheduled).expect("sound").publish(now(), LIMITS).expect("publishable").0;
    let live = scheduled.follow(Fact::AuctionOpened, start).expect("opens");
    let extended = live.follow(Fact::EndMoved { ends_at: later() }, start).expect("extended");
    let new = closed(extended, false).relist_by_seller(fresh(), later()).expect("relisted").new;
    assert_eq!(new.terms.ends_at - later(), TimeDelta::days(6), "from its own start to its first end");
}

#[test]
fn limits_of_today_do_not_stand_against_terms_of_before() {
    let short = DurationLimits { min: TimeDelta::seconds(1), max: TimeDelta::days(30) };
    let terms = Terms { ends_at: now() + TimeDelta::seconds(2), ..terms() };
    let draft = Listing::draft(fresh(), draft().seller, description(), terms, now(), short).expect("sound then");
    let live = draft.publish(now(), short).expect("publishable").0.follow(Fact::AuctionOpened, now()).expect("opens");
    let new = closed(live, false).relist_by_seller(ListingId(Uuid::from_u128(3)), later()).expect("relisted").new;
    assert_eq!(new.terms.ends_at - later(), TimeDelta::seconds(2));
}

#[test]
fn a_seller_relists_what_was_not_sold_or_whose_sale_failed_or_is_offered() {
    for listing in [closed(live(), false), settled(sold(), "failed"), settled(sold(), "refunded"), offered()] {
        let status = listing.sale_status.clone();
        let old = listing.relist_by_seller(fresh(), later()).expect("relisted").old;
        assert_eq!((old.relisted_as, &old.sale_status), (Some(fresh()), &status));
    }
}

#[test]
fn a_seller_does_not_relist_what_is_for_sale_sold_disputed_or_taken_back() {
    let cancelled = Fact::AuctionCancelled(Cancellation::by_seller());
    let mut refused = vec![draft(), live(), live().follow(cancelled, now()).expect("cancelled"), sold()];
    let settling = [
        "awaiting_payment",
        "authorizing",
        "authorized",
        "escrowed",
        "shipped",
        "received",
        "completed",
        "refunding",
        "disputed",
        "needs_operator",
    ];
    refused.extend(settling.map(|name| settled(sold(), name)));
    for listing in refused {
        let (status, sale) = (listing.status(), listing.sale_status.clone());
        match listing.relist_by_seller(fresh(), later()) {
            Err(Refusal::State { state, event }) => {
                assert_eq!(state, status);
                assert!(event.starts_with("listed again"), "{event}");
            }
            other => panic!("{status} {sale:?}: {other:?}"),
        }
    }
}

#[test]
fn settlements_word_counts_in_any_state_of_a_sale() {
    let scheduled = draft().publish(now(), LIMITS).expect("publishable").0;
    for listing in [scheduled, live(), sold(), settled(sold(), "failed"), settled(sold(), "awaiting_payment")] {
        let new = listing.relist(fresh(), later()).expect("settlement knows").new;
        assert_eq!(new.terms.ends_at - later(), TimeDelta::days(7));
    }
    let cancelled = Fact::AuctionCancelled(Cancellation::by_seller());
    for listing in [draft(), closed(live(), false), live().follow(cancelled, now()).expect("cancelled")] {
        assert!(matches!(listing.clone().relist(fresh(), later()), Err(Refusal::State { .. })), "{}", listing.status());
        assert!(listing.follow(Fact::RelistRequested, later()).is_err(), "the request is refused as a fact, too");
    }
}

#[test]
fn a_request_alone_does_not_move_a_listing() {
    for listing in [live(), sold()] {
        assert_eq!(listing.clone().follow(Fact::RelistRequested, later()), Ok(listing));
    }
}

#[test]
fn a_listing_is_relisted_once_whoever_asks() {
    let old = settled(sold(), "failed").relist(fresh(), later()).expect("relisted").old;
    let another = ListingId(Uuid::from_u128(3));
    for again in [old.clone().relist(another, later()), old.relist_by_seller(another, later())] {
        assert_eq!(again, Err(Refusal::Relisted { relisted_as: fresh() }));
    }
}

#[test]
fn units_that_were_sold_are_not_listed_again_and_units_that_were_not_are() {
    let uniform = Terms { format: Format::UniformMultiUnit(units()), ..terms() };
    let scheduled = draft_with(description(), uniform).expect("sound").publish(now(), LIMITS).expect("publishable").0;
    let live = scheduled.follow(Fact::AuctionOpened, now()).expect("opens");
    let sold = settled(closed(live.clone(), true), "failed");
    assert!(matches!(sold.clone().relist_by_seller(fresh(), later()), Err(Refusal::State { .. })));
    assert!(matches!(sold.relist(fresh(), later()), Err(Refusal::State { .. })));
    assert!(closed(live, false).relist_by_seller(fresh(), later()).is_ok());
}
