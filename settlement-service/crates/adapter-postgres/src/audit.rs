//! The audit trail: what the operator decided, for ever.

use serde_json::json;
use settlement_domain::{SettlementId, Statement, settlement::Resolution, standing::Reinstatement};
use settlement_ports::StoreError;

use crate::{
    error::{corrupt, store_error},
    session::{Sessions, Work},
};

pub(crate) async fn note_resolution(tx: &mut Work, resolution: &Resolution) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO operator_decision (settlement_id, operator_id, decision, amount, note, status, at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        resolution.settlement_id.as_uuid(),
        resolution.by.as_str(),
        resolution.verdict.name(),
        resolution.verdict.amount(),
        resolution.note.as_ref().map(Statement::as_str),
        resolution.status.name(),
        resolution.at
    )
    .execute(&mut *tx)
    .await
    .map_err(store_error)?;
    Ok(())
}

pub(crate) async fn note_reinstatement(tx: &mut Work, reinstatement: &Reinstatement) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO operator_decision (bidder_id, operator_id, decision, note, at) VALUES ($1, $2, 'reinstate', $3, $4)",
        reinstatement.user_id.as_str(),
        reinstatement.by.as_str(),
        reinstatement.note.as_ref().map(Statement::as_str),
        reinstatement.at
    )
    .execute(&mut *tx)
    .await
    .map_err(store_error)?;
    Ok(())
}

pub(crate) async fn resolutions(pool: &Sessions, id: SettlementId) -> Result<Vec<Resolution>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT operator_id, decision, amount, note, status AS "status!", at
           FROM operator_decision WHERE settlement_id = $1 ORDER BY id"#,
        id.as_uuid()
    );
    let rows = rows.fetch_all(pool).await.map_err(store_error)?;
    rows.into_iter()
        .map(|row| {
            let mut whole = json!({
                "settlement_id": id, "by": row.operator_id, "decision": row.decision, "note": row.note,
                "status": row.status, "at": row.at,
            });
            if let Some(amount) = row.amount {
                whole["amount"] = amount.into();
            }
            serde_json::from_value(whole).map_err(corrupt)
        })
        .collect()
}
