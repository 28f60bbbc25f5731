//! How people stand: a row for each who ever got a strike.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use settlement_domain::{Standing, UserId};
use settlement_ports::{FreeStandings, StoreError};

use crate::{
    aside,
    error::{corrupt, store_error},
    row::number,
    session::{Sessions, Work},
};

struct Row {
    user_id: String,
    strikes: Value,
    suspended_since: Option<DateTime<Utc>>,
    sequence: i64,
}

impl TryFrom<Row> for Standing {
    type Error = StoreError;
    fn try_from(row: Row) -> Result<Self, StoreError> {
        let Row { user_id, strikes, suspended_since, sequence } = row;
        let whole = json!({
            "user_id": user_id, "strikes": strikes, "suspended_since": suspended_since, "sequence": sequence
        });
        serde_json::from_value(whole).map_err(|error| corrupt(format!("standing of {user_id}: {error}")))
    }
}

/// The advisory lock keeps two first strikes apart, which have no row to lock yet.
pub(crate) async fn lock(tx: &mut Work, user: &UserId) -> Result<Standing, StoreError> {
    sqlx::query!("SELECT pg_advisory_xact_lock(hashtextextended('standing ' || $1, 0))", user.as_str())
        .execute(&mut *tx)
        .await
        .map_err(store_error)?;
    let row = sqlx::query_as!(
        Row,
        "SELECT user_id, strikes, suspended_since, sequence FROM standing WHERE user_id = $1 FOR UPDATE",
        user.as_str()
    );
    let row = row.fetch_optional(&mut *tx).await.map_err(store_error)?;
    row.map_or_else(|| Ok(Standing::new(user.clone())), Standing::try_from)
}

/// As [`lock`], but for what another one has, which is not waited for, and for what cannot be read.
pub(crate) async fn lock_free(tx: &mut Work, users: &[UserId]) -> Result<FreeStandings, StoreError> {
    let asked: Vec<String> = users.iter().map(|user| user.as_str().to_owned()).collect();
    let ours = sqlx::query_scalar!(
        r#"SELECT user_id AS "user_id!" FROM unnest($1::text[]) AS asked (user_id)
           WHERE pg_try_advisory_xact_lock(hashtextextended('standing ' || user_id, 0))"#,
        &asked
    );
    let ours = ours.fetch_all(&mut *tx).await.map_err(store_error)?;
    let rows = sqlx::query_as!(
        Row,
        "SELECT user_id, strikes, suspended_since, sequence FROM standing WHERE user_id = ANY($1)
         ORDER BY user_id FOR UPDATE SKIP LOCKED",
        &ours
    );
    let rows = rows.fetch_all(&mut *tx).await.map_err(store_error)?;
    let got: Vec<String> = rows.iter().map(|row| row.user_id.clone()).collect();
    // Whoever ends a suspension, or repairs something by hand, has the row alone.
    let held =
        sqlx::query_scalar!("SELECT user_id FROM standing WHERE user_id = ANY($1) AND user_id <> ALL($2)", &ours, &got);
    let held = held.fetch_all(&mut *tx).await.map_err(store_error)?;
    let rows = rows.into_iter().map(|row| (row.user_id.clone(), Standing::try_from(row)));
    let (_, unreadable) = aside::readable("standing", rows);

    let mut free = FreeStandings::default();
    let is_among = |names: &[String], user: &UserId| names.iter().any(|name| name == user.as_str());
    for user in users {
        if is_among(&unreadable, user) {
            free.unreadable.insert(user.clone());
        } else if is_among(&ours, user) && !is_among(&held, user) {
            free.locked.insert(user.clone());
        }
    }
    Ok(free)
}

pub(crate) async fn lock_due(tx: &mut Work, limit: u32) -> Result<Vec<Standing>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT user_id, strikes, suspended_since, sequence FROM standing WHERE due_at <= statement_timestamp()
         ORDER BY due_at, user_id LIMIT $1
         FOR UPDATE SKIP LOCKED",
        i64::from(limit)
    );
    let rows = rows.fetch_all(&mut *tx).await.map_err(store_error)?;
    let rows = rows.into_iter().map(|row| (row.user_id.clone(), Standing::try_from(row)));
    let (due, unreadable) = aside::readable("standing", rows);
    if !unreadable.is_empty() {
        let later = sqlx::query!(
            "UPDATE standing SET due_at = clock_timestamp() + interval '5 minutes' WHERE user_id = ANY($1)",
            &unreadable
        );
        later.execute(&mut *tx).await.map_err(store_error)?;
    }
    Ok(due)
}

pub(crate) async fn save(tx: &mut Work, standing: &Standing) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO standing (user_id, strikes, suspended_since, sequence, due_at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (user_id) DO UPDATE SET strikes = excluded.strikes, suspended_since = excluded.suspended_since,
             sequence = excluded.sequence, due_at = excluded.due_at",
        standing.user_id().as_str(),
        serde_json::to_value(standing.strikes()).map_err(corrupt)?,
        standing.suspended_since(),
        number(standing.sequence())?,
        standing.due_at()
    )
    .execute(&mut *tx)
    .await
    .map_err(store_error)?;
    Ok(())
}

pub(crate) async fn find(pool: &Sessions, user: &UserId) -> Result<Option<Standing>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        "SELECT user_id, strikes, suspended_since, sequence FROM standing WHERE user_id = $1",
        user.as_str()
    );
    row.fetch_optional(pool).await.map_err(store_error)?.map(Standing::try_from).transpose()
}
