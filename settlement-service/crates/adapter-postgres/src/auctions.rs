//! All that belongs to auctions: their locks, their settlements, and what was told of them before those were there.

use std::collections::BTreeSet;

use settlement_domain::{AuctionId, Settlement, UserId};
use settlement_ports::{Early, StoreError};
use uuid::Uuid;

use crate::{
    error::{corrupt, store_error},
    row::Row,
    session::Work,
};

/// Settlements of an auction are inserted under its advisory lock, so that whoever has got it sees all of them.
pub(crate) async fn lock(tx: &mut Work, ids: &[AuctionId]) -> Result<Vec<Settlement>, StoreError> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.as_uuid()).collect::<BTreeSet<_>>().into_iter().collect();
    // An array is unnested from its beginning to its end, so the locks are taken in the order of the ids.
    sqlx::query!(
        "SELECT pg_advisory_xact_lock(hashtextextended('auction ' || id::text, 0)) FROM unnest($1::uuid[]) AS came (id)",
        &ids
    )
    .execute(&mut *tx)
    .await
    .map_err(store_error)?;
    let rows = sqlx::query_as!(
        Row,
        "SELECT id, auction_id, seller_id, buyer_id, amount, currency, quote, terms, started_at, payment_due_at, sequence,
                attempts, state, rest, due_at
         FROM settlement WHERE auction_id = ANY($1) ORDER BY id FOR UPDATE",
        &ids
    );
    let rows = rows.fetch_all(&mut *tx).await.map_err(store_error)?;
    rows.into_iter().map(Settlement::try_from).collect()
}

/// A row without a buyer tells of the relisting.
pub(crate) async fn keep_early(tx: &mut Work, id: AuctionId, early: &Early) -> Result<(), StoreError> {
    let buyer = match early {
        Early::AwardDeclined(buyer) => Some(buyer.as_str()),
        Early::Relisted => None,
    };
    sqlx::query!(
        "INSERT INTO early (auction_id, buyer_id) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        id.as_uuid(),
        buyer
    )
    .execute(&mut *tx)
    .await
    .map_err(store_error)?;
    Ok(())
}

pub(crate) async fn early(tx: &mut Work, ids: &[AuctionId]) -> Result<Vec<(AuctionId, Early)>, StoreError> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.as_uuid()).collect();
    let told = sqlx::query!("SELECT auction_id, buyer_id FROM early WHERE auction_id = ANY($1)", &ids);
    let told = told.fetch_all(&mut *tx).await.map_err(store_error)?;
    let early = |buyer: Option<String>| match buyer {
        Some(buyer) => UserId::try_from(buyer).map(Early::AwardDeclined).map_err(corrupt),
        None => Ok(Early::Relisted),
    };
    told.into_iter().map(|row| Ok((row.auction_id.into(), early(row.buyer_id)?))).collect()
}
