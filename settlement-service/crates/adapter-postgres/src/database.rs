//! Connecting, migrating, and whether the database can be worked with.

use std::str::FromStr;

use sqlx::{
    Connection,
    migrate::Migrator,
    postgres::{PgConnectOptions, PgQueryResult},
};

use crate::session::Sessions;

/// The schema's versions, applied by `migrate` and only checked by a serving process.
static MIGRATIONS: Migrator = sqlx::migrate!("../../migrations");

/// Old rows are removed in steps of so many, as the statements say, and so many steps of one kind at a time.
const STEP: u64 = 10_000;
const STEPS_MAX: u32 = 200;
/// Bounds of the server's side: no statement, lock wait or forgotten transaction holds others up.
const SERVER_LIMITS: [(&str, &str); 3] =
    [("statement_timeout", "10s"), ("lock_timeout", "5s"), ("idle_in_transaction_session_timeout", "10s")];
/// Statements are few and prepared, and all of them go by an index: one plan for each, whatever its arrays hold
/// and whatever size the table had when it was made, and no compiling of plans.
const PLANNING: [(&str, &str); 5] = [
    ("plan_cache_mode", "force_generic_plan"),
    ("enable_seqscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("jit", "off"),
];

/// Why the database cannot be worked with.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// The URL cannot be read. Its text is not repeated: it holds a password.
    #[error("the database URL is not of the form postgres://user:password@host:port/database")]
    Url,
    /// It cannot be reached or refuses to work.
    #[error("the database cannot be used: {0}")]
    Unavailable(#[from] sqlx::Error),
    /// A migration failed.
    #[error("the database cannot be migrated: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// The schema is older than this binary.
    #[error("the schema has version {found}, this binary needs {needed}: run its `migrate` command first")]
    Schema {
        /// Of the database.
        found: i64,
        /// Of this binary.
        needed: i64,
    },
}

/// A pool of at most `max_connections` connections; connects when first used.
///
/// # Errors
/// [`DatabaseError::Url`].
pub fn connect(url: &str, max_connections: u32) -> Result<Sessions, DatabaseError> {
    let options = PgConnectOptions::from_str(url)
        .map_err(|_| DatabaseError::Url)?
        .application_name("settlement-service")
        .options(SERVER_LIMITS)
        .options(PLANNING);
    Ok(Sessions::new(options, max_connections as usize))
}

/// Applies what is missing.
///
/// # Errors
/// [`DatabaseError`].
pub async fn migrate(url: &str) -> Result<(), DatabaseError> {
    let options = PgConnectOptions::from_str(url).map_err(|_| DatabaseError::Url)?;
    let mut connection = sqlx::PgConnection::connect_with(&options).await?;
    MIGRATIONS.run(&mut connection).await?;
    connection.close().await?;
    Ok(())
}

/// Gives a role what serving takes and no more: of the ledger and the audit trail it may read and add,
/// nothing else.
///
/// # Errors
/// [`DatabaseError::Unavailable`], also when there is no such role.
pub async fn grant(url: &str, role: &str) -> Result<(), DatabaseError> {
    const RIGHTS: [&str; 4] = [
        "GRANT USAGE ON SCHEMA public TO %I",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO %I",
        "REVOKE INSERT, UPDATE, DELETE ON _sqlx_migrations FROM %I",
        "REVOKE UPDATE, DELETE ON ledger_transaction, ledger_posting, ledger_closing, operator_decision FROM %I",
    ];
    let options = PgConnectOptions::from_str(url).map_err(|_| DatabaseError::Url)?;
    let mut connection = sqlx::PgConnection::connect_with(&options).await?;
    let mut tx = connection.begin().await?;
    for right in RIGHTS {
        let statement = sqlx::query_scalar!(r#"SELECT format($1, $2::text) AS "statement!""#, right, role);
        let statement = statement.fetch_one(&mut *tx).await?;
        sqlx::raw_sql(&statement).execute(&mut *tx).await?;
    }
    tx.commit().await?;
    connection.close().await?;
    Ok(())
}

/// Whether the schema is at least what this binary knows; a newer one is fine (expand, then contract).
///
/// # Errors
/// [`DatabaseError`].
pub async fn check(pool: &Sessions) -> Result<(), DatabaseError> {
    let needed = MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or_default();
    let migrated = sqlx::query_scalar!(r#"SELECT to_regclass('_sqlx_migrations') IS NOT NULL AS "migrated!""#);
    let found = if migrated.fetch_one(pool).await? {
        sqlx::query_scalar!(r#"SELECT coalesce(max(version), 0) AS "version!" FROM _sqlx_migrations WHERE success"#)
            .fetch_one(pool)
            .await?
    } else {
        0
    };
    if found < needed { Err(DatabaseError::Schema { found, needed }) } else { Ok(()) }
}

/// Removes answers that were kept for a day, failures that nobody replayed and early words that nobody needed in 90 days,
/// and the payment gateway's notices after 35 days (it sends one again for at most 30); in steps of at most 10,000 rows,
/// so that it never holds others up; at most 2 million of each in one call. What another instance removes is left to it.
///
/// # Errors
/// [`DatabaseError::Unavailable`], the first: each kind is tried, whatever became of the one before.
pub async fn tidy(pool: &Sessions) -> Result<u64, DatabaseError> {
    // A time that stands still while the statement runs: an index can be searched for it.
    let answers = in_steps(|| {
        let old = sqlx::query!(
            "DELETE FROM idempotency WHERE ctid = ANY(ARRAY
                 (SELECT ctid FROM idempotency WHERE created_at < statement_timestamp() - interval '24 hours'
                  ORDER BY created_at LIMIT 10000 FOR UPDATE SKIP LOCKED))"
        );
        old.execute(pool)
    })
    .await;
    let failures = in_steps(|| {
        let old = sqlx::query!(
            "DELETE FROM inbox_failure WHERE ctid = ANY(ARRAY
                 (SELECT ctid FROM inbox_failure WHERE failed_at < statement_timestamp() - interval '90 days'
                  LIMIT 10000 FOR UPDATE SKIP LOCKED))"
        );
        old.execute(pool)
    })
    .await;
    let early = in_steps(|| {
        let old = sqlx::query!(
            "DELETE FROM early WHERE ctid = ANY(ARRAY
                 (SELECT ctid FROM early WHERE told_at < statement_timestamp() - interval '90 days'
                  ORDER BY told_at LIMIT 10000 FOR UPDATE SKIP LOCKED))"
        );
        old.execute(pool)
    })
    .await;
    let notices = in_steps(|| {
        let old = sqlx::query!(
            "DELETE FROM inbox WHERE ctid = ANY(ARRAY
                 (SELECT ctid FROM inbox
                  WHERE source = '/gateway' AND received_at < statement_timestamp() - interval '35 days'
                  ORDER BY received_at LIMIT 10000 FOR UPDATE SKIP LOCKED))"
        );
        old.execute(pool)
    })
    .await;
    Ok(answers? + failures? + early? + notices?)
}

/// Removes by `step`, which gives how many rows it removed, until there are no more; at most two million rows, each step
/// in a transaction of its own.
async fn in_steps<S>(step: impl Fn() -> S) -> Result<u64, DatabaseError>
where
    S: Future<Output = Result<PgQueryResult, sqlx::Error>>,
{
    let mut removed = 0;
    for _ in 0..STEPS_MAX {
        let rows = step().await?.rows_affected();
        removed += rows;
        if rows < STEP {
            break;
        }
    }
    Ok(removed)
}
