//! The contract of [`ListingStore`]: what every adapter has to promise. Each function is one
//! promise; the in-memory store and the PostgreSQL store run them all.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use listing_domain::{
    event::{Happening, ListingEvent},
    ids::{ListingId, UserId},
    listing::{Cancellation, CancelledBy, Fact, Listing, Refusal, SaleStatus, Step},
    terms::{DurationLimits, Dutch, Format, Sealed},
};
use listing_ports::{
    error::StoreError,
    idempotency::{Claim, RequestKey},
    inbox::{Receipt, Seen},
    store::{Browse, ListingStore, Sort},
};
use serde_json::json;
use uuid::Uuid;

use crate::world;

mod relisting;

const LIMITS: DurationLimits = DurationLimits { min: TimeDelta::seconds(5), max: TimeDelta::days(30) };

/// Runs every promise against `store`.
///
/// # Errors
/// The store's own.
///
/// # Panics
/// When a promise is broken.
pub async fn holds(store: &dyn ListingStore) -> Result<(), StoreError> {
    what_is_committed_is_read_back(store).await?;
    what_is_dropped_leaves_nothing(store).await?;
    saving_replaces_and_recording_keeps_the_order(store).await?;
    an_answer_is_replayed_to_the_same_request_only(store).await?;
    keys_of_other_principals_do_not_meet(store).await?;
    a_key_of_an_open_unit_of_work_is_free_again_when_that_is_dropped(store).await?;
    an_event_is_new_once_and_gaps_are_named(store).await?;
    events_that_come_together_are_judged_as_if_they_came_one_by_one(store).await?;
    standings_are_locked_and_saved_together_and_leave_the_rest_of_a_listing_alone(store).await?;
    every_format_and_state_is_read_back(store).await?;
    relisting::a_lot_that_is_listed_again_is_read_back_on_both_sides(store).await?;
    relisting::a_lot_is_listed_again_once(store).await?;
    pages_have_every_listing_once_in_every_order(store).await?;
    filters_narrow_and_strangers_see_no_drafts(store).await
}

/// A draft of `seller`, as the domain makes it at the store's time.
async fn draft(store: &dyn ListingStore, seller: &str) -> Result<Listing, StoreError> {
    let now = store.begin().await?.now().await?;
    let terms = world::terms(now);
    let listing = Listing::draft(fresh_id(), UserId(seller.into()), world::description(), terms, now, LIMITS);
    Ok(listing.expect("a sound draft"))
}

/// A store undoes a dropped unit of work at once or a moment later: tries again until `so`.
async fn soon(so: impl AsyncFn() -> Result<bool, StoreError>) -> Result<(), StoreError> {
    for _ in 0..500 {
        if so().await? {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("what was dropped is not undone after five seconds");
}

fn fresh_id() -> ListingId {
    ListingId(Uuid::now_v7())
}

fn fresh(what: &str) -> String {
    format!("{what}-{}", Uuid::now_v7())
}

async fn insert(store: &dyn ListingStore, listing: &Listing) -> Result<(), StoreError> {
    let mut tx = store.begin().await?;
    tx.insert(listing).await?;
    tx.commit().await
}

/// Lets the seller take a step with a listing that is there.
async fn change(
    store: &dyn ListingStore,
    id: ListingId,
    step: impl FnOnce(Listing, DateTime<Utc>) -> Result<Step, Refusal>,
) -> Result<(), StoreError> {
    let mut tx = store.begin().await?;
    let locked = tx.lock(id).await?.expect("it is there");
    let (next, _) = step(locked.listing, locked.now).expect("a step that its state allows");
    tx.save(&next).await?;
    tx.commit().await
}

async fn what_is_committed_is_read_back(store: &dyn ListingStore) -> Result<(), StoreError> {
    let listing = draft(store, "anna").await?;
    insert(store, &listing).await?;
    assert_eq!(store.find(listing.id).await?.as_ref(), Some(&listing));
    let mut tx = store.begin().await?;
    let locked = tx.lock(listing.id).await?.expect("it is there");
    assert_eq!(locked.listing, listing);
    assert!(locked.now >= listing.created_at, "time does not run backwards");
    assert_eq!(tx.lock(fresh_id()).await?, None);
    Ok(())
}

async fn what_is_dropped_leaves_nothing(store: &dyn ListingStore) -> Result<(), StoreError> {
    let listing = draft(store, "anna").await?;
    let mut tx = store.begin().await?;
    tx.insert(&listing).await?;
    drop(tx);
    assert_eq!(store.find(listing.id).await?, None);
    Ok(())
}

async fn saving_replaces_and_recording_keeps_the_order(store: &dyn ListingStore) -> Result<(), StoreError> {
    let listing = draft(store, "anna").await?;
    insert(store, &listing).await?;
    let mut tx = store.begin().await?;
    let locked = tx.lock(listing.id).await?.expect("it is there");
    let (next, events) = locked.listing.publish(locked.now, LIMITS).expect("publishable");
    tx.save(&next).await?;
    tx.record(&events).await?;
    tx.record(&[ListingEvent {
        sequence: 2,
        what: Happening::CancellationRequested { seller: next.seller.clone() },
        ..events[0].clone()
    }])
    .await?;
    tx.commit().await?;
    assert_eq!(store.find(listing.id).await?, Some(next.clone()));
    let live = next.follow(Fact::AuctionOpened, locked.now).expect("opens");
    let bid = live.follow(Fact::PriceMoved { price: Some(250), bid_count: 1 }, locked.now).expect("bid on");
    let bid = bid.follow(world::sale_status("escrowed", locked.now), locked.now).expect("settling");
    let mut tx = store.begin().await?;
    tx.save(&bid).await?;
    tx.commit().await?;
    assert_eq!(store.find(listing.id).await?, Some(bid));
    Ok(())
}

fn request(principal: &str, key: &str) -> RequestKey {
    RequestKey { principal: UserId(principal.into()), key: key.into(), fingerprint: [7; 32] }
}

async fn an_answer_is_replayed_to_the_same_request_only(store: &dyn ListingStore) -> Result<(), StoreError> {
    let key = request("anna", &fresh("key"));
    let mut tx = store.begin().await?;
    assert_eq!(tx.claim(&key).await?, Claim::New);
    tx.answer(&key, &json!({"id": 1})).await?;
    tx.commit().await?;

    let mut tx = store.begin().await?;
    assert_eq!(tx.claim(&key).await?, Claim::Replay(json!({"id": 1})));
    assert_eq!(tx.claim(&RequestKey { fingerprint: [8; 32], ..key }).await?, Claim::Mismatch);
    Ok(())
}

async fn keys_of_other_principals_do_not_meet(store: &dyn ListingStore) -> Result<(), StoreError> {
    let key = fresh("key");
    let mut tx = store.begin().await?;
    assert_eq!(tx.claim(&request("anna", &key)).await?, Claim::New);
    assert_eq!(tx.claim(&request("bert", &key)).await?, Claim::New);
    Ok(())
}

async fn a_key_of_an_open_unit_of_work_is_free_again_when_that_is_dropped(
    store: &dyn ListingStore,
) -> Result<(), StoreError> {
    let key = request("anna", &fresh("key"));
    let mut tx = store.begin().await?;
    assert_eq!(tx.claim(&key).await?, Claim::New);
    drop(tx);
    soon(async || Ok(store.begin().await?.claim(&key).await? == Claim::New)).await
}

async fn an_event_is_new_once_and_gaps_are_named(store: &dyn ListingStore) -> Result<(), StoreError> {
    let key = fresh("auction");
    let receipt = |sequence| Receipt {
        event_id: Uuid::now_v7(),
        source: "/outcry/bidding-service".into(),
        key: key.clone(),
        sequence,
    };
    for (sequence, seen) in [
        (1, Seen::New),
        (1, Seen::Duplicate),
        (2, Seen::New),
        (5, Seen::Gap { expected: 3 }),
        (4, Seen::Duplicate),
        (6, Seen::New),
    ] {
        let mut tx = store.begin().await?;
        assert_eq!(tx.receive(&[receipt(sequence)]).await?, [seen], "sequence {sequence}");
        tx.commit().await?;
    }
    let mut tx = store.begin().await?;
    assert_eq!(tx.receive(&[receipt(7)]).await?, [Seen::New]);
    drop(tx);
    assert_eq!(store.begin().await?.receive(&[receipt(7)]).await?, [Seen::New], "a dropped effect was not seen");
    Ok(())
}

async fn events_that_come_together_are_judged_as_if_they_came_one_by_one(
    store: &dyn ListingStore,
) -> Result<(), StoreError> {
    let (one, other) = (fresh("auction"), fresh("auction"));
    let receipt = |key: &str, sequence| Receipt {
        event_id: Uuid::now_v7(),
        source: "/outcry/bidding-service".into(),
        key: key.to_owned(),
        sequence,
    };
    let mut tx = store.begin().await?;
    assert_eq!(tx.receive(&[]).await?, []);
    assert_eq!(tx.receive(&[receipt(&one, 1)]).await?, [Seen::New]);
    tx.commit().await?;
    let batch = [(&one, 2), (&other, 1), (&one, 2), (&one, 5), (&other, 2), (&one, 4), (&one, 6), (&one, 1)];
    let batch = batch.map(|(key, sequence)| receipt(key, sequence));
    let seen = [
        Seen::New,
        Seen::New,
        Seen::Duplicate,
        Seen::Gap { expected: 3 },
        Seen::New,
        Seen::Duplicate,
        Seen::New,
        Seen::Duplicate,
    ];
    let mut tx = store.begin().await?;
    assert_eq!(tx.receive(&batch).await?, seen);
    drop(tx);
    let mut tx = store.begin().await?;
    assert_eq!(tx.receive(&batch).await?, seen, "what was dropped was never received");
    tx.commit().await?;
    let mut tx = store.begin().await?;
    assert_eq!(tx.receive(&batch).await?, [Seen::Duplicate; 8]);
    assert_eq!(tx.receive(&[receipt(&one, 7), receipt(&other, 3)]).await?, [Seen::New; 2]);
    Ok(())
}

/// A listing that is open for bids, in the store.
async fn live(store: &dyn ListingStore, format: Format) -> Result<Listing, StoreError> {
    let mut listing = draft(store, "anna").await?;
    listing.terms.format = format;
    insert(store, &listing).await?;
    let mut tx = store.begin().await?;
    let locked = tx.lock(listing.id).await?.expect("it is there");
    let (scheduled, _) = locked.listing.publish(locked.now, LIMITS).expect("publishable");
    let live = scheduled.follow(Fact::AuctionOpened, locked.now).expect("opens");
    tx.save(&live).await?;
    tx.commit().await?;
    Ok(live)
}

fn sealed() -> Format {
    Format::SealedFirstPrice(Sealed { start_price: 100, reserve_price: Some(200) })
}

async fn standings_are_locked_and_saved_together_and_leave_the_rest_of_a_listing_alone(
    store: &dyn ListingStore,
) -> Result<(), StoreError> {
    let english = world::terms(store.begin().await?.now().await?).format;
    let (first, second) = (live(store, english).await?, live(store, sealed()).await?);
    let mut tx = store.begin().await?;
    let mut locked = tx.lock_standings(&[second.id, fresh_id(), first.id]).await?;
    locked.sort_by_key(|locked| locked.standing.id);
    let standings: Vec<_> = locked.iter().map(|locked| locked.standing.clone()).collect();
    assert_eq!(standings, [first.standing(), second.standing()], "what is not there is left out");
    assert!(locked.iter().all(|locked| locked.now >= first.updated_at), "time does not run backwards");

    let now = locked[0].now;
    let bid = first.clone().follow(Fact::PriceMoved { price: Some(250), bid_count: 3 }, now).expect("bid on");
    let sold = Fact::AuctionClosed { sold: true, price: Some(700), bid_count: 2, ended_at: now };
    let sold = second.clone().follow(sold, now).expect("closes");
    tx.save_standings(&[sold.standing(), bid.standing()]).await?;
    tx.save_standings(&[]).await?;
    tx.commit().await?;
    assert_eq!(store.find(first.id).await?.as_ref(), Some(&bid));
    assert_eq!(store.find(second.id).await?.as_ref(), Some(&sold));

    // The order of prices follows.
    let mut query = by_seller("anna", Sort::PriceDescending);
    query.limit = 100;
    let listed = store.browse(&query).await?.listings;
    let place = |id| listed.iter().position(|listing| listing.id == id);
    assert!(place(second.id).is_some() && place(second.id) < place(first.id));

    let mut tx = store.begin().await?;
    tx.save_standings(&[first.standing()]).await?;
    drop(tx);
    assert_eq!(store.find(first.id).await?, Some(bid), "dropped");
    Ok(())
}

async fn every_format_and_state_is_read_back(store: &dyn ListingStore) -> Result<(), StoreError> {
    let dutch = Format::Dutch(Dutch { start_price: 500, floor_price: 100, step: 10, step_every_s: 5 });
    let cancelled = Fact::AuctionCancelled(Cancellation {
        by: Some(CancelledBy::Operator),
        reason: Some("not the seller's to sell".into()),
    });
    for (format, by_standing) in [(dutch.clone(), false), (dutch, true), (sealed(), true)] {
        let mut stored = live(store, format).await?;
        let (paused_at, ends_at) = (stored.updated_at, stored.updated_at + TimeDelta::days(9));
        let facts = [
            Fact::AuctionPaused { paused_at },
            Fact::AuctionResumed { ends_at },
            Fact::EndMoved { ends_at: ends_at + TimeDelta::seconds(30) },
            Fact::SaleStatus(SaleStatus {
                name: "awaiting_payment".into(),
                at: paused_at,
                offered_until: Some(ends_at),
            }),
            world::sale_status("escrowed", ends_at),
            cancelled.clone(),
        ];
        for fact in facts {
            let next = stored.follow(fact, paused_at).expect("a true fact");
            let mut tx = store.begin().await?;
            if by_standing {
                tx.save_standings(&[next.standing()]).await?;
            } else {
                tx.save(&next).await?;
            }
            tx.commit().await?;
            assert_eq!(store.find(next.id).await?.as_ref(), Some(&next));
            let locked = store.begin().await?.lock_standings(&[next.id]).await?;
            assert_eq!(locked[0].standing, next.standing());
            stored = next;
        }
    }
    Ok(())
}

fn by_seller(seller: &str, sort: Sort) -> Browse {
    Browse {
        viewer: UserId(seller.into()),
        text: None,
        category: None,
        status: None,
        seller: Some(UserId(seller.into())),
        sort,
        after: None,
        limit: 2,
    }
}

async fn pages_have_every_listing_once_in_every_order(store: &dyn ListingStore) -> Result<(), StoreError> {
    let seller = fresh("seller");
    // Drafts and what is published stand in one order for their seller.
    for (price, published) in [(300, false), (100, true), (200, true), (100, false), (500, false)] {
        let mut listing = draft(store, &seller).await?;
        listing.terms.format = Format::Vickrey(Sealed { start_price: price, reserve_price: None });
        listing.terms.ends_at += TimeDelta::seconds(price % 7);
        insert(store, &listing).await?;
        if published {
            change(store, listing.id, |listing, now| listing.publish(now, LIMITS)).await?;
        }
    }
    for sort in [Sort::Newest, Sort::EndsSoonest, Sort::PriceAscending, Sort::PriceDescending] {
        let mut query = by_seller(&seller, sort);
        let mut seen = Vec::new();
        loop {
            let page = store.browse(&query).await?;
            assert!(page.listings.len() <= 2, "a page has at most its limit");
            seen.extend(page.listings.iter().map(|listing| sort.position(listing)));
            query.after = page.next;
            if page.next.is_none() {
                break;
            }
        }
        let keys: Vec<_> = seen.iter().map(|position| position.key).collect();
        let mut ordered = keys.clone();
        ordered.sort_unstable();
        if matches!(sort, Sort::Newest | Sort::PriceDescending) {
            ordered.reverse();
        }
        assert_eq!((keys.len(), &keys), (5, &ordered), "{sort:?}");
        seen.sort_by_key(|position| position.id);
        seen.dedup();
        assert_eq!(seen.len(), 5, "{sort:?}: every listing once");
    }
    Ok(())
}

async fn filters_narrow_and_strangers_see_no_drafts(store: &dyn ListingStore) -> Result<(), StoreError> {
    let seller = fresh("seller");
    let mut listing = draft(store, &seller).await?;
    listing.description.title = "Cartier wristwatch".into();
    insert(store, &listing).await?;
    let found = async |change: &dyn Fn(&mut Browse)| {
        let mut query = by_seller(&seller, Sort::Newest);
        change(&mut query);
        store.browse(&query).await.map(|page| page.listings.len())
    };
    assert_eq!(found(&|_| {}).await?, 1);
    assert_eq!(found(&|query| query.viewer = UserId("stranger".into())).await?, 0);
    assert_eq!(found(&|query| query.text = Some("cartier".into())).await?, 1);
    assert_eq!(found(&|query| query.text = Some("xbox".into())).await?, 0);
    assert_eq!(found(&|query| query.text = Some("cartier wristwatch".into())).await?, 1);
    assert_eq!(found(&|query| query.text = Some("cartier xbox".into())).await?, 0);
    assert_eq!(found(&|query| query.category = Some("watches".into())).await?, 1);
    assert_eq!(found(&|query| query.category = Some("consoles".into())).await?, 0);
    assert_eq!(found(&|query| query.status = Some("draft".into())).await?, 1);
    assert_eq!(found(&|query| query.status = Some("live".into())).await?, 0);

    change(store, listing.id, Listing::cancel).await?;
    let cancelled = |query: &mut Browse| query.status = Some("cancelled".into());
    assert_eq!(found(&cancelled).await?, 1);
    let by_a_stranger = |query: &mut Browse| {
        cancelled(query);
        query.viewer = UserId("stranger".into());
    };
    assert_eq!(found(&by_a_stranger).await?, 0, "a draft that was cancelled is still its seller's alone");
    Ok(())
}
