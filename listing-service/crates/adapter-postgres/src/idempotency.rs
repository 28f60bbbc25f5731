//! Idempotency keys, kept in the transaction of the effect.

use listing_ports::{
    error::StoreError,
    idempotency::{Claim, RequestKey},
};

use crate::{error::store_error, session::Work};

/// The advisory lock tells a running twin at once instead of waiting for it; should two ever pass
/// (the lock is taken after the snapshot), the primary key makes the second a conflict.
pub(crate) async fn claim(tx: &mut Work, key: &RequestKey) -> Result<Claim, StoreError> {
    let found = sqlx::query!(
        r#"SELECT pg_try_advisory_xact_lock(hashtextextended($1 || chr(10) || $2, 0)) AS "free!",
                  kept.fingerprint AS "fingerprint?", kept.answer AS "answer?"
           FROM (SELECT) AS nothing LEFT JOIN idempotency AS kept ON kept.principal = $1 AND kept.key = $2"#,
        key.principal.0,
        key.key
    )
    .fetch_one(&mut *tx)
    .await
    .map_err(store_error)?;
    Ok(match (found.fingerprint.zip(found.answer), found.free) {
        (Some((fingerprint, _)), _) if fingerprint != key.fingerprint => Claim::Mismatch,
        (Some((_, answer)), _) => Claim::Replay(answer),
        (None, false) => Claim::Running,
        (None, true) => Claim::New,
    })
}

pub(crate) async fn answer(tx: &mut Work, key: &RequestKey, answer: &serde_json::Value) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO idempotency (principal, key, fingerprint, answer) VALUES ($1, $2, $3, $4)",
        key.principal.0,
        key.key,
        &key.fingerprint[..],
        answer
    )
    .execute(&mut *tx)
    .await
    .map_err(store_error)?;
    Ok(())
}
