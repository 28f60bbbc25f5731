//! The store on a real PostgreSQL. Needs `OUTCRY_TEST_DATABASE_URL`: a server on which it may
//! create databases; `make test` starts one.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result};
use event_contracts::listing::ListingEvent as Contract;
use listing_adapter_postgres::{database, outbox::PgOutbox, store::PgListings};
use listing_domain::{
    ids::{ListingId, UserId},
    listing::Listing,
    terms::DurationLimits,
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
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool};
use tokio::sync::Notify;
use uuid::Uuid;

const LIMITS: DurationLimits = DurationLimits { min: chrono::TimeDelta::seconds(5), max: chrono::TimeDelta::days(30) };

/// A migrated database of its own, and its store.
async fn database() -> Result<(PgPool, PgListings)> {
    let server = std::env::var("OUTCRY_TEST_DATABASE_URL")
        .context("set OUTCRY_TEST_DATABASE_URL to a PostgreSQL URL, or run `make test`, which starts one")?;
    let name = format!("listing_{}", Uuid::now_v7().simple());
    let mut admin = PgConnection::connect(&server).await?;
    sqlx::raw_sql(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut admin).await?;
    let (base, parameters) = server.split_once('?').unwrap_or((&server, ""));
    let host = base.rsplit_once('/').context("the URL names no database")?.0;
    let url = format!("{host}/{name}?{parameters}");
    database::migrate(&url).await?;
    let pool = database::connect(&url, 5)?;
    Ok((pool.clone(), PgListings::new(pool, Arc::new(Notify::new()))))
}

async fn draft(store: &PgListings) -> Result<Listing> {
    let now = store.begin().await?.now().await?;
    let id = ListingId(Uuid::now_v7());
    let listing = Listing::draft(id, UserId("anna".into()), world::description(), world::terms(now), now, LIMITS)?;
    let mut tx = store.begin().await?;
    tx.insert(&listing).await?;
    tx.commit().await?;
    Ok(listing)
}

async fn publish(store: &PgListings, listing: &Listing) -> Result<Listing> {
    let mut tx = store.begin().await?;
    let locked = tx.lock(listing.id).await?.context("it is there")?;
    let (next, events) = locked.listing.publish(locked.now, LIMITS)?;
    tx.save(&next).await?;
    tx.record(&events).await?;
    tx.commit().await?;
    Ok(next)
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
async fn failed_attempts_are_counted_until_the_event_is_settled() -> Result<()> {
    let (_, store) = database().await?;
    let event = Uuid::now_v7();
    assert_eq!((store.failed(event, "a").await?, store.failed(event, "b").await?), (1, 2));
    store.settled(event).await?;
    assert_eq!(store.failed(event, "c").await?, 1);
    Ok(())
}

#[tokio::test]
async fn an_event_that_was_buried_is_new_at_its_replay_and_only_once() -> Result<()> {
    let (_, store) = database().await?;
    let receipt = |sequence: u64| world::receipt("/outcry/bidding-service", ListingId(Uuid::nil()), sequence);
    store.buried(receipt(1).event_id, "it made no sense").await?;
    for (sequence, seen) in [(2, Seen::Gap { expected: 1 }), (1, Seen::New), (1, Seen::Duplicate)] {
        let mut tx = store.begin().await?;
        assert_eq!(tx.receive(&receipt(sequence)).await?, seen, "sequence {sequence}");
        tx.commit().await?;
    }
    Ok(())
}

#[tokio::test]
async fn answers_are_kept_for_a_day() -> Result<()> {
    let (pool, store) = database().await?;
    for (key, age) in [("old", "25 hours"), ("young", "23 hours")] {
        let request = RequestKey { principal: UserId("anna".into()), key: key.into(), fingerprint: [1; 32] };
        let mut tx = store.begin().await?;
        tx.claim(&request).await?;
        tx.answer(&request, &serde_json::json!(1)).await?;
        tx.commit().await?;
        sqlx::query("UPDATE idempotency SET created_at = created_at - $2::text::interval WHERE key = $1")
            .bind(key)
            .bind(age)
            .execute(&pool)
            .await?;
    }
    assert_eq!(database::tidy(&pool).await?, 1);
    Ok(())
}

#[tokio::test]
async fn a_database_that_is_away_is_unavailable() -> Result<()> {
    let pool = database::connect("postgres://nobody:none@127.0.0.1:1/none", 1)?;
    let store = PgListings::new(pool, Arc::new(Notify::new()));
    assert!(matches!(store.begin().await.err(), Some(StoreError::Unavailable(_))));
    Ok(())
}
