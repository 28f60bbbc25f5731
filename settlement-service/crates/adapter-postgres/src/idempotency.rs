//! Idempotency keys, kept in the transaction of the effect.

use serde_json::Value;
use settlement_ports::{Claim, RequestKey, StoreError};

use crate::{error::store_error, session::Work};

/// The advisory lock tells a running twin at once instead of waiting for it; should two ever pass
/// (the lock is taken after the snapshot), the primary key makes the second a conflict.
pub(crate) async fn claim(tx: &mut Work, keys: &[RequestKey]) -> Result<Vec<Claim>, StoreError> {
    let (principals, names): (Vec<&str>, Vec<&str>) =
        keys.iter().map(|key| (key.principal.as_str(), key.key.as_str())).unzip();
    let found = sqlx::query!(
        r#"SELECT asked.place AS "place!", kept.fingerprint AS "fingerprint?", kept.answer AS "answer?",
                  pg_try_advisory_xact_lock(hashtextextended(asked.principal || chr(10) || asked.key, 0)) AS "free!"
           FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS asked (principal, key, place)
           LEFT JOIN idempotency AS kept ON kept.principal = asked.principal AND kept.key = asked.key"#,
        &principals as &[&str],
        &names as &[&str]
    );
    let found = found.fetch_all(&mut *tx).await.map_err(store_error)?;
    let mut claims = vec![Claim::Running; keys.len()];
    for row in found {
        let place = usize::try_from(row.place - 1).unwrap_or(usize::MAX);
        let (Some(claim), Some(key)) = (claims.get_mut(place), keys.get(place)) else { continue };
        *claim = match (row.fingerprint.zip(row.answer), row.free) {
            (Some((fingerprint, _)), _) if fingerprint != key.fingerprint => Claim::Mismatch,
            (Some((_, answer)), _) => Claim::Replay(answer),
            (None, false) => Claim::Running,
            (None, true) => Claim::New,
        };
    }
    Ok(claims)
}

pub(crate) async fn answer(tx: &mut Work, answers: &[(RequestKey, Value)]) -> Result<(), StoreError> {
    let principals: Vec<&str> = answers.iter().map(|(key, _)| key.principal.as_str()).collect();
    let keys: Vec<&str> = answers.iter().map(|(key, _)| key.key.as_str()).collect();
    let fingerprints: Vec<&[u8]> = answers.iter().map(|(key, _)| &key.fingerprint[..]).collect();
    let answers: Vec<&Value> = answers.iter().map(|(_, answer)| answer).collect();
    sqlx::query!(
        "INSERT INTO idempotency (principal, key, fingerprint, answer)
         SELECT * FROM unnest($1::text[], $2::text[], $3::bytea[], $4::jsonb[])",
        &principals as &[&str],
        &keys as &[&str],
        &fingerprints as &[&[u8]],
        &answers as &[&Value]
    )
    .execute(&mut *tx)
    .await
    .map_err(store_error)?;
    Ok(())
}
