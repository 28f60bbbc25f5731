//! The books over time, on a real PostgreSQL: what an older schema held, closings, and what reads cost. Needs
//! `OUTCRY_TEST_DATABASE_URL`: a server on which it may create databases; `make test` starts one.

mod support;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use chrono::{DateTime, TimeDelta, Utc};
use settlement_adapter_postgres::{
    database, ledger,
    session::Sessions,
    store::{PgSettlements, Wakers},
};
use settlement_domain::ledger::AccountKind;
use settlement_ports::{LedgerReads, SettlementStore, StatementQuery, StoreError};
use uuid::Uuid;

async fn database() -> Result<(Sessions, PgSettlements)> {
    let pool = database::connect(&support::migrated().await?, 5)?;
    Ok((pool.clone(), PgSettlements::new(pool, Wakers::default())))
}

/// A settlement of this price in the first version of the schema, and its capture in the ledger.
fn of_the_first_schema(id: Uuid, price: i64, commission: u16) -> String {
    format!(
        r#"BEGIN;
           INSERT INTO settlement (id, auction_id, seller_id, buyer_id, amount, currency, terms, started_at,
               payment_due_at, sequence, attempts, state)
           VALUES ('{id}', '{id}', 'anna', 'bert', {price}, 'USD',
               '{{"payment_due_s": 1, "ship_due_s": 1, "inspection_s": 1, "commission": {commission}}}', now(), now(), 1,
               '{{}}', '{{"status": "awaiting_payment", "declined": null}}');
           INSERT INTO ledger_transaction VALUES ('{id}:captured', '{id}', 'captured', now(), 2);
           INSERT INTO ledger_posting VALUES ('{id}:captured', 1, 'gateway_clearing', NULL, 'USD', {price}, 0),
               ('{id}:captured', 2, 'escrow', NULL, 'USD', 0, {price});
           COMMIT"#
    )
}

#[tokio::test]
async fn what_began_before_there_were_fees_keeps_its_commission_and_its_ledger() -> Result<()> {
    let pool = database::connect(&support::empty().await?, 5)?;
    sqlx::raw_sql(include_str!("../../../migrations/0001_settlement.sql")).execute(&pool).await?;
    let cases =
        [(12_050, 1_000, 1_205), (25, 1_000, 2), (35, 1_000, 4), (9_007_199_254_740_991, 9_999, 9_006_298_534_815_517)];
    let ids = cases.map(|_| Uuid::now_v7());
    for (id, (price, rate, _)) in ids.iter().zip(cases) {
        sqlx::raw_sql(&of_the_first_schema(*id, price, rate)).execute(&pool).await?;
    }
    sqlx::raw_sql(include_str!("../../../migrations/0002_saga.sql")).execute(&pool).await?;
    sqlx::raw_sql(include_str!("../../../migrations/0003_money.sql")).execute(&pool).await?;
    sqlx::raw_sql(include_str!("../../../migrations/0004_webhook.sql")).execute(&pool).await?;
    sqlx::raw_sql(include_str!("../../../migrations/0005_payouts.sql")).execute(&pool).await?;
    let store = PgSettlements::new(pool, Wakers::default());
    for (id, (price, rate, commission)) in ids.into_iter().zip(cases) {
        let settlement = store.settlement(id.into()).await?.context("it is there")?;
        let quote = settlement.quote();
        assert_eq!((quote.total().amount(), quote.commission().amount()), (price, commission), "{price} at {rate}");
        assert_eq!(quote.schedule().to_string(), format!("default-{rate}-bps"));
        let captured = store.transaction(&format!("{id}:captured")).await?.context("it is there")?;
        assert_eq!(captured.postings()[0].amount.amount(), price);
    }
    Ok(())
}

/// Puts a released sale of anna's and its payout into the ledger, so long ago.
async fn sold(pool: &Sessions, amount: i64, ago: TimeDelta) -> Result<DateTime<Utc>> {
    let id = Uuid::now_v7();
    let at: DateTime<Utc> =
        sqlx::query_scalar("SELECT date_trunc('milliseconds', clock_timestamp() - $1::float8 * interval '1 s')")
            .bind(ago.as_seconds_f64())
            .fetch_one(pool)
            .await?;
    sqlx::raw_sql(&format!(
        r#"BEGIN;
           INSERT INTO settlement (id, auction_id, seller_id, buyer_id, amount, currency, quote, terms, started_at,
               payment_due_at, sequence, attempts, state)
           VALUES ('{id}', '{id}', 'anna', 'bert', {amount}, 'USD', '{{}}', '{{}}', now(), now(), 1, '{{}}',
               '{{"status": "completed"}}');
           INSERT INTO ledger_transaction VALUES ('{id}:released', '{id}', 'released', '{at}', 2);
           INSERT INTO ledger_posting VALUES ('{id}:released', 1, 'escrow', NULL, 'USD', {amount}, 0, '{at}'),
               ('{id}:released', 2, 'seller_payable', 'anna', 'USD', 0, {amount}, '{at}');
           COMMIT"#
    ))
    .execute(pool)
    .await?;
    Ok(at)
}

async fn owed(store: &PgSettlements, at: Option<DateTime<Utc>>) -> Result<i128> {
    Ok(-store.trial_balance(at).await?.balance(AccountKind::SellerPayable, "USD".parse()?))
}

#[tokio::test]
async fn closing_the_books_changes_no_balance_of_any_moment() -> Result<()> {
    let (pool, store) = database().await?;
    assert!(!ledger::close(&pool).await?, "there is nothing to close");
    let mut moments = Vec::new();
    for (amount, hours) in [(1, 50), (20, 30), (300, 3), (4_000, 0)] {
        moments.push(sold(&pool, amount, TimeDelta::hours(hours)).await?);
    }
    let expected = [1, 21, 321, 4_321];
    for closed in [true, false] {
        for (at, sum) in moments.iter().zip(expected) {
            assert_eq!(owed(&store, Some(*at)).await?, sum, "at {at}");
            assert_eq!(
                owed(&store, Some(*at - TimeDelta::milliseconds(1))).await?,
                sum - sum_of_last(sum),
                "before {at}"
            );
        }
        assert_eq!(owed(&store, None).await?, 4_321);
        assert_eq!(ledger::close(&pool).await?, closed, "once, until there is more to close");
    }
    Ok(())
}

/// The last sale's part of a sum like 321: its leading digit.
const fn sum_of_last(sum: i128) -> i128 {
    let mut unit = 1;
    while unit * 10 <= sum {
        unit *= 10;
    }
    sum / unit * unit
}

#[tokio::test]
async fn a_second_closing_builds_on_the_first() -> Result<()> {
    let (pool, store) = database().await?;
    sold(&pool, 5, TimeDelta::hours(50)).await?;
    ledger::close(&pool).await?;
    // As if the first closing had been made two days ago.
    sqlx::raw_sql(
        "ALTER TABLE ledger_closing DISABLE TRIGGER ALL;
         UPDATE ledger_closing SET until = until - interval '40 hours';
         ALTER TABLE ledger_closing ENABLE TRIGGER ALL",
    )
    .execute(&pool)
    .await?;
    sold(&pool, 60, TimeDelta::hours(30)).await?;
    assert!(ledger::close(&pool).await?);
    let closings: i64 = sqlx::query_scalar("SELECT count(DISTINCT until) FROM ledger_closing").fetch_one(&pool).await?;
    assert_eq!((closings, owed(&store, None).await?), (2, 65));
    assert!(store.trial_balance(None).await?.is_balanced());
    Ok(())
}

/// The database needs two seconds for what `trigger` is about.
async fn slowed_down(trigger: &str) -> Result<Sessions> {
    let (pool, _) = database().await?;
    sold(&pool, 5, TimeDelta::hours(50)).await?;
    sqlx::raw_sql(&format!(
        "CREATE FUNCTION slowly() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN PERFORM pg_sleep(2); RETURN NULL; END$$;
         CREATE {trigger} EXECUTE FUNCTION slowly()"
    ))
    .execute(&pool)
    .await?;
    Ok(pool)
}

#[tokio::test]
async fn summing_the_books_may_take_long_and_its_commit_may_not() -> Result<()> {
    const LIMIT: Duration = Duration::from_secs(1);
    let sum = slowed_down("TRIGGER slow BEFORE INSERT ON ledger_closing FOR EACH STATEMENT").await?;
    let closed = ledger::close(&sum.answering_within(LIMIT)).await;
    ensure!(closed == Ok(true), "{closed:?}");

    let at_commit = "CONSTRAINT TRIGGER slow AFTER INSERT ON ledger_closing DEFERRABLE INITIALLY DEFERRED FOR EACH ROW";
    let commit = slowed_down(at_commit).await?;
    let closed = ledger::close(&commit.answering_within(LIMIT)).await;
    ensure!(matches!(closed, Err(StoreError::Unavailable(_))), "a commit was waited for: {closed:?}");
    Ok(())
}

#[tokio::test]
async fn nothing_is_posted_before_the_last_closing() -> Result<()> {
    let (pool, store) = database().await?;
    sold(&pool, 5, TimeDelta::hours(50)).await?;
    ledger::close(&pool).await?;
    let refused = sold(&pool, 5, TimeDelta::hours(10)).await.expect_err("the books are closed there");
    assert!(refused.to_string().contains("before the last closing"), "{refused}");
    assert_eq!(owed(&store, None).await?, 5);
    Ok(())
}

#[tokio::test]
async fn the_database_refuses_a_reversal_that_does_not_undo_what_it_names() -> Result<()> {
    let (pool, _) = database().await?;
    sold(&pool, 500, TimeDelta::zero()).await?;
    let (reference, id): (String, Uuid) =
        sqlx::query_as("SELECT reference, settlement_id FROM ledger_transaction").fetch_one(&pool).await?;
    let reversal = |of: &str, account: &str, owner: &str, amount: i64| {
        format!(
            "BEGIN; INSERT INTO ledger_transaction VALUES ('r', '{id}', 'released', now(), 2, '{of}', 'a test');
             INSERT INTO ledger_posting VALUES ('r', 1, 'escrow', NULL, 'USD', 0, {amount}, now()),
                 ('r', 2, '{account}', {owner}, 'USD', {amount}, 0, now()); COMMIT"
        )
    };
    for (of, account, owner, amount) in [
        (reference.as_str(), "seller_payable", "'anna'", 499),
        (&reference, "seller_payable", "'bert'", 500),
        (&reference, "tax", "NULL", 500),
        ("nothing", "seller_payable", "'anna'", 500),
    ] {
        let refused = sqlx::raw_sql(&reversal(of, account, owner, amount)).execute(&pool).await;
        assert!(refused.expect_err(account).to_string().contains("does not undo"));
    }
    sqlx::raw_sql(&reversal(&reference, "seller_payable", "'anna'", 500)).execute(&pool).await?;
    Ok(())
}

#[tokio::test]
async fn a_statement_is_read_from_its_sellers_index_alone() -> Result<()> {
    let (pool, store) = database().await?;
    sold(&pool, 500, TimeDelta::zero()).await?;
    let query = StatementQuery { seller: "anna".parse()?, currency: "USD".parse()?, at: None, before: None };
    assert_eq!(store.statement(&query, 10).await?.len(), 1);
    let mut tx = pool.begin().await?;
    sqlx::raw_sql("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off").execute(&mut tx).await?;
    let explain = "EXPLAIN SELECT at, reference, line, debit, credit FROM ledger_posting
         WHERE account = 'seller_payable' AND owner = 'anna' AND currency = 'USD' AND at <= 'infinity'
           AND (at, reference, line) < (now(), 'x', 1) ORDER BY at DESC, reference DESC, line DESC LIMIT 20";
    let plan = sqlx::query_scalar::<_, String>(explain).fetch_all(&mut tx).await?.join("\n");
    assert!(plan.contains("Index Only Scan Backward using ledger_posting_seller"), "{plan}");
    assert!(plan.contains("ROW(at, reference, line) <") && !plan.contains("Sort"), "{plan}");
    Ok(())
}
