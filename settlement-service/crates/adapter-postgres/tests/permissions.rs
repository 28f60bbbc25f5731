//! What the database lets whom do to the ledger, on a real PostgreSQL: the schema's owner, who is no superuser, and a
//! role that only serves. Needs `OUTCRY_TEST_DATABASE_URL`, a superuser's; `make test` starts a server.

use anyhow::{Context, Result};
use settlement_adapter_postgres::{
    database,
    session::Sessions,
    store::{PgSettlements, Wakers},
};
use settlement_harness::contract;
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

/// A database whose owner is no superuser, migrated by that owner, and a role that was given what serving takes.
struct House {
    owner: Sessions,
    server: Sessions,
    superuser: Sessions,
    role: String,
    url: String,
}

async fn house() -> Result<House> {
    let url = std::env::var("OUTCRY_TEST_DATABASE_URL").context("set OUTCRY_TEST_DATABASE_URL, or run `make test`")?;
    let name = Uuid::now_v7().simple().to_string();
    let (owner, server) = (format!("owner_{name}"), format!("server_{name}"));
    let mut admin = PgConnection::connect(&url).await?;
    for sql in [
        format!("CREATE ROLE {owner} LOGIN PASSWORD 'secret'"),
        format!("CREATE ROLE {server} LOGIN PASSWORD 'secret'"),
        format!("CREATE DATABASE {owner} OWNER {owner}"),
    ] {
        sqlx::raw_sql(&sql).execute(&mut admin).await?;
    }
    let (base, parameters) = url.split_once('?').unwrap_or((&url, ""));
    let host = base.rsplit_once('@').context("the URL names its user")?.1.rsplit_once('/').context("a database")?.0;
    let as_role = |role: &str| format!("postgres://{role}:secret@{host}/{owner}?{parameters}");
    database::migrate(&as_role(&owner)).await?;
    database::grant(&as_role(&owner), &server).await?;
    let of_all = format!("{}/{owner}?{parameters}", base.rsplit_once('/').context("a database")?.0);
    Ok(House {
        owner: database::connect(&as_role(&owner), 5)?,
        server: database::connect(&as_role(&server), 5)?,
        superuser: database::connect(&of_all, 2)?,
        role: server,
        url: as_role(&owner),
    })
}

const CHANGES: [&str; 8] = [
    "UPDATE ledger_posting SET credit = credit + 1 WHERE credit > 0",
    "UPDATE ledger_transaction SET kind = 'refunded'",
    "DELETE FROM ledger_posting",
    "DELETE FROM ledger_transaction",
    "TRUNCATE ledger_transaction",
    "TRUNCATE ledger_posting",
    "DELETE FROM ledger_closing",
    "UPDATE operator_decision SET note = 'it was not me'",
];

async fn refusal(pool: &Sessions, sql: &str) -> Result<String> {
    Ok(sqlx::raw_sql(sql).execute(pool).await.err().with_context(|| format!("{sql} was done"))?.to_string())
}

/// The store's whole contract, as that role.
async fn serves(pool: &Sessions) {
    let store = PgSettlements::new(pool.clone(), Wakers::default());
    contract::store::all(&store).await;
    contract::ledger::all(&store, &store).await;
}

#[tokio::test]
async fn the_owner_serves_and_has_no_right_to_change_the_ledger() -> Result<()> {
    let house = house().await?;
    serves(&house.owner).await;
    for change in CHANGES {
        let refused = refusal(&house.owner, change).await?;
        assert!(refused.contains("permission denied"), "{change}: {refused}");
    }
    Ok(())
}

#[tokio::test]
async fn a_role_that_serves_can_neither_change_the_ledger_nor_help_itself_to_it() -> Result<()> {
    let house = house().await?;
    serves(&house.server).await;
    for change in CHANGES {
        let refused = refusal(&house.server, change).await?;
        assert!(refused.contains("permission denied"), "{change}: {refused}");
    }
    for help in [
        "ALTER TABLE ledger_posting DISABLE TRIGGER ALL",
        "DROP TABLE ledger_posting",
        "CREATE OR REPLACE FUNCTION ledger_balances() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        "DELETE FROM _sqlx_migrations",
    ] {
        let refused = refusal(&house.server, help).await?;
        assert!(refused.contains("must be owner") || refused.contains("permission denied"), "{help}: {refused}");
    }
    // PostgreSQL answers a GRANT without grant options by a warning: what counts is that the right is not there after.
    let gift = format!("GRANT UPDATE ON ledger_posting TO {}", house.role);
    let _refused_or_warned = sqlx::raw_sql(&gift).execute(&house.server).await;
    assert!(refusal(&house.server, CHANGES[0]).await?.contains("permission denied"));
    Ok(())
}

#[tokio::test]
async fn whoever_has_the_right_is_refused_by_the_triggers() -> Result<()> {
    let house = house().await?;
    serves(&house.owner).await;
    for change in CHANGES {
        let refused = refusal(&house.superuser, change).await?;
        assert!(refused.contains("append-only"), "{change}: {refused}");
    }
    Ok(())
}

#[tokio::test]
async fn a_second_migration_gives_nothing_back() -> Result<()> {
    let house = house().await?;
    database::migrate(&house.url).await?;
    database::grant(&house.url, &house.role).await?;
    for pool in [&house.owner, &house.server] {
        for change in CHANGES {
            assert!(refusal(pool, change).await?.contains("permission denied"), "{change}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_role_that_is_not_there_is_given_nothing_and_said_so() -> Result<()> {
    let house = house().await?;
    let refused = database::grant(&house.url, "nobody\"; DROP TABLE outbox; --").await.expect_err("no such role");
    assert!(refused.to_string().contains("does not exist"), "{refused}");
    Ok(())
}
