//! What a database error means to a caller.

use settlement_ports::StoreError;

/// Sorts by what can be done: SQLSTATE classes after PostgreSQL's "Error Codes" appendix.
pub(crate) fn store_error(error: sqlx::Error) -> StoreError {
    match &error {
        sqlx::Error::Database(database) => match database.code().as_deref() {
            // serialization failure, deadlock, unique violation: somebody else was first
            Some("40001" | "40P01" | "23505") => StoreError::Conflict,
            // lock_not_available: a lock wait took longer than its bound
            Some("55P03") => StoreError::Locked,
            // data exceptions and violated constraints: a bug here, not an outage
            Some(code) if code.starts_with("22") || code.starts_with("23") => StoreError::Corrupt(error.to_string()),
            _ => StoreError::Unavailable(error.to_string()),
        },
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::TypeNotFound { .. } => {
            StoreError::Corrupt(error.to_string())
        }
        _ => StoreError::Unavailable(error.to_string()),
    }
}

pub(crate) fn corrupt(error: impl std::fmt::Display) -> StoreError {
    StoreError::Corrupt(error.to_string())
}
