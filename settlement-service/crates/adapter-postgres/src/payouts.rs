//! Payouts: what waits for one, those whose call is due, and a payout with all that it pays for.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use settlement_domain::{Currency, Payout, PayoutId, Settlement, UserId};
use settlement_ports::{PendingPayout, StoreError, WholePayout};
use sqlx::PgExecutor;
use uuid::Uuid;

use crate::{
    aside, calls,
    error::{corrupt, store_error},
    row::Row,
    session::Work,
    settlements,
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

/// Whoever gathers for a seller has the seller's advisory lock until the end of the transaction. A group is never empty.
pub(crate) async fn lock_owed(
    tx: &mut Work,
    sellers: &[(UserId, Currency)],
    limit: u32,
) -> Result<Vec<Vec<Settlement>>, StoreError> {
    let (names, codes): (Vec<_>, Vec<_>) =
        sellers.iter().map(|(seller, currency)| (seller.as_str(), currency.code())).unzip();
    let got = sqlx::query!(
        r#"SELECT seller AS "seller!", currency AS "currency!"
           FROM unnest($1::text[], $2::text[]) AS owed (seller, currency)
           WHERE pg_try_advisory_xact_lock(hashtextextended('payout ' || currency || ' ' || seller, 0))"#,
        &names as &[&str],
        &codes as &[&str]
    );
    let got = got.fetch_all(&mut *tx).await.map_err(store_error)?;
    let (names, codes): (Vec<_>, Vec<_>) = got.into_iter().map(|row| (row.seller, row.currency)).unzip();
    let rows = sqlx::query_as!(
        Row,
        "SELECT s.*
         FROM unnest($1::text[], $2::text[]) AS owed (seller, currency)
         CROSS JOIN LATERAL (
             SELECT id, auction_id, seller_id, buyer_id, amount, currency, quote, terms, started_at, payment_due_at,
                    sequence, attempts, state, rest, due_at
             FROM settlement
             WHERE seller_id = owed.seller AND currency = owed.currency
               AND status = 'received' AND state -> 'owed' ->> 'in' = 'waiting'
             ORDER BY id LIMIT $3
             FOR UPDATE SKIP LOCKED) AS s
         ORDER BY s.seller_id, s.currency, s.id",
        &names,
        &codes,
        i64::from(limit)
    );
    let rows = rows.fetch_all(&mut *tx).await.map_err(store_error)?;
    // What cannot be read is owed still, and paid once it can.
    let rows = rows.into_iter().map(|row| (row.id, Settlement::try_from(row)));
    let (settlements, _) = aside::readable("settlement", rows);
    let whose = |settlement: &Settlement| (settlement.seller_id().clone(), settlement.price().currency());
    Ok(settlements.chunk_by(|one, next| whose(one) == whose(next)).map(<[_]>::to_vec).collect())
}

/// As for the calls of settlements: both rows are locked, and looked at again if they changed.
pub(crate) async fn lock_due(tx: &mut Work, limit: u32) -> Result<Vec<PendingPayout>, StoreError> {
    let due = sqlx::query!(
        "SELECT c.key, c.call, p.id, p.seller_id, p.amount, p.currency, p.items, p.attempts, p.made_at, p.state
         FROM gateway_call AS c JOIN payout AS p ON p.id = c.payout_id
         WHERE c.due_at <= statement_timestamp()
         ORDER BY c.due_at, c.key LIMIT $1
         FOR UPDATE OF c, p SKIP LOCKED",
        i64::from(limit)
    );
    let due = due.fetch_all(&mut *tx).await.map_err(store_error)?;
    let due = due.into_iter().map(|due| {
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
        (due.key, pending(row, due.call))
    });
    let (pending, unreadable) = aside::readable("gateway_call", due);
    calls::put_aside(tx, &unreadable).await?;
    Ok(pending)
}

fn pending(row: PayoutRow, call: Value) -> Result<PendingPayout, StoreError> {
    Ok(PendingPayout { payout: row.try_into()?, call: serde_json::from_value(call).map_err(corrupt)? })
}

/// The payouts first, then what they pay for: nobody locks them in another order.
pub(crate) async fn lock(tx: &mut Work, ids: &[PayoutId]) -> Result<Vec<WholePayout>, StoreError> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.as_uuid()).collect();
    let rows = sqlx::query_as!(
        PayoutRow,
        "SELECT id, seller_id, amount, currency, items, attempts, made_at, state FROM payout
         WHERE id = ANY($1) ORDER BY id FOR UPDATE",
        &ids
    );
    let rows = rows.fetch_all(&mut *tx).await.map_err(store_error)?;
    let payouts = rows.into_iter().map(Payout::try_from).collect::<Result<Vec<_>, _>>()?;
    let items = payouts.iter().flat_map(|payout| payout.items().iter().map(|item| item.settlement_id));
    let settlements = settlements::lock(tx, &items.collect::<Vec<_>>()).await?;
    let mut settlements: BTreeMap<_, _> = settlements.into_iter().map(|found| (found.id(), found)).collect();
    let whole = |payout: Payout| {
        let ids: BTreeSet<_> = payout.items().iter().map(|item| item.settlement_id).collect();
        let found = ids.iter().map(|id| settlements.remove(id)).collect::<Option<Vec<_>>>();
        let missing = || corrupt(format!("payout {} pays for settlements that are not there", payout.id()));
        found.ok_or_else(missing).map(|settlements| WholePayout { payout: payout.clone(), settlements })
    };
    payouts.into_iter().map(whole).collect()
}

pub(crate) async fn find(executor: impl PgExecutor<'_>, id: PayoutId) -> Result<Option<Payout>, StoreError> {
    let row = sqlx::query_as!(
        PayoutRow,
        "SELECT id, seller_id, amount, currency, items, attempts, made_at, state FROM payout WHERE id = $1",
        id.as_uuid()
    );
    row.fetch_optional(executor).await.map_err(store_error)?.map(Payout::try_from).transpose()
}

/// Payouts by column.
#[derive(Default)]
struct Saved {
    ids: Vec<Uuid>,
    sellers: Vec<String>,
    amounts: Vec<i64>,
    currencies: Vec<&'static str>,
    items: Vec<Value>,
    attempts: Vec<i32>,
    made_at: Vec<DateTime<Utc>>,
    states: Vec<Value>,
}

impl Saved {
    fn add(&mut self, payout: &Payout) -> Result<(), StoreError> {
        self.ids.push(payout.id().as_uuid());
        self.sellers.push(payout.seller_id().as_str().to_owned());
        self.amounts.push(payout.amount().amount());
        self.currencies.push(payout.amount().currency().code());
        self.items.push(serde_json::to_value(payout.items()).map_err(corrupt)?);
        self.attempts.push(i32::try_from(payout.attempts()).map_err(corrupt)?);
        self.made_at.push(payout.made_at());
        self.states.push(serde_json::to_value(payout.state()).map_err(corrupt)?);
        Ok(())
    }
}

pub(crate) async fn save(tx: &mut Work, payouts: &[Payout]) -> Result<(), StoreError> {
    let mut rows = Saved::default();
    payouts.iter().try_for_each(|payout| rows.add(payout))?;
    sqlx::query!(
        "INSERT INTO payout (id, seller_id, amount, currency, items, attempts, made_at, state)
         SELECT * FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::text[], $5::jsonb[], $6::integer[],
                              $7::timestamptz[], $8::jsonb[])
         ON CONFLICT (id) DO UPDATE SET attempts = excluded.attempts, state = excluded.state",
        &rows.ids,
        &rows.sellers,
        &rows.amounts,
        &rows.currencies as &[&str],
        &rows.items,
        &rows.attempts,
        &rows.made_at,
        &rows.states
    )
    .execute(&mut *tx)
    .await
    .map_err(store_error)?;
    Ok(())
}
