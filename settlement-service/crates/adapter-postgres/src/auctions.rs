//! All that belongs to one auction: its lock, its settlements, and what was told of it before they were there.

use settlement_domain::{AuctionId, Settlement, UserId};
use settlement_ports::{Early, StoreError};
use sqlx::{Postgres, Transaction};

use crate::{
    error::{corrupt, store_error},
    row::Row,
};

/// Settlements of an auction are inserted under its advisory lock, so that whoever has got it sees all of them.
pub(crate) async fn lock(
    tx: &mut Transaction<'static, Postgres>,
    id: AuctionId,
) -> Result<Vec<Settlement>, StoreError> {
    sqlx::query!("SELECT pg_advisory_xact_lock(hashtextextended('auction ' || $1, 0))", id.to_string())
        .execute(&mut **tx)
        .await
        .map_err(store_error)?;
    let rows = sqlx::query_as!(
        Row,
        "SELECT id, auction_id, seller_id, buyer_id, amount, currency, quote, terms, started_at, payment_due_at, sequence,
                attempts, state, rest, due_at
         FROM settlement WHERE auction_id = $1 ORDER BY id FOR UPDATE",
        id.as_uuid()
    );
    let rows = rows.fetch_all(&mut **tx).await.map_err(store_error)?;
    rows.into_iter().map(Settlement::try_from).collect()
}

/// A row without a buyer tells of the relisting.
pub(crate) async fn keep_early(
    tx: &mut Transaction<'static, Postgres>,
    id: AuctionId,
    early: &Early,
) -> Result<(), StoreError> {
    let buyer = match early {
        Early::AwardDeclined(buyer) => Some(buyer.as_str()),
        Early::Relisted => None,
    };
    sqlx::query!(
        "INSERT INTO early (auction_id, buyer_id) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        id.as_uuid(),
        buyer
    )
    .execute(&mut **tx)
    .await
    .map_err(store_error)?;
    Ok(())
}

pub(crate) async fn early(tx: &mut Transaction<'static, Postgres>, id: AuctionId) -> Result<Vec<Early>, StoreError> {
    let buyers = sqlx::query_scalar!("SELECT buyer_id FROM early WHERE auction_id = $1", id.as_uuid());
    let early = |buyer: Option<String>| match buyer {
        Some(buyer) => UserId::try_from(buyer).map(Early::AwardDeclined).map_err(corrupt),
        None => Ok(Early::Relisted),
    };
    buyers.fetch_all(&mut **tx).await.map_err(store_error)?.into_iter().map(early).collect()
}
