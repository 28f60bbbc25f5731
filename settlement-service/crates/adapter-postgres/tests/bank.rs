//! The bank test: 200 settlements run on a real PostgreSQL while readers sum the ledger every 10 ms. Needs
//! `OUTCRY_TEST_DATABASE_URL`: a server on which it may create databases; `make test` starts one.

mod support;

use std::sync::Arc;

use anyhow::Result;
use serde_json::json;
use settlement_adapter_postgres::{
    database,
    store::{PgSettlements, Wakers},
};
use settlement_domain::{BasisPoints, Schedules};
use settlement_harness::{Day, bank};

async fn store() -> Result<PgSettlements> {
    Ok(PgSettlements::new(database::connect(&support::migrated().await?, 20)?, Wakers::default()))
}

/// Fees that touch every account of the ledger.
fn fees() -> Result<Schedules> {
    let table = |rate: u16| json!({"kind": "marginal", "tiers": [{"above": 0, "rate_bps": rate}, {"above": 5_000, "rate_bps": 500}]});
    let source = json!({"version": "v1", "currency": "USD", "effective_from": "2020-01-01T00:00:00Z",
        "buyer_premium": table(2_500), "seller_commission": table(1_000),
        "tax": {"on": "premium", "table": table(1_900)}});
    let schedules = Schedules::new([("v1".to_owned(), serde_json::from_value(source)?)], BasisPoints::WHOLE);
    schedules.map_err(|faults| anyhow::anyhow!("{faults:?}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn money_in_is_money_out_and_held_at_every_moment_of_a_busy_day() -> Result<()> {
    let Day { reads, ends: [completed, refunded, failed] } = bank::day(Arc::new(store().await?), 200, 2, fees()?).await;
    assert_eq!(completed + refunded + failed, 200);
    assert!(
        completed >= 20 && refunded >= 20 && failed >= 20,
        "{completed} completed, {refunded} refunded, {failed} failed"
    );
    assert!(reads >= 200, "only {reads} reads");
    Ok(())
}
