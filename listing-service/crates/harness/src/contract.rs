//! The contract of [`ListingStore`]: what every adapter has to promise. Each function is one
//! promise; the in-memory store and the PostgreSQL store run them all.

use std::time::Duration;

use chrono::TimeDelta;
use listing_domain::{
    event::{Happening, ListingEvent},
    ids::{ListingId, UserId},
    listing::{Fact, Listing},
    terms::{DurationLimits, Format},
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
    let bid = bid.follow(Fact::SaleStatus("escrowed".into()), locked.now).expect("settling");
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
        assert_eq!(tx.receive(&receipt(sequence)).await?, seen, "sequence {sequence}");
        tx.commit().await?;
    }
    let mut tx = store.begin().await?;
    assert_eq!(tx.receive(&receipt(7)).await?, Seen::New);
    drop(tx);
    assert_eq!(store.begin().await?.receive(&receipt(7)).await?, Seen::New, "a dropped effect was not seen");
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
    for price in [300, 100, 200, 100, 500] {
        let mut listing = draft(store, &seller).await?;
        let Format::English(english) = &mut listing.terms.format;
        english.start_price = price;
        listing.terms.ends_at += TimeDelta::seconds(price % 7);
        insert(store, &listing).await?;
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
    assert_eq!(found(&|query| query.category = Some("watches".into())).await?, 1);
    assert_eq!(found(&|query| query.category = Some("consoles".into())).await?, 0);
    assert_eq!(found(&|query| query.status = Some("draft".into())).await?, 1);
    assert_eq!(found(&|query| query.status = Some("live".into())).await?, 0);
    Ok(())
}
