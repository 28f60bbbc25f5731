//! Our side of a reconciliation on a real PostgreSQL, and whose turn it is. Needs `OUTCRY_TEST_DATABASE_URL`: a server on
//! which it may create databases; `make test` starts one.

mod support;

use std::time::Duration;

use anyhow::{Context, Result};
use settlement_adapter_postgres::{
    database, reconciliation,
    session::Sessions,
    store::{PgSettlements, Wakers},
};
use settlement_harness::contract;

async fn database() -> Result<Sessions> {
    Ok(database::connect(&support::migrated().await?, 5)?)
}

#[tokio::test]
async fn the_store_keeps_its_promises_about_the_account() -> Result<()> {
    let store = PgSettlements::new(database().await?, Wakers::default());
    contract::clearing::all(&store, &store).await;
    Ok(())
}

#[tokio::test]
async fn one_instance_has_the_turn_and_another_only_when_it_is_over() -> Result<()> {
    let pool = database().await?;
    let turn = Duration::from_secs(3_600);
    assert!(reconciliation::claim(&pool, turn).await?);
    assert!(!reconciliation::claim(&pool, turn).await?, "it is somebody's turn");
    sqlx::raw_sql("UPDATE reconciliation SET claimed_until = claimed_until - interval '1 hour'").execute(&pool).await?;
    let (left, right) = tokio::join!(reconciliation::claim(&pool, turn), reconciliation::claim(&pool, turn));
    assert!(left? != right?, "it was nobody's turn or two's");
    Ok(())
}

#[tokio::test]
async fn every_instance_knows_what_the_last_one_came_to() -> Result<()> {
    let pool = database().await?;
    assert_eq!(reconciliation::last(&pool).await?, None);
    reconciliation::claim(&pool, Duration::ZERO).await?;
    assert_eq!(reconciliation::last(&pool).await?, None, "begun is not finished");
    let mut before = None;
    for differences in [3, 0] {
        reconciliation::finish(&pool, differences).await?;
        let last = reconciliation::last(&pool).await?.context("finished")?;
        assert_eq!(last.differences, differences);
        assert!(before.replace(last.finished_at).is_none_or(|before| before <= last.finished_at));
    }
    Ok(())
}
