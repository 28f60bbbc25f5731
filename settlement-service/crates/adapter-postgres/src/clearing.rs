//! The account `gateway_clearing` as a reconciliation reads it: its lines by the moment they were posted, each with the
//! call that moved the money.

use std::collections::HashMap;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::Value;
use settlement_domain::{
    Answer, CallKey, GatewayCall, GatewayRef, Money, MovementKind, Operation, call::CallStatus, ledger::EntryKind,
};
use settlement_ports::{Booked, ClearingPlace, ClearingReads, KnownCall, StoreError};
use uuid::Uuid;

use crate::{
    error::{corrupt, store_error},
    store::PgSettlements,
};

/// A line with its transaction.
struct Line {
    reference: String,
    kind: String,
    reversal: bool,
    reversed: bool,
    at: DateTime<Utc>,
    currency: String,
    debit: i64,
    credit: i64,
}

#[async_trait]
impl ClearingReads for PgSettlements {
    async fn known_calls(&self, keys: &[CallKey]) -> Result<Vec<KnownCall>, StoreError> {
        let keys: Vec<&str> = keys.iter().map(CallKey::as_str).collect();
        let calls = sqlx::query_scalar!("SELECT call FROM gateway_call WHERE key = ANY($1)", &keys as &[&str]);
        let calls = calls.fetch_all(self.pool()).await.map_err(store_error)?;
        let calls = calls.into_iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let mut lines = self.lines_of(&calls.iter().flat_map(entries).collect::<Vec<_>>()).await?;
        let known = |call: &GatewayCall| {
            let line = entries(call).into_iter().find_map(|entry| lines.remove(&entry));
            let booked = line.map(|line| line.booked(None)).transpose()?;
            Ok(KnownCall { key: call.key(), status: call.status().clone(), booked })
        };
        calls.iter().map(known).collect()
    }

    async fn clearing(
        &self,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
        after: Option<ClearingPlace>,
        limit: u32,
    ) -> Result<Vec<Booked>, StoreError> {
        let (after_at, after_entry) = after.map(|place| (place.at, place.entry)).unzip();
        let lines = sqlx::query_as!(
            Line,
            r#"WITH page AS MATERIALIZED (
                   SELECT at, reference, currency, debit, credit FROM ledger_posting
                   WHERE account = 'gateway_clearing' AND at >= $1 AND at < $2
                     AND (at, reference) > (coalesce($3::timestamptz, '-infinity'), coalesce($4, ''))
                   ORDER BY at, reference LIMIT $5)
               SELECT page.reference, entry.kind, entry.reverses IS NOT NULL AS "reversal!", page.at, page.currency,
                      page.debit, page.credit,
                      (WITH RECURSIVE chain (reference, length) AS (
                           SELECT page.reference, 0
                           UNION ALL SELECT next.reference, chain.length + 1
                           FROM chain JOIN ledger_transaction AS next ON next.reverses = chain.reference)
                       SELECT max(length) % 2 = 1 FROM chain) AS "reversed!"
               FROM page JOIN ledger_transaction AS entry ON entry.reference = page.reference
               ORDER BY page.at, page.reference"#,
            from,
            to,
            after_at,
            after_entry,
            i64::from(limit)
        )
        .fetch_all(self.pool())
        .await
        .map_err(store_error)?;
        let calls = self.calls_of(&lines).await?;
        let booked = |line: Line| {
            let kind = line.kind.parse::<EntryKind>().ok().and_then(MovementKind::of_entry);
            let moved = subject(&line.reference).zip(kind.map(MovementKind::operation));
            let call = moved.and_then(|moved| calls.get(&moved)).cloned();
            line.booked(call)
        };
        lines.into_iter().map(booked).collect()
    }
}

impl PgSettlements {
    /// The account's lines of these transactions.
    async fn lines_of(&self, entries: &[String]) -> Result<HashMap<String, Line>, StoreError> {
        let lines = sqlx::query_as!(
            Line,
            r#"SELECT line.reference, entry.kind, entry.reverses IS NOT NULL AS "reversal!", line.at, line.currency,
                      line.debit, line.credit,
                      (WITH RECURSIVE chain (reference, length) AS (
                           SELECT line.reference, 0
                           UNION ALL SELECT next.reference, chain.length + 1
                           FROM chain JOIN ledger_transaction AS next ON next.reverses = chain.reference)
                       SELECT max(length) % 2 = 1 FROM chain) AS "reversed!"
               FROM ledger_posting AS line JOIN ledger_transaction AS entry ON entry.reference = line.reference
               WHERE line.account = 'gateway_clearing' AND line.reference = ANY($1)"#,
            entries
        );
        let lines = lines.fetch_all(self.pool()).await.map_err(store_error)?;
        Ok(lines.into_iter().map(|line| (line.reference.clone(), line)).collect())
    }

    /// The calls that moved what these lines tell of. What one is for has one of each operation that succeeded.
    async fn calls_of(&self, lines: &[Line]) -> Result<HashMap<(Uuid, Operation), (CallKey, GatewayRef)>, StoreError> {
        let subjects: Vec<Uuid> = lines.iter().filter_map(|line| subject(&line.reference)).collect();
        let calls = sqlx::query_scalar!(
            "SELECT call FROM gateway_call
             WHERE (settlement_id = ANY($1) OR payout_id = ANY($1)) AND call #>> '{status,answer}' = 'succeeded'",
            &subjects
        );
        let calls = calls.fetch_all(self.pool()).await.map_err(store_error)?;
        let mut found = HashMap::new();
        for call in calls {
            let call = read(call)?;
            if let CallStatus::Answered(Answer::Succeeded { reference }) = call.status() {
                found.insert((call.subject().as_uuid(), call.operation()), (call.key(), reference.clone()));
            }
        }
        Ok(found)
    }
}

impl Line {
    fn booked(self, call: Option<(CallKey, GatewayRef)>) -> Result<Booked, StoreError> {
        let kind: EntryKind = self.kind.parse().map_err(corrupt)?;
        let kind = MovementKind::of_entry(kind);
        let currency = self.currency.parse().map_err(corrupt)?;
        let amount = Money::new(self.debit.max(self.credit), currency).map_err(corrupt)?;
        let (entry, at, came_in) = (self.reference, self.at, self.debit > 0);
        Ok(Booked { entry, kind, amount, at, came_in, reversal: self.reversal, reversed: self.reversed, call })
    }
}

fn read(call: Value) -> Result<GatewayCall, StoreError> {
    serde_json::from_value(call).map_err(corrupt)
}

/// What a transaction's reference begins with.
fn subject(reference: &str) -> Option<Uuid> {
    reference.split(':').next()?.parse().ok()
}

/// The entries that may tell of what a call moves.
fn entries(call: &GatewayCall) -> Vec<String> {
    let kinds = MovementKind::of_operation(call.operation()).map_or(&[][..], MovementKind::entries);
    kinds.iter().map(|kind| format!("{}:{}", call.subject(), kind.name())).collect()
}
