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
    session::Work,
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
