//! The simulated gateway's list of what it moved: read from its journal, without taking part in it.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use settlement_domain::{Answer, GatewayRef, Instruction, Movement, MovementKind};
use settlement_ports::{GatewayStatement, STATEMENT_PAGE, StatementError, StatementPage};

use crate::book::Entry;
use crate::journal::{JournalError, lines_from};

/// A page ends after so much of the journal, bytes, so that it never takes long.
const READ_AT_ONCE: u64 = 16 * 1024 * 1024;

/// A journal's movements. What has no moment counts as of any.
#[derive(Debug, Clone)]
pub struct JournalStatement {
    path: PathBuf,
}

impl JournalStatement {
    /// Of this journal; it need not be there yet.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    async fn read<T: Send + 'static>(
        &self,
        reading: impl FnOnce(&Path) -> Result<T, StatementError> + Send + 'static,
    ) -> Result<T, StatementError> {
        let path = self.path.clone();
        let read = tokio::task::spawn_blocking(move || reading(&path)).await;
        read.map_err(|error| StatementError::Unavailable(error.to_string()))?
    }
}

#[async_trait]
impl GatewayStatement for JournalStatement {
    async fn page(
        &self,
        kind: MovementKind,
        since: DateTime<Utc>,
        after: Option<String>,
    ) -> Result<StatementPage, StatementError> {
        let begin = after.map_or(Ok(0), |after| after.parse());
        let begin: u64 = begin.map_err(|_| StatementError::Unreadable("no place in the journal".to_owned()))?;
        self.read(move |path| {
            let mut page = StatementPage::default();
            if !path.exists() {
                return Ok(page);
            }
            for line in lines_from(path, begin).map_err(unreadable)? {
                let (line, offset) = line.map_err(unreadable)?;
                page.movements.extend(movement(&line, begin, since)?.filter(|one| one.kind == kind && one.at >= since));
                if page.movements.len() >= STATEMENT_PAGE || offset - begin >= READ_AT_ONCE {
                    page.next = Some(offset.to_string());
                    break;
                }
            }
            Ok(page)
        })
        .await
    }

    async fn movement(&self, kind: MovementKind, reference: &GatewayRef) -> Result<Option<Movement>, StatementError> {
        let reference = reference.clone();
        self.read(move |path| {
            if !path.exists() {
                return Ok(None);
            }
            for line in lines_from(path, 0).map_err(unreadable)? {
                let (line, _) = line.map_err(unreadable)?;
                // Reading all of a line costs more than seeing that it is another one.
                if line.contains(reference.as_str())
                    && let Some(found) = movement(&line, 0, DateTime::UNIX_EPOCH)?
                    && found.kind == kind
                    && found.reference == reference
                {
                    return Ok(Some(found));
                }
            }
            Ok(None)
        })
        .await
    }
}

fn unreadable(error: JournalError) -> StatementError {
    StatementError::Unavailable(error.to_string())
}

/// What a line tells of, if money moved.
fn movement(line: &str, begin: u64, since: DateTime<Utc>) -> Result<Option<Movement>, StatementError> {
    let entry: Entry = serde_json::from_str(line).map_err(|error| {
        StatementError::Unreadable(format!("a line of the journal after byte {begin} is no entry: {error}"))
    })?;
    let Entry::Answered { key, instruction, answer: Answer::Succeeded { reference }, at } = entry else {
        return Ok(None);
    };
    let (kind, amount, charge) = match instruction {
        Instruction::Capture { amount, .. } => (MovementKind::Charge, amount, None),
        Instruction::Refund { amount, charge } => (MovementKind::Refund, amount, Some(charge)),
        Instruction::PayOut { amount, .. } => (MovementKind::Payout, amount, None),
        Instruction::Authorize { .. } | Instruction::Void { .. } => return Ok(None),
    };
    Ok(Some(Movement { kind, key: Some(key), reference, charge, amount, at: at.unwrap_or(since) }))
}
