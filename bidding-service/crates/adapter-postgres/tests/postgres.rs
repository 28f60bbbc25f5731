//! The store on a real PostgreSQL. Needs `OUTCRY_TEST_DATABASE_URL`: a server on which it may
//! create databases; `make test` starts one.

mod support;

use std::{collections::BTreeMap, sync::Arc};

use anyhow::{Context, Result};
use bidding_adapter_postgres::{database, outbox::PgOutbox, session::Sessions, store::PgAuctions};
use bidding_domain::{
    auction::Auction,
    bid::{Ask, Order},
    ids::{AuctionId, BidId, SettlementId},
    second_chance::Asked,
};
use bidding_harness::world;
use bidding_ports::{
    change::ChangeListener,
    error::StoreError,
    inbox::{Receipt, Seen},
    outbox::Outbox,
    retries::Retries,
    store::{AuctionStore, Changes, Locked, Request, Wait},
};
use chrono::TimeDelta;
use event_contracts::bidding::{BiddingEvent, SecondChanceExhausted, SecondChanceNominated};
use sqlx::{Connection, PgConnection};
use tokio::sync::{Notify, watch};
use uuid::Uuid;

/// Remembers the last auction that moved.
struct LastChange(watch::Sender<Option<(AuctionId, u64)>>);

impl ChangeListener for LastChange {
    fn advanced(&self, auction: AuctionId, sequence: u64) {
        self.0.send_replace(Some((auction, sequence)));
    }
}

struct Database {
    pool: Sessions,
    store: PgAuctions,
    changes: watch::Receiver<Option<(AuctionId, u64)>>,
}

/// A migrated database of its own, and its store.
async fn database() -> Result<Database> {
    let pool = database::connect(&support::migrated().await?, 10)?;
    let (sender, changes) = watch::channel(None);
    let store = PgAuctions::new(pool.clone(), Arc::new(Notify::new()), Arc::new(LastChange(sender)));
    Ok(Database { pool, store, changes })
}

/// An auction that has just opened, with its event.
async fn open(store: &PgAuctions) -> Result<Auction> {
    let mut tx = store.begin().await?;
    let now = tx.now().await?;
    let auction = Auction::schedule(AuctionId(Uuid::now_v7()), world::terms(world::lot(), now - TimeDelta::seconds(1)));
    let opened = auction.open(now)?;
    tx.insert(&opened.auction).await?;
    tx.save(Changes::of(opened.auction.clone(), opened.entries)).await?;
    tx.commit().await?;
    Ok(opened.auction)
}

#[tokio::test]
async fn the_store_keeps_the_contract_of_the_port() -> Result<()> {
    let Database { pool, store, .. } = database().await?;
    Ok(bidding_harness::contract::holds(&store, &PgOutbox::new(pool)).await?)
}

#[tokio::test]
async fn a_second_migration_changes_nothing_and_the_check_needs_the_first() -> Result<()> {
    let Database { pool, .. } = database().await?;
    database::check(&pool).await?;
    sqlx::raw_sql("DROP TABLE _sqlx_migrations").execute(&pool).await?;
    let error = database::check(&pool).await.expect_err("not migrated");
    assert!(error.to_string().contains("run its `migrate` command"), "{error}");
    Ok(())
}

#[tokio::test]
async fn what_is_recorded_waits_in_the_outbox_as_the_contract_has_it_and_streams_are_told() -> Result<()> {
    let Database { pool, store, changes } = database().await?;
    let auction = open(&store).await?;
    let batch = PgOutbox::new(pool).batch(10).await?;
    let [record] = batch.as_slice() else { anyhow::bail!("one event, got {batch:?}") };
    assert_eq!((record.topic.as_str(), record.sequence), ("outcry.bidding.v1", 1));
    assert_eq!(record.key, auction.id().to_string());
    let decoded = BiddingEvent::decode(&record.event_type, &serde_json::to_vec(&record.data)?)?;
    assert!(matches!(decoded, Some(BiddingEvent::AuctionOpened(_))), "{record:?}");
    assert_eq!(*changes.borrow(), Some((auction.id(), 1)));
    Ok(())
}

/// `auction` is bid for by ann and bob, who wins.
async fn sold(store: &PgAuctions, auction: Auction) -> Result<Auction> {
    let mut tx = store.begin().await?;
    let (mut auction, now) = (auction, tx.now().await?);
    let mut entries = Vec::new();
    tx.lock(auction.id()).await?;
    for (bidder, max) in [("ann", 1_000), ("bob", 2_000)] {
        let (bid_id, ask) = (BidId(Uuid::now_v7()), world::one(max));
        let decided = auction.place_bid(&Order { bid_id, bidder: world::user(bidder), ask, suspended: false }, now);
        auction = decided.auction;
        entries.extend(decided.entry);
    }
    let end = auction.ends_at();
    let closed = auction.close(end)?;
    entries.extend(closed.entries);
    tx.save(Changes::of(closed.auction.clone(), entries)).await?;
    tx.commit().await?;
    Ok(closed.auction)
}

/// Asks the auction who is next in the name of `settlement`.
async fn answered(store: &PgAuctions, id: AuctionId, settlement: Uuid, excluded: &[&str]) -> Result<()> {
    let mut tx = store.begin().await?;
    let Locked { auction, now, .. } = tx.lock(id).await?.context("it is there")?;
    let excluded = excluded.iter().map(|name| world::user(name)).collect();
    let asked = Asked { settlement: SettlementId(settlement), excluded };
    let bids = tx.standing_bids(id).await?;
    let answered = auction.nominate(&asked, &[], &bids, now).context("it was asked before")?;
    tx.save(Changes::of(answered.auction, answered.entries)).await?;
    tx.commit().await?;
    Ok(())
}

#[tokio::test]
async fn settlement_reads_the_close_and_who_is_next_as_the_contract_has_it() -> Result<()> {
    let Database { pool, store, .. } = database().await?;
    let auction = sold(&store, open(&store).await?).await?;
    let [first, second] = [Uuid::now_v7(), Uuid::now_v7()];
    answered(&store, auction.id(), first, &["bob"]).await?;
    answered(&store, auction.id(), second, &["bob", "ann"]).await?;

    let mut told = Vec::new();
    for record in PgOutbox::new(pool).batch(100).await? {
        let event = BiddingEvent::decode(&record.event_type, &serde_json::to_vec(&record.data)?)?;
        told.push((record.sequence, event.context("a known type")?));
    }
    let id = auction.id().0;
    let nominated = SecondChanceNominated {
        auction_id: id,
        settlement_id: first,
        bidder_id: "ann".to_owned(),
        amount: 1_000,
        currency: "USD".to_owned(),
    };
    let exhausted = SecondChanceExhausted { auction_id: id, settlement_id: second };
    let [.., (4, BiddingEvent::AuctionClosed(closed)), (5, next), (6, last)] = told.as_slice() else {
        anyhow::bail!("numbered on without a gap: {told:?}")
    };
    assert_eq!((closed.second_chance, closed.second_chance_days), (true, Some(5)));
    assert_eq!([next, last], [&nominated.into(), &exhausted.into()]);
    Ok(())
}

#[tokio::test]
async fn an_auction_that_cannot_be_read_does_not_keep_the_others_waiting() -> Result<()> {
    let Database { pool, store, .. } = database().await?;
    let (broken, sound) = (open(&store).await?, open(&store).await?);
    sqlx::query("UPDATE auction SET due_at = clock_timestamp() - interval '1 minute'").execute(&pool).await?;
    sqlx::query("UPDATE auction SET snapshot = '{}' WHERE id = $1").bind(broken.id().0).execute(&pool).await?;
    let mut tx = store.begin().await?;
    let due = tx.lock_due(10).await?;
    assert_eq!(due.iter().map(|locked| locked.auction.id()).collect::<Vec<_>>(), [sound.id()]);
    tx.commit().await?;
    let again = sqlx::query_scalar::<_, f64>(
        "SELECT extract(epoch FROM due_at - clock_timestamp())::float8 FROM auction WHERE id = $1",
    );
    let again_in = again.bind(broken.id().0).fetch_one(&pool).await?;
    assert!((55.0..=60.0).contains(&again_in), "it stands in nobody's way for a minute: {again_in}");
    assert!(matches!(store.find(broken.id()).await, Err(StoreError::Corrupt(_))));

    let request = |auction: &Auction| Request {
        auction: auction.id(),
        key: world::request("ann", "k", auction.id(), Ask::BuyNow),
    };
    let floor = store.begin().await?.enter(&[request(&broken), request(&sound)], Wait::ForAll).await?;
    assert!(matches!(floor.auctions[&broken.id()], Err(StoreError::Corrupt(_))), "it spoils its own bids …");
    assert!(floor.auctions[&sound.id()].is_ok(), "… and no others");
    Ok(())
}

#[tokio::test]
async fn events_of_a_log_that_cannot_be_read_wait_and_the_others_are_published() -> Result<()> {
    let Database { pool, store, .. } = database().await?;
    let (missing, broken, sound) = (open(&store).await?, open(&store).await?, open(&store).await?);
    sqlx::query("DELETE FROM decision WHERE auction_id = $1").bind(missing.id().0).execute(&pool).await?;
    let spoil = sqlx::query("UPDATE decision SET record = '{}' WHERE auction_id = $1").bind(broken.id().0);
    spoil.execute(&pool).await?;
    let outbox = PgOutbox::new(pool.clone());
    let keys = |batch: Vec<bidding_ports::outbox::OutboxRecord>| batch.into_iter().map(|r| r.key).collect::<Vec<_>>();
    assert_eq!(keys(outbox.batch(10).await?), [sound.id().to_string()]);
    assert_eq!(keys(outbox.batch(1).await?), [sound.id().to_string()], "what cannot be read takes no place");
    let waiting = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM outbox").fetch_one(&pool).await?;
    assert_eq!(waiting, 3, "nothing is lost");
    Ok(())
}

/// How often each index of the log was searched so far. Sessions count for themselves; the one that was used last tells.
async fn searches(pool: &Sessions) -> Result<BTreeMap<String, i64>> {
    sqlx::query("SELECT pg_stat_force_next_flush()").execute(pool).await?;
    let counted = "SELECT indexrelname::text, idx_scan FROM pg_stat_user_indexes WHERE relname = 'decision'";
    Ok(sqlx::query_as::<_, (String, i64)>(counted).fetch_all(pool).await?.into_iter().collect())
}

/// The indexes that were searched since.
async fn searched_since(before: &BTreeMap<String, i64>, pool: &Sessions) -> Result<Vec<String>> {
    let now = searches(pool).await?;
    Ok(now.into_iter().filter(|(index, count)| before[index] < *count).map(|(index, _)| index).collect())
}

#[tokio::test]
async fn a_bid_is_found_by_its_id_without_its_auctions_log() -> Result<()> {
    let Database { pool, store, .. } = database().await?;
    let (auction, elsewhere) = (open(&store).await?, open(&store).await?);
    let id = sold(&store, auction).await?.id();
    let placed = store.bids(id, None, 10).await?;
    assert_eq!(placed.len(), 2);
    let before = searches(&pool).await?;
    for bid in &placed {
        assert_eq!(store.bid(id, bid.id).await?.as_ref(), Some(bid));
        assert_eq!(store.bid(elsewhere.id(), bid.id).await?, None, "it is of another auction");
    }
    assert_eq!(store.bid(id, BidId(Uuid::now_v7())).await?, None);
    assert_eq!(searched_since(&before, &pool).await?, ["decision_by_bid"]);
    Ok(())
}

#[tokio::test]
async fn whether_bids_were_taken_back_is_found_without_the_other_retractions() -> Result<()> {
    let Database { pool, store, .. } = database().await?;
    let before = searches(&pool).await?;
    store.retracted(&[BidId(Uuid::now_v7()), BidId(Uuid::now_v7())]).await?;
    assert_eq!(searched_since(&before, &pool).await?, ["decision_retracted"]);
    Ok(())
}

#[tokio::test]
async fn a_database_of_before_the_log_is_not_taken_over_but_told_why() -> Result<()> {
    let mut before = PgConnection::connect(&support::empty().await?).await?;
    sqlx::raw_sql(include_str!("../../../migrations/0001_bidding.sql")).execute(&mut before).await?;
    let old = "INSERT INTO auction (id, terms, sequence, snapshot) VALUES (gen_random_uuid(), '{}', 1, '{}')";
    sqlx::raw_sql(old).execute(&mut before).await?;
    let refused = sqlx::raw_sql(include_str!("../../../migrations/0002_decision_log.sql")).execute(&mut before).await;
    let told = refused.expect_err("it holds an auction").to_string();
    assert!(told.contains("start with a new database"), "{told}");
    Ok(())
}

fn receipt(sequence: u64) -> Receipt {
    Receipt {
        event_id: Uuid::from_u128(sequence.into()),
        source: "/outcry/listing-service".into(),
        key: "k".into(),
        sequence,
    }
}

#[tokio::test]
async fn what_failed_and_is_taken_in_after_all_is_forgotten_as_a_failure_and_as_a_dead_letter() -> Result<()> {
    let Database { store, .. } = database().await?;
    let (failed, buried) = (receipt(1), receipt(2));
    assert_eq!((store.failed(failed.event_id, "a").await?, store.failed(failed.event_id, "b").await?), (1, 2));
    store.buried(buried.event_id, "it made no sense, and the broker did not hear that it was done with").await?;
    for commits in [false, true] {
        let mut tx = store.begin().await?;
        for receipt in [&failed, &buried, &receipt(3)] {
            assert_eq!(tx.receive(receipt).await?, Seen::New);
        }
        if commits {
            tx.commit().await?;
        }
    }
    assert_eq!(store.begin().await?.receive(&buried).await?, Seen::Duplicate, "it had its effect");
    assert_eq!(store.failed(failed.event_id, "c").await?, 1);
    Ok(())
}

#[tokio::test]
async fn an_event_that_was_buried_is_new_at_its_replay_and_only_once() -> Result<()> {
    let Database { store, .. } = database().await?;
    store.buried(receipt(1).event_id, "it made no sense").await?;
    for (sequence, seen) in [(2, Seen::Gap { expected: 1 }), (1, Seen::New), (1, Seen::Duplicate)] {
        assert_eq!(store.known(&[receipt(sequence)]).await?, [seen == Seen::Duplicate], "sequence {sequence}");
        let mut tx = store.begin().await?;
        assert_eq!(tx.receive(&receipt(sequence)).await?, seen, "sequence {sequence}");
        tx.commit().await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_database_that_is_away_is_unavailable() -> Result<()> {
    let pool = database::connect("postgres://nobody:none@127.0.0.1:1/none", 1)?;
    let store = PgAuctions::new(pool, Arc::new(Notify::new()), Arc::new(LastChange(watch::channel(None).0)));
    assert!(matches!(store.begin().await.err(), Some(StoreError::Unavailable(_))));
    Ok(())
}
