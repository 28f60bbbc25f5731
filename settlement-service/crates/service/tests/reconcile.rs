//! The command `reconcile` as an operator runs it: the real program, a real PostgreSQL, a journal of the simulated
//! gateway. Needs `OUTCRY_TEST_DATABASE_URL`: a server on which it may create databases; `make test` starts one.

use std::path::Path;
use std::process::{Command, Output};

use anyhow::{Context, Result};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use settlement_adapter_payments::{Behaviour, SimulatedGateway};
use settlement_adapter_postgres::database;
use settlement_domain::{Answer, CallKey, Instruction, Money, Operation, SettlementId};
use settlement_ports::{GatewayResult, PaymentGateway};
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

async fn database_url() -> Result<String> {
    let server = std::env::var("OUTCRY_TEST_DATABASE_URL")
        .context("set OUTCRY_TEST_DATABASE_URL to a PostgreSQL URL, or run `make test`, which starts one")?;
    let name = format!("settlement_{}", Uuid::now_v7().simple());
    let mut admin = PgConnection::connect(&server).await?;
    sqlx::raw_sql(&format!("CREATE DATABASE {name}")).execute(&mut admin).await?;
    let (base, parameters) = server.split_once('?').unwrap_or((&server, ""));
    let url = format!("{}/{name}?{parameters}", base.rsplit_once('/').context("the URL names no database")?.0);
    database::migrate(&url).await?;
    Ok(url)
}

fn reconcile(database_url: &str, journal: &Path, arguments: &[&str]) -> Result<(Option<i32>, String)> {
    let Output { status, stdout, stderr } = Command::new(env!("CARGO_BIN_EXE_settlement-service"))
        .arg("reconcile")
        .args(arguments)
        .env_clear()
        .env("OUTCRY_ENV", "development")
        .env("OUTCRY_DATABASE_URL", database_url)
        .env("OUTCRY_GATEWAY", "simulated")
        .env("OUTCRY_SIMULATED_GATEWAY_FILE", journal)
        .output()?;
    Ok((status.code(), String::from_utf8([stdout, stderr].concat())?))
}

/// By the database's clock.
async fn now(database_url: &str) -> Result<DateTime<Utc>> {
    let mut connection = PgConnection::connect(database_url).await?;
    Ok(sqlx::query_scalar("SELECT clock_timestamp()").fetch_one(&mut connection).await?)
}

/// The gateway takes a buyer's money by a call that nobody here has made; then, as the journal says.
async fn taken_by_nobody(journal: &Path, at: DateTime<Utc>) -> Result<()> {
    let gateway = SimulatedGateway::open(journal, Behaviour::default())?;
    let settlement = SettlementId::from(Uuid::now_v7());
    let amount = Money::new(12_050, "USD".parse()?)?;
    let authorize = Instruction::Authorize { amount, method: "pm_card_visa".parse()? };
    let answer = gateway.execute(&CallKey::new(settlement, Operation::Authorize, 1), &authorize).await;
    let GatewayResult::Answered(Answer::Succeeded { reference: hold }) = answer else { anyhow::bail!("{answer:?}") };
    let capture = Instruction::Capture { hold, amount };
    gateway.execute(&CallKey::new(settlement, Operation::Capture, 1), &capture).await;
    let lines = std::fs::read_to_string(journal)?;
    let lines = lines.lines().map(|line| {
        let mut line: Value = serde_json::from_str(line)?;
        line["at"] = serde_json::to_value(at)?;
        Ok(format!("{line}\n"))
    });
    Ok(std::fs::write(journal, lines.collect::<Result<String>>()?)?)
}

#[tokio::test]
async fn what_agrees_ends_with_0_and_what_differs_is_named_and_ends_with_3() -> Result<()> {
    let (url, folder) = (database_url().await?, tempfile::tempdir()?);
    let journal = folder.path().join("gateway.jsonl");
    let (code, said) = reconcile(&url, &journal, &[])?;
    assert_eq!(code, Some(0), "{said}");
    assert!(said.ends_with("Both agree.\n"), "{said}");

    let now = now(&url).await?;
    taken_by_nobody(&journal, now - TimeDelta::hours(1)).await?;
    let (code, said) = reconcile(&url, &journal, &[])?;
    assert_eq!(code, Some(3), "{said}");
    for part in ["! not_ours: ", "gateway 120.50 USD", "ledger nothing", "1 difference(s).\n"] {
        assert!(said.contains(part), "{part} is missing: {said}");
    }
    let (code, said) = reconcile(&url, &journal, &["--json"])?;
    let report: Value = serde_json::from_str(&said)?;
    assert_eq!((code, &report["differences"][0]["name"]), (Some(3), &"not_ours".into()));

    let since = (now - TimeDelta::minutes(30)).to_rfc3339();
    let (code, said) = reconcile(&url, &journal, &["--since", &since])?;
    assert_eq!(code, Some(0), "it was before: {said}");
    Ok(())
}

#[tokio::test]
async fn a_side_that_cannot_be_read_is_no_agreement() -> Result<()> {
    let (url, folder) = (database_url().await?, tempfile::tempdir()?);
    let journal = folder.path().join("gateway.jsonl");
    std::fs::write(&journal, "no entry\n")?;
    let (code, said) = reconcile(&url, &journal, &[])?;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("journal"), "{said}");
    let (code, said) = reconcile("postgres://nobody@127.0.0.1:1/none", &journal, &[])?;
    assert_eq!(code, Some(1), "{said}");
    Ok(())
}
