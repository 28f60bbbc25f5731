//! Rows that cannot be read, on a real PostgreSQL: each stands at the front of what is due, and only one is taken up at a
//! time. Needs `OUTCRY_TEST_DATABASE_URL`: a server on which it may create databases; `make test` starts one.

mod support;

use anyhow::{Context, Result, ensure};
use settlement_adapter_postgres::{
    database,
    session::Sessions,
    store::{PgSettlements, Wakers},
};
use settlement_domain::{
    Money, Settlement, UserId,
    saga::{self, Act},
    settlement::{Lot, Sale},
};
use settlement_harness::{contract::payouts, fees, terms};
use settlement_ports::SettlementStore;
use uuid::Uuid;

async fn database() -> Result<(Sessions, PgSettlements)> {
    let pool = database::connect(&support::migrated().await?, 5)?;
    Ok((pool.clone(), PgSettlements::new(pool, Wakers::default())))
}

/// A settlement that began.
async fn begun(store: &PgSettlements) -> Result<Settlement> {
    let mut tx = store.begin().await?;
    let now = tx.now().await?;
    let sale = Sale {
        auction_id: Uuid::now_v7().into(),
        seller_id: "anna".parse()?,
        buyer_id: "bert".parse()?,
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
