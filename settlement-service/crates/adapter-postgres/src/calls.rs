//! Calls to the gateway: planned in the transaction of the decision that needs them, taken up when they are due.

use chrono::{DateTime, Utc};
use serde_json::Value;
use settlement_domain::{CallKey, GatewayCall, PayoutId, SettlementId};
use settlement_ports::{PendingCall, StoreError};
use uuid::Uuid;

use crate::{
    aside,
    error::{corrupt, store_error},
    row::Row,
    session::Work,
};

/// A due call beside its settlement's row.
struct Due {
    key: String,
    call: Value,
    id: Uuid,
    auction_id: Uuid,
    seller_id: String,
    buyer_id: String,
    amount: i64,
    currency: String,
    quote: Value,
    terms: Value,
    started_at: DateTime<Utc>,
    payment_due_at: DateTime<Utc>,
    sequence: i64,
    attempts: Value,
    state: Value,
    rest: Value,
    timer: Option<DateTime<Utc>>,
}

/// Both rows are locked, so a row that changed since the statement began is looked at again before it is taken: a call
/// that another worker has leased meanwhile is not due any more.
pub(crate) async fn lock_due(tx: &mut Work, limit: u32) -> Result<Vec<PendingCall>, StoreError> {
    let due = sqlx::query_as!(
        Due,
        "SELECT c.key, c.call, s.id, s.auction_id, s.seller_id, s.buyer_id, s.amount, s.currency, s.quote, s.terms,
                s.started_at, s.payment_due_at, s.sequence, s.attempts, s.state, s.rest, s.due_at AS timer
         FROM gateway_call AS c JOIN settlement AS s ON s.id = c.settlement_id
         WHERE c.due_at <= statement_timestamp()
         ORDER BY c.due_at, c.key LIMIT $1
         FOR UPDATE OF c, s SKIP LOCKED",
        i64::from(limit)
    )
    .fetch_all(&mut *tx)
    .await
    .map_err(store_error)?;
    let due = due.into_iter().map(|due| (due.key.clone(), pending(due)));
    let (pending, unreadable) = aside::readable("gateway_call", due);
    put_aside(tx, &unreadable).await?;
    Ok(pending)
}

/// So that those behind them are taken up.
pub(crate) async fn put_aside(tx: &mut Work, keys: &[String]) -> Result<(), StoreError> {
    if keys.is_empty() {
        return Ok(());
    }
    let later = sqlx::query!(
        "UPDATE gateway_call SET due_at = clock_timestamp() + interval '5 minutes' WHERE key = ANY($1)",
        keys
    );
    later.execute(&mut *tx).await.map_err(store_error)?;
    Ok(())
}

fn pending(due: Due) -> Result<PendingCall, StoreError> {
    let row = Row {
        id: due.id,
        auction_id: due.auction_id,
        seller_id: due.seller_id,
        buyer_id: due.buyer_id,
        amount: due.amount,
        currency: due.currency,
        quote: due.quote,
        terms: due.terms,
        started_at: due.started_at,
        payment_due_at: due.payment_due_at,
        sequence: due.sequence,
        attempts: due.attempts,
        state: due.state,
        rest: due.rest,
        due_at: due.timer,
    };
    Ok(PendingCall { settlement: row.try_into()?, call: serde_json::from_value(due.call).map_err(corrupt)? })
}

pub(crate) async fn find(tx: &mut Work, keys: &[CallKey]) -> Result<Vec<GatewayCall>, StoreError> {
    let keys: Vec<&str> = keys.iter().map(CallKey::as_str).collect();
    let calls = sqlx::query_scalar!("SELECT call FROM gateway_call WHERE key = ANY($1)", &keys as &[&str]);
    let calls = calls.fetch_all(&mut *tx).await.map_err(store_error)?;
    calls.into_iter().map(|call| serde_json::from_value(call).map_err(corrupt)).collect()
}

/// Calls by column.
#[derive(Default)]
struct Saved {
    keys: Vec<String>,
    settlements: Vec<Option<Uuid>>,
    payouts: Vec<Option<Uuid>>,
    calls: Vec<Value>,
    due_at: Vec<Option<DateTime<Utc>>>,
}

impl Saved {
    fn add(&mut self, call: &GatewayCall) -> Result<(), StoreError> {
        self.keys.push(call.key().as_str().to_owned());
        self.settlements.push(call.subject().settlement_id().map(SettlementId::as_uuid));
        self.payouts.push(call.subject().payout_id().map(PayoutId::as_uuid));
        self.calls.push(serde_json::to_value(call).map_err(corrupt)?);
        self.due_at.push(call.due_at());
        Ok(())
    }
}

pub(crate) async fn save(tx: &mut Work, calls: &[GatewayCall]) -> Result<(), StoreError> {
    let mut rows = Saved::default();
    calls.iter().try_for_each(|call| rows.add(call))?;
    sqlx::query!(
        "INSERT INTO gateway_call (key, settlement_id, payout_id, call, due_at)
         SELECT * FROM unnest($1::text[], $2::uuid[], $3::uuid[], $4::jsonb[], $5::timestamptz[])
         ON CONFLICT (key) DO UPDATE SET call = excluded.call, due_at = excluded.due_at",
        &rows.keys,
        &rows.settlements as &[Option<Uuid>],
        &rows.payouts as &[Option<Uuid>],
        &rows.calls,
        &rows.due_at as &[Option<DateTime<Utc>>]
    )
    .execute(&mut *tx)
    .await
    .map_err(store_error)?;
    Ok(())
}
