//! Settlements as parts of a unit of work: added, locked and stored, any number in one statement.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use serde_json::Value;
use settlement_domain::{Settlement, SettlementId};
use settlement_ports::{Inserted, StoreError};
use uuid::Uuid;

use crate::{
    aside,
    error::{corrupt, store_error},
    row::Row,
    session::Work,
    traces::Traces,
};

/// New settlements, by column.
#[derive(Default)]
struct Added {
    ids: Vec<Uuid>,
    auctions: Vec<Uuid>,
    sellers: Vec<String>,
    buyers: Vec<String>,
    amounts: Vec<i64>,
    currencies: Vec<String>,
    quotes: Vec<Value>,
    terms: Vec<Value>,
    started_at: Vec<DateTime<Utc>>,
    payment_due_at: Vec<DateTime<Utc>>,
    sequences: Vec<i64>,
    attempts: Vec<Value>,
    states: Vec<Value>,
    rests: Vec<Value>,
    due_at: Vec<Option<DateTime<Utc>>>,
}

impl Added {
    fn add(&mut self, settlement: &Settlement) -> Result<(), StoreError> {
        let row = Row::try_from(settlement)?;
        self.ids.push(row.id);
        self.auctions.push(row.auction_id);
        self.sellers.push(row.seller_id);
        self.buyers.push(row.buyer_id);
        self.amounts.push(row.amount);
        self.currencies.push(row.currency);
        self.quotes.push(row.quote);
        self.terms.push(row.terms);
        self.started_at.push(row.started_at);
        self.payment_due_at.push(row.payment_due_at);
        self.sequences.push(row.sequence);
        self.attempts.push(row.attempts);
        self.states.push(row.state);
        self.rests.push(row.rest);
        self.due_at.push(row.due_at);
        Ok(())
    }
}

/// Of two with the same auction and buyer the first one is added.
pub(crate) async fn insert(
    tx: &mut Work,
    settlements: &[Settlement],
    traces: &Traces,
) -> Result<Vec<Inserted>, StoreError> {
    let mut rows = Added::default();
    settlements.iter().try_for_each(|settlement| rows.add(settlement))?;
    let traces = traces.of_all(settlements.iter().map(Settlement::id));
    let inserted = sqlx::query_scalar!(
        "INSERT INTO settlement (id, auction_id, seller_id, buyer_id, amount, currency, quote, terms, started_at,
             payment_due_at, sequence, attempts, state, rest, due_at, traceparent)
         SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::jsonb[],
             $8::jsonb[], $9::timestamptz[], $10::timestamptz[], $11::bigint[], $12::jsonb[], $13::jsonb[], $14::jsonb[],
             $15::timestamptz[], $16::text[])
         ON CONFLICT (auction_id, buyer_id) DO NOTHING
         RETURNING id",
        &rows.ids,
        &rows.auctions,
        &rows.sellers,
        &rows.buyers,
        &rows.amounts,
        &rows.currencies,
        &rows.quotes,
        &rows.terms,
        &rows.started_at,
        &rows.payment_due_at,
        &rows.sequences,
        &rows.attempts,
        &rows.states,
        &rows.rests,
        &rows.due_at as &[Option<DateTime<Utc>>],
        &traces as &[Option<String>]
    );
    let inserted: HashSet<Uuid> = inserted.fetch_all(&mut *tx).await.map_err(store_error)?.into_iter().collect();
    let found = |id: &Uuid| if inserted.contains(id) { Inserted::New } else { Inserted::Exists };
    Ok(rows.ids.iter().map(found).collect())
}

/// Whoever locks many locks them in the order of their ids, so that nobody waits in a circle.
pub(crate) async fn lock(tx: &mut Work, ids: &[SettlementId]) -> Result<Vec<Settlement>, StoreError> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.as_uuid()).collect();
    let rows = sqlx::query_as!(
        Row,
        "SELECT id, auction_id, seller_id, buyer_id, amount, currency, quote, terms, started_at, payment_due_at, sequence,
                attempts, state, rest, due_at
         FROM settlement WHERE id = ANY($1) ORDER BY id FOR UPDATE",
        &ids
    );
    let rows = rows.fetch_all(&mut *tx).await.map_err(store_error)?;
    rows.into_iter().map(Settlement::try_from).collect()
}

/// The settlements that nobody had, and the ids of those that somebody has.
pub(crate) async fn lock_free(
    tx: &mut Work,
    ids: &[SettlementId],
) -> Result<(Vec<Settlement>, Vec<SettlementId>), StoreError> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.as_uuid()).collect();
    let rows = sqlx::query_as!(
        Row,
        "SELECT id, auction_id, seller_id, buyer_id, amount, currency, quote, terms, started_at, payment_due_at, sequence,
                attempts, state, rest, due_at
         FROM settlement WHERE id = ANY($1) ORDER BY id FOR UPDATE SKIP LOCKED",
        &ids
    );
    let rows = rows.fetch_all(&mut *tx).await.map_err(store_error)?;
    let others: Vec<Uuid> = ids.into_iter().filter(|id| rows.iter().all(|row| row.id != *id)).collect();
    let free = rows.into_iter().map(Settlement::try_from).collect::<Result<Vec<_>, _>>()?;
    if others.is_empty() {
        return Ok((free, Vec::new()));
    }
    let held = sqlx::query_scalar!("SELECT id FROM settlement WHERE id = ANY($1)", &others);
    let held = held.fetch_all(&mut *tx).await.map_err(store_error)?;
    Ok((free, held.into_iter().map(SettlementId::from).collect()))
}

pub(crate) async fn lock_due(tx: &mut Work, limit: u32) -> Result<Vec<Settlement>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT id, auction_id, seller_id, buyer_id, amount, currency, quote, terms, started_at, payment_due_at, sequence,
                attempts, state, rest, due_at
         FROM settlement WHERE due_at <= statement_timestamp()
         ORDER BY due_at, id LIMIT $1
         FOR UPDATE SKIP LOCKED",
        i64::from(limit)
    );
    let rows = rows.fetch_all(&mut *tx).await.map_err(store_error)?;
    let rows = rows.into_iter().map(|row| (row.id, Settlement::try_from(row)));
    let (due, unreadable) = aside::readable("settlement", rows);
    if !unreadable.is_empty() {
        let later = sqlx::query!(
            "UPDATE settlement SET due_at = clock_timestamp() + interval '5 minutes' WHERE id = ANY($1)",
            &unreadable
        );
        later.execute(&mut *tx).await.map_err(store_error)?;
    }
    Ok(due)
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

pub(crate) async fn save(tx: &mut Work, settlements: &[Settlement], traces: &Traces) -> Result<(), StoreError> {
    let mut rows = Changed::default();
    settlements.iter().try_for_each(|settlement| rows.add(settlement))?;
    let traces = traces.of_all(settlements.iter().map(Settlement::id));
    let saved = sqlx::query!(
        "UPDATE settlement AS s
         SET sequence = new.sequence, attempts = new.attempts, state = new.state, rest = new.rest,
             payment_due_at = new.payment_due_at, due_at = new.due_at,
             traceparent = coalesce(new.traceparent, s.traceparent)
         FROM unnest($1::uuid[], $2::bigint[], $3::jsonb[], $4::jsonb[], $5::jsonb[], $6::timestamptz[],
                     $7::timestamptz[], $8::text[])
              AS new (id, sequence, attempts, state, rest, payment_due_at, due_at, traceparent)
         WHERE s.id = new.id",
        &rows.ids,
        &rows.sequences,
        &rows.attempts,
        &rows.states,
        &rows.rests,
        &rows.payment_due_at,
        &rows.due_at as &[Option<DateTime<Utc>>],
        &traces as &[Option<String>]
    );
    let saved = saved.execute(&mut *tx).await.map_err(store_error)?.rows_affected();
    if saved == settlements.len() as u64 {
        return Ok(());
    }
    Err(corrupt(format!("{} settlements were saved once each and {saved} are there", settlements.len())))
}
