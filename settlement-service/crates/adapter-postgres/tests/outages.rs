//! Signs of life and outages on a real PostgreSQL. Needs `OUTCRY_TEST_DATABASE_URL`: a server on which it may create
//! databases; `make test` starts one.

mod support;

use anyhow::{Context, Result, ensure};
use chrono::{DateTime, TimeDelta, Utc};
use settlement_adapter_postgres::{
    database,
    session::Sessions,
    store::{PgSettlements, Wakers},
};
use settlement_domain::{
    AuctionId, Grace, Money, Settlement,
    settlement::{Lot, Sale},
};
use settlement_harness::{fees, terms};
use settlement_ports::SettlementStore;
use uuid::Uuid;

async fn database() -> Result<(Sessions, PgSettlements)> {
    let pool = database::connect(&support::migrated().await?, 5)?;
    Ok((pool.clone(), PgSettlements::new(pool, Wakers::default())))
}

async fn now(store: &PgSettlements) -> Result<DateTime<Utc>> {
    Ok(store.begin().await?.now().await?)
}

/// The last sign of life was so long ago.
async fn was_away(pool: &Sessions, time: &str) -> Result<()> {
    let away = format!("UPDATE watch SET seen_at = clock_timestamp() - interval '{time}'");
    sqlx::raw_sql(&away).execute(pool).await?;
    Ok(())
}

/// A settlement whose payment was due so long ago.
async fn overdue(store: &PgSettlements, by: TimeDelta) -> Result<Settlement> {
    let at = now(store).await? - TimeDelta::days(4) - by;
    let sale = Sale {
        auction_id: AuctionId::from(Uuid::now_v7()),
        seller_id: "anna".parse()?,
        buyer_id: "bert".parse()?,
        price: Money::new(12_050, "USD".parse()?)?,
        lot: Lot::Units,
        closed_at: at,
    };
    let (settlement, _) = Settlement::start(Uuid::now_v7().into(), sale, terms(), &fees(), at)?;
    let mut tx = store.begin().await?;
    tx.insert(&settlement).await?;
    tx.commit().await?;
    Ok(settlement)
}

/// Until when its buyer may pay, as it is locked.
async fn may_pay_until(store: &PgSettlements, settlement: &Settlement) -> Result<DateTime<Utc>> {
    let mut tx = store.begin().await?;
    Ok(tx.lock(settlement.id()).await?.context("it is there")?.aggregate.payment_due_at())
}

#[tokio::test]
async fn the_first_sign_of_life_notes_no_outage_however_long_ago_the_schema_was_made() -> Result<()> {
    let (_, store) = database().await?;
    ensure!(store.beat().await?.is_none());
    ensure!(store.beat().await?.is_none());
    Ok(())
}

#[tokio::test]
async fn a_moment_without_a_sign_of_life_changes_nothing() -> Result<()> {
    let (pool, store) = database().await?;
    let settlement = overdue(&store, TimeDelta::seconds(5)).await?;
    was_away(&pool, "30 seconds").await?;
    ensure!(may_pay_until(&store, &settlement).await? == settlement.payment_due_at());
    ensure!(store.beat().await?.is_none());
    ensure!(may_pay_until(&store, &settlement).await? == settlement.payment_due_at());
    Ok(())
}

#[tokio::test]
async fn an_outage_is_given_back_before_and_after_it_is_noted() -> Result<()> {
    let (pool, store) = database().await?;
    let settlement = overdue(&store, TimeDelta::hours(5)).await?;
    was_away(&pool, "10 hours").await?;
    let back = now(&store).await?;
    let unnoted = may_pay_until(&store, &settlement).await?;
    let Grace { since, until } = store.beat().await?.context("an outage")?;
    ensure!(since >= back && until - since >= TimeDelta::hours(10), "{since} {until}");
    ensure!(until - since < TimeDelta::hours(10) + TimeDelta::minutes(1), "{since} {until}");
    ensure!(unnoted > back + TimeDelta::hours(9) && unnoted <= until, "{unnoted} of {until}");
    ensure!(may_pay_until(&store, &settlement).await? == until);
    ensure!(store.beat().await?.is_none(), "it is noted once");
    ensure!(may_pay_until(&store, &settlement).await? == until, "and stays");
    Ok(())
}

#[tokio::test]
async fn what_is_due_comes_with_the_time_that_was_given_back_however_it_is_locked() -> Result<()> {
    let (pool, store) = database().await?;
    let settlement = overdue(&store, TimeDelta::hours(5)).await?;
    was_away(&pool, "10 hours").await?;
    let until = store.beat().await?.context("an outage")?.until;
    for way in ["lock_free", "lock_due_timers", "lock_auctions"] {
        let mut tx = store.begin().await?;
        let locked = match way {
            "lock_free" => tx.lock_free(&[settlement.id()]).await?.locked,
            "lock_due_timers" => tx.lock_due_timers(10).await?,
            _ => tx.lock_auctions(&[settlement.auction_id()]).await?,
        };
        let given: Vec<_> = locked.iter().map(|locked| locked.aggregate.payment_due_at()).collect();
        ensure!(given == [until], "{way}: {given:?} instead of {until}");
        tx.commit().await?;
    }
    Ok(())
}

#[tokio::test]
async fn instances_that_come_back_at_once_note_one_outage() -> Result<()> {
    let (pool, store) = database().await?;
    was_away(&pool, "3 hours").await?;
    let beats = tokio::try_join!(store.beat(), store.beat(), store.beat())?;
    let noted = [beats.0, beats.1, beats.2].into_iter().flatten().count();
    ensure!(noted == 1, "{beats:?}");
    Ok(())
}
