//! The store on a real PostgreSQL. Needs `OUTCRY_TEST_DATABASE_URL`: a server on which it may
//! create databases; `make test` starts one.

mod lots;
mod support;

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result};
use event_contracts::listing::ListingEvent as Contract;
use listing_adapter_postgres::{database, outbox::PgOutbox, session::Sessions, store::PgListings};
use listing_domain::{
    ids::{ListingId, UserId},
    listing::{Fact, Listing},
    terms::{Dutch, English, Format, Increments, Sealed, SoftClose, Tier, UniformMultiUnit},
};
use listing_harness::world;
use listing_ports::{
    error::StoreError,
    idempotency::{Claim, RequestKey},
    inbox::Seen,
    outbox::Outbox,
    retries::Retries,
    store::ListingStore,
};
use lots::{LIMITS, draft, publish};
use tokio::sync::Notify;
use uuid::Uuid;

/// A migrated database of its own, and its store.
async fn database() -> Result<(Sessions, PgListings)> {
    lots::open(&support::migrated().await?, 5)
}

#[tokio::test]
async fn the_store_keeps_the_contract_of_the_port() -> Result<()> {
    let (_, store) = database().await?;
    Ok(listing_harness::contract::holds(&store).await?)
}

#[tokio::test]
async fn a_second_migration_changes_nothing_and_the_check_needs_the_first() -> Result<()> {
    let (pool, _) = database().await?;
    database::check(&pool).await?;
    sqlx::raw_sql("DROP TABLE _sqlx_migrations").execute(&pool).await?;
    let error = database::check(&pool).await.expect_err("not migrated");
    assert!(error.to_string().contains("run its `migrate` command"), "{error}");
    Ok(())
}

#[tokio::test]
async fn lots_are_written_while_an_index_of_theirs_is_made() -> Result<()> {
    const WRITE: &str = "UPDATE listing SET title = title";
    const WAITS: &str = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database()
                             AND wait_event_type = 'Lock' AND query LIKE '%listing_status_ending%')";
    let url = support::migrated().await?;
    let (pool, _) = lots::open(&url, 3)?;
    let undone = "DROP INDEX listing_status_ending; DELETE FROM _sqlx_migrations WHERE version = 4";
    sqlx::raw_sql(undone).execute(&pool).await?;
    let mut begun = pool.begin().await?;
    sqlx::query(WRITE).execute(&mut begun).await?;
    let meanwhile = async {
        let waits = async {
            while !sqlx::query_scalar::<_, bool>(WAITS).fetch_one(&pool).await? {
                tokio::task::yield_now().await;
            }
            anyhow::Ok(())
        };
        // Sooner than the server ends a transaction that idles.
        let waits = tokio::time::timeout(Duration::from_secs(5), waits).await;
        waits.context("the index does not wait for what has begun")??;
        sqlx::query(WRITE).execute(&pool).await.context("a write waits for the index")?;
        begun.commit().await?;
        anyhow::Ok(())
    };
    let (migrated, written) = tokio::join!(database::migrate(&url), meanwhile);
    written?;
    migrated?;
    let valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'listing_status_ending'::regclass";
    assert!(sqlx::query_scalar::<_, bool>(valid).fetch_one(&pool).await?);
    Ok(())
}

#[tokio::test]
async fn the_time_of_a_lock_is_read_after_the_wait_for_it() -> Result<()> {
    let (_, store) = database().await?;
    let listing = draft(&store).await?;
    let mut first = store.begin().await?;
    first.lock(listing.id).await?;
    let waiting = tokio::spawn({
        let store = store.clone();
        async move { store.begin().await?.lock(listing.id).await }
    });
    // The second one cannot pass while the first holds the row, however long that is.
    tokio::time::timeout(Duration::from_millis(200), async {
        while !waiting.is_finished() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect_err("the second waits");
    let released_at = first.now().await?;
    first.commit().await?;
    let locked = waiting.await??.context("it is there")?;
    assert!(locked.now >= released_at, "{} is before {released_at}", locked.now);
    Ok(())
}

#[tokio::test]
async fn a_key_in_use_by_an_open_unit_of_work_is_running() -> Result<()> {
    let (_, store) = database().await?;
    let key = RequestKey { principal: UserId("anna".into()), key: "k".into(), fingerprint: [1; 32] };
    let mut first = store.begin().await?;
    assert_eq!(first.claim(&key).await?, Claim::New);
    assert_eq!(store.begin().await?.claim(&key).await?, Claim::Running);
    first.answer(&key, &serde_json::json!(1)).await?;
    first.commit().await?;
    assert_eq!(store.begin().await?.claim(&key).await?, Claim::Replay(serde_json::json!(1)));
    Ok(())
}

#[tokio::test]
async fn what_is_recorded_waits_in_the_outbox_as_the_contract_has_it() -> Result<()> {
    let (pool, store) = database().await?;
    let published = publish(&store, &draft(&store).await?).await?;
    let batch = PgOutbox::new(pool).batch(10).await?;
    let [record] = batch.as_slice() else { anyhow::bail!("one event, got {batch:?}") };
    assert_eq!(
        (record.topic.as_str(), record.sequence, &record.key),
        ("outcry.listing.v1", 1, &published.id.to_string())
    );
    let Some(Contract::Published(data)) = Contract::decode(&record.event_type, &serde_json::to_vec(&record.data)?)?
    else {
        anyhow::bail!("not a publication: {record:?}")
    };
    assert_eq!(
        (data.listing_id, data.currency.as_str(), data.ends_at),
        (published.id.0, "USD", published.terms.ends_at)
    );
    Ok(())
}

#[tokio::test]
async fn a_relisting_goes_out_with_what_it_repeats_and_the_days_of_an_offer() -> Result<()> {
    for (days, told) in [(None, 3), (Some(7), 7)] {
        let (pool, store) = database().await?;
        let mut listing = draft(&store).await?;
        (listing.terms.second_chance, listing.terms.second_chance_days) = (true, days);
        let mut tx = store.begin().await?;
        let now = tx.lock(listing.id).await?.context("it is there")?.now;
        let closed = Fact::AuctionClosed { sold: false, price: None, bid_count: 0, ended_at: now };
        let live = listing.publish(now, LIMITS)?.0.follow(Fact::AuctionOpened, now)?;
        let relisting = live.follow(closed, now)?.relist_by_seller(ListingId(Uuid::now_v7()), now)?;
        tx.insert(&relisting.new).await?;
        tx.save(&relisting.old).await?;
        tx.record(&relisting.events).await?;
        tx.commit().await?;

        let record = PgOutbox::new(pool).batch(1).await?.remove(0);
        let event = Contract::decode(&record.event_type, &serde_json::to_vec(&record.data)?)?;
        let Some(Contract::Published(event)) = event else { anyhow::bail!("not a publication: {record:?}") };
        assert_eq!((event.listing_id, event.relisted_from), (relisting.new.id.0, Some(relisting.old.id.0)));
        assert_eq!((event.second_chance, event.second_chance_days), (true, Some(told)));
        assert_eq!((record.sequence, event.starts_at), (1, now));
    }
    Ok(())
}

#[tokio::test]
async fn a_sale_status_of_before_its_time_was_kept_gives_way_to_every_later_word() -> Result<()> {
    let (pool, store) = database().await?;
    let listing = publish(&store, &draft(&store).await?).await?;
    sqlx::query("UPDATE listing SET sale_status = 'awaiting_payment'").execute(&pool).await?;
    let found = store.find(listing.id).await?.context("it is there")?;
    let status = found.sale_status.clone().context("it has one")?;
    assert_eq!((status.name.as_str(), status.at), ("awaiting_payment", listing.created_at));
    let locked = store.begin().await?.lock_standings(&[listing.id]).await?;
    assert_eq!(locked[0].standing, found.standing());
    Ok(())
}

#[tokio::test]
async fn a_relay_that_lost_its_lease_deletes_nothing() -> Result<()> {
    let (pool, store) = database().await?;
    publish(&store, &draft(&store).await?).await?;
    let outbox = PgOutbox::new(pool);
    let (first, second) = (Uuid::now_v7(), Uuid::now_v7());
    let old = outbox.lease(first, Duration::ZERO).await?.context("free")?;
    let new = outbox.lease(second, Duration::from_secs(60)).await?.context("expired")?;
    assert!(new > old);
    assert_eq!(outbox.lease(first, Duration::from_secs(60)).await?, None, "held by the second");
    assert_eq!(outbox.lease(second, Duration::from_secs(60)).await?, Some(new), "renewed");
    let ids: Vec<i64> = outbox.batch(10).await?.iter().map(|record| record.id).collect();
    assert_eq!(outbox.delete(old, &ids).await, Err(StoreError::Conflict));
    assert_eq!(outbox.batch(10).await?.len(), 1);
    outbox.delete(new, &ids).await?;
    assert_eq!((outbox.batch(10).await?.len(), outbox.age_s().await?), (0, 0.0));
    Ok(())
}

#[tokio::test]
async fn a_lease_is_given_back_by_its_holder_only() -> Result<()> {
    const MINUTE: Duration = Duration::from_secs(60);
    let (pool, _) = database().await?;
    let outbox = PgOutbox::new(pool);
    let (first, second) = (Uuid::now_v7(), Uuid::now_v7());
    let held = outbox.lease(first, MINUTE).await?.context("free")?;
    outbox.release(second).await?;
    assert_eq!(outbox.lease(second, MINUTE).await?, None, "another's is not given back");
    outbox.lease(first, Duration::ZERO).await?;
    outbox.release(second).await?;
    assert_eq!(outbox.lease(first, MINUTE).await?, Some(held), "one that has run out is not taken by giving it back");

    outbox.release(first).await?;
    let taken = outbox.lease(second, MINUTE).await?.context("it was given back")?;
    assert!(taken > held);
    outbox.release(first).await?;
    assert_eq!(outbox.lease(first, MINUTE).await?, None, "it is not the former holder's any more");
    Ok(())
}

#[tokio::test]
async fn what_failed_and_is_taken_in_after_all_is_forgotten_as_a_failure_and_as_a_dead_letter() -> Result<()> {
    let (_, store) = database().await?;
    let receipt = |sequence: u64| world::receipt("/outcry/bidding-service", ListingId(Uuid::nil()), sequence);
    let (failed, buried) = (receipt(1), receipt(2));
    assert_eq!((store.failed(failed.event_id, "a").await?, store.failed(failed.event_id, "b").await?), (1, 2));
    store.buried(buried.event_id, "it made no sense, and the broker did not hear that it was done with").await?;
    for commits in [false, true] {
        let mut tx = store.begin().await?;
        assert_eq!(tx.receive(&[failed.clone(), buried.clone(), receipt(3)]).await?, [Seen::New; 3]);
        if commits {
            tx.commit().await?;
        }
    }
    assert_eq!(store.begin().await?.receive(&[buried]).await?, [Seen::Duplicate], "it had its effect");
    assert_eq!(store.failed(failed.event_id, "c").await?, 1);
    Ok(())
}

#[tokio::test]
async fn an_event_that_was_buried_is_new_at_its_replay_and_only_once() -> Result<()> {
    let (_, store) = database().await?;
    let receipt = |sequence: u64| world::receipt("/outcry/bidding-service", ListingId(Uuid::nil()), sequence);
    store.buried(receipt(1).event_id, "it made no sense").await?;
    for (sequence, seen) in [(2, Seen::Gap { expected: 1 }), (1, Seen::New), (1, Seen::Duplicate)] {
        let mut tx = store.begin().await?;
        assert_eq!(tx.receive(&[receipt(sequence)]).await?, [seen], "sequence {sequence}");
        tx.commit().await?;
    }
    Ok(())
}

#[tokio::test]
async fn what_was_buried_is_new_once_in_a_run_of_events_too() -> Result<()> {
    let (_, store) = database().await?;
    let receipt = |sequence: u64| world::receipt("/outcry/bidding-service", ListingId(Uuid::nil()), sequence);
    store.buried(receipt(2).event_id, "it made no sense").await?;
    let mut tx = store.begin().await?;
    let run = [1, 3, 2, 2, 1].map(receipt);
    let seen = [Seen::New, Seen::Gap { expected: 2 }, Seen::New, Seen::Duplicate, Seen::Duplicate];
    assert_eq!(tx.receive(&run).await?, seen);
    tx.commit().await?;
    assert_eq!(store.begin().await?.receive(&[receipt(2)]).await?, [Seen::Duplicate]);
    Ok(())
}

#[tokio::test]
async fn two_consumers_of_one_key_do_not_both_take_its_first_event() -> Result<()> {
    let (_, store) = database().await?;
    let receipt = world::receipt("/outcry/bidding-service", ListingId(Uuid::nil()), 1);
    let mut first = store.begin().await?;
    assert_eq!(first.receive(std::slice::from_ref(&receipt)).await?, [Seen::New]);
    let second = tokio::spawn({
        let (store, receipt) = (store.clone(), receipt.clone());
        async move { store.begin().await?.receive(&[receipt]).await }
    });
    first.commit().await?;
    let seen = second.await?;
    assert!(matches!(&seen, Err(StoreError::Conflict)) || seen == Ok(vec![Seen::Duplicate]), "{seen:?}");
    assert_eq!(store.begin().await?.receive(&[receipt]).await?, [Seen::Duplicate]);
    Ok(())
}

#[tokio::test]
async fn runs_that_meet_in_other_orders_wait_and_do_not_deadlock() -> Result<()> {
    let (_, store) = database().await?;
    let mut ids = Vec::new();
    for _ in 0..20 {
        ids.push(publish(&store, &draft(&store).await?).await?.id);
    }
    let tasks: Vec<_> = (0..8)
        .map(|n| {
            let (store, mut ids) = (store.clone(), ids.clone());
            if n % 2 == 1 {
                ids.reverse();
            }
            tokio::spawn(async move {
                let mut tx = store.begin().await?;
                let locked = tx.lock_standings(&ids).await?;
                let standings: Vec<_> = locked.into_iter().rev().map(|locked| locked.standing).collect();
                tx.save_standings(&standings).await?;
                tx.commit().await
            })
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    Ok(())
}

#[tokio::test]
async fn a_bid_rewrites_its_listing_in_place_and_touches_one_index() -> Result<()> {
    let (pool, store) = database().await?;
    let listing = publish(&store, &draft(&store).await?).await?;
    let mut standing = listing.follow(Fact::AuctionOpened, listing_now(&store).await?)?.standing();
    for bid_count in 1..=20 {
        let price = Some(100 + i64::try_from(bid_count)?);
        standing = standing.follow(Fact::PriceMoved { price, bid_count }, listing_now(&store).await?)?;
        let mut tx = store.begin().await?;
        tx.save_standings(std::slice::from_ref(&standing)).await?;
        tx.commit().await?;
    }
    // The statistics follow within moments.
    for _ in 0..500 {
        let row = sqlx::query_as::<_, (i64, i64)>(
            "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'listing'",
        );
        let (updated, in_place) = row.fetch_one(&pool).await?;
        if updated >= 20 {
            anyhow::ensure!(in_place >= 18, "only {in_place} of {updated} updates were in place");
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    anyhow::bail!("the statistics do not follow")
}

async fn listing_now(store: &PgListings) -> Result<chrono::DateTime<chrono::Utc>> {
    Ok(store.begin().await?.now().await?)
}

#[tokio::test]
async fn every_format_goes_out_as_the_contract_has_it() -> Result<()> {
    let increments = || Increments::Table(vec![Tier { from: 0, increment: 50 }, Tier { from: 1_000, increment: 100 }]);
    let soft_close = SoftClose::Add { window_s: 60, extension_s: 90, hard_stop_s: 1_800 };
    let sealed = Sealed { start_price: 100, reserve_price: Some(200) };
    let formats = [
        Format::English(English {
            start_price: 100,
            reserve_price: None,
            buy_now_price: Some(130),
            increments: increments(),
            soft_close,
        }),
        Format::SealedFirstPrice(sealed.clone()),
        Format::Vickrey(sealed),
        Format::Dutch(Dutch { start_price: 500, floor_price: 100, step: 10, step_every_s: 5 }),
        Format::UniformMultiUnit(UniformMultiUnit {
            start_price: 100,
            quantity: 5,
            increments: increments(),
            soft_close,
            decline_within_s: 60,
        }),
    ];
    for format in formats {
        let (pool, store) = database().await?;
        let terms = world::terms_of(listing_now(&store).await?, format.clone());
        let id = ListingId(Uuid::now_v7());
        let now = listing_now(&store).await?;
        let listing = Listing::draft(id, UserId("anna".into()), world::description(), terms, now, LIMITS)?;
        let mut tx = store.begin().await?;
        tx.insert(&listing).await?;
        tx.commit().await?;
        publish(&store, &listing).await?;
        let record = PgOutbox::new(pool).batch(1).await?.remove(0);
        let event = Contract::decode(&record.event_type, &serde_json::to_vec(&record.data)?)?;
        let Some(Contract::Published(event)) = event else { anyhow::bail!("not a publication: {record:?}") };
        // Read back from the contract: nothing was lost on the way.
        let read: Format = serde_json::from_value(serde_json::to_value(&event.format)?)?;
        assert_eq!(read, format);
    }
    Ok(())
}

#[tokio::test]
async fn a_database_that_is_away_is_unavailable() -> Result<()> {
    let pool = database::connect("postgres://nobody:none@127.0.0.1:1/none", 1)?;
    let store = PgListings::new(pool, Arc::new(Notify::new()));
    assert!(matches!(store.begin().await.err(), Some(StoreError::Unavailable(_))));
    Ok(())
}
