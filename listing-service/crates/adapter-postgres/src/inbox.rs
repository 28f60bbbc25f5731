//! The inbox: of every aggregate elsewhere, the last event that had its effect here; and how often
//! an event failed.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use async_trait::async_trait;
use listing_ports::{
    error::StoreError,
    inbox::{Receipt, Seen},
    retries::Retries,
};
use uuid::Uuid;

use crate::{
    error::{corrupt, store_error},
    row::{count, number},
    session::Work,
    store::PgListings,
};

/// Source and key of events, and the sequence of the last one seen.
type Places<'a> = BTreeMap<(&'a str, &'a str), u64>;

pub(crate) async fn receive(tx: &mut Work, receipts: &[Receipt]) -> Result<Vec<Seen>, StoreError> {
    let known = last_seen(tx, receipts).await?;
    let mut last: Places =
        known.iter().map(|((source, key), sequence)| ((source.as_str(), key.as_str()), *sequence)).collect();
    let (mut latest, mut fresh) = (BTreeMap::new(), Vec::new());
    let mut seen = Vec::with_capacity(receipts.len());
    for receipt in receipts {
        let place = (receipt.source.as_str(), receipt.key.as_str());
        let last = last.entry(place).or_default();
        let expected = *last + 1;
        if receipt.sequence < expected {
            seen.push(Seen::Duplicate);
            continue;
        }
        seen.push(if receipt.sequence == expected { Seen::New } else { Seen::Gap { expected } });
        *last = receipt.sequence;
        latest.insert(place, receipt);
        fresh.push(receipt.event_id);
    }
    note(tx, &latest.into_values().collect::<Vec<_>>(), &fresh).await?;
    dig_up(tx, receipts, &mut seen).await?;
    Ok(seen)
}

/// The last sequence seen of each key that occurs in `receipts`; locks them, in one order for everybody.
async fn last_seen(tx: &mut Work, receipts: &[Receipt]) -> Result<Vec<((String, String), u64)>, StoreError> {
    let places: BTreeSet<_> = receipts.iter().map(|receipt| (&receipt.source, &receipt.key)).collect();
    let (sources, keys): (Vec<String>, Vec<String>) =
        places.into_iter().map(|(source, key)| (source.clone(), key.clone())).unzip();
    let rows = sqlx::query!(
        "SELECT i.source, i.key, i.last_sequence
         FROM inbox AS i JOIN unnest($1::text[], $2::text[]) AS came (source, key) USING (source, key)
         ORDER BY i.source, i.key FOR UPDATE OF i",
        &sources,
        &keys
    )
    .fetch_all(&mut *tx)
    .await
    .map_err(store_error)?;
    rows.into_iter().map(|row| Ok(((row.source, row.key), count(row.last_sequence)?))).collect()
}

/// Notes the latest event of each key, and forgets that any of the `fresh` ones failed or lay with the dead letters: in one unit
/// of work with their effect, or a replay would have it again.
async fn note(tx: &mut Work, latest: &[&Receipt], fresh: &[Uuid]) -> Result<(), StoreError> {
    if latest.is_empty() {
        return Ok(());
    }
    let sequences: Vec<i64> = latest.iter().map(|receipt| number(receipt.sequence)).collect::<Result<_, _>>()?;
    let noted = sqlx::query!(
        "WITH handled AS (DELETE FROM inbox_failure WHERE event_id = ANY($5))
         INSERT INTO inbox AS i (source, key, last_sequence, last_event_id)
         SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::uuid[])
         ON CONFLICT (source, key) DO UPDATE
         SET last_sequence = excluded.last_sequence, last_event_id = excluded.last_event_id,
             received_at = excluded.received_at
         WHERE i.last_sequence < excluded.last_sequence",
        &latest.iter().map(|receipt| receipt.source.clone()).collect::<Vec<_>>(),
        &latest.iter().map(|receipt| receipt.key.clone()).collect::<Vec<_>>(),
        &sequences,
        &latest.iter().map(|receipt| receipt.event_id).collect::<Vec<_>>(),
        fresh
    )
    .execute(&mut *tx)
    .await
    .map_err(store_error)?;
    // A key without a row cannot be locked: another consumer made it meanwhile.
    if noted.rows_affected() == latest.len() as u64 { Ok(()) } else { Err(StoreError::Conflict) }
}

/// What is late because it lay with the dead letters, and not because it had its effect, is new.
async fn dig_up(tx: &mut Work, receipts: &[Receipt], seen: &mut [Seen]) -> Result<(), StoreError> {
    let late = receipts.iter().zip(seen.iter()).filter(|(_, seen)| **seen == Seen::Duplicate);
    let late: Vec<Uuid> = late.map(|(receipt, _)| receipt.event_id).collect();
    if late.is_empty() {
        return Ok(());
    }
    let dug_up =
        sqlx::query_scalar!("DELETE FROM inbox_failure WHERE event_id = ANY($1) AND buried RETURNING event_id", &late);
    let mut dug_up: HashSet<Uuid> = dug_up.fetch_all(&mut *tx).await.map_err(store_error)?.into_iter().collect();
    for (receipt, seen) in receipts.iter().zip(seen) {
        if *seen == Seen::Duplicate && dug_up.remove(&receipt.event_id) {
            *seen = Seen::New;
        }
    }
    Ok(())
}

#[async_trait]
impl Retries for PgListings {
    async fn failed(&self, event_id: Uuid, reason: &str) -> Result<u32, StoreError> {
        let attempts = sqlx::query_scalar!(
            "INSERT INTO inbox_failure AS f (event_id, attempts, reason) VALUES ($1, 1, $2)
             ON CONFLICT (event_id) DO UPDATE
             SET attempts = f.attempts + 1, reason = excluded.reason, failed_at = excluded.failed_at
             RETURNING attempts",
            event_id,
            reason
        )
        .fetch_one(self.pool())
        .await
        .map_err(store_error)?;
        u32::try_from(attempts).map_err(corrupt)
    }

    async fn buried(&self, event_id: Uuid, reason: &str) -> Result<(), StoreError> {
        sqlx::query!(
            "INSERT INTO inbox_failure AS f (event_id, attempts, reason, buried) VALUES ($1, 1, $2, true)
             ON CONFLICT (event_id) DO UPDATE SET reason = excluded.reason, buried = true",
            event_id,
            reason
        )
        .execute(self.pool())
        .await
        .map_err(store_error)?;
        Ok(())
    }
}
