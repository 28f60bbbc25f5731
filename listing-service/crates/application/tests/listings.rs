//! The use cases on the in-memory store.

use chrono::TimeDelta;
use listing_application::{Caller, error::UseError};
use listing_domain::{
    event::Happening,
    listing::{Cancellation, Fact, Refusal, Revision},
};
use listing_harness::{
    faults::When,
    world::{World, bidder, description, request, seller, terms},
};
use listing_ports::{
    error::StoreError,
    fact::{HandleError, Handled},
};

fn bid() -> Fact {
    Fact::PriceMoved { price: Some(100), bid_count: 1 }
}

#[tokio::test]
async fn the_memory_store_keeps_the_contract_of_the_port() {
    listing_harness::contract::holds(&World::default().store).await.expect("the contract holds");
}

#[tokio::test]
async fn a_draft_sent_twice_is_one_draft_with_one_answer() {
    let world = World::default();
    let first = world.draft(&seller("anna"), "k").await.expect("drafted");
    let second = world.draft(&seller("anna"), "k").await.expect("replayed");
    assert_eq!((first.replayed, second.replayed), (false, true));
    assert_eq!(first.outcome, second.outcome);
    assert_eq!(world.store.contents().listings.len(), 1);
}

#[tokio::test]
async fn a_key_used_with_another_body_is_refused() {
    let (world, anna) = (World::default(), seller("anna"));
    world.draft(&anna, "k").await.expect("drafted");
    let mut other = request(&anna, "k");
    other.fingerprint = [1; 32];
    let answer = world.listings.draft(&anna, &other, &description(), &terms(world.store.now())).await;
    assert_eq!(answer, Err(UseError::KeyReused));
}

#[tokio::test]
async fn a_refused_draft_leaves_the_key_free() {
    let (world, anna) = (World::default(), seller("anna"));
    let mut faulty = description();
    faulty.title.clear();
    let refused = world.listings.draft(&anna, &request(&anna, "k"), &faulty, &terms(world.store.now())).await;
    assert!(matches!(refused, Err(UseError::Refused(Refusal::Invalid(_)))));
    assert!(!world.draft(&anna, "k").await.expect("drafted").replayed);
}

#[tokio::test]
async fn only_sellers_list_and_only_the_own_listing_changes() {
    let (world, anna, bert) = (World::default(), seller("anna"), seller("bert"));
    assert!(matches!(world.draft(&bidder("carl"), "k").await, Err(UseError::Forbidden(_))));
    let draft = world.draft(&anna, "k").await.expect("drafted").outcome;
    assert_eq!(world.listings.publish(&bert, draft.id, None).await, Err(UseError::NotFound), "a stranger's draft");
    assert_eq!(world.listings.find(&bert, draft.id).await, Err(UseError::NotFound));
    world.listings.publish(&anna, draft.id, None).await.expect("published");
    assert!(world.listings.find(&bert, draft.id).await.is_ok());
    assert!(matches!(world.listings.cancel(&bert, draft.id, None).await, Err(UseError::Forbidden(_))));
    let admin = Caller { admin: true, ..bidder("operator") };
    assert!(world.listings.find(&admin, draft.id).await.is_ok());
}

#[tokio::test]
async fn a_revision_of_a_version_that_is_gone_is_stale_and_changes_nothing() {
    let (world, anna) = (World::default(), seller("anna"));
    let draft = world.draft(&anna, "k").await.expect("drafted").outcome;
    let title = |title: &str| Revision { title: Some(title.into()), ..Revision::default() };
    let revised = world.listings.revise(&anna, draft.id, 1, &title("First")).await.expect("revised");
    assert_eq!(revised.version, 2);
    let stale = world.listings.revise(&anna, draft.id, 1, &title("Second")).await;
    assert_eq!(stale, Err(UseError::Stale { current: 2 }));
    assert_eq!(world.listings.find(&anna, draft.id).await.expect("found").description.title, "First");
}

#[tokio::test]
async fn publishing_saves_the_listing_and_its_event_together_or_not_at_all() {
    let anna = seller("anna");
    for (call, when) in
        [("lock", When::Before), ("save", When::After), ("record", When::After), ("commit", When::Before)]
    {
        let world = World::default();
        let draft = world.draft(&anna, "k").await.expect("drafted").outcome;
        let nth = ["begin", "lock", "save", "record", "commit"].iter().position(|name| *name == call).expect("a call");
        world.store.faults.fail(nth, when, StoreError::Unavailable("gone".into()));
        let failed = world.listings.publish(&anna, draft.id, None).await;
        assert!(matches!(failed, Err(UseError::Store(StoreError::Unavailable(_)))), "{call}: {failed:?}");
        let contents = world.store.contents();
        assert_eq!((contents.listings[&draft.id].status(), contents.outbox.len()), ("draft", 0), "{call}");
        world.listings.publish(&anna, draft.id, None).await.expect("the next try succeeds");
        assert_eq!(world.store.contents().outbox.len(), 1, "{call}");
    }
}

#[tokio::test]
async fn an_unknown_fate_of_the_commit_ends_in_one_draft() {
    let world = World::default();
    world.store.faults.fail(5, When::After, StoreError::Unavailable("the answer was lost".into()));
    world.draft(&seller("anna"), "k").await.expect_err("the client is told 503");
    assert_eq!(world.store.faults.calls()[5], "commit");
    let again = world.draft(&seller("anna"), "k").await.expect("and tries again");
    assert!(again.replayed);
    assert_eq!(world.store.contents().listings.len(), 1);
}

#[tokio::test]
async fn a_conflict_is_tried_again_in_a_new_unit_of_work_and_only_a_conflict() {
    let (world, anna) = (World::default(), seller("anna"));
    let draft = world.draft(&anna, "k").await.expect("drafted").outcome;
    world.store.faults.fail(4, When::Before, StoreError::Conflict);
    let published = world.listings.publish(&anna, draft.id, None).await.expect("published at the second try");
    assert_eq!((published.status(), world.store.contents().outbox.len()), ("scheduled", 1));
}

#[tokio::test]
async fn endless_conflicts_end_as_unavailable() {
    use listing_ports::store::MockListingStore;
    let mut store = MockListingStore::new();
    store.expect_begin().times(5).returning(|| Err(StoreError::Conflict));
    let limits = listing_domain::terms::DurationLimits { min: TimeDelta::seconds(5), max: TimeDelta::days(30) };
    let listings = listing_application::Listings::new(std::sync::Arc::new(store), limits);
    let id = listing_domain::ids::ListingId(uuid::Uuid::nil());
    let answer = listings.publish(&seller("anna"), id, None).await;
    assert!(matches!(answer, Err(UseError::Store(StoreError::Unavailable(_)))), "{answer:?}");
}

#[tokio::test]
async fn a_listing_goes_from_draft_to_sold() {
    let (world, anna) = (World::default(), seller("anna"));
    let live = world.live(&anna).await.expect("live");
    assert_eq!(live.status(), "live");
    assert_eq!(world.hear(live.id, 2, bid()).await, Ok(Handled::Done));
    let closed = Fact::AuctionClosed { sold: true, price: Some(100), bid_count: 1, ended_at: world.store.now() };
    assert_eq!(world.hear(live.id, 3, closed).await, Ok(Handled::Done));
    let sold = world.listings.find(&bidder("carl"), live.id).await.expect("found");
    assert_eq!((sold.status(), sold.on_sale().and_then(|sale| sale.price)), ("sold", Some(100)));
}

#[tokio::test]
async fn a_fact_that_comes_twice_has_one_effect() {
    let (world, anna) = (World::default(), seller("anna"));
    let live = world.live(&anna).await.expect("live");
    assert_eq!(world.hear(live.id, 2, bid()).await, Ok(Handled::Done));
    let version = world.listings.find(&anna, live.id).await.expect("found").version;
    assert_eq!(world.hear(live.id, 2, bid()).await, Ok(Handled::Duplicate));
    assert_eq!(world.listings.find(&anna, live.id).await.expect("found").version, version);
}

#[tokio::test]
async fn a_gap_is_reported_and_the_fact_still_counts() {
    let (world, anna) = (World::default(), seller("anna"));
    let live = world.live(&anna).await.expect("live");
    assert_eq!(world.hear(live.id, 4, bid()).await, Ok(Handled::AfterGap { expected: 2 }));
    assert_eq!(world.listings.find(&anna, live.id).await.expect("found").on_sale().map(|sale| sale.bid_count), Some(1));
}

#[tokio::test]
async fn a_fact_about_nothing_is_poison_and_a_store_that_is_away_is_not() {
    let (world, anna) = (World::default(), seller("anna"));
    let unknown = listing_domain::ids::ListingId(uuid::Uuid::from_u128(9));
    assert!(matches!(world.hear(unknown, 1, bid()).await, Err(HandleError::Poison(_))));
    let live = world.live(&anna).await.expect("live");
    world.store.faults.fail(0, When::Before, StoreError::Unavailable("gone".into()));
    assert!(matches!(world.hear(live.id, 2, bid()).await, Err(HandleError::Retry(_))));
    assert_eq!(world.hear(live.id, 2, bid()).await, Ok(Handled::Done), "the failed try left no trace in the inbox");
}

#[tokio::test]
async fn a_cancellation_is_asked_of_bidding_by_an_event() {
    let (world, anna) = (World::default(), seller("anna"));
    let live = world.live(&anna).await.expect("live");
    let asked = world.listings.cancel(&anna, live.id, None).await.expect("asked");
    assert_eq!(asked.status(), "live");
    let told = world.store.contents().outbox;
    assert!(matches!(told.last().map(|event| &event.what), Some(Happening::CancellationRequested { .. })));
    assert_eq!(world.hear(live.id, 2, Fact::AuctionCancelled(Cancellation::by_seller())).await, Ok(Handled::Done));
    assert_eq!(world.listings.find(&anna, live.id).await.expect("found").status(), "cancelled");
}
