//! The inbox: of every aggregate elsewhere, the last event that had its effect here; and how often
//! an event failed.

use async_trait::async_trait;
use bidding_ports::{
    error::StoreError,
    inbox::{Receipt, Seen},
    retries::Retries,
};
use uuid::Uuid;

use crate::{
    error::{corrupt, store_error},
    row::{count, number},
    session::{Sessions, Work},
    store::PgAuctions,
};

pub(crate) async fn receive(tx: &mut Work, receipt: &Receipt) -> Result<Seen, StoreError> {
    let last = sqlx::query_scalar!(
        "SELECT last_sequence FROM inbox WHERE source = $1 AND key = $2 FOR UPDATE",
        receipt.source,
        receipt.key
    )
    .fetch_optional(&mut *tx)
    .await
    .map_err(store_error)?;
    let expected = count(last.unwrap_or(0))? + 1;
    if receipt.sequence < expected {
        // Late because it lay with the dead letters, not because it had its effect.
        let dug_up = sqlx::query!("DELETE FROM inbox_failure WHERE event_id = $1 AND buried", receipt.event_id)
            .execute(&mut *tx)
            .await
            .map_err(store_error)?;
        return Ok(if dug_up.rows_affected() == 1 { Seen::New } else { Seen::Duplicate });
    }
    let noted = sqlx::query!(
        "WITH handled AS (DELETE FROM inbox_failure WHERE event_id = $4)
         INSERT INTO inbox AS i (source, key, last_sequence, last_event_id) VALUES ($1, $2, $3, $4)
         ON CONFLICT (source, key) DO UPDATE
         SET last_sequence = excluded.last_sequence, last_event_id = excluded.last_event_id,
             received_at = excluded.received_at
         WHERE i.last_sequence < excluded.last_sequence",
        receipt.source,
        receipt.key,
        number(receipt.sequence)?,
        receipt.event_id
    )
    .execute(&mut *tx)
    .await
    .map_err(store_error)?;
    Ok(match noted.rows_affected() {
        0 => Seen::Duplicate,
        _ if receipt.sequence == expected => Seen::New,
        _ => Seen::Gap { expected },
    })
}

/// Of each, whether it had its effect before; what lies with the dead letters had none.
pub(crate) async fn known(sessions: &Sessions, receipts: &[Receipt]) -> Result<Vec<bool>, StoreError> {
    let ids: Vec<Uuid> = receipts.iter().map(|receipt| receipt.event_id).collect();
    let sources: Vec<String> = receipts.iter().map(|receipt| receipt.source.clone()).collect();
    let keys: Vec<String> = receipts.iter().map(|receipt| receipt.key.clone()).collect();
    let sequences = receipts.iter().map(|receipt| number(receipt.sequence)).collect::<Result<Vec<i64>, _>>()?;
    sqlx::query_scalar!(
        r#"SELECT (EXISTS (SELECT FROM inbox AS i
                           WHERE i.source = asked.source AND i.key = asked.key AND i.last_sequence >= asked.sequence)
                   AND NOT EXISTS (SELECT FROM inbox_failure AS f WHERE f.event_id = asked.event_id AND f.buried)
                  ) AS "known!"
           FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[]) WITH ORDINALITY
                AS asked (event_id, source, key, sequence, place)
           ORDER BY asked.place"#,
        &ids,
        &sources,
        &keys,
        &sequences
    )
    .fetch_all(sessions)
    .await
    .map_err(store_error)
}

#[async_trait]
impl Retries for PgAuctions {
    async fn failed(&self, event_id: Uuid, reason: &str) -> Result<u32, StoreError> {
        let attempts = sqlx::query_scalar!(
            "INSERT INTO inbox_failure AS f (event_id, attempts, reason) VALUES ($1, 1, $2)
             ON CONFLICT (event_id) DO UPDATE
             SET attempts = f.attempts + 1, reason = excluded.reason, failed_at = excluded.failed_at
             RETURNING attempts",
            event_id,
            reason
        )
        .fetch_one(self.deciding())
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
        .execute(self.deciding())
        .await
        .map_err(store_error)?;
        Ok(())
    }
}
