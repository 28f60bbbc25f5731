//! Rows that cannot be read, on a real PostgreSQL: each stands at the front of what is due, and only one is taken up at a
//! time; and standings, without which no deadline is acted on that costs a strike. Needs `OUTCRY_TEST_DATABASE_URL`: a
//! server on which it may create databases; `make test` starts one.

mod support;

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use settlement_adapter_postgres::{
    database,
    session::Sessions,
    store::{PgSettlements, Wakers},
};
use settlement_domain::{
    Money, Settlement, Status, UserId,
    saga::{self, Act},
    settlement::{Lot, Sale},
};
use settlement_harness::{
    contract::{deadlines, payouts},
    fees, terms,
};
use settlement_ports::SettlementStore;
use uuid::Uuid;

async fn database() -> Result<(Sessions, PgSettlements)> {
    let pool = database::connect(&support::migrated().await?, 5)?;
    Ok((pool.clone(), PgSettlements::new(pool, Wakers::default())))
}

/// A settlement that began.
async fn begun(store: &PgSettlements) -> Result<Settlement> {
    begun_with(store, "bert").await
}

/// The same, with this buyer.
async fn begun_with(store: &PgSettlements, buyer: &str) -> Result<Settlement> {
    let mut tx = store.begin().await?;
    let now = tx.now().await?;
    let sale = Sale {
        auction_id: Uuid::now_v7().into(),
        seller_id: "anna".parse()?,
        buyer_id: buyer.parse()?,
        price: Money::new(12_050, "USD".parse()?)?,
        lot: Lot::Units,
        closed_at: now,
    };
    let (settlement, _) = Settlement::start(Uuid::now_v7().into(), sale, terms(), &fees(), now)?;
    tx.insert(&settlement).await?;
    tx.commit().await?;
    Ok(settlement)
}

/// The buyer paid: a call is planned.
async fn paid(store: &PgSettlements) -> Result<Uuid> {
    let id = begun(store).await?.id();
    let mut tx = store.begin().await?;
    let locked = tx.lock(id).await?.context("it is there")?;
    let change = saga::begin(locked.aggregate, Act::Pay("pm_card_visa".parse()?), locked.now)?;
    tx.save(&[change.settlement]).await?;
    tx.save_calls(&change.calls).await?;
    tx.commit().await?;
    Ok(id.as_uuid())
}

/// The seller has earned something.
async fn earned(store: &PgSettlements, seller: &UserId) -> Result<Settlement> {
    let mut tx = store.begin().await?;
    let received = payouts::received(seller, tx.now().await?);
    tx.insert(&received).await?;
    tx.commit().await?;
    Ok(received)
}

/// The seller is about to be paid.
async fn paying(store: &PgSettlements, seller: &str) -> Result<Uuid> {
    let earned = earned(store, &seller.parse()?).await?;
    let now = store.begin().await?.now().await?;
    let change = payouts::gathered(vec![earned], now);
    payouts::made(store, &change).await;
    Ok(change.payout.context("there is something to pay")?.id().as_uuid())
}

/// Changes what has this id, as nobody should.
async fn change(pool: &Sessions, id: Uuid, how: &str) -> Result<()> {
    sqlx::query(how).bind(id).execute(pool).await.with_context(|| how.to_owned())?;
    Ok(())
}

/// In how many seconds a row is looked at again.
async fn again_in(pool: &Sessions, due_at: &str) -> Result<f64> {
    Ok(sqlx::query_scalar(&format!("SELECT extract(epoch FROM ({due_at}) - clock_timestamp())::float8"))
        .fetch_one(pool)
        .await?)
}

/// Some minutes.
fn is_put_aside(again_in_s: f64) -> Result<()> {
    ensure!((280.0..=300.0).contains(&again_in_s), "it is looked at again in {again_in_s} s");
    Ok(())
}

#[tokio::test]
async fn a_settlement_that_cannot_be_read_lets_the_next_deadline_pass() -> Result<()> {
    let (pool, store) = database().await?;
    let (broken, sound) = (begun(&store).await?.id().as_uuid(), begun(&store).await?.id().as_uuid());
    let overdue = "UPDATE settlement SET due_at = clock_timestamp() - interval '1 minute' WHERE id = $1";
    let spoilt = "UPDATE settlement SET due_at = clock_timestamp() - interval '1 hour', quote = '{}' WHERE id = $1";
    change(&pool, sound, overdue).await?;
    change(&pool, broken, spoilt).await?;
    for expected in [vec![], vec![sound]] {
        let mut tx = store.begin().await?;
        let due = tx.lock_due_timers(1).await?;
        let ids: Vec<Uuid> = due.iter().map(|locked| locked.aggregate.id().as_uuid()).collect();
        ensure!(ids == expected, "{ids:?} instead of {expected:?}");
        tx.commit().await?;
    }
    is_put_aside(again_in(&pool, &format!("SELECT due_at FROM settlement WHERE id = '{broken}'")).await?)
}

#[tokio::test]
async fn a_call_that_cannot_be_read_or_whose_settlement_cannot_lets_the_next_one_be_made() -> Result<()> {
    for what in [
        "UPDATE gateway_call SET call = '{}' WHERE settlement_id = $1",
        "UPDATE settlement SET quote = '{}' WHERE id = $1",
    ] {
        let (pool, store) = database().await?;
        let (broken, sound) = (paid(&store).await?, paid(&store).await?);
        let first = "UPDATE gateway_call SET due_at = due_at - interval '1 hour' WHERE settlement_id = $1";
        change(&pool, broken, first).await?;
        change(&pool, broken, what).await?;
        for expected in [vec![], vec![sound]] {
            let mut tx = store.begin().await?;
            let due = tx.lock_pending_calls(1).await?;
            let ids: Vec<Uuid> = due.iter().map(|locked| locked.aggregate.settlement.id().as_uuid()).collect();
            ensure!(ids == expected, "{what}: {ids:?} instead of {expected:?}");
            tx.commit().await?;
        }
        let due_at = format!("SELECT due_at FROM gateway_call WHERE settlement_id = '{broken}'");
        is_put_aside(again_in(&pool, &due_at).await?)?;
    }
    Ok(())
}

#[tokio::test]
async fn a_payout_that_cannot_be_read_lets_the_next_one_be_made() -> Result<()> {
    let (pool, store) = database().await?;
    let (broken, sound) = (paying(&store, "anna").await?, paying(&store, "cora").await?);
    let first = "UPDATE gateway_call SET due_at = due_at - interval '1 hour' WHERE payout_id = $1";
    change(&pool, broken, first).await?;
    change(&pool, broken, "UPDATE payout SET items = '[{}]' WHERE id = $1").await?;
    for expected in [vec![], vec![sound]] {
        let mut tx = store.begin().await?;
        let due = tx.lock_pending_payouts(1).await?;
        let ids: Vec<Uuid> = due.iter().map(|locked| locked.aggregate.payout.id().as_uuid()).collect();
        ensure!(ids == expected, "{ids:?} instead of {expected:?}");
        tx.commit().await?;
    }
    is_put_aside(again_in(&pool, &format!("SELECT due_at FROM gateway_call WHERE payout_id = '{broken}'")).await?)
}

#[tokio::test]
async fn a_sellers_earning_that_cannot_be_read_keeps_neither_the_seller_nor_others_from_being_paid() -> Result<()> {
    let (pool, store) = database().await?;
    let (anna, cora): (UserId, UserId) = ("anna".parse()?, "cora".parse()?);
    let broken = earned(&store, &anna).await?.id().as_uuid();
    let mut sound = [earned(&store, &anna).await?, earned(&store, &cora).await?];
    change(&pool, broken, "UPDATE settlement SET quote = '{}' WHERE id = $1").await?;
    let usd = "USD".parse()?;
    let mut tx = store.begin().await?;
    let owed = tx.lock_owed(&[(anna, usd), (cora, usd)], 10).await?;
    let mut owed: Vec<Settlement> = owed.into_iter().flat_map(|locked| locked.aggregate).collect();
    owed.sort_by_key(Settlement::id);
    sound.sort_by_key(Settlement::id);
    ensure!(owed == sound, "{owed:?}");
    Ok(())
}

#[tokio::test]
async fn a_standing_that_cannot_be_read_lets_the_next_suspension_end() -> Result<()> {
    let (pool, store) = database().await?;
    sqlx::raw_sql(
        "INSERT INTO standing (user_id, strikes, sequence, due_at)
         VALUES ('broken', '7', 1, clock_timestamp() - interval '1 hour'),
                ('sound', '[]', 1, clock_timestamp() - interval '1 minute')",
    )
    .execute(&pool)
    .await?;
    for expected in [vec![], vec!["sound"]] {
        let mut tx = store.begin().await?;
        let due = tx.lock_due_standings(1).await?;
        let users: Vec<&str> = due.iter().map(|locked| locked.aggregate.user_id().as_str()).collect();
        ensure!(users == expected, "{users:?} instead of {expected:?}");
        tx.commit().await?;
    }
    is_put_aside(again_in(&pool, "SELECT due_at FROM standing WHERE user_id = 'broken'").await?)
}

/// Four days have passed, and nobody has paid.
async fn unpaid(pool: &Sessions, store: &PgSettlements, buyer: &str) -> Result<Settlement> {
    let settlement = begun_with(store, buyer).await?;
    let long_ago = "UPDATE settlement SET started_at = started_at - interval '4 days',
        payment_due_at = payment_due_at - interval '4 days', due_at = due_at - interval '4 days' WHERE id = $1";
    change(pool, settlement.id().as_uuid(), long_ago).await?;
    Ok(settlement)
}

async fn status(store: &PgSettlements, settlement: &Settlement) -> Result<Status> {
    Ok(store.settlement(settlement.id()).await?.context("it is there")?.status())
}

#[tokio::test]
async fn a_buyer_whose_standing_cannot_be_read_keeps_no_other_deadline_waiting() -> Result<()> {
    let (pool, store) = database().await?;
    let (broken, sound) = (unpaid(&pool, &store, "bert").await?, unpaid(&pool, &store, "cora").await?);
    let spoilt = "INSERT INTO standing (user_id, strikes, sequence) VALUES ('bert', '7', 1)";
    sqlx::raw_sql(spoilt).execute(&pool).await?;
    let worker = deadlines::worker(Arc::new(store.clone()));
    ensure!(worker.pass_time(10).await? == 2, "both were taken up");
    ensure!(status(&store, &sound).await? == Status::Failed);
    ensure!(status(&store, &broken).await? == Status::AwaitingPayment, "nobody fails without the strike for it");
    let id = broken.id();
    for column in ["due_at", "payment_due_at"] {
        is_put_aside(again_in(&pool, &format!("SELECT {column} FROM settlement WHERE id = '{id}'")).await?)?;
    }
    ensure!(worker.pass_time(10).await? == 0, "it is not taken up before");

    sqlx::raw_sql("UPDATE standing SET strikes = '[]'").execute(&pool).await?;
    let later = "UPDATE settlement SET payment_due_at = clock_timestamp(), due_at = clock_timestamp() WHERE id = $1";
    change(&pool, id.as_uuid(), later).await?;
    ensure!(worker.pass_time(10).await? == 1);
    ensure!(status(&store, &broken).await? == Status::Failed, "once it is repaired");
    Ok(())
}

#[tokio::test]
async fn a_buyer_whose_standing_is_locked_by_hand_keeps_no_other_deadline_waiting() -> Result<()> {
    let (pool, store) = database().await?;
    sqlx::raw_sql("INSERT INTO standing (user_id, strikes, sequence) VALUES ('bert', '[]', 0)").execute(&pool).await?;
    let (locked, free) = (unpaid(&pool, &store, "bert").await?, unpaid(&pool, &store, "cora").await?);
    let mut by_hand = pool.begin().await?;
    sqlx::raw_sql("SELECT FROM standing WHERE user_id = 'bert' FOR UPDATE").execute(&mut by_hand).await?;
    let worker = deadlines::worker(Arc::new(store.clone()));
    for taken_up in [1, 0] {
        ensure!(worker.pass_time(10).await? == taken_up, "it is passed over, and stays due");
    }
    let statuses = (status(&store, &locked).await?, status(&store, &free).await?);
    ensure!(statuses == (Status::AwaitingPayment, Status::Failed), "{statuses:?}");
    by_hand.commit().await?;
    ensure!(worker.pass_time(10).await? == 1);
    ensure!(status(&store, &locked).await? == Status::Failed);
    Ok(())
}
