//! The yardstick's statements: each as the service would write it for one settlement, prepared.

use anyhow::Result;
use chrono::{DateTime, Utc};
use sqlx::{Connection, PgConnection, Postgres, Transaction};
use uuid::Uuid;

use super::shapes::{QUOTE, REST, Saga, TERMS, TRACE, answer, call, shipped};

/// Accounts of an entry, and what each line debits and credits.
pub type Lines = &'static [(&'static str, i64, i64)];
pub const CAPTURED: Lines =
    &[("gateway_clearing", 12_050, 0), ("bidder", 0, 12_050), ("bidder", 12_050, 0), ("escrow", 0, 12_050)];
pub const RELEASED: Lines = &[("escrow", 12_050, 0), ("seller_payable", 0, 10_845), ("platform_revenue", 0, 1_205)];
pub const PAID_OUT: Lines = &[("seller_payable", 10_845, 0), ("gateway_clearing", 0, 10_845)];

/// Adds the settlements of `sagas`, where the lot is shipped.
pub async fn add_shipped(connection: &mut PgConnection, sagas: &[Saga]) -> Result<()> {
    sqlx::query(
        "INSERT INTO bench_sagas.settlement (id, auction_id, seller_id, buyer_id, amount, currency, quote, terms,
             started_at, payment_due_at, sequence, attempts, state, rest, due_at, traceparent)
         SELECT id, auction_id, seller_id, buyer_id, 12050, 'USD', $5::jsonb, $6::jsonb, now(), now(), 3,
                '{\"authorize\":1,\"capture\":1}', $7::jsonb, $8::jsonb, now(), $9
         FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[]) AS new (id, auction_id, seller_id, buyer_id)",
    )
    .bind(sagas.iter().map(|saga| saga.id).collect::<Vec<_>>())
    .bind(sagas.iter().map(|saga| saga.auction).collect::<Vec<_>>())
    .bind(sagas.iter().map(|saga| saga.seller.clone()).collect::<Vec<_>>())
    .bind(sagas.iter().map(|saga| saga.buyer.clone()).collect::<Vec<_>>())
    .bind(QUOTE)
    .bind(TERMS)
    .bind(shipped())
    .bind(REST)
    .bind(TRACE)
    .execute(connection)
    .await?;
    Ok(())
}

/// One transaction of a saga.
pub struct Unit<'a> {
    tx: Transaction<'a, Postgres>,
    saga: &'a Saga,
}

impl<'a> Unit<'a> {
    /// Begins it.
    pub async fn begin(connection: &'a mut PgConnection, saga: &'a Saga) -> Result<Self> {
        Ok(Self { tx: connection.begin().await?, saga })
    }

    /// Makes it durable.
    pub async fn commit(self) -> Result<()> {
        Ok(self.tx.commit().await?)
    }

    pub async fn lock(&mut self) -> Result<DateTime<Utc>> {
        let (now, _attempts, _state, _rest): (DateTime<Utc>, String, String, String) = sqlx::query_as(
            "WITH locked AS MATERIALIZED (
                 SELECT attempts, state, rest FROM bench_sagas.settlement WHERE id = $1 FOR UPDATE)
             SELECT clock_timestamp(), attempts::text, state::text, rest::text FROM locked",
        )
        .bind(self.saga.id)
        .fetch_one(&mut *self.tx)
        .await?;
        Ok(now)
    }

    pub async fn receive(&mut self) -> Result<()> {
        sqlx::query(
            "INSERT INTO bench_sagas.inbox (source, key, last_sequence, last_event_id)
             VALUES ('/outcry/bidding-service', $1, 2, $2)",
        )
        .bind(self.saga.auction.to_string())
        .bind(Uuid::now_v7())
        .execute(&mut *self.tx)
        .await?;
        Ok(())
    }

    pub async fn start(&mut self) -> Result<()> {
        sqlx::query(
            "INSERT INTO bench_sagas.settlement (id, auction_id, seller_id, buyer_id, amount, currency, quote, terms,
                 started_at, payment_due_at, sequence, attempts, state, rest, due_at, traceparent)
             VALUES ($1, $2, $3, $4, 12050, 'USD', $5::jsonb, $6::jsonb, now(), now(), 1, '{}',
                     '{\"status\":\"awaiting_payment\",\"declined\":null,\"cancel\":null}', $7::jsonb, now(), $8)",
        )
        .bind(self.saga.id)
        .bind(self.saga.auction)
        .bind(&self.saga.seller)
        .bind(&self.saga.buyer)
        .bind(QUOTE)
        .bind(TERMS)
        .bind(REST)
        .bind(TRACE)
        .execute(&mut *self.tx)
        .await?;
        Ok(())
    }

    pub async fn save(
        &mut self,
        sequence: i64,
        attempts: &str,
        state: &str,
        due_at: Option<DateTime<Utc>>,
    ) -> Result<()> {
        sqlx::query(
            "UPDATE bench_sagas.settlement SET sequence = $2, attempts = $3::jsonb, state = $4::jsonb, rest = $5::jsonb,
                 due_at = $6, traceparent = $7 WHERE id = $1",
        )
        .bind(self.saga.id)
        .bind(sequence)
        .bind(attempts)
        .bind(state)
        .bind(REST)
        .bind(due_at)
        .bind(TRACE)
        .execute(&mut *self.tx)
        .await?;
        Ok(())
    }

    pub async fn plan(&mut self, operation: &str, instruction: &str, now: DateTime<Utc>) -> Result<()> {
        let payout = (operation == "pay_out").then_some(self.saga.payout);
        sqlx::query(
            "INSERT INTO bench_sagas.gateway_call (key, settlement_id, payout_id, call, due_at)
             VALUES ($1, $2, $3, $4::jsonb, $5)",
        )
        .bind(self.saga.key(operation))
        .bind(if payout.is_some() { None } else { Some(self.saga.id) })
        .bind(payout)
        .bind(call(self.saga, instruction, 0, r#"{"status":"ready"}"#))
        .bind(now)
        .execute(&mut *self.tx)
        .await?;
        Ok(())
    }

    pub async fn claim(&mut self, operation: &str, instruction: &str) -> Result<()> {
        let (_call,): (String,) =
            sqlx::query_as("SELECT call::text FROM bench_sagas.gateway_call WHERE key = $1 FOR UPDATE")
                .bind(self.saga.key(operation))
                .fetch_one(&mut *self.tx)
                .await?;
        let claimed = call(self.saga, instruction, 1, r#"{"status":"in_doubt"}"#);
        self.update_call(operation, &claimed, "now() + interval '30 seconds'").await
    }

    pub async fn know(&mut self, operation: &str, instruction: &str) -> Result<()> {
        let status =
            format!(r#"{{"status":"answered","answer":"succeeded","reference":"sim_{}"}}"#, self.saga.key(operation));
        let known = call(self.saga, instruction, 1, &status);
        self.update_call(operation, &known, "NULL").await
    }

    pub async fn update_call(&mut self, operation: &str, call: &str, due_at: &str) -> Result<()> {
        let update = format!("UPDATE bench_sagas.gateway_call SET call = $2::jsonb, due_at = {due_at} WHERE key = $1");
        sqlx::query(&update).bind(self.saga.key(operation)).bind(call).execute(&mut *self.tx).await?;
        Ok(())
    }

    pub async fn pay_out(&mut self, now: DateTime<Utc>) -> Result<()> {
        let items = format!(r#"[{{"settlement_id":"{}","amount":{{"amount":10845,"currency":"USD"}}}}]"#, self.saga.id);
        sqlx::query(
            "INSERT INTO bench_sagas.payout (id, seller_id, amount, currency, items, attempts, made_at, state)
             VALUES ($1, $2, 10845, 'USD', $3::jsonb, 1, $4, '{\"status\":\"paying\"}')",
        )
        .bind(self.saga.payout)
        .bind(&self.saga.seller)
        .bind(items)
        .bind(now)
        .execute(&mut *self.tx)
        .await?;
        Ok(())
    }

    pub async fn paid(&mut self) -> Result<()> {
        let state = format!(
            r#"{{"status":"paid","reference":"sim_{}","paid_at":"2030-01-01T00:00:00.000000Z"}}"#,
            self.saga.key("pay_out")
        );
        sqlx::query("UPDATE bench_sagas.payout SET attempts = 1, state = $2::jsonb WHERE id = $1")
            .bind(self.saga.payout)
            .bind(state)
            .execute(&mut *self.tx)
            .await?;
        Ok(())
    }

    pub async fn answer(&mut self, act: &str, who: &str) -> Result<()> {
        sqlx::query(
            "INSERT INTO bench_sagas.idempotency (principal, key, fingerprint, answer) VALUES ($1, $2, $3, $4::jsonb)",
        )
        .bind(who)
        .bind(format!("bench-{}-{act}", self.saga.id))
        .bind([9_u8; 32].as_slice())
        .bind(answer(self.saga))
        .execute(&mut *self.tx)
        .await?;
        Ok(())
    }

    pub async fn post(&mut self, kind: &str, lines: Lines, now: DateTime<Utc>) -> Result<()> {
        let payout = (kind == "paid_out").then_some(self.saga.payout);
        let subject = payout.unwrap_or(self.saga.id);
        let reference = format!("{subject}:{kind}");
        sqlx::query(
            "INSERT INTO bench_sagas.ledger_transaction (reference, settlement_id, payout_id, kind, at, lines)
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(&reference)
        .bind(if payout.is_some() { None } else { Some(self.saga.id) })
        .bind(payout)
        .bind(kind)
        .bind(now)
        .bind(i16::try_from(lines.len())?)
        .execute(&mut *self.tx)
        .await?;
        let owner = |account: &str| match account {
            "bidder" => Some(self.saga.buyer.clone()),
            "seller_payable" => Some(self.saga.seller.clone()),
            _ => None,
        };
        sqlx::query(
            "INSERT INTO bench_sagas.ledger_posting (reference, line, account, owner, currency, debit, credit, at)
             SELECT $1, line, account, owner, 'USD', debit, credit, $6
             FROM unnest($2::text[], $3::text[], $4::bigint[], $5::bigint[])
                  WITH ORDINALITY AS new (account, owner, debit, credit, line)",
        )
        .bind(&reference)
        .bind(lines.iter().map(|(account, ..)| (*account).to_owned()).collect::<Vec<_>>())
        .bind(lines.iter().map(|(account, ..)| owner(account)).collect::<Vec<_>>())
        .bind(lines.iter().map(|(_, debit, _)| *debit).collect::<Vec<_>>())
        .bind(lines.iter().map(|(.., credit)| *credit).collect::<Vec<_>>())
        .bind(now)
        .execute(&mut *self.tx)
        .await?;
        Ok(())
    }

    pub async fn tell(&mut self, what: &str, sequence: i64, data: &str) -> Result<()> {
        sqlx::query(
            "INSERT INTO bench_sagas.outbox (event_id, event_type, topic, key, sequence, time, traceparent, data)
             VALUES ($1, $2, 'outcry.settlement.v1', $3, $4, now(), $5, $6::jsonb)",
        )
        .bind(Uuid::now_v7())
        .bind(format!("outcry.settlement.{what}.v1"))
        .bind(self.saga.id.to_string())
        .bind(sequence)
        .bind(TRACE)
        .bind(data)
        .execute(&mut *self.tx)
        .await?;
        Ok(())
    }
}
