//! Settlements as parts of a unit of work: added, locked and stored, any number in one statement.

use chrono::{DateTime, Utc};
use serde_json::Value;
use settlement_domain::{Settlement, SettlementId};
use settlement_ports::{Inserted, StoreError};
use sqlx::{Postgres, Transaction};
use uuid::Uuid;

use crate::{
    error::{corrupt, store_error},
    events,
    row::Row,
};

pub(crate) async fn insert(
    tx: &mut Transaction<'static, Postgres>,
    settlement: &Settlement,
) -> Result<Inserted, StoreError> {
    let row = Row::try_from(settlement)?;
    let inserted = sqlx::query!(
        "INSERT INTO settlement (id, auction_id, seller_id, buyer_id, amount, currency, quote, terms, started_at,
             payment_due_at, sequence, attempts, state, rest, due_at, traceparent)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
         ON CONFLICT (auction_id, buyer_id) DO NOTHING",
        row.id,
        row.auction_id,
        row.seller_id,
        row.buyer_id,
        row.amount,
        row.currency,
        row.quote,
        row.terms,
        row.started_at,
        row.payment_due_at,
        row.sequence,
        row.attempts,
        row.state,
        row.rest,
        row.due_at,
        events::traceparent()
    )
    .execute(&mut **tx)
    .await
    .map_err(store_error)?;
    Ok(if inserted.rows_affected() == 1 { Inserted::New } else { Inserted::Exists })
}

/// Whoever locks many locks them in the order of their ids, so that nobody waits in a circle.
pub(crate) async fn lock(
    tx: &mut Transaction<'static, Postgres>,
    ids: &[SettlementId],
) -> Result<Vec<Settlement>, StoreError> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.as_uuid()).collect();
    let rows = sqlx::query_as!(
        Row,
        "SELECT id, auction_id, seller_id, buyer_id, amount, currency, quote, terms, started_at, payment_due_at, sequence,
                attempts, state, rest, due_at
         FROM settlement WHERE id = ANY($1) ORDER BY id FOR UPDATE",
        &ids
    );
    let rows = rows.fetch_all(&mut **tx).await.map_err(store_error)?;
    rows.into_iter().map(Settlement::try_from).collect()
}

pub(crate) async fn lock_due(
    tx: &mut Transaction<'static, Postgres>,
    limit: u32,
) -> Result<Vec<Settlement>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT id, auction_id, seller_id, buyer_id, amount, currency, quote, terms, started_at, payment_due_at, sequence,
                attempts, state, rest, due_at
         FROM settlement WHERE due_at <= statement_timestamp()
         ORDER BY due_at, id LIMIT $1
         FOR UPDATE SKIP LOCKED",
        i64::from(limit)
    );
    let rows = rows.fetch_all(&mut **tx).await.map_err(store_error)?;
    rows.into_iter().map(Settlement::try_from).collect()
}

/// What changes of a settlement, by column.
#[derive(Default)]
struct Changed {
    ids: Vec<Uuid>,
    sequences: Vec<i64>,
    attempts: Vec<Value>,
    states: Vec<Value>,
    rests: Vec<Value>,
    payment_due_at: Vec<DateTime<Utc>>,
    due_at: Vec<Option<DateTime<Utc>>>,
}

impl Changed {
    fn add(&mut self, settlement: &Settlement) -> Result<(), StoreError> {
        let row = Row::try_from(settlement)?;
        self.ids.push(row.id);
        self.sequences.push(row.sequence);
        self.attempts.push(row.attempts);
        self.states.push(row.state);
        self.rests.push(row.rest);
        self.payment_due_at.push(row.payment_due_at);
        self.due_at.push(row.due_at);
        Ok(())
    }
}

pub(crate) async fn save(
    tx: &mut Transaction<'static, Postgres>,
    settlements: &[Settlement],
) -> Result<(), StoreError> {
    let mut rows = Changed::default();
    settlements.iter().try_for_each(|settlement| rows.add(settlement))?;
    let saved = sqlx::query!(
        "UPDATE settlement AS s
         SET sequence = new.sequence, attempts = new.attempts, state = new.state, rest = new.rest,
             payment_due_at = new.payment_due_at, due_at = new.due_at, traceparent = coalesce($8, s.traceparent)
         FROM unnest($1::uuid[], $2::bigint[], $3::jsonb[], $4::jsonb[], $5::jsonb[], $6::timestamptz[],
                     $7::timestamptz[]) AS new (id, sequence, attempts, state, rest, payment_due_at, due_at)
         WHERE s.id = new.id",
        &rows.ids,
        &rows.sequences,
        &rows.attempts,
        &rows.states,
        &rows.rests,
        &rows.payment_due_at,
        &rows.due_at as &[Option<DateTime<Utc>>],
        events::traceparent()
    );
    let saved = saved.execute(&mut **tx).await.map_err(store_error)?.rows_affected();
    if saved == settlements.len() as u64 {
        return Ok(());
    }
    Err(corrupt(format!("{} settlements were saved once each and {saved} are there", settlements.len())))
}
