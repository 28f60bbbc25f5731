//! After a run: is every sale completed, every cent where it belongs, every event told?

use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;
use sqlx::PgConnection;
use tokio::time::{Instant, sleep};

use crate::api::{Api, Principal};
use crate::layout::Service;

const AUDITOR: Principal<'static> = Principal { sub: "bench-auditor", role: "admin" };
const OUTBOX_EMPTY_WITHIN: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(50);
/// Settlements of one statement.
const BATCH: usize = 10_000;

/// What the checker saw.
#[derive(Debug, Default, Serialize)]
pub struct Checked {
    /// Settlements that have to be completed.
    pub settlements: usize,
    /// Of those, the completed ones.
    pub completed: i64,
    /// Of those, with the entries of the capture and of the release in the ledger, and in one payout that was paid.
    pub booked: i64,
    /// When the outbox was empty, seconds after the end.
    pub outbox_empty_after_s: Option<f64>,
    /// Whether debits and credits of the whole ledger are equal in every currency.
    pub balanced: bool,
    /// What is wrong, in sentences.
    pub findings: Vec<String>,
}

/// Looks at the settlements of these sellers, of which there are so many, and at the whole ledger.
pub async fn check(api: &Api, connection: &mut PgConnection, sellers: &[String], expected: usize) -> Result<Checked> {
    let mut checked = Checked { settlements: expected, ..Checked::default() };
    drain(connection, &mut checked).await?;
    completed(connection, sellers, &mut checked).await?;
    paid(connection, sellers, &mut checked).await?;
    let balance = api.get(Service::Settlement, "/v1/ledger/trial-balance", AUDITOR).await?.success()?;
    let currencies = balance["currencies"].as_array().context("the trial balance has no currencies")?;
    checked.balanced = balance["balanced"] == true && currencies.iter().all(|currency| currency["balance"] == 0);
    if !checked.balanced {
        checked.findings.push(format!("the ledger does not balance: {balance}"));
    }
    Ok(checked)
}

async fn drain(connection: &mut PgConnection, checked: &mut Checked) -> Result<()> {
    let begun = Instant::now();
    loop {
        let waits: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM outbox)").fetch_one(&mut *connection).await?;
        if !waits {
            checked.outbox_empty_after_s = Some(begun.elapsed().as_secs_f64());
            return Ok(());
        }
        if begun.elapsed() > OUTBOX_EMPTY_WITHIN {
            checked.findings.push(format!("the outbox is not empty {OUTBOX_EMPTY_WITHIN:?} after the end"));
            return Ok(());
        }
        sleep(POLL).await;
    }
}

async fn completed(connection: &mut PgConnection, sellers: &[String], checked: &mut Checked) -> Result<()> {
    let statuses: Vec<(String, i64)> = sqlx::query_as(
        "SELECT status, count(*) FROM settlement WHERE seller_id = ANY($1) GROUP BY status ORDER BY status",
    )
    .bind(sellers)
    .fetch_all(connection)
    .await?;
    for (status, count) in statuses {
        if status == "completed" {
            checked.completed = count;
        } else {
            checked.findings.push(format!("{count} settlements are {status}"));
        }
    }
    if checked.completed != i64::try_from(checked.settlements)? {
        checked.findings.push(format!("{} of {} settlements are completed", checked.completed, checked.settlements));
    }
    Ok(())
}

/// Every settlement was captured and released once, and is in one payout, which was paid; the payouts are what the sellers
/// earned.
async fn paid(connection: &mut PgConnection, sellers: &[String], checked: &mut Checked) -> Result<()> {
    let (mut earned, mut paid) = (0_i64, 0_i64);
    for sellers in sellers.chunks(BATCH) {
        let (booked, sum): (i64, i64) = sqlx::query_as(
            "SELECT count(*) FILTER (WHERE captured.reference IS NOT NULL AND released.reference IS NOT NULL),
                    coalesce(sum((s.quote ->> 'hammer')::bigint - (s.quote ->> 'commission')::bigint), 0)::bigint
             FROM settlement AS s
             LEFT JOIN ledger_transaction AS captured ON captured.reference = s.id || ':captured'
             LEFT JOIN ledger_transaction AS released ON released.reference = s.id || ':released'
             WHERE s.seller_id = ANY($1)",
        )
        .bind(sellers)
        .fetch_one(&mut *connection)
        .await?;
        earned += sum;
        let (once, sum): (i64, i64) = sqlx::query_as(
            "WITH made AS MATERIALIZED (
                 SELECT p.id, p.amount, p.items FROM payout AS p
                 JOIN ledger_transaction AS entry ON entry.reference = p.id || ':paid_out'
                 WHERE p.id IN (SELECT (state ->> 'payout_id')::uuid FROM settlement WHERE seller_id = ANY($1))
                   AND p.status = 'paid')
             SELECT (SELECT count(DISTINCT item ->> 'settlement_id') FROM made, jsonb_array_elements(items) AS item),
                    (SELECT coalesce(sum(amount), 0)::bigint FROM made)",
        )
        .bind(sellers)
        .fetch_one(&mut *connection)
        .await?;
        paid += sum;
        checked.booked += booked.min(once);
    }
    if checked.booked != i64::try_from(checked.settlements)? {
        checked.findings.push(format!("{} of {} settlements are booked whole", checked.booked, checked.settlements));
    }
    if earned != paid {
        checked.findings.push(format!("the sellers earned {earned} minor units and were paid {paid}"));
    }
    Ok(())
}
