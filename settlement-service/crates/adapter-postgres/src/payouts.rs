//! Payouts: what waits for one, those whose call is due, and a payout with all that it pays for.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use settlement_domain::{Currency, Payout, PayoutId, Settlement, UserId};
use settlement_ports::{PendingPayout, StoreError, WholePayout};
use sqlx::{PgExecutor, Postgres, Transaction};
use uuid::Uuid;

use crate::{
    error::{corrupt, store_error},
    row::Row,
};

/// The columns of `payout`; their JSON is the payout's own.
struct PayoutRow {
    id: Uuid,
    seller_id: String,
    amount: i64,
    currency: String,
    items: Value,
    attempts: i32,
    made_at: DateTime<Utc>,
    state: Value,
}

impl TryFrom<PayoutRow> for Payout {
    type Error = StoreError;
    fn try_from(row: PayoutRow) -> Result<Self, StoreError> {
        let id = row.id;
        let whole = json!({
            "id": row.id,
            "seller_id": row.seller_id,
            "amount": {"amount": row.amount, "currency": row.currency},
            "items": row.items,
            "attempts": row.attempts,
            "made_at": row.made_at,
            "state": row.state,
        });
        serde_json::from_value(whole).map_err(|error| corrupt(format!("payout {id}: {error}")))
    }
}

/// Whoever gathers for a seller has the seller's advisory lock until the end of the transaction.
pub(crate) async fn lock_owed(
    tx: &mut Transaction<'static, Postgres>,
    seller: &UserId,
    currency: Currency,
    limit: u32,
) -> Result<Option<Vec<Settlement>>, StoreError> {
    let name = format!("payout {currency} {}", seller.as_str());
    let got = sqlx::query_scalar!(r#"SELECT pg_try_advisory_xact_lock(hashtextextended($1, 0)) AS "got!""#, name);
    if !got.fetch_one(&mut **tx).await.map_err(store_error)? {
        return Ok(None);
    }
    let rows = sqlx::query_as!(
        Row,
        "SELECT id, auction_id, seller_id, buyer_id, amount, currency, quote, terms, started_at, payment_due_at, sequence,
                attempts, state, rest, due_at
         FROM settlement
         WHERE seller_id = $1 AND currency = $2 AND status = 'received' AND state -> 'owed' ->> 'in' = 'waiting'
         ORDER BY id LIMIT $3
         FOR UPDATE SKIP LOCKED",
        seller.as_str(),
        currency.code(),
        i64::from(limit)
    );
    let rows = rows.fetch_all(&mut **tx).await.map_err(store_error)?;
    rows.into_iter().map(Settlement::try_from).collect::<Result<_, _>>().map(Some)
}

/// As for the calls of settlements: both rows are locked, and looked at again if they changed.
pub(crate) async fn lock_due(
    tx: &mut Transaction<'static, Postgres>,
    limit: u32,
) -> Result<Vec<PendingPayout>, StoreError> {
    let due = sqlx::query!(
        "SELECT c.call, p.id, p.seller_id, p.amount, p.currency, p.items, p.attempts, p.made_at, p.state
         FROM gateway_call AS c JOIN payout AS p ON p.id = c.payout_id
         WHERE c.due_at <= statement_timestamp()
         ORDER BY c.due_at, c.key LIMIT $1
         FOR UPDATE OF c, p SKIP LOCKED",
        i64::from(limit)
    );
    let due = due.fetch_all(&mut **tx).await.map_err(store_error)?;
    due.into_iter()
        .map(|due| {
            let row = PayoutRow {
                id: due.id,
                seller_id: due.seller_id,
                amount: due.amount,
                currency: due.currency,
                items: due.items,
                attempts: due.attempts,
                made_at: due.made_at,
                state: due.state,
            };
            Ok(PendingPayout { payout: row.try_into()?, call: serde_json::from_value(due.call).map_err(corrupt)? })
        })
        .collect()
}

/// The payout first, then what it pays for: nobody locks them in another order.
pub(crate) async fn lock(
    tx: &mut Transaction<'static, Postgres>,
    id: PayoutId,
) -> Result<Option<WholePayout>, StoreError> {
    let row = sqlx::query_as!(
        PayoutRow,
        "SELECT id, seller_id, amount, currency, items, attempts, made_at, state FROM payout WHERE id = $1 FOR UPDATE",
        id.as_uuid()
    );
    let Some(row) = row.fetch_optional(&mut **tx).await.map_err(store_error)? else { return Ok(None) };
    let payout = Payout::try_from(row)?;
    let ids: Vec<Uuid> = payout.items().iter().map(|item| item.settlement_id.as_uuid()).collect();
    let rows = sqlx::query_as!(
        Row,
        "SELECT id, auction_id, seller_id, buyer_id, amount, currency, quote, terms, started_at, payment_due_at, sequence,
                attempts, state, rest, due_at
         FROM settlement WHERE id = ANY($1) ORDER BY id FOR UPDATE",
        &ids
    );
    let rows = rows.fetch_all(&mut **tx).await.map_err(store_error)?;
    let settlements = rows.into_iter().map(Settlement::try_from).collect::<Result<Vec<_>, _>>()?;
    if settlements.len() != ids.len() {
        return Err(corrupt(format!("payout {id} pays for settlements that are not there")));
    }
    Ok(Some(WholePayout { payout, settlements }))
}

pub(crate) async fn find(executor: impl PgExecutor<'_>, id: PayoutId) -> Result<Option<Payout>, StoreError> {
    let row = sqlx::query_as!(
        PayoutRow,
        "SELECT id, seller_id, amount, currency, items, attempts, made_at, state FROM payout WHERE id = $1",
        id.as_uuid()
    );
    row.fetch_optional(executor).await.map_err(store_error)?.map(Payout::try_from).transpose()
}

pub(crate) async fn save(tx: &mut Transaction<'static, Postgres>, payout: &Payout) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO payout (id, seller_id, amount, currency, items, attempts, made_at, state)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (id) DO UPDATE SET attempts = excluded.attempts, state = excluded.state",
        payout.id().as_uuid(),
        payout.seller_id().as_str(),
        payout.amount().amount(),
        payout.amount().currency().code(),
        serde_json::to_value(payout.items()).map_err(corrupt)?,
        i32::try_from(payout.attempts()).map_err(corrupt)?,
        payout.made_at(),
        serde_json::to_value(payout.state()).map_err(corrupt)?
    )
    .execute(&mut **tx)
    .await
    .map_err(store_error)?;
    Ok(())
}
