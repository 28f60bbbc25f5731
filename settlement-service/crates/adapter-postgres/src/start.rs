//! The first contact with the database: one that is not there yet is waited for, one that refuses is not.

use std::{io::ErrorKind, time::Duration};

use sqlx::Error;
use tokio::time::{Instant, sleep};

use crate::{
    database::{DatabaseError, check},
    session::Sessions,
};

/// A database that is started together with the service is there by then.
pub const WAITS_FOR: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_secs(1);

/// Waits until the database can be worked with, for `within` and no longer than an attempt more; each one that fails is
/// logged.
///
/// # Errors
/// [`DatabaseError`]: of the last attempt when the time is over, at once when waiting would mend nothing.
pub async fn usable(pool: &Sessions, within: Duration) -> Result<(), DatabaseError> {
    let begun = Instant::now();
    loop {
        let Err(fault) = check(pool).await else { return Ok(()) };
        let left = within.saturating_sub(begun.elapsed());
        if left.is_zero() || !may_pass(&fault) {
            return Err(fault);
        }
        tracing::warn!(reason = %fault, left_s = left.as_secs(), "the database is not there yet and is asked again");
        sleep(PAUSE.min(left)).await;
    }
}

/// Whether waiting may mend it: nobody answers, or a server that begins, ends or has no room. Who is refused, finds no such
/// database or cannot trust the server's certificate has to be told at once.
fn may_pass(fault: &DatabaseError) -> bool {
    let DatabaseError::Unavailable(fault) = fault else { return false };
    match fault {
        // A proxy that hangs up because no server is behind it reads like nonsense.
        Error::PoolTimedOut | Error::Protocol(_) => true,
        // The others concern files that the URL names, and certificates.
        Error::Io(error) => !matches!(
            error.kind(),
            ErrorKind::InvalidData | ErrorKind::InvalidInput | ErrorKind::NotFound | ErrorKind::PermissionDenied
        ),
        // Connections fail, resources lack, or somebody intervenes, as a server does itself while it begins.
        Error::Database(error) => {
            error.code().is_some_and(|code| ["08", "53", "57"].into_iter().any(|class| code.starts_with(class)))
        }
        _ => false,
    }
}
